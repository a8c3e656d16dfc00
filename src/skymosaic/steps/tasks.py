"""The kinds of steps that a campaign has, declared once, and the list of its tasks.

Who counts, names, estimates or reads steps back goes by what stands here. What a step of each kind
gives stands in `pipeline.results`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from skymosaic.methods import METHODS, OWN, word

if TYPE_CHECKING:
    from skymosaic.archive.base import Parcel
    from skymosaic.config import Campaign

_R = TypeVar("_R", covariant=True)


@dataclass(frozen=True)
class Kind:
    """A kind of steps. Of some there is one in a campaign, of others one a file or sky method."""

    name: str
    """What its like are counted by."""
    step: str
    """Name of the step, which is that of its manifest; of several, with ``{of}``."""
    title: str = ""
    """What people know it as, where that is not its own name."""
    folder: str = ""
    """Where the products go, below the campaign's folder; empty: a folder of the step's own."""
    calls: Mapping[str, str] = field(default_factory=dict)
    """By the name under which a call of the graph goes to the scheduler: how long it takes."""

    def step_of(self, of: str = "") -> str:
        """Return the name of the step that is about a file or a method."""
        return self.step.format(of=of)


RETRIEVE = Kind("retrieve", "pristine/{of}", folder="pristine", calls={"retrieve": "3s"})
INSPECT = Kind("inspect", "inspection", calls={"inspect": "1s"})
HELD = Kind("held", "held/{of}", calls={"read_held": "1s"})
"""Which WCS solutions the files of a parcel hold; nobody is told of these tasks."""
CHOICE = Kind("wcs choice", "wcs_choice", calls={"choose_wcs": "1s", "with_placed": "100ms"})
"""Which of them are used, where the campaign chooses; nobody is told of this task."""
WCS = Kind("wcs", "wcs/{of}", folder="wcs", calls={"place_exposures": "2s", "motions_of": "10ms"})
"""Exposures with another WCS; nobody is told of these tasks."""
WCS_TILES = Kind("wcs tiles", "wcs_tiles/{of}", folder="wcs_tiles", calls={"place_tiles": "1s"})
"""Drizzled images that follow their exposures; nobody is told of these tasks."""
SHAPES = Kind("shapes", "shapes/{of}", folder="shapes", calls={"measure_shapes": "2s"})
"""The stars of exposures with their shapes, for `WITHIN`; nobody is told of these tasks."""
WITHIN = Kind("within", "within", calls={"compare_exposures": "2s", "with_within": "100ms"})
"""How exposures lie within their associations; nobody is told of this task."""
SHIFTED = Kind("shifted", "shifted/{of}", folder="shifted", calls={"shift_exposures": "1s"})
"""Exposures that were moved to where their association is; nobody is told of these tasks."""
TILES = Kind("tiles", "tiles", calls={"list_tiles": "1s", "earlier": "10ms"})
"""Which drizzled images are aligned, and in which order; nobody is told of this task."""
TILE_NOISE = Kind(
    "tile_noise", "tile_noise/{of}", calls={"measure_noise": "1s", "find_level": "10ms"}
)
"""The noise of a drizzled image, for `FINDING`; nobody is told of these tasks."""
TILE_COUNTS = Kind("tile_counts", "tile_counts/{of}", calls={"count_sources": "1s"})
"""Its sources at several thresholds, for `FINDING`; nobody is told of these tasks."""
FINDING = Kind("finding", "finding", calls={"choose_threshold": "1s"})
"""How sources are found in all drizzled images; nobody is told of this task."""
TILE_SOURCES = Kind("tile_sources", "tile_sources/{of}", calls={"list_tile_sources": "3s"})
"""The sources of a drizzled image, for `SOLUTION`; nobody is told of these tasks."""
SOLUTION = Kind("solution", "solution", calls={"solve_tiles": "10s"})
"""Where all drizzled images lie; nobody is told of this task."""
MOVED = Kind("moved", "moved/{of}", folder="aligned", calls={"move": "2s"})
"""An exposure, moved as its drizzled image, for `ALIGN`; nobody is told of these tasks."""
ALIGN = Kind("align", "aligned", calls={"align": "2s"})
REFERENCE = Kind("reference", "reference", calls={"list_reference": "10s"})
"""The stars that the tiles are aligned to, where `align.reference` is another than ``tile``."""
CATALOGUE = Kind("catalogue", "catalogue", "list sources", calls={"list_sources": "10s"})
"""Sources that the other groups of a field are aligned to, where `groups.align` is ``shared``."""
SHARED_GRID = Kind("grid", "grids/{of}", "shared grid", calls={"shared_grid": "5s"})
"""The one grid of a field's groups, where `groups.grid` is ``shared``; the program's own step."""
PLAN = Kind("plan", "plan", calls={"plan": "5s", "on_grid": "10ms"})
FIND = Kind("find", "stars/{of}", folder="stars", calls={"find": "1s"})
"""Stars for `POSITIONS`; nobody is told of these tasks."""
POSITIONS = Kind("positions", "positions", "compare positions", calls={"positions": "3s"})
DIFFERENCES = Kind("differences", "differences", calls={"differences": "20s", "given_sky": "1ms"})
LOW = Kind("low", "low/{of}", folder="low", calls={"find_low": "1s"})
"""The low pixels of an exposure, for `STATIC`; nobody is told of these tasks."""
STATIC = Kind("static", "static", calls={"merge_low": "2s"})
"""The static masks of a campaign's detectors; nobody is told of this task."""
SINGLE = Kind("single", "singles/{of}", calls={"make_single": "1s"})
"""The chips of an exposure, each drizzled alone; nobody is told of these tasks."""
OUTLINES = Kind("outlines", "outlines/{of}", calls={"draw_swapped": "1s"})
"""How `sky.footprints: swapped` draws the chips of an exposure; nobody is told of these tasks."""
MEASURED = Kind("measured", "measured/{of}", folder="measured", calls={"measure_one": "1s"})
"""The sky of an exposure, of all of it and of its part of each overlap, for `SKIES`; nobody is told
of these tasks."""
PLAIN = Kind("plain", "plain/{of}", folder="plain")
"""The same as AstroDrizzle measures it, for `SEPARATE_SKY`, where a campaign wants other skies."""
SEPARATE_GRID = Kind("separate_grid", "separate_grid", calls={"find_grid": "2s"})
"""The grid on which exposures are drizzled separately, to find cosmic rays; nobody is told of this
task."""
SEPARATE_SKY = Kind("separate_sky", "separate_sky", calls={"find_sky": "1s"})
"""The sky that is taken off meanwhile; nobody is told of this task."""
SEPARATE = Kind("separate", "separate/{of}", calls={"separate_one": "2s", "find_blank": "1ms"})
"""An exposure, drizzled separately; nobody is told of these tasks."""
MEDIAN = Kind("median", "medians/{of}", calls={"make_median": "2s"})
"""The median of the exposures in a block, for `HITS`; nobody is told of these tasks."""
HITS = Kind("hits", "hits/{of}", calls={"find_hits": "2s", "search_of": "1ms"})
"""What cosmic rays hit in an exposure, for `SINGLE`; nobody is told of these tasks."""
GUESS = Kind("guess", "guesses/{of}", calls={"guess": "2s", "find_side": "1ms"})
"""What exposures differ by in a block, at first sight, for `FIRST_SKIES`; nobody is told of these
tasks."""
FIRST_SKIES = Kind("first", "first_skies{of}", calls={"find_first": "1s"})
"""A first guess of all skies, for `EQUATION`; nobody is told of this task."""
EQUATION = Kind("equation", "equations/{of}", calls={"equate": "2s"})
"""The equations of the skies in a block, for `SKIES`; nobody is told of these tasks."""
SOURCES = Kind(
    "sources",
    "sources/{of}",
    calls={
        **{"solve_sources": "2s", "match_block": "2s", "fill_background": "1s"},
        **{"subtract_background": "1s", "find_middle": "1s", "take_middle": "100ms"},
        **{"find_threshold": "1s", "find_sources": "1s"},
    },
)
"""What looks for sources on the mosaic, where no sky counts them; nobody is told of these tasks."""
SKIES = Kind("skies", "skies", calls={"solve": "2s"})
"""The skies of all mosaics of the one-pass engine; nobody is told of this task."""
VARIANCES = Kind("variances", "variances/{of}", calls={"make_variances": "2s"})
"""What the chips of an exposure add to the error planes; nobody is told of these tasks."""
BLOCK = Kind("block", "blocks/{of}", calls={"make_block": "2s"})
"""Sums in a rectangle of the mosaics; nobody is told of these tasks."""
ERRORS = Kind("errors", "errors/{of}", calls={"sum_errors": "1s"})
"""The error plane in a rectangle of the mosaics; nobody is told of these tasks."""
NOISE = Kind("noise", "errors/noise", calls={"correlate": "5s"})
"""How the noise of neighbouring pixels is correlated; nobody is told of this task."""
HEADERS = Kind("headers", "headers", calls={"make_headers": "3s"})
"""What the headers of the mosaics have in common; nobody is told of this task."""
LEVELS = Kind(
    "levels",
    "levels/{of}",
    folder="levels",
    calls={"measure_levels": "1s", "sum_up": "100ms"},
)
"""An exposure in cells of the sky, for `COMPARISON`; nobody is told of these tasks."""
OBSERVED = Kind("observed", "evidence/observed", calls={"observe_field": "3s"})
"""All exposures in cells of the sky, for `COMPARISON`, as its other parts below; nobody is told of
these tasks."""
PAIRS = Kind("pairs", "evidence/pairs/{of}", calls={"measure_pairs": "1s"})
"""The differences of exposures that overlap in a block."""
EDGES = Kind("edges", "evidence/edges", calls={"find_edges": "2s"})
"""The edges of the exposures."""
OVERLAPS = Kind("overlaps", "evidence/overlaps", calls={"solve_overlaps": "2s"})
"""What the overlaps call for."""
JUDGED = Kind("judged", "evidence/judged/{of}", calls={"judge": "2s"})
"""How good the mosaic of a method is."""
FIGURE = Kind("figure", "figures/{of}", calls={"draw": "3s"})
"""A figure of the comparison."""
DRIZZLE = Kind(
    "drizzle",
    "runs/{of}",
    calls={"drizzle": "20s", "drizzle_pairs": "30s", "assemble": "3s", "assemble_variant": "3s"},
)
ONEPASS = Kind("onepass", "runs/onepass")
"""The one step in which older versions of the one-pass engine did all tasks of the kind `DRIZZLE`:
it is read, and not made."""
CELL = Kind("cell", "cells/{of}", calls={"make_cell": "20s"})
"""The mosaics of one cell; nobody is told of these tasks: which there are, `PLAN` finds."""
CELLS = Kind("cells", "cells/index", folder="cells", calls={"index_cells": "1s"})
"""The list of all cells, and so their end."""
WITNESSED = Kind(
    "witnessed", "witnessed/{of}", calls={"drizzle_sample": "5s", "choose_window": "1s"}
)
"""A part of a mosaic that AstroDrizzle makes again, for `WITNESS`; nobody is told of these
tasks."""
WITNESS = Kind("witness", "witness", calls={"witness": "20s"})
ENGINES = Kind("engines", "engines", "both engines", calls={"engines": "40s"})
COMPARISON = Kind("gather", "comparison", calls={"compare_methods": "10s"})
"""Records of runs name it ``gather``, as those of older versions do."""
COLOUR = Kind("colour", "colour/{of}", calls={"colour_picture": "10s"})
"""A picture of the groups of a field, where `colour` asks for one; the program's own step."""

