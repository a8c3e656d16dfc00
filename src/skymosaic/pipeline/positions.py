"""The tasks that compare the positions of stars where exposures that nobody aligns overlap."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from astropy.table import Table

from skymosaic.align.positions import ExposureStars, choose_pairs, compare, find_stars
from skymosaic.align.solutions import visit_of
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.usable import no_image_through
from skymosaic.pipeline.results import (
    FIND,
    POSITIONS,
    AlignResult,
    Planned,
    PositionsResult,
    RetrieveResult,
    StarsResult,
)
from skymosaic.pipeline.sentences.positions import position_warnings
from skymosaic.pipeline.slots import computing_slot
from skymosaic.pipeline.star_chips import open_chips
from skymosaic.steps.execution import in_order
from skymosaic.steps.step import Bench, Finished, Place, run_step

if TYPE_CHECKING:
    from skymosaic.steps.execution import Calls

log = logging.getLogger(__name__)

_VERSION = 1
"""Version of how stars are found and compared; part of the key of both steps."""


def check_positions(
    calls: Calls, place: Place, retrieved: Sequence[Any], aligned: Any, planned: Any
) -> Any:
    """Make a task for each file that finds its stars, and the one that compares them."""
    near = in_order(calls.hosts(), len(retrieved))
    found = calls.each(partial(find, place), retrieved, near=near)
    return calls.call(compare_all, place, aligned, planned, found, name=POSITIONS.kind.name)


def find(place: Place, retrieved: Finished[RetrieveResult]) -> Finished[StarsResult]:
    """Find the stars in the exposures of one parcel."""
    exposures = [
        image
        for image in retrieved.result.images
        # Spectra have no positions that two filters share.
        if not image.drizzled and no_image_through(image.filter) is None
    ]
    step = FIND.step(retrieved.step.rsplit("/", 1)[-1])
    if not exposures:  # a drizzled image, as a rule
        return Finished(step.name, "", {}, StarsResult([]), 0.0, 0, reused=True)

    def work(bench: Bench) -> StarsResult:
        with computing_slot(place):
            for exposure in exposures:
                with bench.open(retrieved.products[exposure.name]) as file:
                    table = _stars(file, exposure)
                table.write(bench.out / _file(exposure), format="fits")
        return StarsResult([exposure.rootname for exposure in exposures])

    return run_step(
        place,
        step,
        inputs={exposure.name: retrieved.products[exposure.name] for exposure in exposures},
        parameters={"version": _VERSION},
        versions={"photutils": version("photutils")},
        work=work,
    )


def _file(exposure: Exposure) -> str:
    return f"{exposure.rootname}_stars.fits"


def _stars(file: BinaryIO, exposure: Exposure) -> Table:
    """Return the stars of an exposure: chip, x, y (pixels from 0), ra, dec (deg), height."""
    columns = []
    for number, science, bad, wcs in open_chips(file, exposure):
        places, heights = find_stars(science, bad)
        sky = wcs.all_pix2world(places, 0) if len(places) else places
        chip = np.full(len(places), float(number))
        columns.append(np.column_stack([chip, places, sky, heights]))
    names = ("chip", "x", "y", "ra", "dec", "height")
    return Table(np.concatenate(columns), names=names)


def compare_all(
    place: Place,
    aligned: Finished[AlignResult],
    planned: Finished[Planned],
    found: Sequence[Finished[StarsResult]],
) -> Finished[PositionsResult]:
    """Compare the stars of exposures that overlap, each with a few of its neighbours."""
    exposures = {exposure.rootname: exposure for exposure in aligned.result.exposures}
    files = {
        rootname: step.products[_file(exposures[rootname])]
        for step in found
        for rootname in step.result.exposures
        if rootname in exposures
    }
    overlaps = [(a, b, area) for a, b, area in planned.result.pairs if a in files and b in files]
    chosen = choose_pairs(overlaps, {rootname: visit_of(rootname) for rootname in files})

    def work(bench: Bench) -> PositionsResult:
        stars: dict[str, ExposureStars] = {}
        for rootname, product in files.items():
            with bench.open(product) as file:
                table = Table.read(file, format="fits")
            stars[rootname] = ExposureStars(
                rootname,
                np.column_stack([table["ra"], table["dec"]]),
                np.column_stack([table["chip"], table["x"], table["y"]]),
                max(chip.scale or 0.0 for chip in exposures[rootname].chips) or 0.1,
                (exposures[rootname].postarg1, exposures[rootname].postarg2),
            )
        with computing_slot(place):
            pairs = [compare(stars[a], stars[b]) for a, b in chosen]
        result = PositionsResult(len(planned.result.pairs), pairs)
        for line in position_warnings(result):
            log.warning("%s", line)
        return result

    return run_step(
        place,
        POSITIONS.step(),
        tasks=[POSITIONS.task()],
        inputs={product.name: product for product in files.values()},
        parameters={
            "version": _VERSION,
            "overlaps": len(planned.result.pairs),
            "pairs": hashlib.sha256(json.dumps(chosen).encode()).hexdigest(),
        },
        versions={},
        work=work,
    )
