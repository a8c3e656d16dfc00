"""The tasks of the comparison before its last one, which puts together what they find and draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from skymosaic.drizzle.onepass.blocks import blocks_of
from skymosaic.pipeline.comparing.figures import PICTURES, draw
from skymosaic.pipeline.comparing.methods import find_edges, judge, solve_overlaps
from skymosaic.pipeline.comparing.observed import observe_field
from skymosaic.pipeline.comparing.pairs import measure_pairs
from skymosaic.pipeline.homes import Homes
from skymosaic.pipeline.images import Images
from skymosaic.pipeline.levels import make_levels
from skymosaic.pipeline.results import COMPARISON, Planned
from skymosaic.report.densities import MOST_MARKS
from skymosaic.steps.step import Place

if TYPE_CHECKING:
    from skymosaic.config import Campaign
    from skymosaic.steps.execution import Calls


def make_parts(
    calls: Calls,
    campaign: Campaign,
    place: Place,
    prepared: Any,
    images: Images,
    planned: Planned,
    skies: Any,
    mosaics: Mapping[str, Any],
    homes: Homes,
) -> dict[str, Any]:
    """Make the tasks; return the calls by what they are, none where steps are only looked up.

    A comparison is the same, with the same key, where it was made without them: one that has
    finished needs none of them.

    Parameters
    ----------
    calls, campaign, place, prepared, images, planned, homes
        As for the other parts of the graph.
    skies : call
        That gives the skies.
    mosaics : mapping of str to call
        Those that give the mosaics, by method.
    """
    if not calls.makes():
        return {}
    place = replace(place, part_of=(COMPARISON.task(), COMPARISON.step()))
    levels = make_levels(calls, place, images, planned, skies, homes)
    if not levels:
        return {}
    several = any(len(exposure.chips) > 1 for exposure in images.exposures)
    both = (prepared.aligned, prepared.planned)
    observed = calls.call(
        partial(observe_field, place),
        *(*both, list(prepared.retrieved), levels, skies if several else None),
        name="observe_field",
    )
    edges = calls.call(partial(find_edges, place), prepared.planned, observed, name="find_edges")
    blocks = blocks_of(planned.grid, images.exposures)
    pairs = [
        calls.call(
            partial(measure_pairs, place, block.name, block.box),
            observed,
            name="measure_pairs",
            of=block.name,
            near=homes.of(block.exposures),
        )
        for block in blocks
    ]
    boxes = {block.name: block.box for block in blocks}
    solution = calls.call(
        partial(solve_overlaps, place, campaign, boxes),
        *(prepared.planned, observed, pairs, skies),
        name="solve_overlaps",
    )
    judged = {
        method: calls.call(
            partial(judge, place, method),
            *(*both, observed, edges, solution, mosaics[method]),
            name="judge",
            of=method,
        )
        for method in campaign.sky.methods
    }
    overlaps = {"skies": skies, "observed": observed, "solution": solution}
    figures = _draw_figures(calls, campaign, place, both, images, mosaics, overlaps)
    return {
        "observed": observed,
        "edges": edges,
        "solution": solution,
        "judged": judged,
        "figures": figures,
    }


def _draw_figures(
    calls: Calls,
    campaign: Campaign,
    place: Place,
    both: tuple[Any, Any],
    images: Images,
    mosaics: Mapping[str, Any],
    overlaps: Mapping[str, Any],
) -> dict[str, Any]:
    """Make a task of each figure; `both` are the alignment and the plan."""
    few = sum(bool(len(one.polygons)) for one in images.exposures) <= MOST_MARKS
    runs = {method: mosaics[method] for method in campaign.sky.methods}
    shown: dict[str, Mapping[str, Any]] = {
        "vectors": {},
        "footprints": overlaps if few else {},
        "scatter": {"skies": overlaps["skies"]},
        "residuals": overlaps,
        "difference": {"runs": runs},
        PICTURES: {"runs": runs},
    }
    return {
        name: calls.call(partial(draw, place, name, campaign), *both, shows, name="draw", of=name)
        for name, shows in shown.items()
    }
