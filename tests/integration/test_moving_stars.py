"""TweakReg on tiles of two epochs, ten years apart, to stars that move: from catalogues alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from skymosaic.align.finding import FinderSettings
from skymosaic.align.image_files import read_image, write_frame
from skymosaic.align.in_order import solve_in_order
from skymosaic.align.proof import separation
from skymosaic.align.records import AlignImage, ImageCatalogue, SolverRoom
from skymosaic.align.reference import Reference, at_epoch, reference_of
from skymosaic.config import Align
from skymosaic.errors import AlignmentError
from skymosaic.hst.exposure import Chip, Exposure

pytestmark = pytest.mark.slow  # TweakReg takes seconds a run

CENTRE = (85.25, -2.45)
SIZE = 900  # pixels a side
SCALE = 0.12825 / 3600  # degrees
EPOCHS = {"a": 2012.83, "b": 2012.84, "c": 2022.83}
ERRORS = {"a": (0.2, -0.15, 0.01), "b": (-0.3, 0.1, -0.02), "c": (0.1, 0.25, 0.02)}
"""Arcsec east and north, and degrees of roll: header minus truth."""
PLACES = {"a": (0.0, 0.0), "b": (60.0, 10.0), "c": (30.0, -50.0)}  # arcsec


def stars() -> Reference:
    """Return stars as Gaia has them: proper motions of 10 mas/yr, and half an arcsec between."""
    random = np.random.default_rng(5)
    count = 260
    east, north = random.uniform(-110, 110, (2, count))
    return reference_of(
        "GAIA DR3",
        ra=CENTRE[0] + east / 3600 / np.cos(np.radians(CENTRE[1])),
        dec=CENTRE[1] + north / 3600,
        epoch=2016.0,
        pmra=random.normal(8.0, 6.0, count),  # the field drifts, too
        pmdec=random.normal(0.0, 10.0, count),
        parallax=random.uniform(0.2, 3.0, count),
        ra_error=0.1,
        dec_error=0.1,
        pmra_error=0.1,
        pmdec_error=0.1,
        mag=random.uniform(14, 20, count),
    )


def plane(place: tuple[float, float], error: tuple[float, float, float]) -> WCS:
    """Return the WCS of a tile, off by an error."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    east, north = (one + more for one, more in zip(place, error, strict=False))
    wcs.wcs.crval = [
        CENTRE[0] + east / 3600 / np.cos(np.radians(CENTRE[1])),
        CENTRE[1] + north / 3600,
    ]
    wcs.wcs.crpix = [SIZE / 2, SIZE / 2]
    angle = np.radians(error[2])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    wcs.wcs.cd = turn @ np.diag([-SCALE, SCALE])
    wcs.pixel_shape = (SIZE, SIZE)
    wcs.wcs.set()
    return wcs


def tile(name: str, reference: Reference, folder: Path) -> AlignImage:
    """Return a drizzled image that shows the stars where they are at its epoch."""
    true, header = plane(PLACES[name], (0, 0, 0)), plane(PLACES[name], ERRORS[name])
    seen = at_epoch(reference, EPOCHS[name])
    x, y = true.wcs_world2pix(seen.ra, seen.dec, 1)
    random = np.random.default_rng(ord(name))
    x, y = (one + random.normal(0, 0.02, one.size) for one in (x, y))
    inside = (x > 5) & (x < SIZE - 5) & (y > 5) & (y < SIZE - 5)
    x, y = x[inside], y[inside]
    sky = header.wcs_pix2world(x, y, 1)
    mjd = 51544.5 + (EPOCHS[name] - 2000) * 365.25
    primary = fits.Header({"ROOTNAME": name, "INSTRUME": "WFC3", "DETECTOR": "IR",
                           "EXPSTART": mjd, "EXPEND": mjd, "FILTER": "F160W"})  # fmt: skip
    science = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "WCSNAME": "IDC"})
    for axis in (1, 2):
        science[f"CRVAL{axis}"] = header.wcs.crval[axis - 1]
        science[f"CRPIX{axis}"] = header.wcs.crpix[axis - 1]
        for other in (1, 2):
            science[f"CD{axis}_{other}"] = header.wcs.cd[axis - 1][other - 1]
    path = folder / f"{name}_drz.fits"
    pixels = fits.ImageHDU(np.zeros((SIZE, SIZE), np.float32), science, name="SCI", ver=1)
    fits.HDUList([fits.PrimaryHDU(header=primary), pixels]).writeto(path)
    write_frame(path, folder / "frame")
    path.unlink()
    corners = tuple((float(a), float(d)) for a, d in header.calc_footprint())
    chip = Chip(1, corners, "IDC", 0.0, 0.12825, False)
    exposure = Exposure(name, "_drz", "", "WFC3", "IR", "F160W", 100.0, 0.0, 0.0, (chip,))
    catalogue = ImageCatalogue(x, y, *sky, np.full(x.size, 100.0))
    image = read_image(folder, exposure, (folder / "frame").read_bytes(), catalogue)
    (folder / "frame").unlink()
    return image


def off(image: AlignImage, solved) -> float:
    """Return how far the corners and the centre lie from the truth, mas."""
    at = np.array([[1, 1], [SIZE, 1], [1, SIZE], [SIZE, SIZE], [SIZE / 2, SIZE / 2]], dtype=float)
    true = plane(PLACES[image.name], (0, 0, 0)).wcs_pix2world(at, 1)
    return float(separation(solved.wcs.wcs().wcs_pix2world(at, 1), true).max())


@pytest.fixture(scope="module")
def tiles(tmp_path_factory) -> tuple[Reference, list[AlignImage]]:
    reference = stars()
    folder = tmp_path_factory.mktemp("tiles")
    return reference, [tile(name, reference, folder) for name in EPOCHS]


def room(folder: Path) -> SolverRoom:
    finding = FinderSettings({"threshold": 10.0, "conv_width": 3.5}, "as given")
    return SolverRoom(folder, folder / "align.log", finding, lambda tiles: "Look at them")


def test_tiles_ten_years_apart_lie_in_one_frame(tiles, tmp_path: Path) -> None:
    reference, images = tiles
    assert [image.epoch for image in images] == pytest.approx(list(EPOCHS.values()), abs=1e-4)
    found = solve_in_order(images, reference, Align(), room(tmp_path))
    assert found.excluded == []
    fits = [one.fit for one in found.images]
    assert max(off(image, one) for image, one in zip(images, found.images, strict=True)) < 3.0
    assert all(one.catalogue == "GAIA DR3" for one in found.images)
    assert all(fit.matches > 30 and max(fit.rms_ra, fit.rms_dec) < 5.0 for fit in fits)
    assert sorted(fit.place for fit in fits) == [1, 2, 3]
    # One catalogue for the two tiles of one epoch, and one for the third.
    assert len(list(tmp_path.glob("stars*.cat"))) == 2


def test_stars_left_where_they_were_in_2016_do_not_pass_the_gates(tiles, tmp_path: Path) -> None:
    reference, images = tiles
    still = reference_of("still", ra=reference.ra, dec=reference.dec, epoch=2016.0)
    with pytest.raises(AlignmentError, match=r"rms residual at most 40 mas in RA and in Dec\): c"):
        solve_in_order(images, still, Align(), room(tmp_path))
