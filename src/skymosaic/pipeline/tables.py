"""What the steps of a run recorded, as the tables that its report shows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from astropy.table import Table

from skymosaic.align.alignment import UNITS, Alignment
from skymosaic.align.tweakreg import DEFAULTS
from skymosaic.config import resolved_yaml
from skymosaic.drizzle.request import Request
from skymosaic.drizzle.sky_cell import SkyCellPart
from skymosaic.evidence.wording import some
from skymosaic.host.counting import counted
from skymosaic.pipeline.align_results import ReferenceResult
from skymosaic.pipeline.exposure_table import inspection_table
from skymosaic.pipeline.finished import FinishedSteps
from skymosaic.pipeline.results import EnginesResult, Planned, PlanResult, WitnessResult
from skymosaic.pipeline.sentences.astrometry import used_sheet, visits_sheet
from skymosaic.pipeline.sentences.cells import cells_sheet
from skymosaic.pipeline.sentences.masks import hit_sheet
from skymosaic.pipeline.sentences.positions import positions_sheet
from skymosaic.pipeline.sentences.reference import listed_line
from skymosaic.pipeline.sentences.static_masks import static_sheet
from skymosaic.pipeline.sentences.verified import verified
from skymosaic.pipeline.sentences.within import within_sheet
from skymosaic.pipeline.step_table import moved_bytes, steps_sheet
from skymosaic.report import parts
from skymosaic.report.contents import Missing, RunFacts
from skymosaic.report.sheet import Columns, sheet
from skymosaic.sky.values import rate_unit
from skymosaic.steps import execution
from skymosaic.steps.finished import Finished
from skymosaic.versions import versions

_MOST_NAMED = 24  # drizzled images in a sentence

_FITS: Columns = {
    "tile": (str, None, "rootname of the drizzled image"),
    "status": (str, None, "reference, aligned, not aligned (kept as it was) or dropped"),
    "place": (int, None, "position in the order that TweakReg used; 0: reference, -1: not fitted"),
    "sources": (int, None, "sources found in it"),
    "matches": (int, None, "sources matched and kept in the fit"),
    "shift": (float, UNITS["shift"], "length of the shift on the sky"),
    "dx": (float, UNITS["dx"], "shift in x of the reference frame"),
    "dy": (float, UNITS["dy"], "shift in y of the reference frame"),
    "rotation": (float, UNITS["rotation"], "rotation"),
    "scale": (float, None, "ratio of scales"),
    "rms_ra": (float, UNITS["rms_ra"], "rms residual in right ascension"),
    "rms_dec": (float, UNITS["rms_dec"], "rms residual in declination"),
    "chance": (float, None, "fits as good as this that are expected by chance"),
}
_GATES: Columns = {
    "name": (str, None, "name of the gate"),
    "asks": (str, None, "what it asks of a drizzled image"),
    "passed": (int, None, "drizzled images that pass"),
    "failed": (str, None, "those that do not"),
}
_CHECKS: Columns = {
    "method": (str, None, "sky method"),
    "rootname": (str, None, "rootname of the exposure"),
    "chip": (int, None, "EXTVER of the SCI extension"),
    "header": (float, "{unit}", "MDRIZSKY in the header of the exposure"),
    "hdrtab": (float, "{unit}", "MDRIZSKY in HDRTAB of the mosaic"),
    "log": (float, "{unit}", "sky value that the log says was applied"),
    "rate": (float, "{rate}", "MDRIZSKY in the header over EXPTIME"),
    "agree": (bool, None, "whether all three say the same"),
}
_WITNESS: Columns = {
    "method": (str, None, "sky method"),
    "pixels": (int, None, "pixels of its mosaic that were compared"),
    "rms": (
        float,
        None,
        "mosaic minus what the other engine makes of its MDRIZSKY values, in the mosaic's unit "
        "(e-/s of what AstroDrizzle made again): rms",
    ),
    "largest": (float, None, "the largest of these differences; bright pixels are rounded most"),
    "noise": (float, None, "noise of the mosaic from pixel to pixel, in its unit"),
}
_ENGINES: Columns = {
    "method": (str, None, "sky method"),
    "sky": (float, "{rate}", "largest difference of the engines' sky values"),
    "mosaic": (float, None, "largest difference of their mosaics, in the mosaics' unit"),
    "mosaic_in_tolerance": (float, None, "the same over 1e-4 of the noise, or 2e-6 of the pixel"),
    "weight": (float, None, "largest relative difference of their weights"),
}
_ORDER: Columns = {
    "parameter": (str, None, "AstroDrizzle's name of it"),
    "value": (str, None, "its value"),
    "source": (str, None, "why it has that value"),
}


def run_facts(
    found: FinishedSteps,
    warnings: Sequence[str],
    *,
    unit: str,
    vectors: Table | None = None,
    weights: Table | None = None,
    missing: Sequence[Missing] = (),
) -> RunFacts:
    """Return what the run itself knows, for the report.

    Parameters
    ----------
    found : FinishedSteps
        Its finished steps.
    warnings : sequence of str
        What the reader is to know first.
    unit : str
        Unit of MDRIZSKY in the headers.
    vectors : astropy.table.Table, optional
        Residuals of the sources that the alignment matched.
    weights : astropy.table.Table, optional
        How the methods' weights differ, of `sentences.masks.weight_sheet`.
    missing : sequence of Missing
        What failed or was not run.
    """
    alignment = None if found.aligned is None else found.aligned.result.alignment
    stars = None if found.aligned is None else found.aligned.result.reference
    exposures = inspection_table(found.exposures)
    exposures.meta["title"] = "The exposures in the mosaics"
    return RunFacts(
        campaign=found.place.campaign,
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        tables={
            parts.CHECKS: _checks(found, unit),
            parts.WITNESS: _of_methods(found.witness, _WITNESS, unit, _witness_title(found)),
            parts.ENGINES: _of_methods(found.engines, _ENGINES, unit, _engines_title(found)),
            parts.STATIC_MASKS: static_sheet(found.drizzled),
            parts.COSMIC_RAYS: hit_sheet(found.drizzled),
            parts.WEIGHTS: weights,
            parts.EXPOSURES: exposures if len(exposures) else None,
            parts.ALIGNMENT: None if alignment is None else _fits(alignment, stars),
            parts.GATES: None if alignment is None else _gates(alignment),
            parts.ASTROMETRY: used_sheet(found),
            parts.VISITS: visits_sheet(found, vectors),
            parts.VECTORS: vectors,
            parts.POSITIONS: None
            if found.positions is None
            else positions_sheet(found.positions.result),
            parts.WITHIN: _within(found),
            parts.CELLS: cells_sheet(found.place, found.each_cell) if found.each_cell else None,
            parts.DEFAULTS: _defaults(found.planned),
            parts.STEPS: steps_sheet(found.steps, found.parts),
        },
        verified=verified(found),
        engine=found.campaign.drizzle.engine,
        aligned=found.campaign.align.method != "none",
        output_grid={} if found.planned is None else _grid(found.planned.result),
        transfers=moved_bytes(found.steps),
        versions=versions(),
        dashboard=execution.dashboard(),
        mosaics={
            method: run.products[run.result.science].key.removeprefix(found.place.key(""))
            for method, run in found.drizzled.items()
        },
        parameters=_parameters(found),
        campaign_file=resolved_yaml(found.campaign),
        warnings=warnings,
        missing=missing,
    )


def alignment_warnings(alignment: Alignment | None) -> list[str]:
    """Return what a reader must know of the alignment first; nothing of `align: none`."""
    if alignment is None:
        return []
    warnings = []
    if alignment.dropped:
        warnings.append(
            "Dropped, because they failed a gate of the alignment: "
            f"{some(alignment.dropped, _MOST_NAMED)}."
        )
    if alignment.kept:
        warnings.append(
            "Kept with the WCS of their files, because they failed a gate of the alignment: "
            f"{some(alignment.kept, _MOST_NAMED)}."
        )
    return warnings


def alignment_lines(
    alignment: Alignment | None, catalogue: str | None = None, reference: str | None = None
) -> list[str]:
    """Return how the drizzled images were aligned, for a terminal; nothing of `align: none`.

    `catalogue`: the key of another group's that they were aligned to; `reference`: what else they
    were aligned to, that is none of them.
    """
    if alignment is None:
        return []
    failed = {*alignment.kept, *alignment.dropped}
    fits = [fit for fit in alignment.fits if fit.tile not in failed]
    said = f"alignment: {len(fits)} of {counted(len(alignment.fits), 'drizzled image')} aligned"
    if catalogue is not None:
        said += f" to the sources of {'/'.join(catalogue.split('/')[1:-2])}"
    if reference is not None:
        said += f" to {reference}"
    moved = [fit for fit in fits if not fit.reference]
    if not moved:
        return [said]
    rms = max(max(fit.rms_ra, fit.rms_dec) for fit in moved)
    return [
        f"{said}; {min(fit.matches for fit in moved)} matched sources or more in each, rms at "
        f"most {rms:.1f} mas, shift at most {max(fit.shift for fit in moved):.3f} arcsec"
    ]


def _fits(alignment: Alignment, stars: ReferenceResult | None = None) -> Table:
    rows = []
    for fit in alignment.fits:
        values = {**asdict(fit), "status": alignment.status(fit)}
        rows.append([None if values[name] != values[name] else values[name] for name in _FITS])
    title = "How the drizzled images were aligned"
    notes = [
        "" if stars is None else listed_line(stars),
        "" if alignment.finding is None else alignment.finding.why,
    ]
    said = "; ".join(note for note in notes if note)
    return sheet(f"{title}: {said}" if said else title, _FITS, rows)


def _gates(alignment: Alignment) -> Table:
    rows = [
        (gate.name, gate.asks, gate.passed, ", ".join(gate.failed) or "none")
        for gate in alignment.criteria
    ]
    return sheet("Gates that the alignment had to pass", _GATES, rows)


def _checks(found: FinishedSteps, unit: str) -> Table | None:
    """Return what the records of the sky said; None where a run did not keep them."""
    runs = found.drizzled
    if not runs or any(run.result.checks is None for run in runs.values()):
        return None
    rate = rate_unit(unit)
    # Records are compared as they stand; exposures of different times by rates.
    names = [name for name in _CHECKS if name != "rate" or rate != unit]
    columns = _with_units({name: _CHECKS[name] for name in names}, unit)
    seconds = {exposure.rootname: exposure.exptime for exposure in found.exposures}
    rows = []
    for method, run in runs.items():
        for check in run.result.checks or ():
            header, time = check.header, seconds.get(check.rootname)
            its = {**asdict(check), "agree": check.agree, "method": method}
            its["rate"] = None if header is None or time is None else header / time
            rows.append([its[name] for name in names])
    return sheet("What the three records of the sky say of each value", columns, rows)


def _with_units(columns: Columns, unit: str) -> Columns:
    return {
        name: (kind, unit_text and unit_text.format(unit=unit, rate=rate_unit(unit)), description)
        for name, (kind, unit_text, description) in columns.items()
    }


def _witness_title(found: FinishedSteps) -> str:
    if found.campaign.drizzle.engine == "onepass":
        return "A part of each mosaic, made again by AstroDrizzle"
    return "Each mosaic compared with what onepass predicts from the MDRIZSKY values in its headers"


def _engines_title(found: FinishedSteps) -> str:
    step = found.engines
    if step is None:
        return ""
    names = ", ".join(step.result.exposures)
    said = f"The largest differences of both engines, astrodrizzle and onepass, on {names}"
    masks_of = step.result.masks_of
    if masks_of is None:
        return said
    return (
        f"{said}; onepass uses the masks of cosmic rays of {masks_of} for all methods; "
        "AstroDrizzle finds masks for each method, so for the other methods the mosaics may "
        "differ by more than rounding"
    )


def _of_methods(
    step: Finished[WitnessResult] | Finished[EnginesResult] | None,
    columns: Columns,
    unit: str,
    title: str,
) -> Table | None:
    """Return what a step says of each method; None where it was not asked for."""
    if step is None:
        return None
    rows = [
        [{**asdict(its), "method": method}[one] for one in columns]
        for method, its in step.result.methods.items()
    ]
    return sheet(title, _with_units(columns, unit), rows)


def _grid(planned: PlanResult) -> Mapping[str, float | str]:
    grid = planned.grid
    return {
        **({} if planned.grid_from is None else {"like": planned.grid_from}),
        **_cell(planned.cell),
        "columns": grid.shape[0],
        "rows": grid.shape[1],
        "scale (arcsec)": grid.scale,
        "orientation (deg)": grid.rot,
        "RA (deg)": grid.crval[0],
        "Dec (deg)": grid.crval[1],
        "crpix1": grid.crpix[0],
        "crpix2": grid.crpix[1],
    }


def _within(found: FinishedSteps) -> Table | None:
    within = None if found.inspected is None else found.inspected.result.within
    return None if within is None else within_sheet(within)


def _cell(cell: SkyCellPart | None) -> Mapping[str, float | str]:
    """Return which part of a sky cell a mosaic is; nothing of other mosaics."""
    if cell is None:
        return {}
    return {
        "sky cell": f"{cell.name} ({cell.scale})",
        "columns, rows of the cell before the mosaic": f"{cell.corner[0]}, {cell.corner[1]}",
        "columns, rows of the whole cell": f"{cell.whole.shape[0]}, {cell.whole.shape[1]}",
        "crpix1, crpix2 of the whole cell": f"{cell.whole.crpix[0]!r}, {cell.whole.crpix[1]!r}",
    }


def _parameters(found: FinishedSteps) -> dict[str, Mapping[str, Any]]:
    """Return what drizzlepac was called with, by program; what the file says where that is all."""
    campaign = found.campaign
    planned = found.planned
    chosen = Request.of(campaign).given if planned is None else planned.result.order.parameters
    # A grid of the user's own tells the pixels; of the others final_rot and final_scale do.
    own = planned is not None and Request.of(campaign).grid.is_given
    grid = planned.result.grid.final_parameters() if planned is not None and own else {}
    parameters: dict[str, Mapping[str, Any]] = {"AstroDrizzle": {**chosen, **grid}}
    if campaign.align.method != "none":
        alignment = None if found.aligned is None else found.aligned.result.alignment
        finding = None if alignment is None else alignment.finding
        parameters["TweakReg"] = {
            **DEFAULTS,
            "minobj": campaign.align.gates.min_matches,
            **({} if finding is None else finding.tweakreg),
            **campaign.align.tweakreg,
        }
        parameters["imagefind"] = (
            campaign.align.imagefind if finding is None else finding.parameters
        )
    return parameters


def _defaults(planned: Finished[Planned] | None) -> Table | None:
    """Return what was decided by detector and number of exposures; None where nothing was."""
    order = None if planned is None else planned.result.order
    if order is None or not order.sources:
        return None
    rows = []
    for name, why in order.sources.items():
        value = order.parameters[name]
        rows.append((name, value if isinstance(value, str) else json.dumps(value), why))
    return sheet("AstroDrizzle's parameters that were decided for these exposures", _ORDER, rows)
