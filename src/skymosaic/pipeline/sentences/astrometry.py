"""What positions rest on, and how well each visit fits the reference: tables for the report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Table

from skymosaic.align.solutions import visit_of
from skymosaic.hst.epochs import julian_year
from skymosaic.report.sheet import Columns, sheet

if TYPE_CHECKING:
    from skymosaic.pipeline.finished import FinishedSteps

_STAYED = "its own WCS"

_USED: Columns = {
    "image": (str, None, "drizzled image, or with align: none the exposure"),
    "epoch": (float, "yr", "Julian year of the first of its exposures"),
    "wcsname": (str, None, "WCS solution of its exposures before the alignment"),
    "reference": (str, None, "what it was aligned to"),
    "reference_epoch": (float, "yr", "Julian year of the positions of the reference, their middle"),
    "sources": (int, None, "sources found in it"),
    "matches": (int, None, "sources matched with the reference"),
    "rms_ra": (float, "mas", "rms residual of the fit in right ascension"),
    "rms_dec": (float, "mas", "rms residual of the fit in declination"),
    "status": (str, None, "what became of it"),
}
_VISITS: Columns = {
    "visit": (str, None, "visit: the first six characters of the rootname"),
    "epoch": (float, "yr", "Julian year of its first exposure"),
    "years": (float, "yr", "that less the epoch of the reference's positions"),
    "images": (int, None, "drizzled images that were matched"),
    "matches": (int, None, "sources matched with the reference"),
    "east": (float, "mas", "mean offset from the reference to the east once fitted"),
    "north": (float, "mas", "mean offset to the north"),
    "rms_east": (float, "mas", "rms offset to the east"),
    "rms_north": (float, "mas", "rms offset to the north"),
}


def used_sheet(found: FinishedSteps) -> Table | None:
    """Return which WCS and which reference each image rests on; None where nothing is known yet."""
    aligned, inspected = found.aligned, found.inspected
    if aligned is None or inspected is None:
        return None
    names = {one.rootname: one.chips[0].wcsname for one in inspected.result.exposures}
    epochs, alignment = _epochs(found), aligned.result.alignment
    title = "What the positions rest on"
    if alignment is None:
        rows = [
            [name, epochs.get(name), wcsname, _STAYED, *[None] * 5, "not aligned"]
            for name, wcsname in names.items()
        ]
        return sheet(title, _USED, rows) if rows else None
    reference, epoch = _reference(found), _reference_epoch(found)
    rows = []
    for fit in alignment.fits:
        its = alignment.members[fit.tile]
        wcsnames = ", ".join(dict.fromkeys(names[name] for name in its if name in names))
        started = min((epochs[name] for name in its if name in epochs), default=None)
        fixed = fit.reference or fit.tile in {*alignment.kept, *alignment.dropped}
        rows.append(
            [
                *(fit.tile, started, wcsnames, _STAYED if fixed else reference),
                *(None if fixed else epoch, fit.sources, None if fixed else fit.matches),
                *(fit.rms_ra, fit.rms_dec, alignment.status(fit)),
            ]
        )
    return sheet(title, _USED, rows)


def visits_sheet(found: FinishedSteps, vectors: Table | None) -> Table | None:
    """Return how the matched sources of each visit lie to the reference.

    Parameters
    ----------
    found : FinishedSteps
        Of the campaign.
    vectors : Table or None
        Residuals of the matched sources, as `align.vectors.read_vectors` gives them.
    """
    if found.aligned is None or vectors is None or not len(vectors):
        return None
    alignment = found.aligned.result.alignment
    members = {} if alignment is None else alignment.members
    epochs, reference = _epochs(found), _reference_epoch(found)
    tiles = np.array([str(tile) for tile in vectors["tile"]])
    visits = np.array([visit_of(tile) for tile in tiles])
    rows = []
    for visit in sorted(set(visits.tolist())):
        its = vectors[visits == visit]
        images = sorted(set(tiles[visits == visit].tolist()))
        exposures = [name for tile in images for name in members.get(tile, ())]
        epoch = min((epochs[name] for name in exposures if name in epochs), default=None)
        years = None if epoch is None or reference is None else epoch - reference
        east, north = (np.array(its[name], dtype=float) for name in ("east", "north"))
        rms = [float(np.sqrt(np.mean(one**2))) for one in (east, north)]
        rows.append([visit, epoch, years, len(images), len(its), east.mean(), north.mean(), *rms])
    return sheet("Residuals of each visit to the reference", _VISITS, rows)


def _epochs(found: FinishedSteps) -> dict[str, float]:
    """Return when exposures began, Julian years by rootname, where their records tell it."""
    return {
        image.rootname: julian_year(image.extent.started)
        for step in found.retrieved
        for image in step.result.images
        if image.extent is not None and image.extent.started is not None
    }


def _reference(found: FinishedSteps) -> str:
    """Return what the images were aligned to."""
    assert found.aligned is not None  # or there is no table
    result, settings = found.aligned.result, found.campaign.align
    if result.reference is not None:
        return result.reference.name
    if result.catalogue is not None:
        return f"sources of {'/'.join(result.catalogue.split('/')[1:-2])}"
    given: Mapping[str, Any] = settings.tweakreg
    if given.get("refcat"):
        return PurePosixPath(str(given["refcat"])).name
    fits = [] if result.alignment is None else result.alignment.fits
    first = next((fit.tile for fit in fits if fit.reference), "the first")
    return f"{first}, and those aligned after it"


def _reference_epoch(found: FinishedSteps) -> float | None:
    """Return the middle of the epochs of the reference's positions, Julian years."""
    reference = None if found.aligned is None else found.aligned.result.reference
    if reference is None or not reference.epochs:
        return None
    return float(np.mean(reference.epochs))
