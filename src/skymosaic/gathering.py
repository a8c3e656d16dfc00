"""The last task: one comparison of all methods, from what the other tasks recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skymosaic import progress
from skymosaic.config import Campaign
from skymosaic.drizzle import parameters as pars
from skymosaic.exposure import Exposure
from skymosaic.stages import read_previews, require_equal_weights, sky_values
from skymosaic.steps import Bench, Finished, Place, run_step
from skymosaic.store import Product
from skymosaic.versions import versions

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
) -> Finished:
    """Compare the methods and write ``comparison/``: table, figures, report."""
    runs: dict[str, Finished] = dict(zip(campaign.sky.methods, drizzled, strict=True))
    exposures = [Exposure.from_dict(record) for record in aligned.result["exposures"]]
    parameters = pars.resolve({**campaign.drizzle.parameters, **campaign.sky.parameters})
    told = [*left_out, *_alignment_warnings(aligned)]
    if pars.has_cr_steps(parameters):
        told.append(
            "Cosmic rays were looked for in each run, so the methods may differ in the pixels that "
            "they masked, not in the sky alone."
        )

    def work(bench: Bench) -> dict[str, Any]:
        # Measuring and drawing are this task's business alone: the others start sooner without
        # their imports.
        from skymosaic.compare.evidence import gather_evidence
        from skymosaic.compare.evidence_files import summary_lines
        from skymosaic.compare.gather import ComparisonInput, write_comparison
        from skymosaic.compare.mdrizsky import format_table
        from skymosaic.measuring import measure
        from skymosaic.run_record import run_record

        if not pars.has_cr_steps(parameters):
            require_equal_weights(runs)
        steps = [*retrieved, inspected, aligned, planned, *drizzled]
        record = run_record(place, campaign, exposures, aligned, planned, steps, told)
        skies = {method: sky_values(run) for method, run in runs.items()}
        images = read_previews(bench, runs)
        task.doing("measuring the overlaps")
        measured = measure(bench, exposures, aligned, planned, skies, images, retrieved, parameters)
        evidence = None if measured is None else gather_evidence(measured)
        task.doing("drawing figures, writing the report")
        comparison = write_comparison(
            bench.out,
            ComparisonInput(
                runs=skies,
                groups=planned.result["groups"],
                polygons={exposure.rootname: exposure.polygons for exposure in exposures},
                images=images,
                unit=_COUNTS if exposures[0].chips[0].counts else _RATE,
                image_unit=_COUNTS if parameters.get("final_units") == "counts" else _RATE,
                evidence=evidence,
            ),
            record,
        )
        return {
            "table": format_table(comparison.table),
            "warnings": [*comparison.warnings, *told],
            "campaign": what_is_asked(campaign),
            "evidence": None if evidence is None else evidence.to_dict(),
            "summary": [] if evidence is None else summary_lines(evidence),
        }

    with progress.task(place.label + "gather", place.topic) as task:
        done = run_step(
            place,
            "comparison",
            folder="comparison",
            inputs=_inputs(exposures, aligned, drizzled),
            parameters={
                "campaign": what_is_asked(campaign),
                "keys": [planned.key, aligned.key],
                "told": told,
            },
            versions=versions(),
            work=work,
        )
        task.reused = done.reused
    return done


def _inputs(
    exposures: Sequence[Exposure], aligned: Finished, drizzled: Sequence[Finished]
) -> dict[str, Product]:
    """Return what the comparison reads: the products of the methods, the aligned exposures."""
    made = {f"{run.step}/{name}": p for run in drizzled for name, p in run.products.items()}
    return made | {f"aligned/{e.name}": aligned.products[e.name] for e in exposures}


def what_is_asked(campaign: Campaign) -> dict[str, Any]:
    """Return the part of a campaign file that its result depends on, as plain values."""
    return campaign.model_dump(mode="json", exclude={"store", "compute"})


def asked_for(gathered: Finished) -> dict[str, Any]:
    """Return `what_is_asked` of the campaign file that a comparison was made from."""
    asked = dict(gathered.result.get("campaign", {}))
    if asked.get("source", {}).get("kind") == "simulated":
        # Older versions had one scene, and did not name it.
        asked["source"] = {"scene": "horsehead", **asked["source"]}
    return asked


def _alignment_warnings(aligned: Finished) -> list[str]:
    alignment = aligned.result["alignment"]
    if alignment is None:
        return []
    told = []
    if alignment["dropped"]:
        told.append(
            "Dropped, because they failed a gate of the alignment: "
            f"{', '.join(alignment['dropped'])}."
        )
    if alignment["kept"]:
        told.append(
            "Kept with the WCS they came with, because they failed a gate of the alignment: "
            f"{', '.join(alignment['kept'])}."
        )
    return told
