"""Steps in which one engine checks the other: the witness, and both on a sample of exposures.

The witness of AstroDrizzle's mosaics are the sums of the one-pass engine; that of the mosaics of
the one-pass engine is AstroDrizzle itself, on a part of them.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astropy.io import fits

from skymosaic.drizzle import astrodrizzle
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.checks.sameness import largest_differences
from skymosaic.drizzle.checks.sample_window import Window, choose_window
from skymosaic.drizzle.checks.sampled import Pixels, compare_sample, read_window
from skymosaic.drizzle.checks.witness import require_agreement, without_number
from skymosaic.drizzle.grid import Grid, output_grid
from skymosaic.drizzle.kept_masks import read_masks, static_masks_of
from skymosaic.drizzle.missing_pixels import key_of_missing
from skymosaic.drizzle.onepass.choice import SkyChoice
from skymosaic.drizzle.onepass.run import drizzle_all, drizzle_chips
from skymosaic.drizzle.request import Request
from skymosaic.errors import DamagedError, LockedError
from skymosaic.host.counting import counted
from skymosaic.methods import METHODS, column
from skymosaic.pipeline import stages
from skymosaic.pipeline.sentences.verified import SAMPLE, WITNESS
from skymosaic.steps.step import Bench, Finished, Place, finished, forget, run_step
from skymosaic.steps.tasks import ONEPASS, Task
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.config import Campaign
    from skymosaic.steps.execution import Calls


def check_each(
    calls: Calls, campaign: Campaign, place: Place, prepared: Any, drizzled: Sequence[Any]
) -> dict[str, Any]:
    """Make the task of each step that a campaign asks for; return them by the step's name."""
    shared = (place, campaign, prepared.aligned, prepared.planned)
    hear = hear_astrodrizzle if campaign.drizzle.engine == "onepass" else hear_witness
    tasks = {
        WITNESS: lambda: calls.call(hear, *shared, drizzled, name=WITNESS),
        SAMPLE: lambda: calls.call(try_both, *shared, name=SAMPLE),
    }
    return {step: tasks[step]() for step in campaign.drizzle.checks}


def hear_witness(
    place: Place,
    campaign: Campaign,
    aligned: Finished,
    planned: Finished,
    drizzled: Sequence[Finished],
) -> Finished:
    """Compare each method's mosaic with what the MDRIZSKY values in its headers predict."""
    images = stages.select(aligned.result["exposures"], aligned.products)
    grid = Grid.from_call(planned.result["grid"])
    parameters = dict(stages.order_of(planned).parameters)
    runs = dict(zip(campaign.sky.methods, drizzled, strict=True))
    files = {
        f"{run.step}/{kind}": run.products[run.result[kind]]
        for run in runs.values()
        for kind in ("science", "weight")
    }

    def work(bench: Bench) -> dict[str, Any]:
        images.fetch(bench)
        with stages.computing_slot(place):
            bench.doing(f"one drizzle of {counted(len(images.exposures), 'exposure')}")
            cut_outs, load = drizzle_chips(
                bench.scratch,
                bench.out / "witness.log",
                images.exposures,
                grid,
                parameters,
                processes=Request.of(campaign).processes(len(images.exposures)),
            )
            found = {}
            for method, run in runs.items():
                science, weight = (
                    bench.fetch(files[f"{run.step}/{kind}"]) for kind in ("science", "weight")
                )
                if run.reused:
                    with fits.open(science) as image, fits.open(weight) as weights:
                        pixels = image[0].data, weights[0].data
                        _make_anew_if_older(place, run.step, science.name, pixels)
                agreement = require_agreement(science, weight, images.exposures, cut_outs, load)
                found[method] = asdict(agreement)
                science.unlink()
                weight.unlink()
        return {"methods": found}

    return run_step(
        place,
        WITNESS,
        told=[Task(WITNESS)],
        inputs={**images.products, **files},
        parameters={
            "grid": planned.result["grid"],
            "astrodrizzle": parameters,
            **key_of_missing(images.exposures),
        },
        versions=versions(),
        work=work,
    )


