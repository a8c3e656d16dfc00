"""The last task: one comparison of all methods, from what the other tasks recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Table
from pydantic import ValidationError

from skymosaic.align.solutions import mixed_as_they_are, mixed_in_tiles
from skymosaic.align.vectors import VECTORS
from skymosaic.config import Campaign
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.request import Request
from skymosaic.evidence.reduction import Floats, block_side
from skymosaic.hst.units import header_unit, mosaic_unit, with_seconds
from skymosaic.pipeline.drizzle import read_previews, require_equal_weights
from skymosaic.pipeline.finished import FinishedSteps
from skymosaic.pipeline.part_steps import PartSteps
from skymosaic.pipeline.results import (
    COMPARISON,
    AlignResult,
    CellResult,
    CellsResult,
    ComparisonResult,
    DifferencesResult,
    DrizzleResult,
    EnginesResult,
    InspectionResult,
    Planned,
    PositionsResult,
    RetrieveResult,
    WitnessResult,
)
from skymosaic.pipeline.sentences import masks
from skymosaic.pipeline.sentences.cells import cells_lines, empty_warnings
from skymosaic.pipeline.sentences.differences import chip_differences, difference_warnings
from skymosaic.pipeline.sentences.footprints import footprint_warnings
from skymosaic.pipeline.sentences.grid import left_out_warnings
from skymosaic.pipeline.sentences.positions import position_warnings, positions_line
from skymosaic.pipeline.sentences.reference import stars_of
from skymosaic.pipeline.sentences.static_masks import static_warnings
from skymosaic.pipeline.sentences.verified import check_lines
from skymosaic.pipeline.sentences.within import within_line
from skymosaic.pipeline.tables import alignment_lines, alignment_warnings, run_facts
from skymosaic.sky.outline import Outline, trace
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.evidence.evidence import Evidence
    from skymosaic.report.comparison import ComparisonInput
    from skymosaic.report.drawn import Drawn

# Versions of what is told of some runs; part of the step's key.
_RATES_SHOWN = 1  # skies of data in counts
_WEIGHTS_SHOWN = 1  # where each method has masks of its own


def compare_methods(
    place: Place,
    campaign: Campaign,
    left_out: Sequence[str],
    retrieved: Sequence[Finished[RetrieveResult]],
    inspected: Finished[InspectionResult],
    aligned: Finished[AlignResult],
    planned: Finished[Planned],
    differences: Finished[DifferencesResult] | None,
    drizzled: Sequence[Finished[DrizzleResult]],
    witness: Finished[WitnessResult] | None = None,
    engines: Finished[EnginesResult] | None = None,
    positions: Finished[PositionsResult] | None = None,
    cells: Finished[CellsResult] | None = None,
    each_cell: Sequence[Finished[CellResult]] = (),
    measured: Mapping[str, Any] | None = None,
    parts: Sequence[Sequence[PartSteps] | None] = (),
) -> Finished[ComparisonResult]:
    """Compare the methods and write ``comparison/``: table, figures, report.

    `measured`: what `comparing.tasks.make_parts` gives; where it is nothing, all is done here.
    """
    runs: dict[str, Finished[DrizzleResult]] = dict(
        zip(campaign.sky.methods, drizzled, strict=True)
    )
    found = FinishedSteps(
        place,
        campaign,
        retrieved,
        inspected,
        aligned,
        planned,
        differences,
        runs,
        witness,
        engines,
        positions,
        cells,
        each_cell,
        parts=[one for some_steps in parts for one in some_steps or ()],
    )
    warnings = [*left_out, *first_warnings(found)]
    return run_step(
        place,
        COMPARISON.step(),
        tasks=[COMPARISON.task()],
        inputs=found.compared,
        parameters={
            "campaign": result_settings(campaign),
            "keys": found.keys,
            "told": warnings,
            **({"rates": _RATES_SHOWN} if _in_counts(found) else {}),
            **({"weights": _WEIGHTS_SHOWN} if _masks_of_their_own(found) else {}),
        },
        versions=versions(),
        work=lambda bench: _compare(bench, found, aligned, planned, measured, warnings),
    )


def _looked_for_cosmic_rays(found: FinishedSteps) -> bool:
    return found.planned is not None and pars.has_cr_steps(found.planned.result.order.parameters)


def _masks_of_their_own(found: FinishedSteps) -> bool:
    """Tell whether each method has masks of cosmic rays, and so weights, of its own."""
    return _looked_for_cosmic_rays(found) and found.campaign.drizzle.engine != "onepass"


def _compare(
    bench: Bench,
    found: FinishedSteps,
    aligned: Finished[AlignResult],
    planned: Finished[Planned],
    measured: Mapping[str, Any] | None,
    warnings: Sequence[str],
) -> ComparisonResult:
    """Measure, and write the comparison."""
    # Few tasks measure and draw: the others start sooner without their imports.
    from skymosaic.report.comparison import write_comparison
    from skymosaic.report.evidence_files import summary_lines
    from skymosaic.report.mdrizsky import axis_label, format_table

    of_weights, weights = _weights(bench, found)
    warned = [*warnings, *of_weights]
    runs = found.drizzled
    images = read_previews(bench, runs)
    bench.doing("measuring the overlaps")
    evidence, drawn = _evidence(bench, found, aligned, planned, measured, images)
    data = replace(comparison_input(found, images, evidence), outline=_outline(found, images))
    vectors = read_vectors(bench, aligned)
    bench.doing("drawing figures, writing the report")
    facts = run_facts(found, warned, unit=data.unit, vectors=vectors, weights=weights)
    comparison = write_comparison(bench.out, data, facts, drawn=drawn)
    return ComparisonResult(
        table=format_table(comparison.table),
        title=axis_label(comparison.table),
        warnings=[*comparison.warnings, *warned],
        campaign=result_settings(found.campaign),
        evidence=None if evidence is None else evidence.summary,
        summary=[
            *([] if evidence is None else summary_lines(evidence)),
            *alignment_lines(
                aligned.result.alignment, aligned.result.catalogue, stars_of(aligned.result)
            ),
            *([] if found.positions is None else [positions_line(found.positions.result)]),
            *_within_lines(found),
            *check_lines(found.witness, found.engines),
            *cells_lines(found.each_cell),
        ],
        card=comparison.card,
        parts=list(found.parts) or None,
    )


def _evidence(
    bench: Bench,
    found: FinishedSteps,
    aligned: Finished[AlignResult],
    planned: Finished[Planned],
    measured: Mapping[str, Any] | None,
    images: Mapping[str, Floats],
) -> tuple[Evidence | None, Drawn | None]:
    """Return what was found of the overlaps and the mosaics, and the figures that are drawn."""
    chips = chip_differences(found.drizzled)
    if measured:
        from skymosaic.pipeline.comparing.gathering import ComparedParts

        parts = ComparedParts(**measured)
        evidence = parts.evidence(bench, planned.result, found.drizzled, chips)
        return evidence, parts.drawn(bench)
    from skymosaic.evidence.evidence import gather_evidence
    from skymosaic.pipeline.measuring import measurements, observe

    exposures = found.exposures
    observed = observe(bench, exposures, aligned, planned.result, found.retrieved, chips)
    if observed is None:
        return None, None
    skies = {method: run.result.sky for method, run in found.drizzled.items()}
    return gather_evidence(measurements(observed, exposures, planned.result, skies, images)), None


def _weights(bench: Bench, found: FinishedSteps) -> tuple[list[str], Table | None]:
    """Compare the weights of the methods; return what to warn of, and the table of them."""
    if not _looked_for_cosmic_rays(found):
        require_equal_weights(found.drizzled)
    elif _masks_of_their_own(found):
        bench.doing("comparing the weights of the methods")
        reference, apart = masks.compare_weights(bench, found.drizzled)
        return [masks.each(apart, reference)], masks.weight_sheet(apart, reference)
    return [], None


def first_warnings(found: FinishedSteps) -> list[str]:
    """Return what the reader of a comparison must know first, from the steps that have finished."""
    inspected, aligned, planned, runs = (
        found.inspected,
        found.aligned,
        found.planned,
        found.drizzled,
    )
    warnings: list[str] = []
    if inspected is not None:
        warnings += inspected.result.warnings
    if aligned is not None:
        warnings += alignment_warnings(aligned.result.alignment)
    warnings += solution_warnings(found)
    if found.positions is not None:
        warnings += position_warnings(found.positions.result)
    if planned is not None:
        order = planned.result.order
        warnings += [*left_out_warnings(planned.result), *order.warnings]
        looked_for = pars.has_cr_steps(order.parameters)
        if runs and looked_for and found.campaign.drizzle.engine == "onepass":
            warnings.append(masks.once(runs, _method_of_masks(found.campaign, runs)))
    return [
        *warnings,
        *static_warnings(runs),
        *footprint_warnings(runs),
        *difference_warnings(runs),
        *empty_warnings(found.each_cell),
    ]


def _within_lines(found: FinishedSteps) -> list[str]:
    within = None if found.inspected is None else found.inspected.result.within
    return [] if within is None else [within_line(within)]


def solution_warnings(found: FinishedSteps) -> list[str]:
    """Return where WCS solutions of different kinds are in one mosaic, once it is aligned."""
    if found.inspected is None:
        return []
    if found.campaign.align.method == "none":
        return mixed_as_they_are(found.exposures)
    alignment = None if found.aligned is None else found.aligned.result.alignment
    if alignment is None:
        return []
    inspected = found.inspected.result
    return mixed_in_tiles(alignment.used, inspected.exposures, inspected.drizzled)


def _in_counts(found: FinishedSteps) -> bool:
    return any(chip.counts for exposure in found.exposures for chip in exposure.chips)


def _method_of_masks(campaign: Campaign, runs: Mapping[str, Finished[DrizzleResult]]) -> str:
    """Return the method under whose sky onepass looked for cosmic rays."""
    recorded = masks.method_recorded(runs)
    if recorded is not None:
        return recorded
    # Runs of older versions did not record it.
    from skymosaic.drizzle.onepass.cosmic_rays import method_of

    return method_of(Request.of(campaign).choices)


def result_settings(campaign: Campaign) -> dict[str, Any]:
    """Return the part of a campaign file that its result depends on, as plain values."""
    settings: dict[str, Any] = campaign.model_dump(mode="json", exclude={"store", "compute"})
    # As resolved: what is not asked for by name was `false` in older versions.
    settings["drizzle"]["witness"] = campaign.drizzle.has_witness
    if not campaign.drizzle.products:  # likewise
        del settings["drizzle"]["products"]
    if campaign.sky.static == "auto":  # as in files of versions that did not know the key
        del settings["sky"]["static"]
    if not settings["source"].get("filters", True):  # likewise, of simulated exposures
        del settings["source"]["filters"]
    if campaign.drizzle.grid == "auto":  # likewise
        del settings["drizzle"]["grid"]
    if campaign.colour is None:  # likewise
        del settings["colour"]
    return settings


def compared_settings(comparison: ComparisonResult) -> dict[str, Any]:
    """Return `result_settings` of the campaign file that a comparison was made from.

    What the version that made it did not know has its default.
    """
    settings = dict(comparison.campaign)
    try:
        return result_settings(Campaign.model_validate(settings))
    except ValidationError:  # a version that asked for something else
        return settings


def comparison_input(
    found: FinishedSteps, images: Mapping[str, Floats], evidence: Evidence | None = None
) -> ComparisonInput:
    """Return what is compared: the sky values of the methods that ran, and their mosaics."""
    from skymosaic.report.comparison import ComparisonInput

    planned, exposures = found.planned, found.exposures
    return ComparisonInput(
        runs={m: with_seconds(run.result.sky, exposures) for m, run in found.drizzled.items()},
        groups=() if planned is None else planned.result.groups,
        polygons={exposure.rootname: exposure.polygons for exposure in exposures},
        images=images,
        unit=header_unit(exposures),
        image_unit=mosaic_unit(exposures, in_counts=_mosaics_in_counts(found.campaign)),
        pairs={} if planned is None else {(a, b): area for a, b, area in planned.result.pairs},
        evidence=evidence,
    )


def _outline(found: FinishedSteps, images: Mapping[str, Floats]) -> Outline | None:
    """Return what the first mosaic covers, from its preview: older versions left that alone."""
    if found.planned is None or not images:
        return None
    grid = found.planned.result.grid
    seen = np.isfinite(next(iter(images.values())))
    return trace(seen, grid.wcs(), block_side(grid.shape))


def read_vectors(bench: Bench, aligned: Finished[AlignResult] | None) -> Table | None:
    """Return the residuals of the matched sources, None where the alignment kept none."""
    if aligned is None or VECTORS not in aligned.products:
        return None
    return Table.read(bench.fetch(aligned.products[VECTORS]), format="ascii.ecsv")


def _mosaics_in_counts(campaign: Campaign) -> bool:
    return Request.of(campaign).given.get("final_units") == "counts"  # no detector decides it
