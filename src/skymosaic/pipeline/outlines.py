"""The tasks that draw chips as AstroDrizzle did with an older library: `sky.footprints: swapped`.

Which exposures are neighbours follows from the corners of all. Those of chips drawn with rows and
columns exchanged are in no record of the exposures: a task an exposure finds its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from skymosaic.drizzle.onepass.measured import with_corners
from skymosaic.drizzle.onepass.sky import read_wcs
from skymosaic.hst.exposure import Exposure
from skymosaic.pipeline.homes import Homes
from skymosaic.pipeline.images import Images
from skymosaic.pipeline.onepass_results import OUTLINES, OutlinesResult
from skymosaic.pipeline.slots import computing_slot
from skymosaic.sky.footprints import swapped_corners
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.store import Product
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.steps.execution import Calls

_ENGINE = 1
"""Version of what these steps do; part of their keys."""


def draw_each(
    calls: Calls, place: Place, images: Images, exposures: Sequence[Exposure], homes: Homes
) -> list[Exposure]:
    """Return exposures whose chips have the corners that swapped footprints have."""
    drawn = calls.each(
        partial(draw_swapped, place),
        [(one, images.products[one.name]) for one in exposures],
        of=[one.rootname for one in exposures],
        near=homes.each([one.rootname for one in exposures]),
    )
    found = [calls.result(one).result.corners for one in drawn]
    return [with_corners(one, dict(corners)) for one, corners in zip(exposures, found, strict=True)]


def draw_swapped(place: Place, one: tuple[Exposure, Product]) -> Finished[OutlinesResult]:
    """Find the corners of the chips of one exposure."""
    exposure, product = one

    def work(bench: Bench) -> OutlinesResult:
        path = bench.fetch(product)
        with computing_slot(place):
            corners = [
                (chip.extver, [(ra, dec) for ra, dec in swapped_corners(wcs).tolist()])
                for chip, wcs in zip(exposure.chips, read_wcs(path, exposure), strict=True)
            ]
        return OutlinesResult(corners)

    return run_step(
        place,
        OUTLINES.step(exposure.rootname),
        inputs={exposure.name: product},
        parameters={"engine": _ENGINE},
        versions=versions(),
        work=work,
    )
