"""The last task: one comparison of all methods, from what the other tasks recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from astropy.table import Table

from skymosaic.align.vectors import VECTORS
from skymosaic.compare.reduction import Floats
from skymosaic.config import Campaign
from skymosaic.differences_told import differences_told
from skymosaic.drizzle import parameters as pars
from skymosaic.exposure import Exposure
from skymosaic.findings import Findings
from skymosaic.footprints_told import footprints_told
from skymosaic.run_record import alignment_warnings, check_lines, run_record
from skymosaic.stages import order_of, read_previews, require_equal_weights, sky_values
from skymosaic.steps import Bench, Finished, Place, run_step
from skymosaic.store import Product
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.compare.evidence import Evidence
    from skymosaic.compare.gather import ComparisonInput

_COUNTS = "electron"
_RATE = "electron / s"


def gather(
    place: Place,
    campaign: Campaign,
    left_out: Sequence[str],
    retrieved: Sequence[Finished],
    inspected: Finished,
    aligned: Finished,
    planned: Finished,
    drizzled: Sequence[Finished],
    checked: Mapping[str, Finished],
) -> Finished:
    """Compare the methods and write ``comparison/``: table, figures, report."""
    runs: dict[str, Finished] = dict(zip(campaign.sky.methods, drizzled, strict=True))
    found = Findings(place, campaign, retrieved, inspected, aligned, planned, runs, checked=checked)
    order = order_of(planned)
    parameters = order.parameters
    told = [*left_out, *alignment_warnings(aligned), *order.warnings]
    if pars.has_cr_steps(parameters):
        told.append(_of_cosmic_rays(campaign))

    told += [*footprints_told(runs), *differences_told(runs)]

    def work(bench: Bench) -> dict[str, Any]:
        # Measuring and drawing are this task's business alone: the others start sooner without
        # their imports.
        from skymosaic.compare.evidence import gather_evidence
        from skymosaic.compare.evidence_files import summary_lines
        from skymosaic.compare.gather import write_comparison
        from skymosaic.compare.mdrizsky import format_table
        from skymosaic.measuring import measure

        if not pars.has_cr_steps(parameters):
            require_equal_weights(runs)
        skies = {method: sky_values(run) for method, run in runs.items()}
        images = read_previews(bench, runs)
        bench.doing("measuring the overlaps")
        measured = measure(
            bench, found.exposures, aligned, planned, skies, images, retrieved, parameters
        )
        evidence = None if measured is None else gather_evidence(measured)
        data = comparison_input(found, images, evidence)
        vectors = read_vectors(bench, aligned)
        bench.doing("drawing figures, writing the report")
        record = run_record(found, told, unit=data.unit, vectors=vectors)
        comparison = write_comparison(bench.out, data, record)
        return {
            "table": format_table(comparison.table),
            "warnings": [*comparison.warnings, *told],
            "campaign": what_is_asked(campaign),
            "evidence": None if evidence is None else evidence.to_dict(),
            "summary": [
                *([] if evidence is None else summary_lines(evidence)),
                *check_lines(checked),
            ],
            "card": dict(comparison.card),
        }

    return run_step(
        place,
        "comparison",
        titles=["gather"],
        inputs=_inputs(found),
        parameters={
            "campaign": what_is_asked(campaign),
            "keys": [planned.key, aligned.key, *(step.key for step in checked.values())],
            "told": told,
        },
        versions=versions(),
        work=work,
    )


def _of_cosmic_rays(campaign: Campaign) -> str:
    if campaign.drizzle.engine == "onepass":
        from skymosaic.drizzle.cosmic_rays import method_of
        from skymosaic.onepass_stages import choices_of

        method = method_of(choices_of(campaign.sky))
        return (
            f"Cosmic rays were looked for once, with the sky of {method} as AstroDrizzle has it; "
            "the mosaics of all methods have the masks that were found."
        )
    return (
        "Cosmic rays were looked for in each run, so the methods may differ in the pixels that "
        "they masked, not in the sky alone."
    )


def _inputs(found: Findings) -> dict[str, Product]:
    """Return what the comparison reads: the products of the methods, the aligned exposures."""
    runs, aligned = found.drizzled.values(), found.aligned
    made = {f"{run.step}/{name}": p for run in runs for name, p in run.products.items()}
    if aligned is None:
        return made
    return made | {f"aligned/{e.name}": aligned.products[e.name] for e in found.exposures}


def what_is_asked(campaign: Campaign) -> dict[str, Any]:
    """Return the part of a campaign file that its result depends on, as plain values."""
    return campaign.model_dump(mode="json", exclude={"store", "compute"})


def asked_for(gathered: Finished) -> dict[str, Any]:
    """Return `what_is_asked` of the campaign file that a comparison was made from."""
    asked = dict(gathered.result.get("campaign", {}))
    if asked.get("source", {}).get("kind") == "simulated":
        # Older versions had one scene and one instrument, and did not name them.
        asked["source"] = {
            "scene": "horsehead",
            "instrument": "wfc3-ir",
            "chip_step": 0.0,
            "sky": None,
            "cosmic_rays": True,
            **asked["source"],
        }
    return asked


def comparison_input(
    found: Findings, images: Mapping[str, Floats], evidence: Evidence | None = None
) -> ComparisonInput:
    """Return what is compared: the sky values of the methods that ran, and their mosaics."""
    from skymosaic.compare.gather import ComparisonInput

    planned, exposures = found.planned, found.exposures
    return ComparisonInput(
        runs={method: sky_values(run) for method, run in found.drizzled.items()},
        groups=() if planned is None else planned.result["groups"],
        polygons={exposure.rootname: exposure.polygons for exposure in exposures},
        images=images,
        unit=sky_unit(exposures),
        image_unit=_COUNTS if _in_counts(found.campaign) else _RATE,
        pairs={} if planned is None else {(a, b): area for a, b, area in planned.result["pairs"]},
        evidence=evidence,
    )


def sky_unit(exposures: Sequence[Exposure]) -> str:
    """Return the unit of MDRIZSKY, that of the exposures' pixels."""
    return _COUNTS if exposures and exposures[0].chips[0].counts else _RATE


def read_vectors(bench: Bench, aligned: Finished | None) -> Table | None:
    """Return the residuals of the matched sources, None where the alignment kept none."""
    if aligned is None or VECTORS not in aligned.products:
        return None
    return Table.read(bench.fetch(aligned.products[VECTORS]), format="ascii.ecsv")


def _in_counts(campaign: Campaign) -> bool:
    return campaign.drizzle.parameters.get("final_units") == "counts"  # no detector decides it
