"""The tasks that compare the exposures of an association, on files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from scipy import ndimage

from skymosaic.align.motion import motion_between
from skymosaic.align.proof import read_wcs
from skymosaic.archive.directory import Directory
from skymosaic.config.align import Align, ExposureChecks
from skymosaic.pipeline.inspect import inspect
from skymosaic.pipeline.results import InspectionResult, RetrieveResult
from skymosaic.pipeline.retrieve import retrieve
from skymosaic.pipeline.rules import Rules
from skymosaic.pipeline.within import check_exposures
from skymosaic.results.placed import read_placed
from skymosaic.steps.execution import Here
from skymosaic.steps.finished import Finished
from skymosaic.steps.place import Place
from skymosaic.store.local import LocalStore
from tests.frames import Frame, write_frames, write_two_chip_frames
from tests.held_solutions import shift

LAYOUT = [
    *(Frame(0, 0, pixels=128), Frame(9.5, 4.2, pixels=128)),
    *(Frame(-6.3, 8.1, pixels=128), Frame(4.4, -7.7, pixels=128)),
]
MOVED = (0.060, -0.035)  # arcsec


def write_association(folder: Path, write: Any) -> list[str]:
    """Write four exposures of one association, two of them with cosmic rays."""
    folder.mkdir()
    names: list[str] = write(folder, LAYOUT, stars=300)
    for number, name in enumerate(names):
        with fits.open(folder / name, mode="update") as hdus:
            hdus[0].header["ASN_ID"] = "IBXL01010"
            random = np.random.default_rng(number)
            for hdu in hdus:
                if hdu.name == "SCI" and number < 2:
                    y, x = (random.integers(2, size - 4, 60) for size in hdu.data.shape)
                    level = 50 * np.median(np.abs(hdu.data - np.median(hdu.data)))
                    for step in range(3):
                        hdu.data[y + step // 2, x + step] += level
    return names


def move(path: Path, east: float, north: float) -> None:
    with fits.open(path, mode="update") as hdus:
        for hdu in hdus:
            if hdu.name == "SCI":
                shift(hdu.header, east, north)


def trail(path: Path, pixels: int) -> None:
    """Spread the light of an exposure along its rows."""
    with fits.open(path, mode="update") as hdus:
        for hdu in hdus:
            if hdu.name == "SCI":
                hdu.data = ndimage.uniform_filter1d(hdu.data, pixels, axis=1)


def begin(
    folder: Path, root: Path
) -> tuple[Place, list[Finished[RetrieveResult]], Finished[InspectionResult]]:
    """Retrieve and inspect."""
    place, source = Place(LocalStore(root / "store"), "field", root / "scratch"), Directory(folder)
    retrieved = [retrieve(place, source, Rules(), parcel) for parcel in source.parcels()]
    return place, retrieved, inspect(place, retrieved, Rules())


def run(
    folder: Path, root: Path, **checks: Any
) -> tuple[Finished[InspectionResult], Finished[InspectionResult], Place]:
    """Return what is aligned, what is known of it, and where."""
    place, retrieved, inspected = begin(folder, root)
    _, used, known = check_exposures(Here(), ExposureChecks(**checks), place, retrieved, inspected)
    read = read_placed(place, Align(exposures=checks), inspected, retrieved)
    assert read is not None
    assert (read.key, read.products, read.result) == (known.key, known.products, known.result)
    return used, known, place


@pytest.mark.parametrize("write", [write_frames, write_two_chip_frames])
def test_an_exposure_that_is_off_is_found_and_corrected(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, write: Any
) -> None:
    folder = tmp_path / "data"
    names = write_association(folder, write)
    used, known, place = run(folder, tmp_path)
    assert [one.state for one in known.result.within.members] == ["agrees"] * 4
    assert known.result.warnings == []
    assert used.products == known.products
    before = read_wcs(folder / names[2])
    move(folder / names[2], *MOVED)
    place, retrieved, inspected = begin(folder, tmp_path)
    # What was compared before another file came is not taken for a comparison of it.
    assert read_placed(place, Align(exposures={}), inspected, retrieved) is None
    moved = names[2].removesuffix("_flt.fits")
    used, known, place = run(folder, tmp_path)
    [off] = known.result.within.of("off")
    assert (off.rootname, off.stars >= 15) == (moved, True)
    assert (off.east, off.north) == (
        pytest.approx(MOVED[0] * 1000, abs=8),
        pytest.approx(MOVED[1] * 1000, abs=8),
    )
    [warning] = known.result.warnings
    assert (
        f"1 exposure of 4 lies more than 20 mas off the rest of the association: {moved}" in warning
    )
    assert "Remedy: align.exposures: {correct: true}" in warning
    assert warning in caplog.text
    assert used.products[names[2]].key.split("/")[1] == "pristine"
    used, known, place = run(folder, tmp_path, correct=True)
    assert "They were moved there" in known.result.warnings[0]
    assert known.result.within.corrected == [moved]
    path = place.store.root / used.products[names[2]].key
    assert path.parent.name == "shifted"
    left = motion_between(before, read_wcs(path))
    assert left.length < 8  # mas, of 69 that were planted
    header = fits.getheader(path, ("SCI", 1))
    assert header["OFFEAST"] == off.east
    assert header["WCSNAME"] == fits.getheader(folder / names[2], ("SCI", 1))["WCSNAME"]
    [exposure] = [one for one in used.result.exposures if one.name == names[2]]
    assert exposure.health
    assert all(
        used.products[name].key.split("/")[1] == "pristine" for name in names if name != names[2]
    )


def test_a_trailed_exposure_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    names = write_association(folder, write_frames)
    trail(folder / names[3], 4)
    used, known, _ = run(folder, tmp_path)
    members = {one.rootname: one for one in known.result.within.members}
    trailed = names[3].removesuffix("_flt.fits")
    assert [name for name, one in members.items() if one.trailed] == [trailed]
    assert members[trailed].elongation > 1.25 * members[trailed].usual
    [warning] = [line for line in known.result.warnings if "longer than those" in line]
    assert f"The stars of {trailed} (" in warning
    assert used.products == known.products


def test_exposures_without_stars_are_no_warning(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in write_frames(folder, LAYOUT[:2], stars=0):
        move(folder / name, 0.1, 0.1)
    _, known, _ = run(folder, tmp_path)
    assert [one.state for one in known.result.within.members] == ["not enough stars to tell"] * 2
    assert known.result.warnings == []
