"""A mosaic much larger than a worker's memory."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from astropy.io import fits

SIDE = 20_000
LIMIT = 2 * 2**30  # bytes
RUN = """
import sys
from pathlib import Path
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass_run import drizzle_all
from skymosaic.drizzle.onepass_skies import SkyChoice
from skymosaic.exposure import read_exposure
from tests.frames import CENTRE, SCALE, Frame, write_frames
import numpy as np

folder, side = Path(sys.argv[1]), int(sys.argv[2])
random = np.random.default_rng(3)
step = side / 14.5
frames = [
    Frame(step * (k % 14 - 6.5), step * (k // 14 - 7), random.uniform(0, 360),
          random.uniform(0.5, 2), pixels=96)
    for k in range(198)
]
frames += [Frame(40, 40, 10.0), Frame(60, 50, 20.0)]
names = write_frames(folder, frames)
grid = Grid(CENTRE, ((side + 1) / 2, (side + 1) / 2), SCALE, 0.0, (side, side))
made = drizzle_all(
    folder, folder / "log", [read_exposure(folder / name) for name in names],
    {"globalmin+match": "large"}, {"globalmin+match": SkyChoice("globalmin+match")},
    grid, pars.resolve({}), processes=2,
)
print(made["globalmin+match"].peak_memory)
"""


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_mosaic_of_20000_pixels_needs_less_than_2_gib(tmp_path: Path) -> None:
    def limit() -> None:
        # The heap of each process; what maps files of the mosaic is not counted.
        resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))

    done = subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path), str(SIDE)],
        capture_output=True,
        text=True,
        preexec_fn=limit,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout.split()[-1]) < LIMIT
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 < LIMIT
    with fits.open(tmp_path / "large_drz_sci.fits") as hdus:
        assert hdus[0].shape == (SIDE, SIDE)
        assert len(hdus["HDRTAB"].data) == 200
        middle = SIDE // 2
        assert 0 < hdus[0].data[middle + 50, middle + 50] < 5
