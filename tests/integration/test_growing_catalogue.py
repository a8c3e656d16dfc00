"""TweakReg on a row of many images: what it needs does not double with each of them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from skymosaic.align.finding import FinderSettings
from skymosaic.align.image_files import read_image, write_frame
from skymosaic.align.in_order import solve_in_order
from skymosaic.align.records import AlignImage, ImageCatalogue, SolverRoom
from skymosaic.config import Align
from skymosaic.hst.reading import read_exposure
from tests.unit.small_fits import write_drizzled

IMAGES, SIDE, SCALE = 20, 1000, 0.1  # arcsec a pixel
STEP = 50.0  # arcsec: neighbours share half of their field
COLUMNS = ("x", "y", "ra", "dec", "flux")
DENSITY = 120  # stars in an image


def image(folder: Path, number: int, stars: np.ndarray) -> AlignImage:
    """Return one of a row: stars (RA, Dec) that lie in it, and a pointing error."""
    random = np.random.default_rng(number)
    path = write_drizzled(folder / f"ib{number:04d}030_drz.fits")
    with fits.open(path, mode="update") as hdus:
        header = hdus["SCI"].header
        hdus[0].header["ROOTNAME"] = f"ib{number:04d}030"
        hdus["SCI"].data = np.zeros((SIDE, SIDE), dtype=np.float32)
        header["CRPIX1"] = header["CRPIX2"] = SIDE / 2
        header["CD1_1"], header["CD2_2"] = -SCALE / 3600, SCALE / 3600
        header["CD1_2"] = header["CD2_1"] = 0.0
        header["CRVAL2"] += number * STEP / 3600
        x, y = WCS(header).wcs_world2pix(*stars.T, 1)
        seen = (x > 1) & (x < SIDE) & (y > 1) & (y < SIDE)
        x, y = (places[seen] + random.normal(0, 0.03, seen.sum()) for places in (x, y))
        header["CRVAL2"] += random.normal(0, 0.1) / 3600
        ra, dec = WCS(header).wcs_pix2world(x, y, 1)
    write_frame(path, folder / "frame")
    catalogue = ImageCatalogue(x, y, ra, dec, np.ones(len(x)))
    frame = (folder / "frame").read_bytes()
    return read_image(folder / "work", read_exposure(path), frame, catalogue)


def row(folder: Path, count: int) -> list[AlignImage]:
    """Return images of which each shares half of its field with the next."""
    (folder / "work").mkdir()
    centre = WCS(fits.getheader(write_drizzled(folder / "ibxl54030_drz.fits"), "SCI")).wcs.crval
    random = np.random.default_rng(1)
    width, height = SIDE * SCALE, SIDE * SCALE + count * STEP
    number = int(DENSITY * height / width)
    east, north = random.uniform(-width / 2, width / 2, number), random.uniform(0, height, number)
    ra = centre[0] + east / 3600 / math.cos(math.radians(centre[1]))
    stars = np.stack([ra, centre[1] + (north - width / 2) / 3600], axis=1)
    return [image(folder, one, stars) for one in range(count)]


def room(folder: Path) -> SolverRoom:
    finding = FinderSettings({"threshold": 10.0}, "", {}, {"fitgeometry": "rscale"})
    return SolverRoom(folder / "work", folder / "align.log", finding, lambda _: "")


@pytest.mark.campaign
def test_the_first_that_is_left_is_what_the_others_are_matched_with(tmp_path: Path) -> None:
    images = row(tmp_path, 3)
    few = ImageCatalogue(*(getattr(images[0].catalogue, name)[:3] for name in COLUMNS))
    images[0] = replace(images[0], catalogue=few)
    done = solve_in_order(images, None, Align(on_failure="drop"), room(tmp_path))
    assert done.excluded == [images[0].name]
    assert [one.catalogue for one in done.images] == ["", "", images[1].name]


@pytest.mark.campaign
def test_the_catalogue_of_many_images_stays_small(tmp_path: Path) -> None:
    images = row(tmp_path, IMAGES)
    done = solve_in_order(images, None, Align(), room(tmp_path))
    assert done.excluded == []
    assert all(one.fit.matches > 30 for one in done.images[1:])
    # Numbers that double with each image would have 120 * 2**19 * 8 bytes at the end: 500 MB.
    assert done.peak_memory < 450e6
