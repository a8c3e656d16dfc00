"""Where stars are seen at an epoch, against astropy's own vectors and worked numbers."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import (
    Distance,
    SkyCoord,
    UnitSphericalRepresentation,
    get_body_barycentric,
)
from astropy.io import fits
from astropy.time import Time

from skymosaic.align.image_files import _epoch_of
from skymosaic.align.proof import separation
from skymosaic.align.reference import Unknown, at_epoch, join, reference_of
from skymosaic.hst.catalogue_names import header_name
from skymosaic.pipeline.solution import _of_epochs

BARNARD = {
    "ra": 269.4520769586,
    "dec": 4.6933649665,
    "pmra": -801.551,
    "pmdec": 10362.394,
    "parallax": 546.976,
}
"""Barnard's star in Gaia DR3, epoch 2016.0: the largest proper motion."""


def _seen(epoch: float) -> SkyCoord:
    """Return where Barnard's star is seen: its place from the barycentre minus the Earth's."""
    now = Time(epoch, format="jyear", scale="tdb")
    star = SkyCoord(
        ra=BARNARD["ra"] * u.deg,
        dec=BARNARD["dec"] * u.deg,
        distance=Distance(parallax=BARNARD["parallax"] * u.mas),
        pm_ra_cosdec=BARNARD["pmra"] * u.mas / u.yr,
        pm_dec=BARNARD["pmdec"] * u.mas / u.yr,
        radial_velocity=0 * u.km / u.s,
        obstime=Time(2016, format="jyear", scale="tdb"),
    ).apply_space_motion(now)
    vector = star.icrs.cartesian.without_differentials() - get_body_barycentric("earth", now)
    return SkyCoord(vector.represent_as(UnitSphericalRepresentation))


@pytest.mark.parametrize("epoch", [2003.1, 2012.45, 2026.25])
def test_motion_and_parallax_are_those_of_vectors_in_space(epoch: float) -> None:
    places = at_epoch(reference_of("one", epoch=2016.0, **BARNARD), epoch)
    seen = _seen(epoch)
    apart = separation(
        np.array([[places.ra[0], places.dec[0]]]), np.array([[seen.ra.deg, seen.dec.deg]])
    )
    assert apart[0] < 0.002  # mas; the factor is the parallax's to first order


def test_a_star_that_does_not_move_keeps_its_digits() -> None:
    still = reference_of("still", ra=[10.123456789, 359.9], dec=[-89.5, 0.0], epoch=2000.0)
    places = at_epoch(still, 2026.0)
    assert places.ra.tolist() == [10.123456789, 359.9]
    assert places.dec.tolist() == [-89.5, 0.0]


def test_errors_grow_with_the_years() -> None:
    stars = reference_of(
        "errors",
        ra=[10.0, 10.0, 10.0],
        dec=[0.0, 0.0, 0.0],
        epoch=2016.0,
        ra_error=[3.0, 3.0, np.nan],
        dec_error=[0.1, 0.1, np.nan],
        pmra=[1.0, np.nan, 1.0],
        pmdec=[1.0, np.nan, 1.0],
        pmra_error=[0.4, 0.4, np.nan],
        pmdec_error=[0.0, 0.0, np.nan],
    )
    places = at_epoch(stars, 2026.0, Unknown(motion=2.0, position=7.0))
    # 5 = sqrt(3^2 + (10 years * 0.4)^2); without a motion its error says nothing.
    assert places.ra_error == pytest.approx([5.0, np.hypot(3, 20), np.hypot(7, 20)])
    assert places.dec_error == pytest.approx([0.1, np.hypot(0.1, 20), np.hypot(7, 20)])
    assert stars.has_motion.tolist() == [True, False, True]


def test_at_the_catalogue_epoch_errors_are_its_own() -> None:
    stars = reference_of("now", ra=[10.0], dec=[5.0], epoch=2016.0, ra_error=0.2, dec_error=0.3)
    places = at_epoch(stars, 2016.0)
    assert (places.ra_error[0], places.dec_error[0]) == (0.2, 0.3)


def test_the_error_of_a_parallax_counts_by_its_factor() -> None:
    # At the pole of the ecliptic the ellipse is a circle of one astronomical unit.
    pole = reference_of(
        "pole",
        ra=[270.0],
        dec=[66.56],
        epoch=2016.0,
        pmra=0.0,
        pmdec=0.0,
        ra_error=0.0,
        dec_error=0.0,
        pmra_error=0.0,
        pmdec_error=0.0,
        parallax=0.0,
        parallax_error=1.0,
    )
    places = at_epoch(pole, 2016.3)
    assert np.hypot(places.ra_error, places.dec_error)[0] == pytest.approx(1.0, abs=0.02)


