"""The tasks that compare the exposures of each association, and move those that are off."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from astropy.table import Table

from skymosaic.align.motion import Motion, move_image
from skymosaic.align.positions import ExposureStars
from skymosaic.align.shapes import measure_stars
from skymosaic.align.solutions import visit_of
from skymosaic.align.within import OFF, Member, StarList, Within, compare_within
from skymosaic.config.align import ExposureChecks
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.reading import read_exposure
from skymosaic.hst.usable import no_image_through
from skymosaic.pipeline.results import InspectionResult, RetrieveResult
from skymosaic.pipeline.sentences.within import within_warnings
from skymosaic.pipeline.slots import computing_slot
from skymosaic.pipeline.star_chips import open_chips
from skymosaic.pipeline.wcs import as_retrieved, over, parcel_of
from skymosaic.pipeline.wcs_results import SHAPES, SHIFTED, WITHIN, PlacedResult, ShapesResult
from skymosaic.steps.execution import in_order
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.steps.execution import Calls

log = logging.getLogger(__name__)

_VERSION = 1
"""Version of how stars are measured and compared; part of the keys of these steps."""
_NAMES = ("chip", "x", "y", "ra", "dec", "height", "xx", "yy", "xy")


def check_exposures(
    calls: Calls, checks: ExposureChecks, place: Place, files: Sequence[Any], inspected: Any
) -> tuple[Sequence[Any], Any, Any]:
    """Make the tasks that compare the exposures of each association.

    Parameters
    ----------
    calls, place
        As for the other parts of the graph.
    checks : ExposureChecks
        The campaign's.
    files : sequence of calls
        What was retrieved, with the WCS that is used.
    inspected : call
        The images that are taken.

    Returns
    -------
    files : sequence of calls
        With those that were moved, where the campaign corrects.
    used : call
        As `inspected`, of these: what is aligned.
    known : call
        The same with what was found, for the report.
    """
    near = in_order(calls.hosts(), len(files))
    found = calls.each(partial(measure_shapes, place), files, near=near)
    within = calls.call(compare_exposures, place, checks, inspected, found)
    if not checks.correct:
        return files, inspected, calls.call(with_within, inspected, within)
    moved = [
        calls.call(shift_exposures, place, one, within, near=host)
        for one, host in zip(files, near or [""] * len(files), strict=True)
    ]
    known = calls.call(with_within, inspected, within, moved)
    return moved, known, known


def measure_shapes(place: Place, files: Finished[RetrieveResult]) -> Finished[ShapesResult]:
    """Find the stars in the exposures of one parcel, and measure their shapes."""
    exposures = [
        image
        for image in files.result.images
        if not image.drizzled and no_image_through(image.filter) is None
    ]
    step = SHAPES.step(parcel_of(files))
    if not exposures:  # a drizzled image, as a rule
        return Finished(step.name, "", {}, ShapesResult([]), 0.0, 0, reused=True)

    def work(bench: Bench) -> ShapesResult:
        with computing_slot(place):
            for exposure in exposures:
                with bench.open(files.products[exposure.name]) as file:
                    table = _stars(file, exposure)
                table.write(bench.out / _file(exposure.rootname), format="fits")
        return ShapesResult([exposure.rootname for exposure in exposures])

    return run_step(
        place,
        step,
        inputs={exposure.name: files.products[exposure.name] for exposure in exposures},
        parameters={"version": _VERSION},
        versions={"photutils": version("photutils")},
        work=work,
    )


def _file(rootname: str) -> str:
    return f"{rootname}_shapes.fits"


def _stars(file: BinaryIO, exposure: Exposure) -> Table:
    """Return the stars of an exposure by `_NAMES`: x, y in pixels from 0, RA, Dec in degrees."""
    columns = []
    for number, science, bad, wcs in open_chips(file, exposure):
        found = measure_stars(science, bad)
        sky = wcs.all_pix2world(found[:, :2], 0) if len(found) else found[:, :2]
        chip = np.full(len(found), float(number))
        columns.append(np.column_stack([chip, found[:, :2], sky, found[:, 2:]]))
    return Table(np.concatenate(columns), names=_NAMES)


def compare_exposures(
    place: Place,
    checks: ExposureChecks,
    inspected: Finished[InspectionResult],
    found: Sequence[Finished[ShapesResult]],
) -> Finished[Within]:
    """Compare the exposures of each association with each other."""
    exposures = {one.rootname: one for one in inspected.result.exposures}
    files = {
        name: step.products[_file(name)]
        for step in found
        for name in step.result.exposures
        if name in exposures
    }

    def work(bench: Bench) -> Within:
        lists = []
        for name, product in files.items():
            with bench.open(product) as file:
                lists.append(_star_list(Table.read(file, format="fits"), exposures[name]))
        with computing_slot(place):
            members = compare_within(lists, checks.max_offset_mas, checks.max_elongation)
        off = [one.rootname for one in members if one.state == OFF]
        result = Within(
            members, checks.max_offset_mas, checks.max_elongation, off if checks.correct else []
        )
        for line in within_warnings(result):
            log.warning("%s", line)
        return result

    return run_step(
        place,
        WITHIN.step(),
        inputs={product.name: product for product in files.values()},
        parameters={
            "version": _VERSION,
            **checks.model_dump(mode="json"),
            "associations": {name: association_of(one) for name, one in exposures.items()},
        },
        versions={},
        work=work,
    )


def association_of(exposure: Exposure) -> str:
    """Return the association of an exposure; of one without the visit, which points as one."""
    return exposure.asn_id or visit_of(exposure.rootname)


def _star_list(table: Table, exposure: Exposure) -> StarList:
    stars = ExposureStars(
        exposure.rootname,
        np.column_stack([table["ra"], table["dec"]]),
        np.column_stack([table["chip"], table["x"], table["y"]]),
        max(chip.scale or 0.0 for chip in exposure.chips) or 0.1,
        (exposure.postarg1, exposure.postarg2),
    )
    imager = f"{exposure.instrument}/{exposure.detector} {exposure.filter}"
    moments = np.column_stack([table["xx"], table["yy"], table["xy"]])
    return StarList(association_of(exposure), imager, stars, moments)


def shift_exposures(
    place: Place, files: Finished[RetrieveResult], within: Finished[Within]
) -> Finished[PlacedResult]:
    """Move the exposures of one parcel that are off to where their association is."""
    off = {one.rootname: one for one in within.result.of(OFF)}
    moved = [one for one in files.result.images if not one.drizzled and one.rootname in off]
    if not moved:
        return as_retrieved(files)

    def work(bench: Bench) -> PlacedResult:
        images = []
        for exposure in moved:
            target = bench.fetch(files.products[exposure.name]).rename(bench.out / exposure.name)
            member = off[exposure.rootname]
            move_image(target, [_back(exposure, member)], cards=_cards(member))
            images.append(replace(read_exposure(target), health=exposure.health))
        return PlacedResult(images)

    done = run_step(
        place,
        SHIFTED.step(parcel_of(files)),
        inputs={one.name: files.products[one.name] for one in moved},
        parameters={
            "version": _VERSION,
            "off": {one.name: asdict(off[one.rootname]) for one in moved},
        },
        versions=versions(),
        work=work,
    )
    return over(files, done)


def _back(exposure: Exposure, member: Member) -> Motion:
    """Return the motion that takes an offset away."""
    ra, dec = np.mean(exposure.chips[0].footprint, axis=0)
    away = (member.east or 0.0) / 1000.0, (member.north or 0.0) / 1000.0
    return Motion(float(ra), float(dec), -away[0], -away[1])


def _cards(member: Member) -> dict[str, tuple[float, str]]:
    return {
        "OFFEAST": (member.east or 0.0, "mas east of association, taken off"),
        "OFFNORTH": (member.north or 0.0, "mas north of association, taken off"),
    }


def with_within(
    inspected: Finished[InspectionResult],
    within: Finished[Within],
    moved: Sequence[Finished[RetrieveResult]] = (),
) -> Finished[InspectionResult]:
    """Return what was inspected with what was found, and with the files that were moved."""
    images = {image.name: image for step in moved for image in step.result.images}
    products = {name: product for step in moved for name, product in step.products.items()}
    files = {name: products[name] for name in inspected.products if name in products}
    result = inspected.result
    # What is only known of exposures makes nothing anew that is made from them.
    key = hashlib.sha256(f"{inspected.key}{within.key}".encode()).hexdigest()
    return replace(
        inspected,
        key=key if within.result.corrected else inspected.key,
        products={**inspected.products, **files},
        result=replace(
            result,
            exposures=[images.get(one.name, one) for one in result.exposures],
            warnings=[*result.warnings, *within_warnings(within.result)],
            within=within.result,
        ),
    )
