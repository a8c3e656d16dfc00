"""Which sources of two catalogues are the same, where one is shifted and rolled against the other.

Where many offsets of pairs agree, at one of a few rolls, the shift is found; then nearest
neighbours are matched and fitted. A match that chance would give is told from one that it would
not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

RIVAL = 0.7
"""Share of the best place's matches from which on another place leaves the match in doubt."""
_CANDIDATES = 6
_AT_ONCE = 200_000  # pairs at some rolls that are counted at once
_LOWEST = 0.4  # of the tallest box: a lower one leads to no rival
_TALLEST = 400  # boxes that are looked at
_LADDER = (1.0, 0.5, 0.25)  # of the tolerance: tried from the widest
_ROUNDS = 6


@dataclass(frozen=True)
class Search:
    """Where a match is looked for."""

    reach: float
    """Arcsec: the largest shift in any direction."""
    roll: float
    """Radians: the largest rotation of either sign."""
    tolerance: float
    """Arcsec: sources that are one lie so near each other once moved."""


@dataclass(frozen=True)
class Match:
    """Sources of `a` and `b` that are the same, and how `a` moves to `b`."""

    first: Integers
    """Indices into `a`."""
    second: Integers
    """Indices into `b`."""
    pivot: Floats
    """Where `a` turns about: the mean of its matched sources, arcsec, shape (2,)."""
    shift: Floats
    """Of the pivot, arcsec, shape (2,)."""
    roll: float
    """From the first axis to the second, radians."""
    extent: float
    """Rms distance of the matched sources from the pivot, arcsec."""
    rms: float
    """Rms residual along one axis, arcsec."""
    chance: float
    """Number of matches as good that are expected by chance."""
    rival: float = np.inf
    """The same of the next best place, where that has nearly as many; infinite where none has."""

    def __len__(self) -> int:
        return len(self.first)

    def apply(self, a: Floats) -> Floats:
        """Return positions of `a` where `b` has them, arcsec, shape (n, 2)."""
        return _turned(a - self.pivot, self.roll) + self.pivot + self.shift

    def times(self, tried: int) -> Match:
        """Return it as one of several that were tried."""
        return replace(self, chance=self.chance * tried, rival=self.rival * tried)


def match(a: Floats, b: Floats, search: Search) -> Match | None:
    """Match two catalogues.

    Parameters
    ----------
    a, b : array of shape (n, 2) and (m, 2)
        Positions in one plane, arcsec.
    search : Search

    Returns
    -------
    Match or None
        That which chance gives least often; None where fewer than three sources agree.
    """
    from scipy.spatial import cKDTree  # takes long to import, and few need it

    if min(len(a), len(b)) < 3:
        return None
    i, j, middle, radius = _pairs(a, b, search)
    if len(i) < 3:
        return None
    rolls = _rolls(search, radius)
    places = _densest(a[i] - middle, b[j] - a[i], rolls, search)
    tree = cKDTree(b)
    trials = _Trials(len(i), radius, search)
    found = [_refined(a, b, tree, middle, shift, roll, trials) for shift, roll in places]
    ranked = sorted((one for one in found if one is not None), key=lambda one: one.chance)
    if not ranked:
        return None
    best = ranked[0]
    rival = min(
        (one.chance for one in ranked[1:] if _is_rival(one, best, search.tolerance)), default=np.inf
    )
    return replace(best, rival=rival)


def _pairs(a: Floats, b: Floats, search: Search) -> tuple[Integers, Integers, Floats, float]:
    """Return pairs that may be one source, the middle of those of `a`, and their radius."""
    from scipy.spatial import cKDTree

    # A roll moves the rim by more than the shift reaches.
    spread = float(np.max(np.ptp(a, axis=0), initial=0.0)) / 2
    near = cKDTree(b).query_ball_point(a, search.reach + min(search.roll * spread, 1.0))
    counts = np.array([len(one) for one in near])
    i = np.repeat(np.arange(len(a)), counts)
    j = np.array([k for one in near for k in one], dtype=np.int64)
    if not len(i):
        return i, j, np.zeros(2), 0.0
    ours = a[counts > 0]
    middle = (ours.min(axis=0) + ours.max(axis=0)) / 2
    return i, j, middle, float(np.hypot(*(ours - middle).T).max())


def _rolls(search: Search, radius: float) -> Floats:
    """Return rolls so near each other that a source at the rim stays within the tolerance."""
    step = search.tolerance / max(radius, 1.0)
    half = int(np.ceil(search.roll / step))
    return np.linspace(-search.roll, search.roll, 2 * half + 1)


