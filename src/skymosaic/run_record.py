"""What a run knows of itself, in rows for the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from skymosaic.align.align import UNITS
from skymosaic.compare.report import RunRecord
from skymosaic.compute import execution
from skymosaic.config import Campaign, resolved_yaml
from skymosaic.exposure import Exposure
from skymosaic.inspection import inspection_table
from skymosaic.steps import Finished, Place
from skymosaic.transfers import transfers
from skymosaic.versions import versions


def run_record(
    place: Place,
    campaign: Campaign,
    exposures: Sequence[Exposure],
    aligned: Finished,
    planned: Finished,
    steps: Sequence[Finished],
    told: Sequence[str],
) -> RunRecord:
    """Return what the run itself knows, for the report."""
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
