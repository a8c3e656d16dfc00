"""Several filters of one simulated field: one scene with colours, tiles and errors of their own."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from skymosaic.archive.simulated.exposures import Simulation, simulate_visit, visit_files
from skymosaic.archive.simulated.filters import FILTERS, response, tile_of
from skymosaic.archive.simulated.headers import distorted_wcs, reference_scale
from skymosaic.archive.simulated.pointing import plan_exposure, pointing_error
from skymosaic.archive.simulated.scene import render, stars_near
from skymosaic.archive.simulated.source import SimulatedArchive
from skymosaic.config import Campaign, load_campaign_text
from skymosaic.errors import CampaignError, InputError
from skymosaic.pipeline.comparison import result_settings
from skymosaic.pipeline.sources import open_source, simulations_of


def campaign(source: str) -> Campaign:
    return load_campaign_text(f"campaign: {{name: f}}\nsource: {source}\n", "f", {})


def test_what_f160w_sees_is_what_it_saw(tmp_path: Path) -> None:
    """Of the files of the published filter not a byte depends on whether it was asked for."""
    for name, options in {"plain": {}, "named": {"filter": "F160W"}}.items():
        simulate_visit(Simulation(size="small", **options), "ibxl54", tmp_path / name)
    sums = [
        {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in (tmp_path / name).iterdir()}
        for name in ("plain", "named")
    ]
    assert sums[0] == sums[1]
    assert len(sums[0]) == 6


def test_the_visits_of_all_filters_have_names_of_their_own() -> None:
    visits = {name: list(visit_files(Simulation(filter=name))) for name in FILTERS}
    assert visits["F160W"][0] == "ibxl50"
    assert visits["F110W"][0] == "ibxlc0"
    assert len({visit for its in visits.values() for visit in its}) == 9 * len(FILTERS)
    assert {tile_of(visit) for visit in visits["F098M"]} == {f"5{n}" for n in range(9)}
    files = visit_files(Simulation(filter="F110W", dithers=3))
    assert files["ibxlc4"] == ["ibxlc4bgq", "ibxlc4blq", "ibxlc4zaq"]


def test_filters_point_alike_and_err_apart() -> None:
    red, blue = Simulation(size="small"), Simulation(size="small", filter="F110W")
    one, other = plan_exposure(red, "ibxl51", 0), plan_exposure(blue, "ibxlc1", 0)
    assert one.true_wcs == other.true_wcs
    assert one.error != other.error
    assert other.sky / one.sky == pytest.approx(FILTERS["F110W"].sky, rel=0.11)
    assert other.number > one.number
    # The reference tile of the published filter is the one without an error.
    assert pointing_error(red, "ibxl54").dra == 0.0
    assert pointing_error(blue, "ibxlc4").dra != 0.0


def test_the_headers_tell_the_filter(tmp_path: Path) -> None:
    simulate_visit(Simulation(size="small", filter="F125W"), "ibxld4", tmp_path)
    header = fits.getheader(tmp_path / "ibxld4bgq_flt.fits")
    assert (header["FILTER"], header["PHOTMODE"]) == ("F125W", "WFC3 IR F125W")
    assert header["ASN_ID"] == "IBXLD4030"
    assert header["PHOTFNU"] == pytest.approx(1.169e-7, rel=1e-3)
    truth = json.loads((tmp_path / "ibxld4bgq_truth.json").read_text())
    assert truth["filter"] == "F125W"


def test_stars_have_colours_and_the_nebula_its_own() -> None:
    red, blue = Simulation(size="small"), Simulation(size="small", filter="F110W")
    wcs = distorted_wcs(plan_exposure(red, "ibxl54", 0).true_wcs)
    stars = stars_near(red, wcs)
    ratios = stars.through("F110W").flux / stars.flux
    assert len(ratios) > 20
    assert ratios.std() / ratios.mean() > 0.2
    assert ratios == pytest.approx(response("F110W", stars.slope))
    # The median of the pixels is the nebula's: stars are few.
    seen = [render(one, wcs, reference_scale()) for one in (red, blue)]
    assert np.median(seen[1] / seen[0]) == pytest.approx(float(response("F110W", 0.5)), rel=1e-3)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("filters: [F110W, F160W]", {"F110W": ("54",), "F160W": ("54",)}),
        (
            "filters: {F110W: [54, 51], F160W: [54, 51, 53]}",
            {"F110W": ("54", "51"), "F160W": ("54", "51", "53")},
        ),
        ("filters: {F110W: , F160W: [51]}", {"F110W": ("54",), "F160W": ("51",)}),
        ("seed: 1", {"F160W": ("54",)}),
    ],
)
def test_filters_with_their_tiles(given: str, expected: dict[str, tuple[str, ...]]) -> None:
    source = campaign(f"{{kind: simulated, tiles: [54], {given}}}").source
    found = {each.ir_filter: each.tiles for each in simulations_of(source)}
    assert found == expected
    parcels = open_source(source, mixed=True).parcels()
    assert [p.name for p in parcels] == sorted(p.name for p in parcels)
    assert len(parcels) == sum(map(len, expected.values()))


def test_a_filter_is_made_as_before_whatever_others_are() -> None:
    one, two = (
        {p.name: p.identity for p in open_source(campaign(source).source, mixed=True).parcels()}
        for source in (
            "{kind: simulated, tiles: [54]}",
            "{kind: simulated, filters: {F160W: [54], F110W: [51, 54]}}",
        )
    )
    assert two["ibxl54"] == one["ibxl54"]
    assert "filter" not in two["ibxl54"]
    assert two["ibxlc4"]["filter"] == "F110W"


def test_a_campaign_of_one_filter_asks_for_what_it_asked() -> None:
    """The comparison of an older version stays finished."""
    assert "filters" not in result_settings(campaign("{kind: simulated}"))["source"]
    assert "filters" in result_settings(campaign("{kind: simulated, filters: [F160W]}"))["source"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{kind: simulated, filters: [F110W, F999W]}", "F999W"),
        ("{kind: simulated, filters: [F110W, F110W]}", "twice"),
        ("{kind: simulated, instrument: acs-wfc, filters: [F110W]}", "wfc3-ir alone"),
        ("{kind: simulated, filters: {F110W: [51]}, displace: {54: [1, 0]}}", "'54'"),
    ],
)
def test_wrong_filters_are_refused_by_name(source: str, message: str) -> None:
    with pytest.raises(CampaignError, match=message):
        campaign(source)


def test_a_mosaic_takes_one_filter() -> None:
    both = [Simulation(filter="F110W"), Simulation()]
    with pytest.raises(InputError, match=r"F110W, F160W; keep one, or write `groups: \{\}`"):
        SimulatedArchive(both, lambda *_: None).parcels()


def test_an_unknown_filter_is_refused_by_name() -> None:
    with pytest.raises(CampaignError, match=r"'F999W' is unknown; choose from F098M"):
        Simulation(filter="F999W")
    with pytest.raises(CampaignError, match=r"acs-wfc has one filter only"):
        Simulation(filter="F110W", instrument="acs-wfc")