def _densest(
    places: Floats, offsets: Floats, rolls: Floats, search: Search
) -> list[tuple[Floats, float]]:
    """Return shifts and rolls at which most offsets of pairs fall into one box of a histogram.

    A box is two tolerances wide and lies every one, so that what agrees is in one of them.
    """
    side = int(np.ceil(2 * search.reach / search.tolerance)) + 3
    chunk = max(1, _AT_ONCE // len(places))
    boxes, counts = [], []
    for start in range(0, len(rolls), chunk):
        some = rolls[start : start + chunk]
        cos, sin = np.cos(some)[:, None] - 1.0, np.sin(some)[:, None]
        x, y = places.T
        left = offsets - np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)
        cell = np.floor((left + search.reach) / search.tolerance).astype(np.int64) + 1
        inside = ((cell > 0) & (cell < side - 1)).all(axis=-1)
        number = np.broadcast_to(np.arange(start, start + len(some))[:, None], inside.shape)
        key = ((number * side + cell[..., 0]) * side + cell[..., 1])[inside]
        key = np.concatenate([key, key - 1, key - side, key - side - 1])
        box, count = np.unique(key, return_counts=True)
        most = np.argsort(-count, kind="stable")[:_TALLEST]
        boxes.append(box[most])
        counts.append(count[most])
    box, count = np.concatenate(boxes), np.concatenate(counts)
    roll, corner = rolls[box // side**2], np.stack([box // side % side, box % side], axis=1)
    shifts = corner * search.tolerance - search.reach
    chosen: list[tuple[Floats, float]] = []
    for one in np.lexsort((np.abs(roll), -count)):
        # What lies beside a place that was taken, at whatever roll, leads there as well.
        if all(np.hypot(*(shifts[one] - s)) > 2.5 * search.tolerance for s, _ in chosen):
            chosen.append((shifts[one], float(roll[one])))
        if len(chosen) == _CANDIDATES or count[one] < _LOWEST * count.max():
            break
    return chosen


class _Trials:
    """How many moves were tried, and how seldom a wrong one is as good."""

    def __init__(self, pairs: int, radius: float, search: Search) -> None:
        self.search = search
        self._pairs = pairs
        self._radius = radius

    def chance(self, matches: int, tolerance: float) -> float:
        """Return how many moves are expected by chance that match so many so near.

        One pair fixes the shift, a grid of rolls is tried, and the other sources must each have a
        partner within the tolerance: of wrong ones a circle holds ``pairs * (tolerance /
        reach)**2``, by Poisson's law (the reasoning `a contrario` of Desolneux, Moisan & Morel
        2000, IJCV 40, 7). Right pairs are among those counted, which makes the number larger.
        """
        from scipy.special import pdtrc  # Poisson's law, without the second that scipy.stats takes

        rolls = 1.0 + 2.0 * self.search.roll * self._radius / tolerance
        mean = self._pairs * min(1.0, (tolerance / self.search.reach) ** 2)
        return float(len(_LADDER) * self._pairs * rolls * pdtrc(matches - 2, mean))


def _refined(
    a: Floats, b: Floats, tree: object, middle: Floats, shift: Floats, roll: float, trials: _Trials
) -> Match | None:
    """Return the match at a place: nearest neighbours, fitted until they stay the same."""
    search = trials.search
    now = _Fit(middle, shift, roll)
    best: Match | None = None
    for width in (2.0, *_LADDER):
        tolerance = width * search.tolerance
        for _ in range(_ROUNDS):
            first, second = nearest(now.apply(a), tree, tolerance)
            if len(first) < 3:
                return best
            before, now = now, _fitted(a[first], b[second], search)
            if abs(before.roll - now.roll) < 1e-9 and np.allclose(
                before.apply(middle[None]), now.apply(middle[None]), atol=1e-5, rtol=0
            ):
                break
        if abs(now.roll) > 1.5 * search.roll or width > 1.0:
            continue
        residuals = b[second] - now.apply(a[first])
        chance = trials.chance(len(first), tolerance)
        if best is None or chance < best.chance:
            away = a[first] - now.pivot
            freedom = max(1, 2 * len(first) - 3)
            best = Match(
                *(first, second, now.pivot, now.shift, now.roll),
                extent=float(np.sqrt((away**2).sum(axis=1).mean())),
                rms=float(np.sqrt((residuals**2).sum() / freedom)),
                chance=chance,
            )
    return best


def nearest(moved: Floats, tree: object, tolerance: float) -> tuple[Integers, Integers]:
    """Return which of the moved sources has which in a tree for its nearest, each in one pair."""
    apart, index = tree.query(moved, distance_upper_bound=tolerance)  # type: ignore[attr-defined]
    order = np.argsort(apart, kind="stable")
    order = order[np.isfinite(apart[order])]
    # `unique` gives the first of each: the pair that is nearest.
    order = order[np.sort(np.unique(index[order], return_index=True)[1])]
    return order, np.asarray(index[order], dtype=np.int64)


@dataclass(frozen=True)
class _Fit:
    pivot: Floats
    shift: Floats
    roll: float

    def apply(self, a: Floats) -> Floats:
        return _turned(a - self.pivot, self.roll) + self.pivot + self.shift


def _fitted(a: Floats, b: Floats, search: Search) -> _Fit:
    """Return the shift and roll by least squares; few sources near each other tell no roll."""
    pivot, target = a.mean(axis=0), b.mean(axis=0)
    u, v = a - pivot, b - target
    cross = float((u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]).sum())
    along = float((u * v).sum())
    # The search's own limits are what is known of the roll beforehand.
    before = (0.5 * search.tolerance / max(search.roll, 1e-9)) ** 2
    return _Fit(pivot, target - pivot, float(np.arctan2(cross, along + before)))


def _turned(places: Floats, roll: float) -> Floats:
    cos, sin = np.cos(roll), np.sin(roll)
    return places @ np.array([[cos, sin], [-sin, cos]])


def _is_rival(one: Match, best: Match, tolerance: float) -> bool:
    """Tell whether another place has nearly as many matches, and others."""
    if len(one) < RIVAL * len(best):
        return False
    apart = one.apply(best.pivot[None]) - best.apply(best.pivot[None])
    return float(np.hypot(*apart[0])) > 2 * tolerance
