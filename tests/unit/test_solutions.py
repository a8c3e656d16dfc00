"""WCS solutions of different kinds in one mosaic are named with their exposures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from skymosaic.align.solutions import kinds_of, mixed_as_they_are, mixed_in_tiles
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.reading import read_exposure
from tests.unit.small_fits import wcs_keywords, write_drizzled, write_exposure

IDC = "IDC_w3m18525i"
GAIA = f"{IDC}-FIT_IMG_GAIADR1"


@pytest.fixture
def make(tmp_path: Path):
    def make(name: str, wcsname: str | None, wcstype: str | None = None, **more: Any) -> Exposure:
        wcs: Mapping[str, Any] = {**wcs_keywords(), "WCSNAME": wcsname, "WCSTYPE": wcstype}
        return read_exposure(write_exposure(tmp_path / f"{name}_flt.fits", wcs=wcs, **more))

    return make


def test_kinds_and_their_exposures_are_named(make) -> None:
    exposures = [
        make("ibxl54aaq", IDC, "distorted"),
        make("ibxl51bbq", GAIA, "a posteriori solution"),
        make("ibxl53ccq", IDC, "distorted"),
    ]
    assert kinds_of(exposures) == {
        f"{IDC} (distorted)": ["ibxl54aaq", "ibxl53ccq"],
        f"{GAIA} (a posteriori solution)": ["ibxl51bbq"],
    }
    [warning] = mixed_as_they_are(exposures)
    assert (
        f"2 kinds: {IDC} (distorted) (ibxl54aaq and ibxl53ccq) and {GAIA} (a posteriori solution) "
        "(ibxl51bbq)"
    ) in warning
    assert "align.method: tweakreg" in warning


def test_one_kind_is_no_warning(make) -> None:
    exposures = [make("ibxl54aaq", GAIA, "x"), make("ibxl51bbq", GAIA, "x")]
    assert len(kinds_of(exposures)) == 1
    assert mixed_as_they_are(exposures) == []
    assert mixed_as_they_are([]) == []


def test_a_type_that_nobody_read_makes_no_kind(make) -> None:
    old = make("ibxl54aaq", GAIA)
    assert len(kinds_of([old, make("ibxl51bbq", GAIA, "fit")])) == 1
    assert len(kinds_of([old, make("ibxl52bbq", GAIA, "a"), make("ibxl53bbq", GAIA, "b")])) == 3


def test_no_name_is_a_kind(make) -> None:
    assert list(kinds_of([make("ibxl54aaq", None), make("ibxl51bbq", IDC)])) == [
        "without WCSNAME",
        IDC,
    ]


def test_each_chip_counts_and_exposures_are_named_once(make) -> None:
    ccd = {"primary": {"INSTRUME": "ACS", "DETECTOR": "WFC"}, "chips": 2}
    exposures = [make("j8c0a1aaq", IDC, **ccd), make("j8c0b1aaq", GAIA, **ccd)]
    assert list(kinds_of(exposures).values()) == [["j8c0a1aaq"], ["j8c0b1aaq"]]


def test_models_of_several_detectors_are_no_kinds(make) -> None:
    uvis = {"primary": {"DETECTOR": "UVIS"}}
    same = [make("ibxl54aaq", "IDC_a-FIT_REL"), make("ibxl51bbq", "IDC_b-FIT_REL", **uvis)]
    assert mixed_as_they_are(same) == []
    other = [*same, make("ibxl52bbq", "IDC_b-GSC240", **uvis)]
    assert len(kinds_of(other)) == 2
    # Of one detector, another model is another solution.
    assert len(kinds_of([same[0], make("ibxl53bbq", "IDC_c-FIT_REL")])) == 2


def test_within_a_visit_tweakreg_is_no_remedy(make) -> None:
    [warning] = mixed_as_they_are([make("ibxl54aaq", IDC), make("ibxl54bbq", GAIA)])
    assert "align.method" not in warning
    assert "from MAST again" in warning


@pytest.fixture
def tile(tmp_path: Path):
    def tile(name: str, wcsname: str) -> Exposure:
        path = write_drizzled(tmp_path / f"{name}_drz.fits")
        from astropy.io import fits

        with fits.open(path, mode="update") as hdus:
            hdus["SCI"].header["WCSNAME"] = wcsname
        return read_exposure(path)

    return tile


def test_tiles_of_different_kinds_are_brought_together(make, tile) -> None:
    exposures = [make("ibxl54aaq", IDC), make("ibxl54bbq", IDC), make("ibxl51bbq", GAIA)]
    drizzled = [tile("ibxl54030", IDC), tile("ibxl51030", GAIA)]
    members = {"ibxl54030": ["ibxl54aaq", "ibxl54bbq"], "ibxl51030": ["ibxl51bbq"]}
    assert mixed_in_tiles(members, exposures, drizzled) == []


def test_exposures_of_a_tile_must_be_of_one_kind(make, tile) -> None:
    exposures = [make("ibxl54aaq", IDC), make("ibxl54bbq", GAIA)]
    members = {"ibxl54030": ["ibxl54aaq", "ibxl54bbq"]}
    [warning] = mixed_in_tiles(members, exposures, [tile("ibxl54030", IDC)])
    assert f"ibxl54030: {IDC} (ibxl54aaq) and {GAIA} (ibxl54bbq)" in warning


@pytest.mark.parametrize(("solution", "lines"), [(GAIA, 0), (IDC, 1), ("DRZWCS", 0)])
def test_a_tile_must_be_made_with_the_solution_of_its_exposures(
    make, tile, solution, lines
) -> None:
    warnings = mixed_in_tiles(
        {"ibxl54030": ["ibxl54aaq"]}, [make("ibxl54aaq", GAIA)], [tile("ibxl54030", solution)]
    )
    assert len(warnings) == lines
    assert all(f"ibxl54030 ({IDC}, its exposures {GAIA})" in line for line in warnings)
