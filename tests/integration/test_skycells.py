"""Sky cells against drizzlepac's own cell_utils: names, WCS and shapes of what exposures touch.

drizzlepac leaves cells out that an exposure touches, in known places: `sky/skycells.py` lists them.
A cell that it lacks has to lie in one of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from skymosaic.config.drizzlepac_parameters import parameters_folder
from skymosaic.config.skycell_table import tessellation
from skymosaic.sky.overlaps import unit_vectors
from skymosaic.sky.pixel_grid import PixelGrid
from skymosaic.sky.projection_cells import SCALES
from skymosaic.sky.skycell_names import HapMosaic, SkyCellName, hap_filter, hap_name
from skymosaic.sky.skycells import cell, cells_touched, crop
from tests.conftest import REPOSITORY
from tests.pointed_frames import DETECTORS, outlines, pointings

pytestmark = pytest.mark.timeout(1500)
TABLE = tessellation()
SMOOTHED = 0.4  # arcsec: as far as drizzlepac rounds the corners off
HALF_A_PIXEL = 0.05  # arcsec, and a bit: as much larger as it takes a cell
Pointing = tuple[str, float, float, float]

AT_ZERO: list[Pointing] = [
    *(("acs-hrc", 1.8, 2.0, 0.0), ("acs-sbc", 0.0, 0.2, 10.0), ("acs-hrc", 359.999, -50.0, 3.0)),
]
AT_POLES: list[Pointing] = [
    *(
        ("acs-hrc", 0.0, 90.0, 0.0),
        ("acs-sbc", 40.0, 89.99, 0.0),
        ("acs-hrc", 200.0, -89.999, 50.0),
    ),
    *(("stis-ccd", 77.0, -89.3, 50.0), ("stis-ccd", 300.0, 89.1, 5.0)),
]


def witness(module: str, asked: Any) -> list[Any]:
    """Return what a program on drizzlepac says, a value a line."""
    done = subprocess.run(
        [sys.executable, "-m", module],
        input=json.dumps(asked),
        cwd=REPOSITORY,
        env={**os.environ, "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=1400,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def ours(asked: Sequence[Pointing], reach: float = 0.0) -> list[set[str]]:
    chips = [outlines(detector, tuple(place)) for detector, *place in asked]
    found: list[set[str]] = [set() for _ in asked]
    for touched in cells_touched(chips, "fine", TABLE, reach=reach):
        for i in touched.exposures:
            found[i].add(touched.cell.name)
    return found


def is_left_out(name: str, chips: list[np.ndarray]) -> bool:
    """Tell whether drizzlepac leaves a cell out that chips touch, wherever they touch it."""
    number = SkyCellName.parse(name, TABLE).projection_cell
    index = next(i for i, band in enumerate(TABLE.bands) if number < band.first + band.count)
    band = TABLE.bands[index]
    ra, dec = np.concatenate(chips).T
    limits = fits.getdata(parameters_folder() / "allsky_cells.fits")[index]
    across = dec.min() < limits["DEC_MIN"] or dec.max() > limits["DEC_MAX"]
    nearest = set(np.rint(ra * band.count / 360.0).astype(int) % band.count)
    before_the_first = nearest == {0} and number == band.first + band.count - 1 > band.first
    columns, rows = band.shape
    (centre,) = TABLE.centres[[number]]
    plane = PixelGrid(
        (float(centre[0]), float(centre[1])),
        (columns / 2 + 0.5, rows / 2 + 0.5),
        TABLE.scale, 0.0, (columns, rows),
    )  # fmt: skip
    beyond = crop(plane, [chips]) is None  # the last cells reach further than their plane
    return bool(across or before_the_first or beyond)


def require_same(asked: Sequence[Pointing], answers: list[Any]) -> int:
    """Compare all cells; return how many exposures have the same ones as drizzlepac has."""
    assert len(answers) == len(asked)
    same = 0
    found, less, more = ours(asked), ours(asked, -SMOOTHED), ours(asked, HALF_A_PIXEL)
    for i, (pointing, answer) in enumerate(zip(asked, answers, strict=True)):
        theirs = set(answer.get("cells", ()))
        assert theirs, (pointing, answer)
        chips = outlines(pointing[0], pointing[1:])
        for name in found[i] - theirs:
            assert name not in less[i] or is_left_out(name, chips), (pointing, name)
        assert theirs <= more[i], pointing
        same += theirs == found[i]
        for name, grids in answer["cells"].items():
            for scale in SCALES:
                mine, their = cell(name, scale, TABLE).grid, grids[scale]
                assert list(mine.shape) == their["shape"]
                assert mine.crval == pytest.approx(their["crval"], abs=1e-9)
                assert np.array(mine.cd) == pytest.approx(np.array(their["cd"]), rel=1e-12)
                # 1e-9 degrees are 9e-5 fine pixels.
                assert mine.crpix == pytest.approx(their["crpix"], abs=1e-5)
                assert their["ctype"] == ["RA---TAN", "DEC--TAN"]
    return same


@pytest.mark.slow
@pytest.mark.parametrize("detector", DETECTORS)
def test_cells_of_random_pointings_are_those_of_drizzlepac(detector: str) -> None:
    asked = pointings(detector, 15)
    same = require_same(asked, witness("tests.skycell_witness", asked))
    assert same >= 12  # others lie at limits where drizzlepac leaves cells out


def test_cells_at_ra_0_and_at_the_poles_are_those_of_drizzlepac() -> None:
    asked = AT_ZERO + AT_POLES
    assert require_same(asked, witness("tests.skycell_witness", asked)) == len(asked)


def test_what_drizzlepac_leaves_out() -> None:
    """Its own defects, one by one: where it has none any more, `is_left_out` has to know."""
    asked: list[Pointing] = [("acs-hrc", 10.0, 0.5, 30.0), ("acs-hrc", 358.2, 2.0, 0.0)]
    answers = witness("tests.skycell_witness", asked)
    require_same(asked, answers)
    lacking = [
        mine - set(answer["cells"]) for mine, answer in zip(ours(asked), answers, strict=True)
    ]
    assert {name[8:13] for name in lacking[0]} == {"p1234", "p1235"}  # the band from -4.5 to 0.5
    assert {name[8:13] for name in lacking[1]} == {"p1411"}  # the last cell of the band of p1322


def test_names_of_products_are_those_of_drizzlepac() -> None:
    mosaics = [
        HapMosaic("skycell-p0081x14y15", "WFC3", "IR", "F160W", "coarse", "drz"),
        HapMosaic("skycell-p0081x14y15", "WFC3", "IR", "F160W", "fine", "drz"),
        HapMosaic("skycell-p2643x01y21", "ACS", "WFC", "POL60V+F606W", "fine", "drc"),
        HapMosaic("skycell-p0000x11y11", "WFPC2", "PC", "F555W", "coarse", "drw"),
    ]
    asked = [
        [m.cell, m.instrument, m.detector, m.filter.replace("+", ";"), m.scale, m.suffix]
        for m in mosaics
    ]
    (answer,) = witness("tests.skycell_names_witness", asked)
    assert answer["files"] == [hap_name(mosaic) for mosaic in mosaics]
    assert answer["filters"] == [hap_filter(mosaic.filter) for mosaic in mosaics]


def test_a_pointing_is_where_it_was_sent() -> None:
    for detector in DETECTORS:
        for _, *place in AT_ZERO + AT_POLES:
            chips = outlines(detector, (place[0], place[1], place[2]))
            middle = unit_vectors(np.concatenate(chips)).mean(axis=0)
            there = unit_vectors(np.array([place[:2]]))[0]
            assert middle @ there > np.cos(np.radians(0.06)), (detector, place)
