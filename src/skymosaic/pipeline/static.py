"""The tasks of the static masks: one an exposure finds its low pixels, one merges them all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skymosaic.config import Campaign
from skymosaic.drizzle.missing_pixels import fill_missing, key_of_missing
from skymosaic.drizzle.onepass.choice import SkyChoice
from skymosaic.drizzle.onepass.low_pixels import read_low, save_low
from skymosaic.drizzle.onepass.parameters import final_of
from skymosaic.drizzle.onepass.skies import distinct_ways
from skymosaic.drizzle.onepass.sky import Mask, read_pixels
from skymosaic.drizzle.request import Request
from skymosaic.drizzle.static_masks import ChipArea, StaticMasks, merge_masks, rule_of, sigma_of
from skymosaic.hst.exposure import Exposure
from skymosaic.pipeline.drizzle import tell_static
from skymosaic.pipeline.homes import Homes
from skymosaic.pipeline.images import images_of
from skymosaic.pipeline.onepass_results import LOW, STATIC, LowResult, StaticFile, StaticResult
from skymosaic.pipeline.slots import computing_slot
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.store import Product
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.steps.execution import Calls

_ENGINE = 1
"""Version of what these steps do; part of their keys."""


def find_static(calls: Calls, campaign: Campaign, place: Place, prepared: Any, homes: Homes) -> Any:
    """Make the tasks of the static masks; return the call that gives them."""
    images = images_of(calls.result(prepared.aligned))
    parameters = dict(calls.result(prepared.planned).result.order.parameters)
    choices = Request.of(campaign).choices
    used, masks = masks_wanted(choices, parameters)
    low: list[Any] = []
    if masks:
        ways = [choice.parameters for choice in choices.values() if choice.method is not None]
        find = partial(find_low, place, parameters, ways, sorted({sigma for _, sigma in masks}))
        jobs = [(one, images.products[one.name]) for one in images.exposures]
        names = [one.rootname for one in images.exposures]
        low = calls.each(find, jobs, of=names, near=homes.each(names))
    return calls.call(merge_low, place, used, masks, low)


def masks_wanted(
    choices: Mapping[str, SkyChoice], parameters: Mapping[str, Any]
) -> tuple[Mask | None, list[Mask]]:
    """Return the static mask that the mosaics are made with, and all that are looked for.

    A variant may measure its sky with another one.
    """
    rule = rule_of(parameters)
    used = (rule, sigma_of(parameters)) if rule else None
    ways = distinct_ways(choices, parameters).values()
    masks = [*([used] if used else []), *(way.mask for way in ways if way.mask)]
    return used, list(dict.fromkeys(masks))


def find_low(
    place: Place,
    parameters: Mapping[str, Any],
    variants: Sequence[Mapping[str, Any]],
    thresholds: Sequence[float],
    one: tuple[Exposure, Product],
) -> Finished[LowResult]:
    """Find the low pixels of one exposure."""
    exposure, product = one

    def work(bench: Bench) -> LowResult:
        path = bench.fetch(product)
        with computing_slot(place):
            fill_missing(bench.scratch, [exposure], parameters, variants)
            chips = read_pixels(path, exposure, int(final_of(parameters)["resetbits"]))
            counts = save_low(bench.out / _file(exposure.rootname), chips, list(thresholds))
        return LowResult([chip.place for chip in chips], counts)

    return run_step(
        place,
        LOW.step(exposure.rootname),
        inputs={exposure.name: product},
        parameters={
            "engine": _ENGINE,
            "static_sig": list(thresholds),
            **key_of_missing([exposure]),
        },
        versions=versions(),
        work=work,
    )


def merge_low(
    place: Place,
    used: Mask | None,
    masks: Sequence[Mask],
    low: Sequence[Finished[LowResult]],
) -> Finished[StaticResult]:
    """Make the static masks of all chips; one exposure's low pixels are held at a time.

    Raises
    ------
    SkyError
        A mask would leave out more than half of a chip.
    """
    ordered = sorted(low, key=lambda one: one.step)
    thresholds = sorted({sigma for _, sigma in masks})

    def work(bench: Bench) -> StaticResult:
        files: list[StaticFile] = []
        chips: dict[str, dict[int, list[int]]] = {
            _rootname(one): {area.extver: [] for area in one.result.places} for one in ordered
        }
        summaries = []
        for rule, sigma in masks:
            found = merge_masks(_each(bench, ordered, thresholds.index(sigma)), rule)
            places = _save(bench, found, (rule, sigma), files)
            for one in ordered:
                for area in one.result.places:
                    chips[_rootname(one)][area.extver].append(places[area.key(rule)])
            if (rule, sigma) == used:
                summaries = tell_static("onepass", found.summaries())
        listed = {name: list(own.items()) for name, own in chips.items()}
        return StaticResult(files, listed, summaries, used)

    return run_step(
        place,
        STATIC.step(),
        inputs={},
        parameters={
            "engine": _ENGINE,
            "masks": [list(mask) for mask in masks],
            "low": digest_of(ordered),
            "exposures": len(ordered),
        },
        versions=versions(),
        work=work,
    )


def digest_of(steps: Sequence[Finished[Any]]) -> str:
    """Return a checksum of what steps are made from, in their order: many, in one line of a key."""
    text = "\n".join(f"{one.step} {one.key}" for one in steps)
    return hashlib.sha256(text.encode()).hexdigest()


def _each(
    bench: Bench, low: Sequence[Finished[LowResult]], threshold: int
) -> Iterator[tuple[ChipArea, NDArray[np.bool_]]]:
    for one in low:
        shapes = {area.extver: (area.rows, area.columns) for area in one.result.places}
        with bench.open(one.products[_file(_rootname(one))]) as file:
            found = read_low(file, threshold, shapes)
        for area in one.result.places:
            yield area, found[area.extver]


def _save(bench: Bench, masks: StaticMasks, mask: Mask, files: list[StaticFile]) -> dict[Any, int]:
    """Write the masks; return the place of each among all files, by what its chips share."""
    places = {}
    for key, one in masks.masks.items():
        places[key] = len(files)
        files.append(StaticFile(f"static_{len(files)}.npy", mask))
        np.save(bench.out / files[-1].name, one.low)
    return places


def _rootname(low: Finished[LowResult]) -> str:
    return low.step.removeprefix(LOW.step("").name)


def _file(rootname: str) -> str:
    return f"{rootname}_low.npz"


def masks_of(static: Finished[StaticResult], exposure: Exposure) -> dict[int, Product]:
    """Return the files of the static masks that the mosaics of an exposure are made with.

    Returns
    -------
    dict of int to Product
        By EXTVER: ``.npy``, bool, true where a pixel is left out. None where there is no mask.
    """
    used = static.result.used
    return {} if used is None else all_masks_of(static, exposure).get(used, {})


def all_masks_of(
    static: Finished[StaticResult], exposure: Exposure
) -> dict[Mask, dict[int, Product]]:
    """Return the files of all static masks of an exposure, by rule and threshold, then EXTVER."""
    found: dict[Mask, dict[int, Product]] = {}
    for extver, places in static.result.chips.get(exposure.rootname, []):
        for file in (static.result.files[number] for number in places):
            found.setdefault(file.mask, {})[extver] = static.products[file.name]
    return found


def plain_masks(masks: Mapping[Mask, Mapping[int, Product]]) -> list[Any]:
    """Return the checksums of static masks as a part of a step's key."""
    return [
        [list(mask), {str(extver): product.sha256 for extver, product in own.items()}]
        for mask, own in masks.items()
    ]
