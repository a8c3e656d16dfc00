"""What is told of the output grid: before anything runs, and of exposures that do not touch it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from skymosaic.drizzle.request import Request
from skymosaic.errors import CampaignError
from skymosaic.hst.usable import left_out
from skymosaic.pipeline.given_grid import SEE_ONE_DISK, reference_of
from skymosaic.pipeline.sentences.cells import layout_lines

if TYPE_CHECKING:
    from skymosaic.config import Campaign
    from skymosaic.drizzle.grid import Grid
    from skymosaic.pipeline.results import PlanResult

_PLANE = 4  # bytes of a pixel, float32


def left_out_warnings(facts: PlanResult) -> list[str]:
    """Return which exposures a grid of the user's own left out, a sentence for each."""
    return [
        left_out(f"{name} does not touch the output grid (drizzle.grid)")
        for name in facts.left_out or ()
    ]


def grid_lines(campaign: Campaign) -> list[str]:
    """Return what is known of the output grid and of cells before anything runs, a line each.

    Raises
    ------
    CampaignError, InputError, StoreError
        As `given_grid.reference_of`.
    """
    layout = campaign.drizzle.cells
    cells = [] if layout is None else layout_lines(layout, Request.of(campaign).detectors)
    return [*_lines(campaign), *cells]


def _lines(campaign: Campaign) -> list[str]:
    requested, reference = Request.of(campaign).grid, None
    try:
        reference = reference_of(campaign, Request.of(campaign).detectors)
    except CampaignError:
        if campaign.compute.backend in SEE_ONE_DISK:
            raise
        return [f"grid: like {requested.like}, which this host does not see; the workers read it"]
    if not requested.is_given:
        return [f"grid: {_around_exposures(campaign)}{_pixels(requested.choice)}"]
    if requested.skycell:
        part = "the part that exposures touch" if requested.crop else "all of it"
        lines = [f"grid: sky cell {requested.skycell}, {part}"]
        if reference is None:
            return [*lines, "      fine or coarse: as MAST has it for the detector"]
        return [*lines, f"      whole: {placed(reference.grid)}"]
    if reference is not None and not requested.choice:
        source = f"like {reference.name}" if requested.like else reference.name
        return [f"grid: {source}", f"      {placed(reference.grid)}"]
    changes = _changes(requested.choice)
    lines = [
        f"grid: {changes}; plan takes the rest from the exposures"
        if reference is None
        else f"grid: like {reference.name}, but with {changes}"
    ]
    if requested.shape is not None:
        lines.append(f"      {_size(requested.shape)}")
    return lines


def _around_exposures(campaign: Campaign) -> str:
    """Return which grid the exposures place."""
    rules = campaign.groups
    if rules is None:
        return "auto, the smallest that holds all exposures; plan computes it once they are there"
    if rules.grid == "own":
        return (
            "auto, for each group the smallest that holds its exposures; plan computes it once "
            "they are there"
        )
    whose = "the first group" if rules.reference is None else rules.reference
    of_what = "the groups of a target" if rules.has_targets else "all groups"
    return (
        f"shared by {of_what} (groups.grid): that of {whose}, with columns and rows more where "
        "the others need them; it is computed once the exposures of all are there"
    )


def placed(grid: Grid) -> str:
    """Return a grid's centre, pixels, shape and size in a line."""
    ra, dec = grid.centre
    return (
        f"centre RA {ra:.6f}, Dec {dec:.6f} (degrees), {grid.scale:.6g} arcsec a pixel, rotation "
        f"{grid.rot:.6g} degrees; {_size(grid.shape)}"
    )


def _size(shape: tuple[int, int]) -> str:
    columns, rows = shape
    plane = columns * rows * _PLANE
    return f"{columns} x {rows} pixels: a mosaic has {plane / 1e6:.3g} MB, and its weights as much"


_WORDS = {
    "ra": "RA {:.6f}",
    "dec": "Dec {:.6f}",
    "scale": "{:.6g} arcsec a pixel",
    "rot": "rotation {:.6g} degrees",
    "outnx": "{} columns",
    "outny": "{} rows",
    "crpix1": "crpix1 {:.6f}",
    "crpix2": "crpix2 {:.6f}",
}


def _changes(choice: Mapping[str, Any]) -> str:
    return ", ".join(word.format(choice[name]) for name, word in _WORDS.items() if name in choice)


def _pixels(choice: Mapping[str, Any]) -> str:
    changes = _changes(choice)
    return f" ({changes})" if changes else ""
