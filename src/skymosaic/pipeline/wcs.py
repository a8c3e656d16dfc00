"""The tasks that give the campaign's own copies of exposures the WCS solution that it chooses.

What was retrieved stays as it is. Each exposure whose primary WCS is not the chosen one becomes a
product of its own, and so does a drizzled image whose exposures moved: it moves with them.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skymosaic.align.choice import choose_solutions
from skymosaic.align.members import members_of
from skymosaic.align.motion import SMALLEST, STILL, Motion, motion_between, move_image
from skymosaic.align.proof import read_wcs
from skymosaic.align.solutions import unknown_in_tiles
from skymosaic.config import Campaign
from skymosaic.drizzlepac_calls import process
from skymosaic.drizzlepac_calls.process import DrizzlepacError
from skymosaic.errors import AlignmentError
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.reading import read_exposure
from skymosaic.hst.wcs_solutions import Solution, read_solutions
from skymosaic.pipeline.results import InspectionResult, RetrieveResult
from skymosaic.pipeline.slots import computing_slot
from skymosaic.pipeline.wcs_results import (
    CHOICE,
    HELD,
    WCS,
    WCS_TILES,
    ChoiceResult,
    ChosenWcs,
    HeldResult,
    PlacedResult,
)
from skymosaic.steps.execution import in_order
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.store import Product
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.steps.execution import Calls

log = logging.getLogger(__name__)

_VERSION = 1
"""Version of how solutions are read, chosen and restored; part of the keys of these steps."""


def with_chosen_wcs(
    calls: Calls, campaign: Campaign, place: Place, retrieved: Sequence[Any], inspected: Any
) -> tuple[Sequence[Any], Any]:
    """Make the tasks that give exposures the WCS that the campaign chooses.

    Returns
    -------
    placed : sequence
        As `retrieved`, with the files and headers that are used from here on.
    inspected
        Likewise.
    """
    hosts = in_order(calls.hosts(), len(retrieved))
    held = read_each(calls, place, retrieved)
    chosen = calls.call(choose_wcs, place, campaign.align.wcs, inspected, held)
    near = hosts or [""] * len(retrieved)
    placed = [
        calls.call(place_exposures, place, one, chosen, near=host)
        for one, host in zip(retrieved, near, strict=True)
    ]
    if campaign.align.method != "none":  # what is drizzled already is not looked at otherwise
        motions = calls.call(motions_of, placed)
        placed = [
            calls.call(place_tiles, place, one, inspected, chosen, motions, near=host)
            for one, host in zip(placed, near, strict=True)
        ]
    return placed, calls.call(with_placed, inspected, chosen, placed)


def read_each(calls: Calls, place: Place, retrieved: Sequence[Any]) -> list[Any]:
    """Make a task for each parcel that reads which WCS solutions its files hold."""
    near = in_order(calls.hosts(), len(retrieved))
    return calls.each(partial(read_held, place), retrieved, near=near)


def read_held(place: Place, retrieved: Finished[RetrieveResult]) -> Finished[HeldResult]:
    """Read which WCS solutions the files of one parcel hold."""
    products = {image.name: retrieved.products[image.name] for image in retrieved.result.images}

    def work(bench: Bench) -> HeldResult:
        found = {}
        for name, product in products.items():
            with bench.open(product) as file:
                found[name] = read_solutions(file, name)
        return HeldResult(found)

    return run_step(
        place,
        HELD.step(parcel_of(retrieved)),
        inputs=products,
        parameters={"version": _VERSION},
        versions={},
        work=work,
    )


def choose_wcs(
    place: Place,
    wanted: str,
    inspected: Finished[InspectionResult],
    held: Sequence[Finished[HeldResult]],
) -> Finished[ChoiceResult]:
    """Choose a solution for each exposure that is taken.

    Raises
    ------
    AlignmentError
        See `choose_solutions`.
    """
    solutions = {name: its for step in held for name, its in step.result.solutions.items()}
    exposures, drizzled = inspected.result.exposures, inspected.result.drizzled
    tile_names = _drizzled_with(exposures, drizzled)

    def work(bench: Bench) -> ChoiceResult:
        choice = choose_solutions({e.rootname: solutions[e.name] for e in exposures}, wanted)
        unknown = unknown_in_tiles(
            tile_names, {e.rootname: [one.name for one in solutions[e.name]] for e in exposures}
        )
        chosen = {
            one.name: ChosenWcs(
                choice.chosen[one.rootname],
                _base(solutions[one.name], tile_names.get(one.rootname, "")),
            )
            for one in exposures
            if one.rootname in choice.chosen
        }
        warnings = [*choice.warnings, *unknown]
        for line in warnings:
            log.warning("%s", line)
        return ChoiceResult(wanted, chosen, warnings)

    return run_step(
        place,
        CHOICE.step(),
        inputs={},
        parameters={
            "version": _VERSION,
            "wcs": wanted,
            "exposures": [one.name for one in exposures],
            "drizzled": tile_names,
            "held": {step.step: step.key for step in held},
        },
        versions={},
        work=work,
    )


def _drizzled_with(exposures: Sequence[Exposure], drizzled: Sequence[Exposure]) -> dict[str, str]:
    """Return the WCSNAME of the drizzled image of each exposure, by rootname."""
    return {
        one.rootname: tile.chips[0].wcsname
        for tile in drizzled
        for one in members_of(tile, exposures)
    }


def _base(held: Sequence[Solution], name: str) -> Solution | None:
    """Return the solution of a drizzled image by its name; None: the primary one, or not held."""
    found = next((one for one in held if one.name == name), None)
    return None if found is None or found.primary else found


def place_exposures(
    place: Place, retrieved: Finished[RetrieveResult], choice: Finished[ChoiceResult]
) -> Finished[PlacedResult]:
    """Give the exposures of one parcel the WCS that was chosen for each."""
    chosen = {
        image.name: choice.result.chosen[image.name]
        for image in retrieved.result.images
        if image.name in choice.result.chosen
    }
    if all(one.stays for one in chosen.values()):
        return as_retrieved(retrieved)
    exposures = [one for one in retrieved.result.images if one.name in chosen]

    def work(bench: Bench) -> PlacedResult:
        images, motions = [], {}
        with computing_slot(place):
            for exposure in exposures:
                image, motion = _place(
                    bench, exposure, retrieved.products[exposure.name], chosen[exposure.name]
                )
                images.append(image)
                motions[image.rootname] = motion
        return PlacedResult(images, motions=motions)

    done = run_step(
        place,
        WCS.step(parcel_of(retrieved)),
        inputs={name: retrieved.products[name] for name in chosen},
        parameters={
            "version": _VERSION,
            "wcs": {name: asdict(one) for name, one in chosen.items()},
        },
        versions=versions(),
        work=work,
    )
    return over(retrieved, done)


def _place(
    bench: Bench, exposure: Exposure, product: Product, wanted: ChosenWcs
) -> tuple[Exposure, Motion]:
    """Write an exposure with its chosen WCS to the products; return what it is, and how it moved.

    Where its drizzled image was made with another solution than the primary one, that is where the
    motion begins.
    """
    path = bench.fetch(product)
    before = read_wcs(path)
    if wanted.drizzled_with is not None:
        drizzled = path.with_name(f"drizzled_{path.name}")
        shutil.copyfile(path, drizzled)
        before = _restored(bench, drizzled, wanted.drizzled_with)
        drizzled.unlink()
    target = bench.out / exposure.name
    path.rename(target)
    after = (
        read_wcs(target) if wanted.solution.primary else _restored(bench, target, wanted.solution)
    )
    # What was seen in the pixels stays true.
    image = replace(read_exposure(target), health=exposure.health)
    return image, motion_between(before, after)


def _restored(bench: Bench, path: Path, solution: Solution) -> dict[int, Any]:
    """Make a solution the primary WCS of a file; return that of each chip."""
    arguments = {
        "file": path.name,
        "name": solution.name,
        "headerlet": solution.headerlet,
        "alternate": solution.alternate,
        "fit": _cards(solution),
    }
    try:
        call = process.call("restore_solution", path.parent, arguments, bench.scratch / "wcs.log")
    except DrizzlepacError as error:
        raise AlignmentError(
            f"{path.name}: its WCS solution {solution.name} ({solution.held_as}) cannot be "
            f"restored: {error}. Fetch the file again, or set align.wcs to another solution"
        ) from None
    bench.peak_memory = max(bench.peak_memory, call.peak_memory)
    if any(name != solution.name for name in call.value.values()):
        raise AlignmentError(
            f"{path.name}: the WCS solution {solution.name} was restored as {call.value}; fetch "
            "the file again, or set align.wcs to another solution"
        )
    return read_wcs(path)


def _cards(solution: Solution) -> dict[str, Any]:
    """Return what the headers of the chips tell of the fit, by the keywords that HAP writes."""
    cards = {
        "RMS_RA": solution.rms_ra,
        "RMS_DEC": solution.rms_dec,
        "NMATCHES": solution.matches,
        "CATALOG": solution.catalogue or None,
    }
    return {name: value for name, value in cards.items() if value is not None}


def motions_of(placed: Sequence[Finished[RetrieveResult]]) -> dict[str, Motion]:
    """Return how exposures moved, by rootname; those that are not here did not."""
    steps = [step.result for step in placed if isinstance(step.result, PlacedResult)]
    return {name: motion for result in steps for name, motion in result.motions.items()}


def place_tiles(
    place: Place,
    placed: Finished[RetrieveResult],
    inspected: Finished[InspectionResult],
    choice: Finished[ChoiceResult],
    motions: Mapping[str, Motion],
) -> Finished[PlacedResult]:
    """Move the drizzled images of one parcel as their exposures moved, in the mean."""
    moves = _moves_of_tiles(placed.result.images, inspected.result, choice.result, motions)
    if not moves:
        return as_retrieved(placed)
    tiles = [one for one in placed.result.images if one.name in moves]

    def work(bench: Bench) -> PlacedResult:
        images = []
        for tile in tiles:
            target = bench.fetch(placed.products[tile.name]).rename(bench.out / tile.name)
            its, name = moves[tile.name]
            move_image(target, its, name)
            images.append(read_exposure(target))
        return PlacedResult(images)

    done = run_step(
        place,
        WCS_TILES.step(parcel_of(placed)),
        inputs={tile.name: placed.products[tile.name] for tile in tiles},
        parameters={
            "version": _VERSION,
            "motions": {
                name: [[asdict(motion) for motion in its], wcsname]
                for name, (its, wcsname) in moves.items()
            },
        },
        versions=versions(),
        work=work,
    )
    return over(placed, done)


def _moves_of_tiles(
    images: Sequence[Exposure],
    inspected: InspectionResult,
    choice: ChoiceResult,
    motions: Mapping[str, Motion],
) -> dict[str, tuple[list[Motion], str]]:
    """Return by file name how the exposures of drizzled images moved, and their new WCSNAME.

    Of those that are taken, and whose exposures moved.
    """
    taken, moves = {one.name for one in inspected.drizzled}, {}
    for tile in images:
        its = members_of(tile, inspected.exposures) if tile.name in taken else []
        own = [motions.get(one.rootname, STILL) for one in its]
        if any(motion.length > SMALLEST for motion in own):
            name = min(choice.chosen[one.name].solution.name for one in its)
            moves[tile.name] = (own, name)
    return moves


def with_placed(
    inspected: Finished[InspectionResult],
    choice: Finished[ChoiceResult],
    placed: Sequence[Finished[RetrieveResult]],
) -> Finished[InspectionResult]:
    """Return what was inspected with the files and headers that are used from here on."""
    images = {image.name: image for step in placed for image in step.result.images}
    products = {name: product for step in placed for name, product in step.products.items()}
    result = inspected.result
    files = {
        image.name: products[image.name]
        for image in (*result.exposures, *result.drizzled)
        if image.name in products
    }
    keys = [inspected.key, choice.key, *(step.key for step in placed)]
    return replace(
        inspected,
        key=hashlib.sha256("".join(keys).encode()).hexdigest(),
        products={**inspected.products, **files},
        result=replace(
            result,
            exposures=[images.get(one.name, one) for one in result.exposures],
            drizzled=[images.get(one.name, one) for one in result.drizzled],
            warnings=[*result.warnings, *choice.result.warnings],
        ),
    )


def parcel_of(retrieved: Finished[Any]) -> str:
    """Return the name of the parcel that a step is about."""
    return retrieved.step.rsplit("/", 1)[-1]


def as_retrieved(retrieved: Finished[RetrieveResult]) -> Finished[PlacedResult]:
    """Return a parcel of which nothing changes."""
    result = retrieved.result
    motions = result.motions if isinstance(result, PlacedResult) else {}
    return retrieved.with_result(PlacedResult(result.images, result.left_out, motions))


def over(before: Finished[RetrieveResult], done: Finished[PlacedResult]) -> Finished[PlacedResult]:
    """Return a parcel with those of its files that were changed."""
    changed = {image.name: image for image in done.result.images}
    images = [changed.get(image.name, image) for image in before.result.images]
    files = {name: product for name, product in done.products.items() if name in changed}
    result = replace(done.result, images=images)
    return replace(done, products={**before.products, **files}, result=result)
