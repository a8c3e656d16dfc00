"""The same catalogues by tweakwcs: `align_wcs`, images in order, each added to the reference."""

from __future__ import annotations

import logging
import math

import numpy as np
from astropy.table import Table
from tweakwcs import XYXYMatch, align_wcs
from tweakwcs.correctors import FITSWCSCorrector

from benchmarks.astrometry_fields import Field
from skymosaic.align.gates import TileFit
from skymosaic.align.moves import Move, vectors_of
from skymosaic.align.reference import at_epoch
from skymosaic.align.together_records import ImageResult, Together


def align_by_tweakwcs(field: Field) -> Together:
    """Return where tweakwcs puts the images; it states no errors, so they are infinite."""
    logging.getLogger("tweakwcs").setLevel(logging.CRITICAL)
    correctors = []
    for number, image in enumerate(field.images):
        x, y = np.asarray(image.wcs.wcs_world2pix(image.sky, 0)).reshape(-1, 2).T
        # What has no sources cannot be handed over.
        if len(x) < 3:
            continue
        catalogue = Table({"x": x, "y": y}, meta={"name": f"{number}"})
        correctors.append(
            FITSWCSCorrector(image.wcs.deepcopy(), meta={"catalog": catalogue, "number": number})
        )
    reference = None
    if field.reference is not None:
        # One catalogue for all images: at the middle of their epochs.
        seen = at_epoch(field.reference, float(np.mean([i.epoch for i in field.images])))
        reference = Table({"RA": seen.ra, "DEC": seen.dec})
    # Its units are pixels, and one matcher serves all images: those of the usual one.
    pixel = float(np.median([image.pixel for image in field.images]))
    try:
        align_wcs(
            correctors,
            refcat=reference,
            expand_refcat=True,
            fitgeom="rshift",
            minobj=4,
            nclip=3,
            sigma=3.0,
            match=XYXYMatch(
                searchrad=3.0 / pixel, separation=0.1 / pixel, tolerance=0.5 / pixel, use2dhist=True
            ),
        )
    except Exception as error:
        print(f"    tweakwcs: {type(error).__name__}: {error}")
    return _as_together(field, correctors)


def _as_together(field: Field, correctors: list[FITSWCSCorrector]) -> Together:
    by_number = {one.meta["number"]: one for one in correctors}
    results = []
    nan = math.nan
    for number, image in enumerate(field.images):
        corrector = by_number.get(number)
        info = corrector.meta.get("fit_info", {}) if corrector else {}
        status = str(info.get("status", "not tried"))
        good = corrector is not None and status in ("SUCCESS", "REFERENCE")
        fit = TileFit(
            image.name,
            0 if status == "REFERENCE" else 1,
            len(image.sky),
            *(nan, nan, nan, nan),
            matches=int(info.get("nmatches", len(image.sky))),
            rms_ra=nan,
            rms_dec=nan,
            shift=nan,
        )
        move = _move(image.wcs, corrector.wcs, image.centre) if good and corrector else None
        results.append(ImageResult(image.name, fit, move, "" if good else status, error=nan))
    return Together(results, [], [], {})


def _move(before, after, centre) -> Move:  # type: ignore[no-untyped-def]
    """Return the rotation from one WCS to the other, by three places of the image."""
    size = np.array(before.wcs.crpix) * 2
    pixels = np.array([[1.0, 1.0], [size[0], 1.0], [size[0] / 2, size[1]]])
    old, new = (vectors_of(wcs.wcs_pix2world(pixels, 1)) for wcs in (before, after))
    left, _, right = np.linalg.svd(new.T @ old)
    return Move(centre, left @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ right)
