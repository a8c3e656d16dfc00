"""The tasks that compare stars, on files: two chips in electrons, and one in electrons/s."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from astropy.io import fits

from skymosaic.archive.directory import Directory
from skymosaic.drizzle.grid import Grid
from skymosaic.hst.exposure import Exposure
from skymosaic.pipeline import positions
from skymosaic.pipeline.inspect import inspect
from skymosaic.pipeline.results import PlanResult, PositionsResult
from skymosaic.pipeline.retrieve import retrieve
from skymosaic.pipeline.rules import Rules
from skymosaic.sky.overlaps import overlaps
from skymosaic.steps.execution import Here
from skymosaic.steps.finished import Finished
from skymosaic.steps.place import Place
from skymosaic.store.local import LocalStore
from tests.frames import Frame, write_frames, write_two_chip_frames

LAYOUT = [Frame(0, 0, pixels=128), Frame(9.5, 4.2, pixels=128), Frame(-6.3, 8.1, 2, pixels=128)]
SCALE = 0.1283  # arcsec


def planned(exposures: list[Exposure]) -> Finished[PlanResult]:
    pairs = overlaps({exposure.rootname: exposure.polygons for exposure in exposures})
    grid = Grid((0.0, 0.0), (1.0, 1.0), SCALE, 0.0, (1, 1))
    result = PlanResult(grid, [(a, b, area) for (a, b), area in pairs.items()], [])
    return Finished("plan", "key", {}, result, 0.0, 0, False)


def run(folder: Path, root: Path) -> Finished[PositionsResult]:
    """Return what the tasks of a campaign with `align: none` say of the files in a folder."""
    place, source = Place(LocalStore(root / "store"), "field", root / "scratch"), Directory(folder)
    retrieved = [retrieve(place, source, Rules(), parcel) for parcel in source.parcels()]
    inspected = inspect(place, retrieved, Rules())
    exposures = inspected.result.exposures
    done: Finished[PositionsResult] = positions.check_positions(
        Here(), place, retrieved, inspected, planned(exposures)
    )
    return done


def displace(path: Path, pixels: float) -> None:
    with fits.open(path, mode="update") as hdus:
        for hdu in hdus:
            if hdu.name == "SCI":
                hdu.header["CRVAL2"] += pixels * SCALE / 3600.0


@pytest.mark.parametrize("write", [write_frames, write_two_chip_frames])
def test_an_exposure_with_another_wcs_is_found(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, write: Callable[..., list[str]]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    names = write(folder, LAYOUT, stars=300)
    good = run(folder, tmp_path)
    assert [pair.state for pair in good.result.pairs] == ["agree"] * 3
    assert all(pair.stars >= 15 for pair in good.result.pairs)
    assert "Positions of stars differ" not in caplog.text
    assert run(folder, tmp_path).reused
    displace(folder / names[1], 0.3)
    found = run(folder, tmp_path)
    assert not found.reused
    moved = names[1].removesuffix("_flt.fits")
    for pair in found.result.pairs:
        apart = moved in (pair.a, pair.b)
        assert pair.state == ("displaced" if apart else "agree")
        if apart:
            assert pair.pixels == pytest.approx(0.3, abs=0.06)
            assert abs(pair.north) == pytest.approx(0.3 * SCALE, abs=0.06 * SCALE)
    assert "Positions of stars differ in 2 of 3 overlaps that were compared" in caplog.text


def test_exposures_without_stars_are_no_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    names = write_two_chip_frames(folder, LAYOUT, stars=0)
    displace(folder / names[1], 3.0)
    found = run(folder, tmp_path)
    assert [pair.state for pair in found.result.pairs] == ["not enough stars to tell"] * 3
    assert "Positions of stars differ" not in caplog.text


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_flags_without_a_sign_are_flags(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in write_frames(folder, LAYOUT[:2], stars=300):
        with fits.open(folder / name, mode="update", memmap=False) as hdus:
            hdus["DQ"].data = (hdus["DQ"].data & 0xFF).astype(kind)
    assert [pair.state for pair in run(folder, tmp_path).result.pairs] == ["agree"]
