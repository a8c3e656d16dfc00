"""The drizzle stage of `drizzle.engine: onepass`.

Each exposure is drizzled once, in a task of its own. The mosaics of all methods are summed in
blocks and put together (`singles`, `blocks`, `assembly`): no task has all exposures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.request import Request
from skymosaic.pipeline.assembly import Parts, make_mosaics
from skymosaic.pipeline.blocks import make_blocks
from skymosaic.pipeline.comparing.tasks import make_parts
from skymosaic.pipeline.equations import make_equations
from skymosaic.pipeline.errors import make_errors
from skymosaic.pipeline.hits import look_for_cosmic_rays
from skymosaic.pipeline.homes import find_homes
from skymosaic.pipeline.images import images_of
from skymosaic.pipeline.results import DRIZZLE, Planned
from skymosaic.pipeline.singles import make_singles
from skymosaic.pipeline.skies import find_static, measure_each, solve_skies
from skymosaic.pipeline.source_masks import find_sources
from skymosaic.pipeline.witnessed import choose_sample, make_samples
from skymosaic.steps.step import Finished, Place

if TYPE_CHECKING:
    from skymosaic.config import Campaign
    from skymosaic.steps.execution import Calls


@dataclass(frozen=True)
class OnepassTasks:
    """The calls of the engine's tasks."""

    runs: Mapping[str, Any]
    """By method and variant."""
    parts: Parts
    """What the mosaics are put together from."""
    samples: Mapping[str, Any] = field(default_factory=dict)
    """What AstroDrizzle makes of a part of each mosaic, see `witnessed.make_samples`."""
    compared: Mapping[str, Any] = field(default_factory=dict)
    """What the comparison is put together from, see `comparing.tasks.make_parts`."""


def drizzle_each(calls: Calls, campaign: Campaign, place: Place, prepared: Any) -> OnepassTasks:
    """Make the tasks that drizzle; waits for the plan, which decides which there are."""
    planned: Finished[Planned] = calls.result(prepared.planned)
    images = images_of(calls.result(prepared.aligned))
    first = campaign.sky.methods[0]
    place = replace(place, part_of=(DRIZZLE.task(first), DRIZZLE.step(first)))
    window = choose_sample(calls, campaign, prepared)
    # The keys of what is drizzled have the masks of its own chips alone.
    homes = find_homes(calls.hosts(), [one.rootname for one in images.exposures])
    static = calls.result(find_static(calls, campaign, place, prepared, homes))
    sky, parameters = campaign.sky, planned.result.order.parameters
    beginning = (calls, campaign, place, prepared, static, homes)
    hits: dict[str, Any] = {}
    measured = search = None
    if pars.has_cr_steps(parameters):
        other = sky.mask_sources or sky.footprints == "swapped"
        plain = measure_each(*beginning, plainly=other)
        measured = None if other else plain
        hits, search = look_for_cosmic_rays(*beginning, images, plain)
    singles = make_singles(calls, campaign, place, images, planned.result, static, homes, hits)
    equations, sources = [], None
    if sky.mask_sources:
        sources = find_sources(calls, campaign, place, prepared, singles, homes)
    if Request.of(campaign).has_differences:
        on_grid = (images.exposures, planned.result, singles, homes, sources)
        equations = make_equations(calls, place, *on_grid)
    if measured is None:
        measured = measure_each(*beginning, sources)
    skies = solve_skies(calls, campaign, place, prepared, measured, equations)
    blocks = make_blocks(calls, place, images.exposures, planned.result, singles, skies, homes)
    errors = None
    if Request.of(campaign).errors:
        errors = make_errors(calls, campaign, place, images, planned.result, singles, blocks, homes)
    parts = Parts(singles, skies, blocks, static, errors, search)
    mosaics = make_mosaics(calls, campaign, place, prepared, parts)
    compared = make_parts(
        *(calls, campaign, place, prepared, images, planned.result, skies, mosaics, homes)
    )
    samples = make_samples(
        *(calls, campaign, place, images, planned.result, singles, skies, window)
    )
    return OnepassTasks(mosaics, parts, samples, compared)
