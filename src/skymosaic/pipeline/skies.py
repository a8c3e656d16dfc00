"""The static masks and the skies of a campaign that is drizzled in parts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from skymosaic.drizzle.missing_pixels import fill_missing, key_of_missing
from skymosaic.drizzle.onepass.parameters import final_of
from skymosaic.drizzle.onepass.skies import find_skies as find_all
from skymosaic.drizzle.onepass.sky import Exposures
from skymosaic.drizzle.request import Request
from skymosaic.drizzle.static_masks import rule_of, sigma_of
from skymosaic.hst.exposure import Exposure
from skymosaic.pipeline.drizzle import tell_static
from skymosaic.pipeline.images import images_of
from skymosaic.pipeline.results import (
    SKIES,
    STATIC,
    AlignResult,
    KeptSky,
    Planned,
    SkiesResult,
    StaticResult,
)
from skymosaic.pipeline.slots import computing_slot
from skymosaic.sky.values import SkyValue
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.store import Product
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.config import Campaign
    from skymosaic.steps.execution import Calls

_TABLE = "skies.json"


def find_static(calls: Calls, campaign: Campaign, place: Place, prepared: Any) -> Any:
    """Make the task that finds the static masks."""
    return calls.call(
        _find_static, place, campaign, prepared.aligned, prepared.planned, name="find_static"
    )


def masks_of(static: Finished[StaticResult], exposure: Exposure) -> dict[int, Product]:
    """Return the masks of an exposure's chips by EXTVER, where they have any."""
    names = {chip.extver: f"{exposure.name}_{chip.extver}" for chip in exposure.chips}
    masks = static.result.masks
    return {extver: static.products[masks[name]] for extver, name in names.items() if name in masks}


def solve_skies(
    calls: Calls,
    campaign: Campaign,
    place: Place,
    prepared: Any,
    static: Any,
    equations: Any = None,
) -> Any:
    """Make the tasks that find the skies of all mosaics; return the call of the last."""
    return calls.call(
        _find_skies, place, campaign, prepared.aligned, prepared.planned, static, name="find_skies"
    )


def skies_of(
    place: Place, skies: Finished[SkiesResult], rootnames: Sequence[str]
) -> dict[str, KeptSky]:
    """Return what is taken off the chips of some exposures, by method and variant."""
    table = _table(place, skies)
    found = {}
    for name, rows in table.items():
        chips: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            chips.setdefault(row["value"]["rootname"], []).append(row)
        own = [row for rootname in rootnames for row in chips[rootname]]
        found[name] = KeptSky(
            tuple(row["subtracted"] for row in own), tuple(row["recorded"] for row in own)
        )
    return found


def values_of(place: Place, skies: Finished[SkiesResult], name: str) -> list[SkyValue]:
    """Return the skies of a method or variant as they are published."""
    return [SkyValue(**row["value"]) for row in _table(place, skies)[name]]


def _table(place: Place, skies: Finished[SkiesResult]) -> dict[str, list[dict[str, Any]]]:
    with place.store.open(skies.products[skies.result.table]) as file:
        table: dict[str, list[dict[str, Any]]] = json.load(file)
    return table


def _find_static(
    place: Place, campaign: Campaign, aligned: Finished[AlignResult], planned: Finished[Planned]
) -> Finished[StaticResult]:
    images, parameters = images_of(aligned), dict(planned.result.order.parameters)

    def work(bench: Bench) -> StaticResult:
        images.fetch(bench)
        fill_missing(bench.scratch, images.exposures, parameters)
        with computing_slot(place):
            pixels = Exposures(bench.scratch, images.exposures, final_of(parameters)["resetbits"])
            static = pixels.static_masks(rule_of(parameters), sigma_of(parameters))
            files: dict[int, str] = {}
            names: dict[str, str] = {}
            for exposure, places in zip(images.exposures, pixels.places(), strict=True):
                for area in places:
                    low = static.low(area)
                    if low is None:
                        continue
                    if id(low) not in files:
                        files[id(low)] = f"static_{len(files)}.npy"
                        np.save(bench.out / files[id(low)], low)
                    names[f"{exposure.name}_{area.extver}"] = files[id(low)]
        return StaticResult(names, tell_static("onepass", static.summaries()))

    return run_step(
        place,
        STATIC.step(),
        inputs=images.products,
        parameters={
            "rule": rule_of(parameters),
            "sigma": sigma_of(parameters),
            "astrodrizzle": parameters,
            **key_of_missing(images.exposures),
        },
        versions=versions(),
        work=work,
    )


def _find_skies(
    place: Place,
    campaign: Campaign,
    aligned: Finished[AlignResult],
    planned: Finished[Planned],
    static: Finished[StaticResult],
) -> Finished[SkiesResult]:
    images, parameters = images_of(aligned), dict(planned.result.order.parameters)
    choices = Request.of(campaign).choices

    def work(bench: Bench) -> SkiesResult:
        images.fetch(bench)
        variants = [choice.parameters for choice in choices.values() if choice.method is not None]
        fill_missing(bench.scratch, images.exposures, parameters, variants)
        with computing_slot(place):
            found = find_all(bench.scratch, images.exposures, choices, parameters)
        table = {
            name: [
                {"value": asdict(value), "subtracted": subtracted, "recorded": recorded}
                for value, subtracted, recorded in zip(
                    sky.values, sky.subtracted, sky.recorded, strict=True
                )
            ]
            for name, sky in found.items()
        }
        (bench.out / _TABLE).write_text(json.dumps(table))
        differences = {n: sky.differences for n, sky in found.items() if sky.differences}
        return SkiesResult(_TABLE, differences)

    return run_step(
        place,
        SKIES.step(),
        inputs=images.products,
        parameters={
            "choices": {name: asdict(choice) for name, choice in choices.items()},
            "astrodrizzle": parameters,
            "static": static.key,
            **key_of_missing(images.exposures),
        },
        versions=versions(),
        work=work,
    )