def test_right_ascension_stays_within_a_turn() -> None:
    stars = reference_of(
        "rim", ra=[359.99999, 0.00001], dec=0.0, epoch=2016.0, pmra=[1e4, -1e4], pmdec=0.0
    )
    places = at_epoch(stars, 2026.0)
    assert places.ra == pytest.approx([0.02776778, 359.97223222], abs=1e-5)


def test_stars_with_odd_parallaxes_raise_no_warning() -> None:
    stars = reference_of(
        "odd", ra=[1.0, 2.0, 3.0], dec=0.0, epoch=2016.0, pmra=1e4, pmdec=0.0,
        parallax=[-3.0, 0.0, np.nan],
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        moved = at_epoch(stars, 2017.0).ra - stars.ra
    assert moved * 3.6e6 == pytest.approx([1e4] * 3, abs=3.5)  # the negative one is added as it is


def test_epochs_differ_from_star_to_star() -> None:
    stars = reference_of(
        "mixed", ra=[5.0, 5.0], dec=0.0, epoch=[2000.0, 2015.0], pmra=100.0, pmdec=0.0
    )
    moved = (at_epoch(stars, 2020.0).ra - 5.0) * 3.6e6
    assert moved == pytest.approx([2000.0, 500.0], abs=1e-3)


def test_an_unknown_epoch_is_that_of_the_image() -> None:
    stars = reference_of("x", ra=[5.0], dec=1.0, epoch=np.nan, ra_error=3.0, dec_error=4.0)
    places = at_epoch(stars, 2020.0)
    assert (places.ra[0], places.dec[0]) == (5.0, 1.0)
    assert (places.ra_error[0], places.dec_error[0]) == (3.0, 4.0)


def test_each_star_may_be_seen_at_an_epoch_of_its_own() -> None:
    stars = reference_of(
        "two",
        ra=[10.0, 200.0],
        dec=[-30.0, 60.0],
        epoch=2016.0,
        ra_error=0.1,
        dec_error=0.1,
        pmra=[50.0, -20.0],
        pmdec=[-9.0, 3.0],
        pmra_error=0.1,
        pmdec_error=0.1,
        parallax=[20.0, 5.0],
        parallax_error=0.2,
    )
    both = at_epoch(stars, np.array([2005.3, 2026.7]))
    for star, epoch in enumerate((2005.3, 2026.7)):
        one = at_epoch(stars, epoch)
        for name in ("ra", "dec", "ra_error", "dec_error"):
            assert getattr(both, name)[star] == getattr(one, name)[star]


def test_no_star_gives_no_place() -> None:
    nothing = reference_of("none", ra=[], dec=[], epoch=[])
    assert len(nothing) == 0
    assert len(at_epoch(nothing, 2020.0).ra) == 0


def test_references_are_joined_and_selected() -> None:
    one = reference_of("one", ra=[1.0, 2.0], dec=0.0, epoch=2016.0, mag=[20.0, np.nan])
    both = join("both", [one, one.select(one.mag > 10)])
    assert both.name == "both"
    assert both.ra.tolist() == [1.0, 2.0, 1.0]


def test_dates_that_there_are_not_are_unknown(tmp_path: Path) -> None:
    """astropy knows no place of the Earth a million years from here."""

    def epoch(**cards: float) -> float | None:
        path = tmp_path / "image.fits"
        header = fits.Header(cards)
        fits.PrimaryHDU(header=header).writeto(path, overwrite=True)
        return _epoch_of(path)

    assert epoch(EXPSTART=57388.5, EXPEND=57388.5) == pytest.approx(2016.0, abs=1e-3)
    assert epoch(EXPSTART=45000.0, EXPEND=45000.0) == pytest.approx(1982.08, abs=0.01)
    assert epoch(EXPSTART=57388.5, EXPEND=1e20) == pytest.approx(2016.0, abs=1e-3)
    assert epoch(EXPSTART=1e20, EXPEND=0.0) is None
    assert epoch() is None


def test_an_image_without_a_date_is_named_where_stars_move() -> None:
    images = [SimpleNamespace(name="ibxl51030", epoch=None), SimpleNamespace(name="b", epoch=2016)]
    moving = reference_of("GAIA DR3", ra=1.0, dec=2.0, epoch=2016.0, pmra=5.0, pmdec=1.0)
    [told] = _of_epochs(images, moving)  # type: ignore[arg-type]
    assert "ibxl51030 tell no date" in told
    assert _of_epochs(images[1:], moving) == []  # type: ignore[arg-type]
    assert _of_epochs(images, reference_of("mine", ra=1.0, dec=2.0, epoch=2016.0)) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "card"), [("\u00e9toiles.cat", "_toiles.cat"), ("a\nb", "a_b")])
def test_the_name_of_any_file_goes_into_a_header(name: str, card: str) -> None:
    header = fits.Header()
    header["CATALOG"] = header_name(name)
    assert header["CATALOG"] == card