KINDS = (
    *(RETRIEVE, INSPECT, HELD, CHOICE, WCS, WCS_TILES, SHAPES, WITHIN, SHIFTED),
    *(TILES, TILE_NOISE, TILE_COUNTS, FINDING, TILE_SOURCES, SOLUTION, MOVED),
    *(REFERENCE, ALIGN, CATALOGUE, SHARED_GRID, PLAN, FIND, POSITIONS, DIFFERENCES),
    *(LOW, STATIC, MEASURED, PLAIN, SEPARATE_GRID, SEPARATE_SKY, SEPARATE, MEDIAN, HITS),
    *(SINGLE, GUESS, FIRST_SKIES, EQUATION, SKIES, BLOCK, HEADERS),
    *(VARIANCES, ERRORS, NOISE, LEVELS, OUTLINES, SOURCES),
    *(OBSERVED, PAIRS, EDGES, OVERLAPS, JUDGED, FIGURE, WITNESSED),
    *(DRIZZLE, ONEPASS, CELL, CELLS, WITNESS, ENGINES, COMPARISON, COLOUR),
)
_ONE_OF_ITS_KIND = {kind.step: kind.name for kind in KINDS if "{of}" not in kind.step}
CALLS = {name: seconds for kind in KINDS for name, seconds in kind.calls.items()}
"""Without an estimate the scheduler takes tasks for short, gives them to the worker that holds
their input, and lets the others idle until it has seen better."""


