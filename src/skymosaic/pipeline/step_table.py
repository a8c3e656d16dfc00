"""What the steps of a run took: time, memory and bytes, as the report tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from astropy.table import Table

from skymosaic.evidence.wording import some
from skymosaic.host.counting import counted
from skymosaic.pipeline.part_steps import PartSteps
from skymosaic.report.sheet import Columns, sheet
from skymosaic.steps.finished import Finished
from skymosaic.steps.transfers import transfers

_MOST_HOSTS = 4  # in a cell of the table
_STEPS: Columns = {
    "step": (str, None, "name of the step, that of its manifest"),
    "seconds": (float, "s", "wall time when it ran; of several, together"),
    "peak_memory": (float, "Mbyte", "largest resident set of a drizzlepac process in it"),
    "products": (int, None, "files that it made"),
    "bytes": (int, "byte", "size of its products"),
    "up": (float, "Mbyte", "moved to the store"),
    "down": (float, "Mbyte", "moved from the store"),
    "host": (str, None, "where it ran"),
}


def steps_sheet(steps: Sequence[Finished[object]], parts: Sequence[PartSteps]) -> Table:
    """Return what each step took: a row each, or of many steps of a kind one for all."""
    rows: list[tuple[Any, ...]] = [
        (
            step.step,
            round(step.seconds, 1),
            round(step.peak_memory / 1e6, 1) or None,
            len(step.products),
            sum(product.size for product in step.products.values()),
            round(step.moved.up / 1e6, 1),
            round(step.moved.down / 1e6, 1),
            step.host,
        )
        for step in steps
    ]
    rows += [
        (
            f"{part.kind}: {counted(part.steps, 'step')}",
            round(part.seconds, 1),
            round(part.peak_memory / 1e6, 1) or None,
            part.products,
            part.size,
            round(part.up / 1e6, 1),
            round(part.down / 1e6, 1),
            some(part.hosts, _MOST_HOSTS),
        )
        for part in parts
    ]
    title = "What each step took"
    more = "; those that the mosaics are made from at the end, all of a kind together"
    return sheet(title + more if parts else title, _STEPS, rows)


def moved_bytes(steps: Sequence[Finished[object]]) -> Mapping[str, float]:
    """Return what steps moved to and from the store, and what they had to, by words."""
    if not steps:
        return {}
    total = transfers(steps)
    return {
        "moved to the store (MB)": round(total.moved.up / 1e6, 1),
        "needed to go there (MB)": round(total.needed.up / 1e6, 1),
        "moved from the store (MB)": round(total.moved.down / 1e6, 1),
        "needed to come from there (MB)": round(total.needed.down / 1e6, 1),
        "moved / needed": round(total.ratio, 4),
    }
