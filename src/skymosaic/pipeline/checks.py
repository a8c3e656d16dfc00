"""Steps in which one engine checks the other: the witness, and both on a sample of exposures.

The witness of AstroDrizzle's mosaics are the sums of the one-pass engine; that of the mosaics of
the one-pass engine is AstroDrizzle itself, on a part of them.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from astropy.io import fits

from skymosaic.drizzle import astrodrizzle
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.checks.sameness import EngineDifferences, largest_differences
from skymosaic.drizzle.checks.sample_window import Window
from skymosaic.drizzle.checks.sampled import Pixels, compare_sample
from skymosaic.drizzle.checks.witness import Agreement, require_agreement, without_number
from skymosaic.drizzle.grid import Grid, output_grid
from skymosaic.drizzle.missing_pixels import key_of_missing
from skymosaic.drizzle.onepass.choice import SkyChoice
from skymosaic.drizzle.onepass.run import Options, drizzle_all, drizzle_chips
from skymosaic.drizzle.request import Request
from skymosaic.errors import DamagedError
from skymosaic.host.counting import counted
from skymosaic.methods import METHODS, column, word
from skymosaic.pipeline.images import images_of, select
from skymosaic.pipeline.mosaic_sample import sample_of_mosaics
from skymosaic.pipeline.onepass_mosaics import forget_others
from skymosaic.pipeline.onepass_results import WITNESSED, WitnessedResult
from skymosaic.pipeline.results import (
    ENGINES,
    WITNESS,
    AlignResult,
    DrizzleResult,
    EnginesResult,
    Planned,
    WitnessResult,
)
from skymosaic.pipeline.slots import computing_slot
from skymosaic.pipeline.witnessed import log_of, read_sample
from skymosaic.steps.manifests import forget
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.config import Campaign
    from skymosaic.hst.exposure import Exposure
    from skymosaic.steps.execution import Calls


def check_each(
    calls: Calls, campaign: Campaign, place: Place, prepared: Any, drizzled: Any
) -> tuple[Any, Any]:
    """Make the tasks of the witness and of both engines; None of what is not asked for.

    `drizzled`: the `graph.DrizzleTasks`.
    """
    shared = (place, campaign, prepared.aligned, prepared.planned)
    requested, witness, engines = campaign.drizzle.checks, None, None
    if WITNESS.kind.name in requested:
        hear: Any = hear_witness
        heard: tuple[Any, ...] = (drizzled.runs,)
        if drizzled.onepass is not None:
            hear = hear_astrodrizzle
            heard = (dict(drizzled.onepass.runs), dict(drizzled.onepass.samples))
        witness = calls.call(hear, *shared, *heard, name=WITNESS.kind.name)
    if ENGINES.kind.name in requested:
        engines = calls.call(compare_engines, *shared, name=ENGINES.kind.name)
    return witness, engines


def hear_witness(
    place: Place,
    campaign: Campaign,
    aligned: Finished[AlignResult],
    planned: Finished[Planned],
    drizzled: Sequence[Finished[DrizzleResult]],
) -> Finished[WitnessResult]:
    """Compare each method's mosaic with what the MDRIZSKY values in its headers predict."""
    images = images_of(aligned)
    grid, parameters = planned.result.grid, dict(planned.result.order.parameters)
    runs = dict(zip(campaign.sky.methods, drizzled, strict=True))
    files = {
        f"{run.step}/{kind}": run.products[name]
        for run in runs.values()
        for kind, name in _mosaic(run.result).items()
    }

    def work(bench: Bench) -> WitnessResult:
        images.fetch(bench)
        with computing_slot(place):
            bench.doing(f"one drizzle of {counted(len(images.exposures), 'exposure')}")
            cut_outs, load = drizzle_chips(
                bench.scratch,
                bench.out / "witness.log",
                images.exposures,
                grid,
                parameters,
                processes=Request.of(campaign).processes(len(images.exposures)),
            )
            found: dict[str, Agreement] = {}
            for method, run in runs.items():
                science, weight = (
                    bench.fetch(files[f"{run.step}/{kind}"]) for kind in ("science", "weight")
                )
                if run.reused:
                    with fits.open(science) as image, fits.open(weight) as weights:
                        pixels = image[0].data, weights[0].data
                        make_anew_if_older(place, run.step, science.name, pixels)
                found[method] = require_agreement(science, weight, images.exposures, cut_outs, load)
                science.unlink()
                weight.unlink()
        return WitnessResult(found)

    return run_step(
        place,
        WITNESS.step(),
        tasks=[WITNESS.task()],
        inputs={**images.products, **files},
        parameters={
            "grid": grid.to_dict(),
            "astrodrizzle": parameters,
            **key_of_missing(images.exposures),
        },
        versions=versions(),
        work=work,
    )