@dataclass(frozen=True)
class Step(Generic[_R]):
    """One step of a campaign, by what identifies it in a store."""

    name: str
    """Such as ``runs/match``; that of its manifest too."""
    gives: type[_R]
    """What its result is; see `steps.results`."""
    folder: str
    """Of its products, below the campaign's."""


def kind_of(step: str) -> str:
    """Return the name of a step's kind, by the step's name; empty where it is of none."""
    if step in _ONE_OF_ITS_KIND:
        return _ONE_OF_ITS_KIND[step]
    several = (kind for kind in KINDS if "{of}" in kind.step)
    return next((kind.name for kind in several if step.startswith(kind.step_of())), "")


class Task(NamedTuple):
    """One task, as runs and their readers name it."""

    kind: str
    """The name of its `Kind`."""
    of: str = ""
    """The file or sky method that it is about; empty where there is one of its kind."""

    @property
    def title(self) -> str:
        """What people know it as, such as ``drizzle match``."""
        return f"{_TITLES[self.kind]} {self.of}".rstrip()


_TITLES = {kind.name: kind.title or kind.name for kind in KINDS}


@dataclass(frozen=True)
class StepSpec(Generic[_R]):
    """A kind of steps with what they give."""

    kind: Kind
    gives: type[_R]

    def step(self, of: str = "") -> Step[_R]:
        """Return the step that is about a file or a sky method; about all of a campaign."""
        # Names of methods and variants have signs in them that are none of a folder's.
        name = self.kind.step_of(word(of) if self.kind is DRIZZLE else of)
        return Step(name, self.gives, self.kind.folder or name)

    def task(self, of: str = "") -> Task:
        """Return the task that makes it."""
        return Task(self.kind.name, of)


