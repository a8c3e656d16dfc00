"""Why a run has not a part that others have: what its campaign file turned off, in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from skymosaic.drizzle import parameters as pars
from skymosaic.pipeline.finished import FinishedSteps
from skymosaic.pipeline.results import ALIGN, COMPARISON, DRIZZLE, ENGINES, POSITIONS, WITNESS
from skymosaic.report import parts


def why_absent(found: FinishedSteps, part: str) -> str:
    """Return why a run has no table of the report, where that is known; else nothing.

    Parameters
    ----------
    found : FinishedSteps
        The run.
    part : str
        Name of the table, that of its ECSV file.
    """
    tell = _TURNED_OFF.get(part)
    why = "" if tell is None else tell(found)
    return why or _not_finished(found, part)


def why_no_method(found: FinishedSteps, method: str) -> str:
    """Return why a run has no mosaic of a sky method, where that is known; else nothing."""
    requested = found.campaign.sky.methods
    if method in requested:
        return _missing(found, DRIZZLE.task(method).title)
    return f"sky.methods is {', '.join(requested)}: the run was not asked for {method}"


def _static_masks(found: FinishedSteps) -> str:
    if found.planned is None:
        off = found.campaign.sky.static == "none"
        return "sky.static is none: no static masks" if off else ""
    if found.planned.result.order.parameters.get("static", True):
        return ""
    key = "static is none" if found.campaign.sky.static == "none" else "parameters.static is false"
    return f"sky.{key}: no static masks"


def _checks(found: FinishedSteps) -> str:
    if found.campaign.drizzle.engine != "onepass":
        return ""
    return "drizzle.engine is onepass: AstroDrizzle, whose three records they are, was not at work"


def _alignment(found: FinishedSteps) -> str:
    return "align is none: nothing was aligned" if _is_unaligned(found) else ""


def _positions(found: FinishedSteps) -> str:
    if _is_unaligned(found):
        return ""
    return "the exposures were aligned: positions of stars are compared with align: none alone"


def _within(found: FinishedSteps) -> str:
    if found.campaign.align.exposures is not None:
        return ""
    return "align.exposures is null: exposures were not compared within their associations"


def _is_unaligned(found: FinishedSteps) -> bool:
    return found.campaign.align.method == "none"


def _witness(found: FinishedSteps) -> str:
    drizzle = found.campaign.drizzle
    if drizzle.has_witness:
        return ""
    value = "false" if drizzle.witness is False else "null"
    return f"drizzle.witness is {value}: with engine {drizzle.engine} no mosaic was made again"


def _engines(found: FinishedSteps) -> str:
    if found.campaign.drizzle.sample is not None:
        return ""
    return "drizzle.sample is null: no exposures were drizzled with both engines"


def _cosmic_rays(found: FinishedSteps) -> str:
    if found.planned is not None and not pars.has_cr_steps(found.planned.result.order.parameters):
        return "driz_cr is false: no cosmic rays were looked for"
    if found.campaign.drizzle.engine == "onepass":
        return ""
    return (
        "drizzle.engine is astrodrizzle: it finds cosmic rays under each method, and keeps no masks"
    )


def _weights(found: FinishedSteps) -> str:
    if found.campaign.drizzle.engine == "onepass":
        return "drizzle.engine is onepass: all methods have the same weights"
    if found.planned is not None and not pars.has_cr_steps(found.planned.result.order.parameters):
        return "driz_cr is false: all methods have the same weights"
    if len(found.campaign.sky.methods) == 1:
        return "sky.methods names one method: there is no other to compare its weights with"
    return ""


_OF_FITS = (parts.ALIGNMENT, parts.GATES, parts.VECTORS, parts.VISITS)
_TURNED_OFF: Mapping[str, Callable[[FinishedSteps], str]] = {
    parts.STATIC_MASKS.name: _static_masks,
    parts.CHECKS.name: _checks,
    **{part.name: _alignment for part in _OF_FITS},
    parts.POSITIONS.name: _positions,
    parts.WITHIN.name: _within,
    parts.WITNESS.name: _witness,
    parts.ENGINES.name: _engines,
    parts.COSMIC_RAYS.name: _cosmic_rays,
    parts.WEIGHTS.name: _weights,
}
"""By table: what in the campaign file is the reason that it is not there; empty where nothing."""
_STEPS_OF = {
    **{part.name: ALIGN for part in _OF_FITS},
    parts.POSITIONS.name: POSITIONS,
    parts.WITNESS.name: WITNESS,
    parts.ENGINES.name: ENGINES,
    **{part.name: COMPARISON for part in (parts.QUALITY, parts.SEAMS, parts.WEIGHTS)},
    **dict.fromkeys(("residuals", "overlaps"), COMPARISON),  # the page shows neither
}
"""By table: the step that makes it, where that is one."""


def _not_finished(found: FinishedSteps, part: str) -> str:
    return _missing(found, _STEPS_OF[part].task().title) if part in _STEPS_OF else ""


def _missing(found: FinishedSteps, title: str) -> str:
    """Return what is known of a task that is missing."""
    one = next((one for one in found.missing if one.part == title), None)
    return "" if one is None else f"{title}: {one.state}. {one.why}".strip()
