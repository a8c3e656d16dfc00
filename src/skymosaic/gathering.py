"""The last task: one comparison of all methods, from what the other tasks recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from skymosaic import progress
from skymosaic.align.align import UNITS
from skymosaic.compute import execution
from skymosaic.config import Campaign, resolved_yaml
from skymosaic.drizzle import parameters as pars
from skymosaic.exposure import Exposure
from skymosaic.inspection import inspection_table
from skymosaic.stages import read_previews, require_equal_weights, sky_values
from skymosaic.steps import Bench, Finished, Place, run_step
from skymosaic.transfers import transfers
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.compare.report import RunRecord

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
        # Drawing is this task's business alone: the others start sooner without its imports.
        from skymosaic.compare.gather import ComparisonInput, write_comparison
        from skymosaic.compare.mdrizsky import format_table

        if not pars.has_cr_steps(parameters):
            require_equal_weights(runs)
        steps = [*retrieved, inspected, aligned, planned, *drizzled]
        record = _record(place, campaign, exposures, aligned, planned, steps, told)
        images = read_previews(bench, runs)
        task.doing("drawing figures, writing the report")
        comparison = write_comparison(
            bench.out,
            ComparisonInput(
                runs={method: sky_values(run) for method, run in runs.items()},
                groups=planned.result["groups"],
                polygons={exposure.rootname: exposure.polygons for exposure in exposures},
                images=images,
                unit=_COUNTS if exposures[0].chips[0].counts else _RATE,
                image_unit=_COUNTS if parameters.get("final_units") == "counts" else _RATE,
            ),
            record,
        )
        return {
            "table": format_table(comparison.table),
            "warnings": [*comparison.warnings, *told],
            "campaign": what_is_asked(campaign),
        }

    with progress.task(place.label + "gather", place.topic) as task:
        done = run_step(
            place,
            "comparison",
            folder="comparison",
            inputs={
                f"{run.step}/{name}": p for run in drizzled for name, p in run.products.items()
            },
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


def what_is_asked(campaign: Campaign) -> dict[str, Any]:
    """Return the part of a campaign file that its result depends on, as plain values."""
    return campaign.model_dump(mode="json", exclude={"store", "compute"})


def asked_for(gathered: Finished) -> dict[str, Any]:
    """Return `what_is_asked` of the campaign file that a comparison was made from."""
    return dict(gathered.result.get("campaign", {}))


def _record(
    place: Place,
    campaign: Campaign,
    exposures: Sequence[Exposure],
    aligned: Finished,
    planned: Finished,
    steps: Sequence[Finished],
    told: Sequence[str],
) -> RunRecord:
    """Return what the run itself knows, for the report."""
    from skymosaic.compare.report import RunRecord

    return RunRecord(
        campaign=place.campaign,
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        exposures=_rows(inspection_table(exposures)),
        alignment=_alignment_rows(aligned),
        gates=_gate_rows(aligned),
        output_grid=_grid_row(planned),
        steps=[_step_row(step) for step in steps],
        transfers=_transfers_row(steps),
        versions=versions(),
        dashboard=execution.dashboard(),
        campaign_file=resolved_yaml(campaign),
        warnings=told,
    )


def _rows(table: Any) -> list[dict[str, object]]:
    return [dict(zip(table.colnames, row, strict=True)) for row in table]


def _alignment_rows(aligned: Finished) -> list[dict[str, object]] | None:
    alignment = aligned.result["alignment"]
    if alignment is None:
        return None
    return [
        {
            f"{name} ({UNITS[name]})" if name in UNITS else name: _rounded(value)
            for name, value in fit.items()
        }
        for fit in alignment["fits"]
    ]


def _rounded(value: object) -> object:
    return round(value, 6) if isinstance(value, float) else value


def _gate_rows(aligned: Finished) -> list[dict[str, object]]:
    alignment = aligned.result["alignment"] or {"criteria": []}
    return [
        {**criterion, "failed": ", ".join(criterion["failed"]) or "none"}
        for criterion in alignment["criteria"]
    ]


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


def _grid_row(planned: Finished) -> Mapping[str, object]:
    grid = planned.result["grid"]
    return {
        "columns": grid["shape"][0],
        "rows": grid["shape"][1],
        "scale (arcsec)": grid["scale"],
        "orientation (deg)": grid["rot"],
        "RA (deg)": grid["crval"][0],
        "Dec (deg)": grid["crval"][1],
        "crpix1": grid["crpix"][0],
        "crpix2": grid["crpix"][1],
    }


def _step_row(step: Finished) -> dict[str, object]:
    return {
        "step": step.step,
        "seconds": round(step.seconds, 1),
        "peak memory (MB)": round(step.peak_memory / 1e6) or "",
        "products": len(step.products),
        "bytes": sum(product.size for product in step.products.values()),
        "to the store (MB)": round(step.moved.up / 1e6, 1),
        "from the store (MB)": round(step.moved.down / 1e6, 1),
        "host": step.host,
    }


def _transfers_row(steps: Sequence[Finished]) -> Mapping[str, object]:
    total = transfers(steps)
    return {
        "moved to the store (MB)": round(total.moved.up / 1e6, 1),
        "needed to go there (MB)": round(total.needed.up / 1e6, 1),
        "moved from the store (MB)": round(total.moved.down / 1e6, 1),
        "needed to come from there (MB)": round(total.needed.down / 1e6, 1),
        "moved / needed": round(total.ratio, 4),
    }
