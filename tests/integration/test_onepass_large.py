"""A mosaic much larger than a worker's memory, from a campaign as a user runs it."""

from __future__ import annotations

import resource
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from tests.conftest import command_line, environment, write_campaign
from tests.frames import Frame, write_frames

SIDE = 20_000
COUNT = 200
PIXELS = 256
LIMIT = 2 * 2**30  # bytes


def chain() -> list[Frame]:
    """Return exposures along the mosaic's diagonal, each of which overlaps the next ones."""
    random = np.random.default_rng(3)
    step = (SIDE + 100 - PIXELS) / (COUNT - 1)
    places = step * (np.arange(COUNT) - (COUNT - 1) / 2)
    skies = random.uniform(0.5, 2.0, COUNT)
    return [Frame(p, p, sky=float(b), pixels=PIXELS) for p, b in zip(places, skies, strict=True)]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_mosaic_of_20000_pixels_with_workers_of_2_gib(tmp_path: Path) -> None:
    frames = chain()
    data = tmp_path / "data"
    data.mkdir()
    names = write_frames(data, frames)
    file = write_campaign(
        tmp_path / "large.yaml",
        source={"kind": "directory", "path": str(data)},
        align="none",
        sky={"methods": ["match"]},
        drizzle={"engine": "onepass", "max_output_megapixels": 600},
        compute={"workers": 2, "memory_limit": "2GiB"},
    )

    def limit() -> None:
        # The heap of every process, drizzlepac's too; what maps files of the mosaic is not counted.
        resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))

    done = subprocess.run(
        command_line("run", file, "--store", tmp_path / "store"),
        capture_output=True,
        text=True,
        preexec_fn=limit,
        env=environment(),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    # Of the driver and its workers: the largest of them all.
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 < LIMIT
    folder = tmp_path / "store" / "large"
    table = Table.read(folder / "comparison" / "mdrizsky.ecsv")
    found = dict(zip(table["rootname"], table["match"], strict=True))
    skies = np.array([found[name.removesuffix("_flt.fits")] for name in names])
    true = np.array([frame.sky for frame in frames])
    # Along a chain the errors of 199 overlaps add up; each has over 10,000 pixels of noise 0.03.
    assert np.abs(np.diff(skies) - np.diff(true)).max() < 0.005
    with fits.open(next((folder / "runs").rglob("*_match_drz_sci.fits"))) as hdus:
        assert min(hdus[0].shape) >= SIDE
        assert len(hdus["HDRTAB"].data) == COUNT
        wcs = WCS(hdus[0].header)
        for name, frame, sky in zip(names[::33], frames[::33], skies[::33], strict=True):
            header = fits.getheader(data / name, "SCI")
            x, y = wcs.all_world2pix([[header["CRVAL1"], header["CRVAL2"]]], 0)[0]
            part = hdus[0].data[int(y) - 4 : int(y) + 5, int(x) - 4 : int(x) + 5]
            emission = 2e-4 * frame.dx + 1e-4 * frame.dy
            assert np.nanmedian(part) == pytest.approx(frame.sky - sky + emission, abs=0.05)
    shutil.rmtree(tmp_path / "store")  # 9 GB, which pytest would keep
