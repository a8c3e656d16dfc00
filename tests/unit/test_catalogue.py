"""Sources of aligned images as a catalogue: moved as the exposures were, each listed once."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.wcs import WCS, Sip

from skymosaic.align.catalogue import join, move
from skymosaic.align.chance import read_positions
from skymosaic.align.in_order import explained
from skymosaic.align.tweakreg import write_catalogue


def wcs(ra: float, turn: float) -> WCS:
    made = WCS(naxis=2)
    made.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"]
    made.wcs.crval, made.wcs.crpix = (ra, -2.4), (128.0, 128.0)
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    made.wcs.cd = np.array([[-cos, sin], [sin, cos]]) * 0.13 / 3600
    a, b = np.zeros((3, 3)), np.zeros((3, 3))
    a[2, 0], b[1, 1] = 8e-6, -2e-5  # distortion, which TweakBack leaves as it is
    made.sip = Sip(a, b, None, None, made.wcs.crpix)
    made.wcs.set()
    return made


def test_sources_move_as_the_exposures_did() -> None:
    before, after = wcs(85.2, 10.0), wcs(85.2002, 10.03)
    pixels = np.array([[10.0, 20.0], [200.0, 90.0], [128.0, 250.0]])
    moved = move(before.all_pix2world(pixels, 0), before, after)
    expected = after.all_pix2world(pixels, 0)
    assert np.abs(moved - expected).max() * 3.6e6 < 1e-3  # mas
    assert move(np.empty((0, 2)), before, after).shape == (0, 2)


def test_what_two_images_have_is_listed_once() -> None:
    step = 0.05 / 3600  # degrees: half of what tells two sources apart
    one = np.array([[85.0, -2.0, 100.0], [85.001, -2.0, 50.0]])
    other = np.array([[85.0, -2.0 + step, 90.0], [85.002, -2.0, 20.0], [np.nan, -2.0, 5.0]])
    joined = join([one, other])
    assert joined.tolist() == [*one.tolist(), [85.002, -2.0, 20.0]]
    assert join([np.empty((0, 3)), other]).shape == (2, 3)


def test_a_star_that_moved_between_two_images_is_listed_once() -> None:
    moved = 0.2 / 3600  # degrees
    one = np.array([[85.0, -2.0, 100.0]])
    other = np.array([[85.0, -2.0 + moved, 90.0], [85.0, -2.0 + 2 * moved, 20.0]])
    assert len(join([one, other])) == 3
    assert join([one, other], 0.3).tolist() == [*one.tolist(), *other[1:].tolist()]


def test_sources_that_tweakreg_confuses_are_told_of_with_a_remedy() -> None:
    said = "tweakreg failed: RuntimeError: Number of output coordinates exceeded allocation (569)"
    assert explained(said).startswith(f"{said}: several stars of the catalogue lie within")
    assert "align.tweakreg.tolerance, which is 3 by default" in explained(said)
    assert explained("tweakreg failed: OSError") == "tweakreg failed: OSError"


def test_a_catalogue_is_read_as_it_was_written(tmp_path) -> None:
    sources = np.array([[359.9999999, -89.1234567, 1234.5], [0.0000001, 12.5, 0.1]])
    write_catalogue(tmp_path / "reference.cat", sources)
    assert read_positions(tmp_path / "reference.cat") == pytest.approx(sources[:, :2], abs=1e-10)
