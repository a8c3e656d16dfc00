"""Moves of images on the sky, and their WCS."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.wcs import WCS

from skymosaic.align.moves import (
    ARCSEC,
    Move,
    basis_of,
    project,
    rotation_matrix,
    sky_of,
    vectors_of,
)
from skymosaic.errors import AlignmentError


def tangent(ra: float, dec: float, kinds: tuple[str, str] = ("RA---TAN", "DEC--TAN")) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = kinds
    wcs.wcs.crval = [ra, dec]
    wcs.wcs.crpix = [500.0, 400.0]
    wcs.wcs.cd = 0.13 / 3600.0 * np.array([[-0.8, 0.6], [0.6, 0.8]])
    wcs.wcs.set()
    return wcs


@pytest.mark.parametrize(
    ("ra", "dec"), [(0.00001, 0.0), (83.0, -69.0), (200.0, 89.99), (10.0, -90.0)]
)
def test_a_moved_wcs_puts_every_pixel_where_the_move_does(ra: float, dec: float) -> None:
    before = tangent(ra, dec)
    pixels = np.array([[1.0, 1.0], [1000.0, 1.0], [1000.0, 800.0], [1.0, 800.0], [500.0, 400.0]])
    old = vectors_of(before.wcs_pix2world(pixels, 1))
    centre = old[:4].mean(axis=0)
    move = Move.none(centre / np.linalg.norm(centre)).then(3.0 / ARCSEC, -2.0 / ARCSEC, 0.004)
    after = move.wcs(before)
    new = vectors_of(after.wcs_pix2world(pixels, 1))
    assert np.abs(new - move.apply(old)).max() * ARCSEC < 1e-6
    assert after.wcs.crpix.tolist() == before.wcs.crpix.tolist()


def test_a_change_of_scale_is_about_the_images_centre() -> None:
    before = tangent(150.0, 30.0)
    centre = vectors_of(before.wcs_pix2world([[700.0, 600.0]], 1))[0]
    move = Move.none(centre).then(1.0 / ARCSEC, 0.5 / ARCSEC, 0.001, 0.0005)
    assert move.scale == 1.0005
    pixels = np.array([[1.0, 1.0], [1000.0, 800.0], [700.0, 600.0]])
    old = vectors_of(before.wcs_pix2world(pixels, 1))
    new = vectors_of(move.wcs(before).wcs_pix2world(pixels, 1))
    assert np.abs(new - move.apply(old)).max() * ARCSEC < 1e-5
    basis = basis_of(centre)
    away, was = (np.hypot(*project(v[:2], basis).T) for v in (move.apply(old), old))
    shifted = np.hypot(*(project(move.apply(old[:2]), basis) - move.shift).T)
    assert shifted == pytest.approx(1.0005 * was, rel=1e-6)
    assert away != pytest.approx(was, rel=1e-6)


def test_shift_and_roll_are_told_as_they_were_given() -> None:
    centre = vectors_of(np.array([[40.0, 60.0]]))[0]
    move = Move.none(centre).then(0.0, 0.0, np.radians(0.2)).then(1.0 / ARCSEC, 2.0 / ARCSEC, 0.0)
    assert move.shift == pytest.approx([1.0, 2.0], abs=1e-8)
    assert move.roll == pytest.approx(0.2, abs=1e-6)
    # From east to north: what lies to the east goes to the north.
    basis = basis_of(centre)
    east = basis[2] + 1e-4 * basis[0]
    turned = Move.none(centre).then(0.0, 0.0, 0.01).apply(east[None] / np.linalg.norm(east))
    assert project(turned, basis)[0, 1] == pytest.approx(0.01 * 1e-4 * ARCSEC, rel=1e-3)


def test_rotations_and_places_are_right() -> None:
    assert rotation_matrix(np.array([0.0, 0.0, np.pi / 2])) @ [1.0, 0.0, 0.0] == pytest.approx(
        [0.0, 1.0, 0.0], abs=1e-12
    )
    assert np.array_equal(rotation_matrix(np.zeros(3)), np.eye(3))
    sky = np.array([[359.999, -89.9], [0.0, 0.0], [123.4, 56.7]])
    assert sky_of(vectors_of(sky)) == pytest.approx(sky, abs=1e-10)


def test_a_wcs_that_is_not_a_tangent_plane_is_named() -> None:
    move = Move.none(vectors_of(np.array([[10.0, 10.0]]))[0])
    with pytest.raises(AlignmentError, match="RA---CAR"):
        move.wcs(tangent(10.0, 10.0, ("RA---CAR", "DEC--CAR")))
