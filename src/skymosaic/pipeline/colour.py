"""The task that makes the colour picture of a field."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from skymosaic.config import Campaign
from skymosaic.config.colour import Colour
from skymosaic.errors import DrizzleError, MissingError
from skymosaic.pipeline import onepass_mosaics
from skymosaic.pipeline.colour_plan import ColourPlan
from skymosaic.pipeline.results import (
    COLOUR,
    DRIZZLE,
    ColourResult,
    ComparisonResult,
    DrizzleResult,
)
from skymosaic.report.colour_facts import Channel, ColourFacts
from skymosaic.sky.offsets import north_of
from skymosaic.steps.manifests import finished
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.report.colour_tone import Measured

_VERSION = 2
"""Version of how a picture is made; part of the step's key."""
_USUAL = "match"
_SAME_PIXEL = 0.01


@dataclass(frozen=True)
class ColourMember:
    """A group that a picture shows."""

    place: Place
    campaign: Campaign
    comparison: Finished[ComparisonResult]


def colour_picture(
    place: Place, plan: ColourPlan, settings: Colour, members: Sequence[ColourMember]
) -> Finished[ColourResult]:
    """Make the colour picture of a field: a PNG, and tiles with a page to zoom in.

    Parameters
    ----------
    place : Place
        The program's.
    plan : ColourPlan
        Which group is which colour.
    settings : Colour
        What the file says.
    members : sequence of ColourMember
        The groups, as `plan` has them.

    Raises
    ------
    DrizzleError
        The mosaics are not on one grid, have no pixel in common, or one is the same everywhere.
    MissingError
        A mosaic is not there.
    """
    methods = [settings.method or recommended(member) for member in members]
    mosaics = [
        find_mosaic(m.place, m.campaign, name) for m, name in zip(members, methods, strict=True)
    ]
    inputs = {}
    for shade, mosaic in zip(plan.shades, mosaics, strict=True):
        inputs[f"{shade.colour}/science"] = mosaic.products[mosaic.result.science]
        inputs[f"{shade.colour}/weight"] = mosaic.products[mosaic.result.weight]

    def work(bench: Bench) -> ColourResult:
        from skymosaic.report.colour import write_colour
        from skymosaic.report.colour_tone import ColourPlane, measure

        with ExitStack() as stack:
            planes, headers = [], []
            for name, shade in enumerate(plan.shades):
                images = []
                for what in ("science", "weight"):
                    fetched = bench.fetch(inputs[f"{shade.colour}/{what}"])
                    # Groups may call their files alike.
                    path = fetched.rename(bench.scratch / f"{name}_{what}.fits")
                    # Pages of mapped files would count in the worker's memory.
                    images.append(stack.enter_context(fits.open(path, memmap=False))[0])
                planes.append(ColourPlane(images[0].section, images[1].section))
                headers.append(images[0].header)
            _require_one_grid(plan, headers, members[0].campaign)
            measured = measure(planes, settings.percentiles)
            facts = _facts(plan, settings, methods, measured, headers)
            files = write_colour(bench.out, facts, planes, measured.limits, tiles=settings.tiles)
            return ColourResult(facts, *files)

    return run_step(
        place,
        COLOUR.step(plan.field),
        tasks=[COLOUR.task(plan.field)],
        inputs=inputs,
        parameters={
            "version": _VERSION,
            "shades": [list(shade) for shade in plan.shades],
            "methods": methods,
            **settings.model_dump(mode="json", exclude={"red", "green", "blue", "method"}),
        },
        versions=versions(),
        work=work,
    )


def recommended(member: ColourMember) -> str:
    """Return the sky method that a group's report recommends; `match`, if it leaves that open."""
    run = member.campaign.sky.methods
    evidence = member.comparison.result.evidence
    best = [one for one in (evidence.advice.methods if evidence is not None else ()) if one in run]
    choice = best or run
    return _USUAL if _USUAL in choice else choice[0]


def find_mosaic(place: Place, campaign: Campaign, method: str) -> Finished[DrizzleResult]:
    """Return the mosaic of a group.

    Raises
    ------
    MissingError
        It is not there.
    """
    if campaign.drizzle.engine == "onepass":
        found = onepass_mosaics.find_mosaic(place, method)
    else:
        found = finished(place, DRIZZLE.step(method))
    if found is None:
        raise MissingError(
            f"{place.store.address(place.campaign)} has no mosaic of {method} to make a colour "
            "picture from; run again"
        )
    return found


def _require_one_grid(plan: ColourPlan, headers: Sequence[fits.Header], campaign: Campaign) -> None:
    first, shape = WCS(headers[0]), (headers[0]["NAXIS1"], headers[0]["NAXIS2"])
    corners = np.array([[1, 1], [shape[0], 1], [shape[0], shape[1]], [1, shape[1]]], dtype=float)
    on_sky = first.wcs_pix2world(corners, 1)
    remedy = "set groups.grid: shared"
    if campaign.drizzle.has_one_grid:
        # What a grid of the user's does not say is taken from the detector, or a group says it.
        remedy = "give drizzle.grid the size of its pixels, and let no group have one of its own"
    for shade, header in zip(plan.shades, headers, strict=True):
        own = (header["NAXIS1"], header["NAXIS2"])
        if own == shape and np.allclose(
            WCS(header).wcs_world2pix(on_sky, 1), corners, rtol=0, atol=_SAME_PIXEL
        ):
            continue
        raise DrizzleError(
            f"colour: the mosaic of {shade.group} ({own[0]} x {own[1]} pixels) is not on the grid "
            f"of that of {plan.shades[0].group} ({shape[0]} x {shape[1]} pixels): {remedy}"
        )


def _facts(
    plan: ColourPlan,
    settings: Colour,
    methods: Sequence[str],
    measured: Measured,
    headers: Sequence[fits.Header],
) -> ColourFacts:
    header = headers[0]
    wcs = WCS(header)
    channels = [
        Channel(
            *(shade.colour, shade.group, shade.filter, method),
            *(limit.low, limit.high, str(own.get("BUNIT", "")).lower()),
        )
        for shade, method, limit, own in zip(
            plan.shades, methods, measured.limits, headers, strict=True
        )
    ]
    return ColourFacts(
        field=plan.field,
        channels=tuple(channels),
        stretch=settings.stretch,
        linear_to=settings.linear_to or measured.linear_to(settings.stretch),
        q=settings.q,
        percentiles=settings.percentiles,
        columns=header["NAXIS1"],
        rows=header["NAXIS2"],
        pixel_scale=float(3600 * math.sqrt(abs(np.linalg.det(wcs.pixel_scale_matrix)))),
        north=north_of(wcs),
    )
