"""Simulated stars that move, and what Gaia would have of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skymosaic.align.reference import at_epoch
from skymosaic.align.reference_columns import read_columns
from skymosaic.archive.simulated import headers
from skymosaic.archive.simulated.ccd import headers as ccd_headers
from skymosaic.archive.simulated.ccd.pointing import plan_exposure as plan_ccd
from skymosaic.archive.simulated.gaia import gaia_catalogue
from skymosaic.archive.simulated.motions import read_epochs
from skymosaic.archive.simulated.pointing import plan_exposure
from skymosaic.archive.simulated.scene import stars_near
from skymosaic.archive.simulated.simulation import Simulation
from skymosaic.archive.simulated.source import _identity
from skymosaic.errors import CampaignError
from skymosaic.hst.epochs import julian_year

STILL = Simulation(size="small", tiles=("54", "51"))
MOVING = replace(STILL, motion=5.0, epochs={"54": 2022.5})


def true_stars(simulation: Simulation):
    return stars_near(
        simulation, headers.distorted_wcs(plan_exposure(simulation, "ibxl54", 0).true_wcs)
    )


def test_without_motion_nothing_changes() -> None:
    assert not {"motion", "epochs"} & set(_identity(STILL))
    assert {"motion", "epochs"} <= set(_identity(MOVING))
    stars = true_stars(STILL)
    assert stars.at(2030.0) is stars
    first = headers.primary_header(STILL, plan_exposure(STILL, "ibxl54", 0))
    assert first["EXPSTART"] == pytest.approx(
        56222.0 + 0.01 * plan_exposure(STILL, "ibxl54", 0).number
    )


def test_stars_are_at_the_same_place_in_2016_and_move_from_there() -> None:
    still, moving = true_stars(STILL), true_stars(MOVING)
    assert np.array_equal(still.ra, moving.at(2016.0).ra)
    later = moving.at(2026.0)
    east = (later.ra - still.ra) * np.cos(np.radians(still.dec)) * 3.6e6
    assert east == pytest.approx(moving.motion[0] * 10.0, abs=1e-3)
    assert np.std(moving.motion) == pytest.approx(5.0, rel=0.05)


@pytest.mark.parametrize(
    ("simulation", "header"),
    [
        (MOVING, lambda one: headers.primary_header(one, plan_exposure(one, "ibxl54", 0))),
        (
            Simulation(instrument="acs-wfc", size="small", motion=1.0, epochs={"01": 2022.5}),
            lambda one: ccd_headers.primary_header(one, plan_ccd(one, "jskm01", 0)),
        ),
    ],
    ids=["ir", "acs"],
)
def test_headers_tell_when_a_tile_is_observed(simulation, header) -> None:
    values = header(simulation)
    assert julian_year(values["EXPSTART"]) == pytest.approx(2022.5, abs=0.01)
    assert values["DATE-OBS"].startswith("2022-07")
    assert values["EXPEND"] > values["EXPSTART"]


def test_the_catalogue_has_the_stars_within_its_errors() -> None:
    table = gaia_catalogue([MOVING])
    stars = read_columns(table, "GAIA", "simulated").reference
    truth = true_stars(MOVING).at(2022.5)
    places = at_epoch(stars, 2022.5)
    north = places.dec[:, None] - truth.dec
    east = (places.ra[:, None] - truth.ra) * np.cos(np.radians(truth.dec))
    apart = np.hypot(north, east) * 3.6e6
    nearest = apart.argmin(axis=1)
    good = (np.asarray(table["ruwe"].filled(1.0)) <= 1.4) & (apart.min(axis=1) < 300)
    pulls = (north[np.arange(len(stars)), nearest] * 3.6e6 / places.dec_error)[good]
    assert good.sum() > 30
    assert np.std(pulls) == pytest.approx(1.0, abs=0.25)
    assert np.abs(np.median(pulls)) < 0.4


def test_the_catalogue_lacks_what_gaia_lacks() -> None:
    table = gaia_catalogue([MOVING])
    mag = np.asarray(table["phot_g_mean_mag"])
    assert mag.max() <= 21.0
    assert (np.diff(table["dec"]) >= -1e-5).all()
    assert len(np.unique(table["source_id"])) == len(table)
    faint, bright = mag > 19, mag < 18
    assert np.median(table["ra_error"][faint]) > 3 * np.median(table["ra_error"][bright])
    assert 0 < table["pmra"].mask.mean() < 0.3
    # The same simulation gives the same catalogue.
    assert (gaia_catalogue([MOVING])["ra"] == table["ra"]).all()


def test_both_detectors_have_one() -> None:
    one = Simulation(instrument="wfc3-uvis", size="small", tiles=("01",), dithers=1, motion=2.0)
    assert len(gaia_catalogue([one])) > 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"motion": -1.0}, "simulated motion: -1.0 is out of range"),
        ({"epochs": {"54": 1900.0}}, "simulated epochs: 54: 1900.0 is out of range"),
        ({"epochs": {"99": 2012.0}}, "simulated epochs: no tile '99'"),
    ],
)
def test_nonsense_is_refused(options, message) -> None:
    with pytest.raises(CampaignError, match=message):
        Simulation(**options)


def test_epochs_are_read_from_the_command_line() -> None:
    assert read_epochs(["54=2022.5", "51=2012"]) == {"54": 2022.5, "51": 2012.0}
    with pytest.raises(CampaignError, match="give a tile and a Julian year"):
        read_epochs(["54"])