def hear_astrodrizzle(
    place: Place,
    campaign: Campaign,
    aligned: Finished,
    planned: Finished,
    drizzled: Sequence[Finished],
) -> Finished:
    """Let AstroDrizzle make a part of each mosaic of the one-pass engine again, and compare.

    Of methods and variants alike, with the MDRIZSKY values that their mosaics carry and with the
    masks that the engine used. Where no place of the mosaic has few exposures, both engines drizzle
    some of those of one place instead, with the same values.
    """
    made = finished(place, ONEPASS)
    if made is None or made.key != drizzled[0].key:
        raise LockedError("the mosaics were replaced while they were being checked; run again")
    every = stages.select(aligned.result["exposures"], aligned.products)
    grid = Grid.from_call(planned.result["grid"])
    parameters = dict(stages.order_of(planned).parameters)
    kept = made.result.get("sample")  # older versions kept none
    window = (
        choose_window(every.exposures, grid, planned.result["pairs"])
        if kept is None
        else Window.from_dict(kept["window"])
    )
    records = [one for one in aligned.result["exposures"] if one["rootname"] in window.exposures]
    images = stages.select(records, aligned.products)
    request = Request.of(campaign)
    left_out = request.no_constants
    runs = {name: run for name, run in made.result["runs"].items() if name not in left_out}
    files = {
        f"{made.step}/{run[kind]}": made.products[run[kind]]
        for run in runs.values()
        for kind in ("science", "weight")
    }
    masks_file = None if kept is None else made.products[kept["masks"]]
    given = (
        every.products
        if masks_file is None
        else {
            **images.products,
            f"{made.step}/{masks_file.name}": masks_file,
        }
    )

    def masks_of(bench: Bench) -> Mapping[str, Any]:
        if masks_file is not None:
            return read_masks(bench.fetch(masks_file), images.exposures)
        every.fetch(bench)
        return static_masks_of(bench.scratch, every.exposures, images.exposures, parameters)

    def work(bench: Bench) -> dict[str, Any]:
        images.fetch(bench)
        masks = masks_of(bench)
        ours, skies = {}, {}
        for name, run in runs.items():
            science, weight = (made.products[run[kind]] for kind in ("science", "weight"))
            with bench.open(science) as one, bench.open(weight) as other:
                ours[name], recorded = read_window(one, other, window)
            if drizzled[0].reused:
                _make_anew_if_older(place, made.step, science.name, ours[name])
            skies[name] = [
                recorded[e.rootname, c.extver] for e in images.exposures for c in e.chips
            ]
        bench.doing(f"AstroDrizzle on {counted(len(images.exposures), 'exposure')} for each mosaic")
        with stages.computing_slot(place):
            found = compare_sample(
                bench.scratch,
                bench.out / "witness.log",
                images.exposures,
                window,
                grid,
                ours,
                skies,
                masks,
                parameters,
                titles={name: run["science"] for name, run in runs.items()},
                processes=request.processes(len(runs)),
            )
        return {
            "methods": {name: asdict(agreement) for name, agreement in found.items()},
            "window": window.to_dict(),
            "left_out": left_out,
            "cosmic_rays": pars.has_cr_steps(parameters),
        }

    return run_step(
        place,
        WITNESS,
        told=[Task(WITNESS)],
        inputs={**given, **files},
        parameters={
            "engine": "onepass",
            "window": window.to_dict(),
            "left_out": left_out,
            "grid": planned.result["grid"],
            "astrodrizzle": parameters,
        },
        versions=versions(),
        work=work,
    )


def _make_anew_if_older(place: Place, step: str, name: str, pixels: Pixels) -> None:
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
        f"{place.store.where(place.key(step, name))} is as older versions made it: "
        f"{counted(number, 'pixel that has weight is', 'pixels that have weight are')} no number "
        "(NaN), because an exposure has flagged pixels that are none; `skymosaic run` makes it "
        "anew"
    )


def try_both(place: Place, campaign: Campaign, aligned: Finished, planned: Finished) -> Finished:
    """Drizzle a sample of the exposures with both engines, and compare what they make."""
    every = stages.select(aligned.result["exposures"], aligned.products)
    chosen = sample_of(
        [exposure.rootname for exposure in every.exposures],
        planned.result["pairs"],
        campaign.drizzle.sample or 0,
    )
    records = [one for one in aligned.result["exposures"] if one["rootname"] in chosen]
    images = stages.select(records, aligned.products)
    parameters = dict(stages.order_of(planned).parameters)
    methods = [method for method in campaign.sky.methods if method in METHODS]

    def work(bench: Bench) -> dict[str, Any]:
        images.fetch(bench)
        log = bench.out / "engines.log"
        with stages.computing_slot(place):
            names = [exposure.name for exposure in images.exposures]
            grid, _ = output_grid(bench.scratch, log, names, parameters)
            bench.doing(f"{' and '.join(sorted(chosen))} with both engines")
            theirs = {}
            for method in methods:
                folder = _copies(bench.scratch, images.exposures, column(method))
                theirs[method] = astrodrizzle.drizzle(
                    folder, folder / "log", images.exposures, "sample", method, grid, parameters
                )
            folder = _copies(bench.scratch, images.exposures, "onepass")
            ours = drizzle_all(
                folder,
                log,
                images.exposures,
                {method: f"sample_{column(method)}" for method in methods},
                {method: SkyChoice(method) for method in methods},
                grid,
                parameters,
                processes=Request.of(campaign).processes(len(images.exposures)),
            )
            found = {
                m: asdict(largest_differences(theirs[m], ours[m], images.exposures))
                for m in methods
            }
        told = [made.cosmic_rays for made in ours.values() if made.cosmic_rays is not None]
        return {
            "exposures": [e.rootname for e in images.exposures],
            "methods": found,
            "masks_of": told[0]["method"] if told else None,
        }

    return run_step(
        place,
        SAMPLE,
        told=[Task(SAMPLE)],
        inputs=images.products,
        parameters={
            "methods": methods,
            "astrodrizzle": parameters,
            **key_of_missing(images.exposures),
        },
        versions=versions(),
        work=work,
    )


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


def _copies(folder: Path, exposures: Sequence[Any], name: str) -> Path:
    copies = folder / name
    copies.mkdir()
    for exposure in exposures:
        shutil.copy(folder / exposure.name, copies / exposure.name)
    return copies
