"""What the static masks of a run leave out, for the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from astropy.table import Table

from skymosaic.drizzle.static_masks import warning
from skymosaic.report.sheet import Columns, sheet

if TYPE_CHECKING:
    from skymosaic.drizzle.summaries import MaskSummary
    from skymosaic.pipeline.results import DrizzleResult
    from skymosaic.steps.finished import Finished

_MASKS: Columns = {
    "detector": (str, None, "INSTRUME/DETECTOR of the exposures that share the mask"),
    "chip": (int, None, "EXTVER of the SCI extension"),
    "columns": (int, None, "columns of the chip"),
    "rows": (int, None, "rows of the chip"),
    "rule": (str, None, "once: low in any exposure, AstroDrizzle's rule; repeated: in several"),
    "exposures": (int, None, "exposures of this chip"),
    "needed": (int, None, "in how many of them a pixel had to be low"),
    "masked": (int, None, "pixels that are left out of all exposures"),
    "share": (float, None, "of the pixels of the chip"),
}


def static_sheet(runs: Mapping[str, Finished[DrizzleResult]]) -> Table | None:
    """Return what the static mask of each chip leaves out; None where it is not known."""
    masks = _masks(runs)
    if not masks:
        return None
    title = "Pixels that the static mask leaves out of all exposures of a chip"
    return sheet(title, _MASKS, [[getattr(one, name) for name in _MASKS] for one in masks])


def static_warnings(runs: Mapping[str, Finished[DrizzleResult]]) -> list[str]:
    """Return what a reader must know of the static masks."""
    warnings = (warning(one) for one in _masks(runs))
    return [f"{text}." for text in warnings if text is not None]


def _masks(runs: Mapping[str, Finished[DrizzleResult]]) -> list[MaskSummary]:
    # All methods have the same; runs of older versions did not record it.
    return next((run.result.static for run in runs.values() if run.result.static), [])
