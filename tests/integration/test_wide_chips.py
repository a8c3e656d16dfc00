"""Chips that are not square: right overlaps, and those of older versions on request."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from skymosaic.drizzle.onepass.sky import Exposures, SkySettings, measure_skies
from skymosaic.hst.reading import read_exposure
from tests.conftest import environment, reading, skymosaic, write_campaign
from tests.frames import Frame, write_two_chip_frames

# Two visits that share the chips' far columns: with rows and columns exchanged these are not seen.
LAYOUT = [
    Frame(0, 0, 0, 1.0),
    Frame(4, 3, 0, 1.2),
    Frame(52, 2, 3, 0.8),
    Frame(55, 5, 3, 0.9),
]
OLDER = """
import json, sys
from pathlib import Path
from tests.frames import astrodrizzle, subtracted
folder, names = Path(sys.argv[1]), sys.argv[2:]
log = astrodrizzle(folder, names, skymethod="match", resetbits="0")
assert "Reverting" not in log
print(json.dumps(subtracted(folder, names)))
"""


def _pixels(folder: Path, names: list[str], *, swapped: bool = False) -> Exposures:
    exposures = [read_exposure(folder / name) for name in names]
    return Exposures(folder, exposures, 0, swapped_footprints=swapped)


def _match(folder: Path, pixels: Exposures) -> list[float]:
    way = SkySettings.from_parameters({"resetbits": "0"})
    skies = measure_skies(folder, pixels.exposures, {"one": way}, ["match"], pixels=pixels)
    return list(skies["one"].methods["match"].subtracted)


def test_swapped_footprints_miss_overlaps(tmp_path: Path) -> None:
    names = write_two_chip_frames(tmp_path, LAYOUT)
    found = _pixels(tmp_path, names).swapped_overlaps()
    right = _pixels(tmp_path, names).layout()
    used = _pixels(tmp_path, names, swapped=True).layout()
    assert found.overlap == len(right.pairs)
    assert set(found.missed) == set(right.pairs) - set(used.pairs) != set()


def test_square_chips_are_the_same(tmp_path: Path) -> None:
    from tests.frames import write_frames

    names = write_frames(tmp_path, LAYOUT)
    swapped, right = _pixels(tmp_path, names, swapped=True), _pixels(tmp_path, names)
    assert swapped.swapped_overlaps().missed == ()
    assert _match(tmp_path, swapped) == _match(tmp_path, right)


@pytest.mark.network
def test_swapped_is_what_astrodrizzle_made_of_wide_chips(tmp_path: Path) -> None:
    """The real AstroDrizzle with spherical_geometry 1.3.5, in a process of its own."""
    older, data = tmp_path / "older", tmp_path / "data"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(older)]
    done = subprocess.run([*pip, "spherical_geometry==1.3.5"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    data.mkdir()
    names = write_two_chip_frames(data, LAYOUT)
    ours = _match(data, _pixels(data, names, swapped=True))
    right = _match(data, _pixels(data, names))
    done = subprocess.run(
        [sys.executable, "-c", OLDER, str(data), *names],
        capture_output=True,
        text=True,
        env=environment({"PYTHONPATH": str(older)}),
    )
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout.splitlines()[-1])
    assert theirs == pytest.approx(ours, abs=1e-4)  # electrons: float32 at 500
    assert max(abs(a - b) for a, b in zip(ours, right, strict=True)) > 1.0


def test_the_reference_engine_refuses_swapped_footprints(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    path = write_campaign(
        tmp_path / "old.yaml",
        source={"kind": "directory", "path": "data"},
        sky={"footprints": "swapped"},
    )
    ended = reading("check", path)
    assert ended.code == 3
    assert "sky.footprints: swapped needs drizzle.engine: onepass" in ended.err


@pytest.mark.slow
def test_a_run_with_swapped_footprints_names_what_they_miss(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write_two_chip_frames(data, LAYOUT)
    path = write_campaign(
        tmp_path / "old.yaml",
        source={"kind": "directory", "path": str(data)},
        align="none",
        sky={"footprints": "swapped", "methods": ["match"]},
        drizzle={"engine": "onepass"},
    )
    ended = skymosaic("run", path, "--store", tmp_path / "store", "--workers", "1")
    assert ended.code == 0, ended.err
    report = (tmp_path / "store" / "old" / "comparison" / "report.md").read_text()
    assert "with spherical_geometry before 1.4" in report
    assert "pairs of chips overlap. AstroDrizzle did not compare" in report
    assert "ibxl02aaq[SCI,1]" in report