def hear_astrodrizzle(
    place: Place,
    campaign: Campaign,
    aligned: Finished[AlignResult],
    planned: Finished[Planned],
    drizzled: Mapping[str, Finished[DrizzleResult]],
    samples: Mapping[str, Finished[WitnessedResult]] = MappingProxyType({}),
) -> Finished[WitnessResult]:
    """Let AstroDrizzle make a part of each mosaic of the one-pass engine again, and compare.

    Of methods and variants alike, with the MDRIZSKY values that their mosaics carry and with the
    masks that the engine used. Where no place of the mosaic has few exposures, both engines drizzle
    some of those of one place instead, with the same values.

    `drizzled`: the step of each, by method and variant; `samples`: what AstroDrizzle has made of
    them already.
    """
    sample = sample_of_mosaics(place, aligned, planned, drizzled)
    reused = {name: one.reused for name, one in drizzled.items()}
    grid, parameters = planned.result.grid, dict(planned.result.order.parameters)
    request = Request.of(campaign)
    left_out = request.no_constants
    runs = {name: run for name, run in sample.runs.items() if name not in left_out}

    def work(bench: Bench) -> WitnessResult:
        exposures, window = sample.images.exposures, sample.window
        ours, skies = {}, {}
        for name, run in runs.items():
            ours[name], skies[name] = sample.read(bench, run)
            if reused[name]:
                make_anew_if_older(place, run.step, run.result.science, ours[name])
        if samples:
            forget_others(place, WITNESSED.kind, list(map(word, samples)))
        log, masks = bench.out / "witness.log", {}
        theirs = _known_samples(bench, log, window, skies, samples)
        if not window.whole or theirs.keys() != runs.keys():
            sample.images.fetch(bench)
            masks = dict(sample.read_masks(bench))
            bench.doing(f"AstroDrizzle on {counted(len(exposures), 'exposure')} for each mosaic")
        with computing_slot(place):
            found = compare_sample(
                *(bench.scratch, log, exposures, window, grid),
                *(ours, skies, masks, parameters),
                titles={name: run.result.science for name, run in runs.items()},
                processes=request.processes(len(runs)),
                theirs=theirs,
            )
        return WitnessResult(dict(found), window, left_out, pars.has_cr_steps(parameters))

    return run_step(
        place,
        WITNESS.step(),
        tasks=[WITNESS.task()],
        inputs=sample.inputs(runs.values()),
        parameters={
            "engine": "onepass",
            "window": sample.window.to_dict(),
            "masks": sample.key_of_masks,
            "left_out": left_out,
            "grid": grid.to_dict(),
            "astrodrizzle": parameters,
        },
        versions=versions(),
        work=work,
    )


def _known_samples(
    bench: Bench,
    log: Path,
    window: Window,
    skies: Mapping[str, Sequence[float]],
    samples: Mapping[str, Finished[WitnessedResult]],
) -> dict[str, Pixels]:
    """Return what AstroDrizzle made of the window with these skies, and take over its log."""
    found = {}
    for name, sky in skies.items():
        one = samples.get(name)
        if one is not None and (one.result.window, one.result.sky) == (window, list(sky)):
            found[name] = read_sample(bench, one)
            with log.open("a") as file:
                file.write(log_of(bench, one))
    return found


def make_anew_if_older(place: Place, step: str, name: str, pixels: Pixels) -> None:
    """Let a mosaic be made anew that a former run finished with pixels that are no number.

    Raises
    ------
    DamagedError
        It is such a one; its step counts as not finished now, and the run does it again.
    """
    number = without_number(*pixels)
    if not number:
        return
    forget(place, step)
    raise DamagedError(
        f"{place.store.address(place.key(step, name))} is as older versions made it: "
        f"{counted(number, 'pixel that has weight is', 'pixels that have weight are')} no number "
        "(NaN), because an exposure has flagged pixels that are none; `skymosaic run` makes it "
        "anew"
    )


