"""The tasks in which AstroDrizzle makes a part of each mosaic of the one-pass engine again.

A mosaic's part is made as soon as its skies are known, while the mosaics are still being summed;
the witness compares them in the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from skymosaic.drizzle.checks.sample_window import Window, choose_window
from skymosaic.drizzle.checks.sampled import Pixels, by_astrodrizzle
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.kept_masks import flag_kept, read_masks
from skymosaic.drizzle.request import Request
from skymosaic.host.counting import counted
from skymosaic.methods import word
from skymosaic.pipeline.images import Images, select
from skymosaic.pipeline.onepass_results import (
    WITNESSED,
    SingleResult,
    SkiesResult,
    WitnessedResult,
)
from skymosaic.pipeline.results import WITNESS, AlignResult, Planned
from skymosaic.pipeline.skies import skies_of
from skymosaic.pipeline.slots import computing_slot
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.config import Campaign
    from skymosaic.steps.execution import Calls

_ENGINE = 1
"""Version of what these steps do; part of their keys."""
_PIXELS, _LOG = "sample.npz", "sample.log"


def choose_sample(calls: Calls, campaign: Campaign, prepared: Any) -> Any:
    """Make the task that chooses the part; None where no witness is asked for, or nothing made."""
    if not calls.makes() or WITNESS.kind.name not in campaign.drizzle.checks:
        return None
    return calls.call(choose, prepared.aligned, prepared.planned, name="choose_window")


def choose(aligned: Finished[AlignResult], planned: Finished[Planned]) -> Window:
    """Choose the part of the mosaics."""
    return choose_window(aligned.result.exposures, planned.result.grid, planned.result.pairs)


@dataclass(frozen=True)
class SampleJob:
    """What the tasks of all mosaics have in common."""

    images: Images
    """The exposures of the sample."""
    window: Window
    grid: Grid
    """Of the whole mosaics."""
    parameters: Mapping[str, Any]
    """AstroDrizzle's, of the run."""


def make_samples(
    calls: Calls,
    campaign: Campaign,
    place: Place,
    images: Images,
    planned: Planned,
    singles: Mapping[str, Any],
    skies: Any,
    window: Any,
) -> dict[str, Any]:
    """Make a task of each mosaic, by method and variant; waits for the part that was chosen.

    Parameters
    ----------
    calls, campaign, place, images, planned
        As for the other parts of the graph.
    singles : mapping of str to call
        By rootname, those that give the masks of the exposures.
    skies : call
        That gives the skies.
    window : call
        As from `choose_sample`.
    """
    if window is None:
        return {}
    chosen: Window = calls.result(window)
    sampled = [one for one in images.exposures if one.rootname in chosen.exposures]
    job = SampleJob(
        select(sampled, images.products),
        chosen,
        planned.grid,
        dict(planned.order.parameters),
    )
    place = replace(place, part_of=(WITNESS.task(), WITNESS.step()))
    own, request = [singles[one.rootname] for one in sampled], Request.of(campaign)
    return {
        name: calls.call(
            partial(drizzle_sample, place, name, job),
            *(own, skies),
            name="drizzle_sample",
            of=name,
        )
        for name in request.choices
        if name not in request.no_constants
    }


def drizzle_sample(
    place: Place,
    name: str,
    job: SampleJob,
    singles: list[Finished[SingleResult]],
    skies: Finished[SkiesResult],
) -> Finished[WitnessedResult]:
    """Let AstroDrizzle make a part of one mosaic, with its skies and the masks of the engine."""
    exposures = job.images.exposures
    kept = skies_of(place, skies, [one.rootname for one in exposures])[name]
    # As the header of the mosaic tells it.
    sky = [0.0 if value is None else value for value in kept.recorded]
    masks = {f"{one.step}/{one.result.masks}": one.products[one.result.masks] for one in singles}

    def work(bench: Bench) -> WitnessedResult:
        job.images.fetch(bench)
        hidden: dict[str, Any] = {}
        for product, exposure in zip(masks.values(), exposures, strict=True):
            hidden |= read_masks(bench.fetch(product), [exposure])
        bench.doing(f"AstroDrizzle on {counted(len(exposures), 'exposure')} for {name}")
        with computing_slot(place):
            plain = flag_kept(bench.scratch, exposures, hidden, job.parameters)
            found = by_astrodrizzle(
                *(bench.scratch, bench.out / _LOG, exposures, job.window.of(job.grid)),
                *({name: sky}, plain),
            )
        science, weight = found[name]
        np.savez(bench.out / _PIXELS, science=science, weight=weight)
        return WitnessedResult(job.window, sky, _PIXELS, _LOG)

    return run_step(
        place,
        WITNESSED.step(word(name)),
        inputs={**job.images.products, **masks},
        parameters={
            "engine": _ENGINE,
            "mosaic": name,
            "window": job.window.to_dict(),
            "sky": sky,
            "grid": job.grid.to_dict(),
            "astrodrizzle": dict(job.parameters),
        },
        versions=versions(),
        work=work,
    )


def read_sample(bench: Bench, done: Finished[WitnessedResult]) -> Pixels:
    """Return what AstroDrizzle made of a mosaic's part."""
    with (
        bench.open(done.products[done.result.pixels]) as file,
        np.load(file, allow_pickle=False) as arrays,
    ):
        return arrays["science"], arrays["weight"]


def log_of(bench: Bench, done: Finished[WitnessedResult]) -> str:
    """Return what it logged meanwhile."""
    with bench.open(done.products[done.result.log]) as file:
        return file.read().decode("utf-8", errors="replace")
