"""Exposures that lie off their association, and exposures whose stars are trailed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from skymosaic.align.plane import to_plane
from skymosaic.align.positions import FEWEST, Displacement, ExposureStars, compare

AGREES = "agrees"
OFF = "off"
UNDECIDED = "no majority"
TOO_FEW = "not enough stars to tell"
_SURE = 3.0  # errors
_SURE_TRAIL = 5.0  # errors: of many exposures none is to be called trailed by chance
_NEAR = 0.75  # pixels: stars that lie so near each other are one, as in `positions`
_ALL_PAIRS = 6  # exposures of an association that are all compared with each other
_NEIGHBOURS = 3  # of larger ones each is compared with so many that follow
_MEDIAN = 1.2533  # error of a median over that of a mean
_SCATTER = 1.4826  # standard deviation over the median absolute deviation


@dataclass(frozen=True)
class StarList:
    """What looks like stars in one exposure."""

    association: str
    imager: str
    """Instrument, detector and filter: their stars are alike."""
    stars: ExposureStars
    moments: NDArray[np.float64]
    """Second moments xx, yy, xy of each, pixels^2, shape (n, 3)."""


@dataclass(frozen=True)
class Member:
    """What was found of one exposure of an association."""

    rootname: str
    association: str
    state: str
    """One of `AGREES`, `OFF`, `UNDECIDED`, `TOO_FEW`."""
    stars: int
    """Stars that another exposure of the association has, too; what it has not are cosmic rays."""
    east: float | None = None
    """By how much its stars lie to the east of those of its association, mas."""
    north: float | None = None
    error: float | None = None
    """Standard error of both, mas."""
    elongation: float | None = None
    """Length over width of its stars; None where there are too few."""
    usual: float | None = None
    """The same of other exposures with this filter."""
    trailed: bool = False
    """Whether its stars are longer than the gate allows, and that is no chance."""

    @property
    def offset(self) -> float | None:
        """How far its stars lie from those of its association, mas."""
        return None if self.east is None else float(np.hypot(self.east, self.north or 0.0))


@dataclass(frozen=True)
class Within:
    """What was found of the exposures of all associations."""

    members: list[Member]
    max_offset: float
    """What the campaign allows, mas."""
    max_elongation: float
    corrected: list[str] = field(default_factory=list)
    """Rootnames of those that were moved."""

    def of(self, state: str) -> list[Member]:
        """Return the exposures of a state."""
        return [one for one in self.members if one.state == state]

    @property
    def trailed(self) -> list[Member]:
        """Those whose stars are trailed."""
        return [one for one in self.members if one.trailed]


def compare_within(
    lists: Sequence[StarList], max_offset: float, max_elongation: float
) -> list[Member]:
    """Compare the exposures of each association with each other.

    Where most of an association's exposures lie is its frame: the largest number of them that lie
    within `max_offset` of one of them, if that is more than half. Stars are what several
    exposures have at one place: cosmic rays do not coincide.

    Parameters
    ----------
    lists : sequence of StarList
        Of all exposures.
    max_offset : float
        Mas.
    max_elongation : float
        Of an exposure's stars, over that of the other exposures with its filter.

    Returns
    -------
    list of Member
        By association and rootname.
    """
    groups: dict[str, list[StarList]] = {}
    for one in sorted(lists, key=lambda one: (one.association, one.stars.rootname)):
        groups.setdefault(one.association, []).append(one)
    placed = [found for its in groups.values() for found in _place(its, max_offset)]
    shapes = {one.stars.rootname: _Shape.of(one, chosen) for one, _, chosen in placed}
    return [
        _with_shape(member, shapes[member.rootname], _others(one, lists, shapes), max_elongation)
        for one, member, _ in placed
    ]


_Found = tuple[StarList, Member, NDArray[np.bool_]]


def _place(its: Sequence[StarList], max_offset: float) -> list[_Found]:
    """Return where each exposure of one association lies, and which of its sources are stars."""
    compared = [compare(its[a].stars, its[b].stars) for a, b in _pairs(len(its))]
    pairs = [pair for pair in compared if pair.pixels is not None]
    places, errors = _solve([one.stars.rootname for one in its], pairs)
    frame = _frame(places, max_offset)
    placed: list[_Found] = []
    for one in its:
        name = one.stars.rootname
        stars = _coinciding(one, its, places)
        state, east, north, error = TOO_FEW, None, None, None
        if name in places and len(places) > 1:
            (east, north), error = places[name] - frame[0], errors[name]
            away = float(np.hypot(east, north))
            sure, far = away > _SURE * error, away > max_offset
            apart = OFF if far else AGREES
            state = (apart if frame[1] else UNDECIDED) if sure else AGREES
            east, north = float(east), float(north)
        member = Member(name, one.association, state, int(stars.sum()), east, north, error)
        placed.append((one, member, stars))
    return placed


def _pairs(number: int) -> list[tuple[int, int]]:
    if number <= _ALL_PAIRS:
        return list(combinations(range(number), 2))
    steps = range(1, _NEIGHBOURS + 1)
    return [(a, a + step) for a in range(number) for step in steps if a + step < number]


def _solve(
    names: Sequence[str], pairs: Sequence[Displacement]
) -> tuple[dict[str, NDArray[np.float64]], dict[str, float]]:
    """Return the places and their errors (mas) of the largest set of exposures that pairs link.

    Weighted least squares; their mean is the origin.
    """
    linked = _largest(names, pairs)
    index = {name: number for number, name in enumerate(linked)}
    used = [pair for pair in pairs if pair.a in index]
    if not used:
        return {}, {}
    design = np.zeros((len(used) + 1, len(linked)))
    values, weights = np.zeros((len(used) + 1, 2)), np.ones(len(used) + 1)
    for row, pair in enumerate(used):
        design[row, index[pair.a]], design[row, index[pair.b]] = -1.0, 1.0
        values[row] = np.array([pair.east, pair.north]) * 1000.0
        scale = (pair.arcsec or 0.0) / pair.pixels if pair.pixels else 0.1
        weights[row] = 1.0 / ((pair.error or 0.0) * scale * 1000.0)
    design[-1] = 1.0  # they lie at 0 in the mean
    weights[-1] = weights[:-1].mean()
    solved, *_ = np.linalg.lstsq(design * weights[:, None], values * weights[:, None], rcond=None)
    covariance = np.linalg.inv((design * weights[:, None] ** 2).T @ design)
    errors = np.sqrt(np.diag(covariance))
    return (
        {name: solved[number] for name, number in index.items()},
        {name: float(errors[number]) for name, number in index.items()},
    )


def _largest(names: Sequence[str], pairs: Sequence[Displacement]) -> list[str]:
    """Return the largest set of exposures that pairs link."""
    sets = {name: {name} for name in names}
    for pair in pairs:
        joined = sets[pair.a] | sets[pair.b]
        for name in joined:
            sets[name] = joined
    return max((sorted(one) for one in sets.values()), key=lambda one: (len(one), one))


def _frame(
    places: Mapping[str, NDArray[np.float64]], max_offset: float
) -> tuple[NDArray[np.float64], bool]:
    """Return where most exposures lie, mas; their median, and False, where it is no majority."""
    if not places:
        return np.zeros(2), False
    values = np.array(list(places.values()))
    near = np.hypot(*(values[:, None] - values[None]).transpose(2, 0, 1)) <= max_offset
    counts = near.sum(axis=1)
    majority = near[int(np.argmax(counts))]
    if 2 * majority.sum() > len(values):
        return values[majority].mean(axis=0), True
    return np.median(values, axis=0), False


def _coinciding(
    one: StarList, its: Sequence[StarList], places: Mapping[str, NDArray[np.float64]]
) -> NDArray[np.bool_]:
    """Tell which sources of an exposure another one of its association has at the same place."""
    from scipy.spatial import cKDTree  # takes long to import

    stars = np.zeros(len(one.stars.sky), dtype=bool)
    own = places.get(one.stars.rootname)
    if own is None or not len(stars):
        return stars
    centre = one.stars.sky[0]
    here = to_plane(one.stars.sky, centre) - own / 1000.0
    for other in its:
        place = places.get(other.stars.rootname)
        if other is one or place is None or not len(other.stars.sky):
            continue
        there = to_plane(other.stars.sky, centre) - place / 1000.0
        apart, _ = cKDTree(there).query(here)
        stars |= apart <= _NEAR * max(one.stars.scale, other.stars.scale)
    return stars


@dataclass(frozen=True)
class _Shape:
    """The second moments of the stars of an exposure: median and error of each, pixels^2."""

    moments: NDArray[np.float64]
    error: float

    @classmethod
    def of(cls, one: StarList, stars: NDArray[np.bool_]) -> _Shape | None:
        """Return that of the sources that are stars; None where there are too few."""
        moments = one.moments[stars]
        if len(moments) < FEWEST:
            return None
        median = np.median(moments, axis=0)
        scatter = _SCATTER * np.median(np.abs(moments - median), axis=0)
        return cls(median, float(_MEDIAN * scatter.max() / np.sqrt(len(moments))))

    @property
    def elongation(self) -> float:
        """Length over width."""
        xx, yy, xy = self.moments
        middle, half = (xx + yy) / 2.0, np.hypot((xx - yy) / 2.0, xy)
        return float(np.sqrt((middle + half) / max(middle - half, 1e-6)))


def _others(
    one: StarList, lists: Sequence[StarList], shapes: Mapping[str, _Shape | None]
) -> list[_Shape]:
    """Return the shapes in the other exposures with this filter; of their own roll none matters."""
    return [
        shape
        for other in lists
        if other is not one and other.imager == one.imager
        if (shape := shapes[other.stars.rootname]) is not None
    ]


def _with_shape(
    member: Member, shape: _Shape | None, others: Sequence[_Shape], max_elongation: float
) -> Member:
    """Return a member with the shape of its stars, and whether they are trailed."""
    if shape is None:
        return member
    usual = np.median([other.moments for other in others], axis=0) if others else None
    compared = None if usual is None else _Shape(usual, 0.0).elongation
    trailed = False
    if usual is not None and compared is not None:
        xx, yy, xy = shape.moments - usual
        excess = float(np.hypot((xx - yy) / 2.0, xy))
        longer = shape.elongation > max_elongation * compared
        trailed = bool(longer and excess > _SURE_TRAIL * shape.error)
    values = {**vars(member), "elongation": shape.elongation, "usual": compared}
    return Member(**{**values, "trailed": trailed})