def _mosaic(run: DrizzleResult) -> dict[str, str]:
    """Return the names of a mosaic and its weights among the products."""
    return {"science": run.science, "weight": run.weight}


def compare_engines(
    place: Place,
    campaign: Campaign,
    aligned: Finished[AlignResult],
    planned: Finished[Planned],
) -> Finished[EnginesResult]:
    """Drizzle a sample of the exposures with both engines, and compare what they make."""
    every = images_of(aligned)
    chosen = sample_of(
        [exposure.rootname for exposure in every.exposures],
        planned.result.pairs,
        campaign.drizzle.sample or 0,
    )
    sampled = [one for one in every.exposures if one.rootname in chosen]
    images = select(sampled, aligned.products)
    parameters = dict(planned.result.order.parameters)
    methods = [method for method in campaign.sky.methods if method in METHODS]
    given, mosaics = Request.of(campaign).grid.is_given, planned.result.grid
    # A grid of its own, which holds the sample, with the pixels of the mosaics.
    pixels = pars.grid_choice(parameters)
    if given:
        pixels = {"rot": mosaics.rot, "scale": mosaics.scale}

    def work(bench: Bench) -> EnginesResult:
        images.fetch(bench)
        log = bench.out / "engines.log"
        with computing_slot(place):
            names = [exposure.name for exposure in images.exposures]
            grid, _ = output_grid(bench.scratch, log, names, pixels)
            bench.doing(f"{' and '.join(sorted(chosen))} with both engines")
            processes = Request.of(campaign).processes(len(images.exposures))
            theirs, ours = _by_both(
                bench.scratch, log, images.exposures, methods, grid, parameters, processes
            )
            found: dict[str, EngineDifferences] = {
                m: largest_differences(theirs[m], ours[m], images.exposures) for m in methods
            }
        searches = [run.cosmic_rays for run in ours.values() if run.cosmic_rays is not None]
        return EnginesResult(
            [e.rootname for e in images.exposures],
            found,
            searches[0].method if searches else None,
        )

    return run_step(
        place,
        ENGINES.step(),
        tasks=[ENGINES.task()],
        inputs=images.products,
        parameters={
            "methods": methods,
            "astrodrizzle": parameters,
            **({"pixels": pixels} if given else {}),
            **key_of_missing(images.exposures),
        },
        versions=versions(),
        work=work,
    )


def _by_both(
    scratch: Path,
    log: Path,
    exposures: Sequence[Exposure],
    methods: Sequence[str],
    grid: Grid,
    parameters: Mapping[str, Any],
    processes: int,
) -> tuple[dict[str, astrodrizzle.Drizzled], dict[str, astrodrizzle.Drizzled]]:
    """Return the mosaics of each method by AstroDrizzle and by onepass, from copies each."""
    theirs = {}
    for method in methods:
        folder = _copies(scratch, exposures, column(method))
        theirs[method] = astrodrizzle.drizzle(
            folder, folder / "log", exposures, "sample", method, grid, parameters
        )
    ours = drizzle_all(
        _copies(scratch, exposures, "onepass"),
        log,
        exposures,
        {method: f"sample_{column(method)}" for method in methods},
        {method: SkyChoice(method) for method in methods},
        grid,
        parameters,
        Options(processes=processes),
    )
    return theirs, ours


def sample_of(
    names: Sequence[str], pairs: Sequence[tuple[str, str, float]], count: int
) -> set[str]:
    """Return exposures that overlap: the pair that shares most, then always who shares most.

    Parameters
    ----------
    names : sequence of str
        All exposures.
    pairs : sequence of (str, str, float)
        Which overlap, and the area that they share.
    count : int
        How many to choose.
    """
    area = {frozenset((a, b)): shared for a, b, shared in pairs}
    first: frozenset[str] = max(area, key=area.__getitem__) if area else frozenset(names[:1])
    chosen = set(first)
    while len(chosen) < min(count, len(names)):
        rest = [name for name in names if name not in chosen]
        chosen.add(
            max(rest, key=lambda name: sum(area.get(frozenset((name, one)), 0.0) for one in chosen))
        )
    return chosen


def _copies(folder: Path, exposures: Sequence[Exposure], name: str) -> Path:
    copies = folder / name
    copies.mkdir()
    for exposure in exposures:
        shutil.copy(folder / exposure.name, copies / exposure.name)
    return copies
