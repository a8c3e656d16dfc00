"""The output grid from what is recorded of exposures is drizzlepac's own, to the last digit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits
from stwcs.wcsutil import HSTWCS

from skymosaic.drizzle.grid import Grid, output_grid
from skymosaic.drizzlepac_calls import process
from skymosaic.hst.chip_outlines import chip_outlines
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.extent import Extent, read_extent
from skymosaic.hst.files import write_frame
from skymosaic.hst.reading import read_exposure
from skymosaic.pipeline.extents import extents_of, with_extents, without_extents
from skymosaic.pipeline.images import Images
from skymosaic.pipeline.plan import on_grid
from skymosaic.pipeline.results import AlignResult, PlanResult
from skymosaic.steps.bench import Bench
from skymosaic.steps.finished import Finished
from skymosaic.steps.place import Place
from skymosaic.steps.results import as_plain, from_plain
from skymosaic.store import LocalStore
from tests.frames import Frame, write_frames, write_two_chip_frames
from tests.pointed_frames import write_pointed

FIELDS: dict[str, list[tuple[str, float, float, float]]] = {
    "one": [("wfc3-ir", 150.0, 2.0, 30.0)],
    "rotated": [("wfc3-ir", 150.0 + i * 0.01, 2.0 + i * 0.013, 71.0 * i) for i in range(5)],
    "acs": [("acs-wfc", 10.0 + i * 0.02, -45.0, 12.0 * i) for i in range(3)],
    "uvis": [("wfc3-uvis", 10.0 + i * 0.02, 60.0, 12.0 * i) for i in range(3)],
    "mixed": [("wfc3-uvis", 80.0, 5.0, 10.0), ("wfc3-ir", 80.01, 5.0, 50.0)],
    "ra 0": [("wfc3-ir", ra % 360.0, -0.01, 40.0) for ra in (-0.02, 0.0, 0.013)],
    "pole": [("acs-wfc", ra, 89.99, 20.0) for ra in (3.0, 120.0, 250.0)],
}
CHOICES: list[dict[str, Any]] = [
    {},
    {"rot": 0.0},
    {"scale": 0.1},
    {"rot": 33.0, "scale": 0.06},
    {"ra": 12.0, "dec": 3.0, "outnx": 300, "outny": 200},
]


@pytest.mark.parametrize("field", FIELDS)
def test_it_is_that_of_all_files(field: str, tmp_path: Path) -> None:
    paths = [
        write_pointed(tmp_path, f"i{index:05d}aq", detector, (ra, dec, roll))
        for index, (detector, ra, dec, roll) in enumerate(FIELDS[field])
    ]
    names = [path.name for path in paths]
    extents = [_recorded(path) for path in paths]
    corners = [chip for extent in extents for chip in extent.corners]
    (first,) = [tmp_path / "first"]
    first.mkdir()
    write_frame(paths[0], first / names[0])
    for choice in CHOICES:
        arguments = {"files": names, "final": choice}
        whole = process.call("output_grid", tmp_path, arguments, tmp_path / "log").value
        grid, _ = output_grid(first, tmp_path / "log", names[:1], choice, corners=corners)
        assert grid.to_dict() == Grid.from_call(whole).to_dict()


def _recorded(path: Path) -> Extent:
    """Return an extent that has been through a manifest; these frames have no ERR and DQ."""
    with fits.open(path) as hdus:
        extvers = [hdu.ver for hdu in hdus if hdu.name == "SCI"]
    extent = read_extent(path, extvers)
    plain = json.loads(json.dumps(as_plain(extent, Extent)))
    return from_plain(plain, Extent, "here")


@pytest.mark.parametrize("write", [write_frames, write_two_chip_frames])
def test_what_is_recorded_of_an_exposure(write: Any, tmp_path: Path) -> None:
    [name] = write(tmp_path, [Frame(3.0, -8.0, roll=25.0)])
    exposure = read_exposure(tmp_path / name)
    assert exposure.extent is not None
    with fits.open(tmp_path / name) as hdus:
        for chip, corners in zip(exposure.chips, exposure.extent.corners, strict=True):
            wcs = HSTWCS(hdus, ext=("SCI", chip.extver))
            assert (corners == wcs.calc_footprint()).all()
        assert exposure.extent.started == hdus[0].header["EXPSTART"]
    drawn = chip_outlines(tmp_path / name, exposure)
    for outline, one in zip(exposure.extent.outlines, drawn, strict=True):
        assert (outline == one).all()
    # As little as a record may grow: it goes to each task that gets the exposure.
    assert len(json.dumps(as_plain(exposure.extent, Extent))) < 1600 * len(exposure.chips)


def test_of_older_records_the_files_tell_it(tmp_path: Path) -> None:
    names = write_two_chip_frames(tmp_path, [Frame(0.0, 0.0), Frame(20.0, 9.0, roll=4.0)])
    exposures = [read_exposure(tmp_path / name) for name in names]
    place = Place(LocalStore(tmp_path / "store"), "field", tmp_path)
    products = {name: place.store.put(tmp_path / name, f"field/{name}") for name in names}
    (tmp_path / "bench").mkdir()
    bench = Bench(place, tmp_path / "bench")
    older = [*without_extents(exposures[:1]), exposures[1]]
    plain = [as_plain(one, Exposure) for one in older]
    assert "extent" not in plain[0]
    assert [from_plain(one, Exposure, "here") for one in plain] == older
    assert extents_of(bench, Images(older, products)) == [one.extent for one in exposures]
    assert list(bench.fetched) == [products[names[0]].sha256]
    known = {one.name: one.extent for one in exposures}
    assert with_extents(older, known) == exposures
    assert with_extents(older, {}) == [replace(one, extent=None) for one in exposures]


def test_later_steps_get_records_without_extents_of_what_touches_the_grid(tmp_path: Path) -> None:
    names = write_frames(tmp_path, [Frame(0.0, 0.0), Frame(20.0, 9.0), Frame(900.0, 9.0)])
    exposures = [read_exposure(tmp_path / name) for name in names]
    grid = Grid((85.25, -2.45), (50.0, 50.0), 0.1283, 0.0, (100, 100))
    aligned = Finished("aligned", "key", {}, AlignResult(exposures), 1.0, 0, reused=True)
    for off in (None, [names[2]]):
        facts = PlanResult(grid=grid, pairs=[], groups=[], left_out=off)
        planned = Finished("plan", "key", {}, facts, 1.0, 0, reused=True)
        kept = on_grid(aligned, planned).result.exposures
        assert kept == without_extents(exposures[: 3 if off is None else 2])
    assert [one.extent is None for one in aligned.result.exposures] == [False] * 3
