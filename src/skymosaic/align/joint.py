"""One solution for all images: every shift, roll and scale from all matches at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from skymosaic.align.adjustment import Adjusted, Adjustment
from skymosaic.align.gates import Criterion, TileFit, check_gates
from skymosaic.align.linking import Linked, link_all, place_rest, stars_about
from skymosaic.align.links import REFERENCE
from skymosaic.align.moves import Move, sky_of
from skymosaic.align.neighbours import neighbours
from skymosaic.align.placing import Placement, place
from skymosaic.align.policy import unfitted
from skymosaic.align.reference import Reference, Unknown
from skymosaic.align.together_records import Geometry, Image, ImageResult, Together
from skymosaic.align.tracks import find_tracks
from skymosaic.config import Gates
from skymosaic.host.counting import counted

Floats = NDArray[np.float64]

_COUNTS = 0.05  # a source of less weight does not count as matched
_MOSTLY = 0.4  # of an image's matched sources: so many must agree
_LEVER = 6.0  # mean square along an axis of offsets in a square, over its half diagonal squared


@dataclass(frozen=True)
class Request:
    """What is asked of the solution."""

    gates: Gates = field(default_factory=Gates)
    min_sources: int = 10
    geometry: Geometry = "rshift"
    hold: str | None = None
    """Image that stays where it is, without a reference; None: one that moves as most do."""
    unknown: Unknown = field(default_factory=Unknown)
    """What stands in for errors and motions that no catalogue tells."""


def solve_images(
    images: Sequence[Image], reference: Reference | None, request: Request | None = None
) -> Together:
    """Align images with each other and with the stars of a reference.

    Parameters
    ----------
    images : sequence of Image
        With their sources.
    reference : Reference or None
        None: one image stays where it is, and the others come to it.
    request : Request or None

    Returns
    -------
    Together
        Each image is moved, or named with the reason why it is not. Those that fail have no part in
        the solution of the others.
    """
    return _Solving(images, reference, request or Request()).solve()


class _Solving:
    def __init__(
        self, images: Sequence[Image], reference: Reference | None, request: Request
    ) -> None:
        self._images = images
        self._reference = reference
        self._request = request
        self._why: dict[int, str] = {}
        self._fits = {
            number: unfitted(image.name, int(image.usable.sum()))
            for number, image in enumerate(images)
        }
        self._most = request.gates.max_chance

    def solve(self) -> Together:
        self._leave_out_unusable()
        numbers = [n for n in range(len(self._images)) if n not in self._why]
        some = [self._images[n] for n in numbers]
        pairs = [(numbers[a], numbers[b]) for a, b in neighbours(some)]
        stars = stars_about(self._images, numbers, self._reference) if self._reference else {}
        linked = link_all(self._images, numbers, pairs, stars, self._most)
        while True:
            placement = place(self._images, linked.without(frozenset(self._why)))
            moves, chances = self._placed(linked, placement)
            adjusted = self._adjusted(linked, moves)
            failed = self._judge(adjusted, chances, len(moves))
            if not failed:
                return self._together(adjusted, placement)
            self._why |= failed

    def _leave_out_unusable(self) -> None:
        times = Counter(image.name for image in self._images)
        for number, image in enumerate(self._images):
            if times[image.name] > 1:
                self._why[number] = f"{times[image.name]} images have its name"
            elif self._fits[number].sources < self._request.min_sources:
                self._why[number] = (
                    f"{counted(self._fits[number].sources, 'source')} found, at least "
                    f"{self._request.min_sources} are needed"
                )

    def _placed(
        self, linked: Linked, placement: Placement
    ) -> tuple[dict[int, Move], dict[int, float]]:
        """Return the moves of all images that are linked with each other, and their chances."""
        for number in placement.doubtful:
            self._why[number] = (
                "its matches with several images contradict each other: is it a ghost of another "
                "field?"
            )
        rest = [n for n in range(len(self._images)) if n not in self._why]
        no_frame = self._reference is not None and not any(
            link.b == REFERENCE for link in placement.good
        )
        moves = {} if no_frame else {n: placement.moves[n] for n in rest if placement.group[n] == 0}
        chances: dict[int, float] = {}
        for link in placement.good:
            for one in {link.a, link.b}:
                chances[one] = min(link.match.chance, chances.get(one, np.inf))
        if len(moves) == 1 and self._reference is None:
            moves = {}
        apart = [n for n in rest if n not in moves]
        late = place_rest(self._images, linked, placement, apart, self._most) if moves else {}
        for number, (move, chance, _) in late.items():
            moves[number], chances[number] = move, chance
        for number in apart:
            if number not in moves:
                self._why[number] = self._cut_off(number, linked, placement)
        return moves, chances

    def _cut_off(self, number: int, linked: Linked, placement: Placement) -> str:
        names = [
            self._images[n].name
            for n in np.flatnonzero(placement.group == placement.group[number]).tolist()
            if n != number and n not in placement.doubtful and n not in self._why
        ]
        goal = "the reference" if self._reference is not None else "the other images"
        if number in linked.unclear:
            return (
                f"no match with {goal} is sure: at two places {linked.unclear[number]} of its "
                "sources match equally well. Is each source there twice?"
            )
        if names and placement.group[number] != 0:
            return f"no match links it and {', '.join(names[:5])} with {goal}"
        return f"no match with {goal} or with an image about it is more than chance"

    def _adjusted(self, linked: Linked, moves: Mapping[int, Move]) -> Adjusted | None:
        if not moves:
            return None
        held: list[int] = []
        if self._reference is None:
            held = [self._held(moves)]
            back = moves[held[0]].matrix.T
            moves = {n: replace(move, matrix=back @ move.matrix) for n, move in moves.items()}
            moves[held[0]] = Move.none(self._images[held[0]].centre)
        stars = {n: linked.stars[n] for n in moves if n in linked.stars}
        tracks = find_tracks(self._images, moves, linked.pairs, stars)
        work = Adjustment(
            self._images,
            tracks,
            moves,
            stars,
            self._reference,
            self._request.geometry,
            held,
            self._request.unknown,
        )
        work.solve()
        return work.result()

    def _held(self, moves: Mapping[int, Move]) -> int:
        """Return the image that stays: that which is asked for, or one that moves as most do."""
        for number in moves:
            if self._images[number].name == self._request.hold:
                return number
        numbers = sorted(moves)
        shifts = np.array([moves[number].shift for number in numbers])
        away = np.hypot(*(shifts - np.median(shifts, axis=0)).T)
        return numbers[int(np.argmin(away))]

    def _judge(
        self, adjusted: Adjusted | None, chances: Mapping[int, float], count: int
    ) -> dict[int, str]:
        """Set the fits of images, and return those that fail and why."""
        if adjusted is None:
            return {}
        failed: dict[int, str] = {}
        fixed = _linked_to_frame(adjusted, self._reference is not None)
        for number in sorted(adjusted.moves):
            mine = adjusted.tracks.image == number
            kept = mine & (adjusted.weights > _COUNTS)
            is_held = self._reference is None and not adjusted.covariances[number].any()
            self._fits[number] = _fit(
                self._images[number], adjusted, number, kept, chances.get(number, np.inf), is_held
            )
            if kept.sum() < _MOSTLY * mine.sum():
                failed[number] = (
                    f"{int(mine.sum() - kept.sum())} of its {int(mine.sum())} matches disagree "
                    "with the rest"
                )
            elif number not in fixed:
                failed[number] = "no match that agrees links it with the rest"
        table = check_gates(
            [self._fits[n] for n in adjusted.moves], self._request.gates, self._request.min_sources
        )
        number_of = {self._images[n].name: n for n in adjusted.moves}
        for criterion in table:
            for name in criterion.failed:
                failed.setdefault(
                    number_of[name],
                    f"it fails the gate {criterion.name} ({criterion.asks}): "
                    f"{_measured(self._fits[number_of[name]], criterion.name)}",
                )
        return failed

    def _together(self, adjusted: Adjusted | None, placement: Placement) -> Together:
        results = [self._result(n, adjusted, placement) for n in range(len(self._images))]
        table: list[Criterion] = check_gates(
            [self._fits[n] for n in range(len(self._images))],
            self._request.gates,
            self._request.min_sources,
        )
        groups: dict[int, list[str]] = {}
        for result in results:
            if result.group >= 0:
                groups.setdefault(result.group, []).append(result.name)
        return Together(
            results,
            table,
            [groups[number] for number in sorted(groups)],
            adjusted.centroids if adjusted else {},
        )

    def _result(self, number: int, adjusted: Adjusted | None, placement: Placement) -> ImageResult:
        image, fit = self._images[number], self._fits[number]
        if adjusted is None or number not in adjusted.moves:
            group = int(placement.group[number])
            alone = int((placement.group == group).sum()) == 1
            return ImageResult(
                image.name, fit, None, self._why.get(number, ""), -1 if alone else group
            )
        kept = (adjusted.tracks.image == number) & (adjusted.weights > _COUNTS)
        covariance = adjusted.covariances[number]
        return ImageResult(
            image.name,
            fit,
            adjusted.moves[number],
            group=0,
            covariance=covariance,
            error=_error(covariance, image.radius),
            sky=sky_of(adjusted.sky[kept]),
            residuals=adjusted.residuals[kept],
            to_reference=adjusted.to_reference[kept],
        )


def _error(covariance: Floats, radius: float) -> float:
    """Return the standard error of a position along one axis, rms over the image, mas."""
    variances = np.diag(covariance)
    total = variances[:2].mean()
    if len(variances) > 2:
        total += variances[2] * (radius * 1000.0) ** 2 / _LEVER
    if len(variances) > 3:
        total += variances[3] * (radius * 206.265) ** 2 / _LEVER
    return float(np.sqrt(total))


def _linked_to_frame(adjusted: Adjusted, reference: bool) -> set[int]:
    """Return images that sources which agree link with the reference, or else most others."""
    kept = adjusted.weights > _COUNTS
    image, track = adjusted.tracks.image[kept], adjusted.tracks.track[kept]
    numbers = np.array(sorted(adjusted.moves))
    count, stars = len(numbers), len(adjusted.tracks.star)
    of_reference = np.unique(track[adjusted.tracks.star[track] >= 0])
    first = np.concatenate([np.searchsorted(numbers, image), np.full(len(of_reference), count)])
    second = count + 1 + np.concatenate([track, of_reference])
    size = count + 1 + stars
    graph = sparse.coo_array((np.ones(len(first), dtype=bool), (first, second)), (size, size))
    _, labels = sparse.csgraph.connected_components(graph, directed=False)
    main = labels[count] if reference else np.bincount(labels[:count]).argmax()
    return set(numbers[labels[:count] == main].tolist())


def _fit(
    image: Image,
    adjusted: Adjusted,
    number: int,
    kept: NDArray[np.bool_],
    chance: float,
    is_held: bool,
) -> TileFit:
    move = adjusted.moves[number]
    shift = move.shift
    dx, dy = np.linalg.solve(image.wcs.pixel_scale_matrix * 3600.0, shift)
    matches = int(kept.sum())
    # What the image's own unknowns take away is given back.
    freedom = max(1.0, matches - 0.5 * len(adjusted.covariances[number]))
    rms = (
        np.sqrt((adjusted.residuals[kept] ** 2).sum(axis=0) / freedom) if matches else [np.nan] * 2
    )
    return TileFit(
        tile=image.name,
        place=0 if is_held else 1,
        sources=int(image.usable.sum()),
        dx=float(dx),
        dy=float(dy),
        rotation=move.roll,
        scale=move.scale,
        matches=matches,
        rms_ra=float(rms[0]),
        rms_dec=float(rms[1]),
        shift=float(np.hypot(*shift)),
        chance=float("nan") if is_held else float(chance),
    )


def _measured(fit: TileFit, gate: str) -> str:
    return {
        "matches": f"{fit.matches} matched",
        "rms": f"{fit.rms_ra:.1f} and {fit.rms_dec:.1f} mas",
        "chance": f"{fit.chance:.2g} expected",
        "shift": f"{fit.shift:.2f} arcsec",
        "rotation": f"{fit.rotation:.3f} degrees",
        "scale": f"{fit.scale:.6f}",
    }.get(gate, "no numbers")