def tasks_of(campaign: Campaign, parcels: Sequence[Parcel]) -> list[Task]:
    """Return the tasks that a campaign of one mosaic is told of, in the order of their results.

    Parameters
    ----------
    campaign : Campaign
        Its engine, methods and checks decide.
    parcels : sequence of Parcel
        What is retrieved, a task each.
    """
    methods = campaign.sky.methods
    # The one-pass engine has the exposures on the common grid anyway.
    apart = campaign.drizzle.engine == "astrodrizzle" and not {*OWN}.isdisjoint(methods)
    return [
        *(Task(RETRIEVE.name, parcel.name) for parcel in parcels),
        Task(INSPECT.name),
        *([Task(REFERENCE.name)] if campaign.align.has_reference else []),
        *(Task(kind.name) for kind in (ALIGN, PLAN)),
        *([Task(POSITIONS.name)] if campaign.align.method == "none" else []),
        *([Task(DIFFERENCES.name)] if apart else []),
        *(Task(DRIZZLE.name, method) for method in methods),
        *([Task(CELLS.name)] if campaign.drizzle.cells is not None else []),
        *(Task(check) for check in campaign.drizzle.checks),
        Task(COMPARISON.name),
    ]


def count_kinds(tasks: Sequence[Task]) -> Mapping[str, int]:
    """Return how many tasks there are of each kind, in their order."""
    return Counter(task.kind for task in tasks)


def looks_at_pairs(method: str) -> bool:
    """Whether AstroDrizzle measures every pair of exposures that overlap, which takes long."""
    return method in METHODS and "match" in method
