"""All images at once: moves by which each star is in one place, robustly, and their covariances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from skymosaic.align import centroids
from skymosaic.align.links import Stars
from skymosaic.align.moves import ARCSEC, Move, bases
from skymosaic.align.reference import Reference, Unknown
from skymosaic.align.star_equations import Eliminated, Known, Sightings
from skymosaic.align.star_priors import common_motion, inverse_variances
from skymosaic.align.together_records import UNKNOWNS, Geometry, Image
from skymosaic.align.tracks import Tracks
from skymosaic.sky.ldl import factored

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MAS = ARCSEC * 1000.0
"""Mas in a radian."""
TUKEY = 5.0
"""Residuals of so many errors count for nothing (Beaton & Tukey 1974, Technometrics 16, 147)."""
_HUBER = 2.0  # errors: from there on the weight falls, while the solution is found
_HUBER_ROUNDS = 4
_LEARNING_ROUNDS = 9
_ROUNDS = 40
_STILL = 0.003  # mas
_LOOSE = np.array([1e5, 1e5, 2000.0, 2e4])  # mas, mas, arcsec, 1e-6: what is known without stars
_LEAST = 0.05  # part of its variance that a residual keeps, at least
_TELLING = 0.25  # of less nothing is learned
_MEDIAN = 2.0 * np.log(2.0)  # median of the squared length of two normal numbers
_SHRINK = 10.0  # sources as which the common error counts against an image's own
_NOISIEST = 5.0


@dataclass(frozen=True)
class Adjusted:
    """The solution. Arrays of shape (n, ...) are in the order of the sources of `tracks`."""

    tracks: Tracks
    moves: dict[int, Move]
    covariances: dict[int, Floats]
    """By image: of east, north (mas), roll (arcsec) and scale (1e-6), as many as are fitted."""
    sky: Floats
    """Unit vectors of the sources, moved, shape (n, 3)."""
    residuals: Floats
    """Of the sources against their star: east, north, mas, shape (n, 2)."""
    to_reference: Floats
    """Of the sources against the reference's place of their star, mas, NaN without one, (n, 2)."""
    weights: Floats
    """1 for what agrees, 0 for what does not, shape (n,)."""
    centroids: dict[str, Floats]
    """By kind: flux and standard error along one axis (mas), shape (bins, 2)."""


class Adjustment:
    """Images and the stars that they share, on the way to their solution."""

    def __init__(
        self,
        images: Sequence[Image],
        tracks: Tracks,
        moves: Mapping[int, Move],
        stars: Mapping[int, Stars],
        reference: Reference | None,
        geometry: Geometry = "rshift",
        held: Sequence[int] = (),
        unknown: Unknown | None = None,
    ) -> None:
        """Take what `tracks.find_tracks` found; the images `held` stay where `moves` has them."""
        self._numbers = np.array(sorted(moves), dtype=np.int64)
        self._images = [images[number] for number in self._numbers]
        self._tracks = tracks
        self._size = UNKNOWNS[geometry]
        self._centres = np.array([moves[number].centre for number in self._numbers])
        self._bases = bases(self._centres)
        self._moves = [moves[number] for number in self._numbers]
        self._free = ~np.isin(self._numbers, np.asarray(held, dtype=np.int64))
        unknown = Unknown() if unknown is None else unknown
        self._read_sources(images, tracks)
        self._read_stars(tracks, stars, reference, unknown)
        self._weights = np.ones(len(self._image))
        # Covariances of each image's unknowns, were all others right.
        self._own = np.zeros((len(self._numbers), self._size, self._size))
        self._noise = np.ones(len(self._numbers))

    def _read_sources(self, images: Sequence[Image], tracks: Tracks) -> None:
        self._image = np.searchsorted(self._numbers, tracks.image)
        count = len(self._image)
        self._vectors, flux = np.empty((count, 3)), np.empty(count)
        order = np.argsort(tracks.image, kind="stable")
        ends = np.searchsorted(tracks.image[order], [self._numbers, self._numbers + 1])
        for image, start, stop in zip(self._images, *ends, strict=True):
            mine = order[start:stop]
            self._vectors[mine] = image.vectors[tracks.source[mine]]
            flux[mine] = image.flux[tracks.source[mine]]
        positive = flux[np.isfinite(flux) & (flux > 0)]
        least = float(positive.min()) if len(positive) else 1.0
        self._flux = np.where(np.isfinite(flux) & (flux > 0), flux, least)
        kinds = sorted({image.kind for image in self._images})
        self._kinds = kinds
        self._kind = np.array([kinds.index(image.kind) for image in self._images])[self._image]
        self._pixels = {
            kind: float(np.median([i.pixel for i in self._images if i.kind == kind]))
            for kind in kinds
        }
        self._models = [centroids.first_guess(self._pixels[kind]) for kind in kinds]
        self._epoch = np.array([image.epoch for image in self._images])[self._image]

    def _read_stars(
        self,
        tracks: Tracks,
        stars: Mapping[int, Stars],
        reference: Reference | None,
        unknown: Unknown,
    ) -> None:
        """Set where each source's star is expected, and how well that is known beforehand."""
        count, star = len(tracks.star), tracks.track
        times = np.bincount(star, minlength=count)
        since = np.bincount(star, self._epoch, count) / np.maximum(times, 1)
        place = np.zeros((count, 2))
        drift, spread, self._drift_error = common_motion(reference, unknown)
        self._drift = np.zeros(2)
        motion = np.full((count, 2), spread**-2.0)
        moved = self._moved()
        middle = np.stack(
            [np.bincount(star, moved[:, k].astype(np.float64), count) for k in range(3)], axis=1
        )
        middle = middle / np.linalg.norm(middle, axis=1, keepdims=True)
        if reference is not None:
            known = np.flatnonzero(tracks.star >= 0)
            its = tracks.star[known]
            since[known] = reference.epoch[its]
            place[known], motion[known] = inverse_variances(reference, its, unknown)
        self._axes = bases(middle)[star][:, :2]
        years = self._epoch - since[star]
        self._expected = (
            middle[star] + np.einsum("k,nkx->nx", drift / MAS, self._axes) * years[:, None]
        )
        # Years by which a motion that stars of no catalogue share moves each source.
        self._drifting = np.where(tracks.star[star] < 0, years, 0.0)
        self._has_reference = np.zeros(len(star), dtype=bool)
        self._unexpected = np.zeros(len(star), dtype=bool)
        if reference is not None:
            self._expect_reference(tracks, stars)
        self._sightings = Sightings(self._image, star, years, len(self._numbers), count)
        self._known = Known(place, motion)

    def _expect_reference(self, tracks: Tracks, stars: Mapping[int, Stars]) -> None:
        wanted = tracks.star[tracks.track]
        for number in np.unique(tracks.image[wanted >= 0]).tolist():
            its = stars[number]
            mine = np.flatnonzero((tracks.image == number) & (wanted >= 0))
            order = np.argsort(its.number)
            at = np.searchsorted(its.number, wanted[mine], sorter=order)
            at = order[np.minimum(at, len(order) - 1)]
            there = its.number[at] == wanted[mine]
            self._expected[mine[there]] = its.vectors[at[there]]
            self._has_reference[mine[there]] = True
            self._unexpected[mine[~there]] = True

    def _moved(self) -> Floats:
        """Return the sources as unit vectors, moved, shape (n, 3)."""
        matrices = np.array([move.matrix for move in self._moves])
        scales = np.array([move.scale for move in self._moves])[self._image]
        centres = self._centres[self._image]
        vectors = self._vectors
        if not np.all(scales == 1.0):
            outwards = vectors / (vectors * centres).sum(axis=1)[:, None]
            vectors = centres + scales[:, None] * (outwards - centres)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(np.einsum("nij,nj->ni", matrices[self._image], vectors))

    def _columns(self, moved: Floats) -> Floats:
        """Return how sources move by the unknowns of their image, shape (2, n, unknowns).

        By a rotation w a vector v moves by ``w x v``: of a shift to the east w points north, of one
        to the north west, and of a roll outwards.
        """
        east, north, out = (self._bases[self._image, k] for k in range(3))
        ways = [np.cross(north, moved), np.cross(moved, east)]
        if self._size > 2:
            ways.append(np.cross(out, moved) * 1000.0)
        if self._size > 3:
            ways.append((moved - out) * MAS * 1e-6)
        return np.asarray(np.einsum("nkx,pnx->knp", self._axes, np.array(ways)))

    def _design(self, moved: Floats) -> tuple[sparse.csr_array, sparse.csr_array]:
        """Return the equations of the sources: of east and of north, sparse.

        The unknowns of the images, and as many again of which the first two are what the common
        motion of the stars without a catalogue is off by, mas/yr.
        """
        values = self._columns(moved)
        column = np.cumsum(self._free) - 1
        free = np.repeat(self._free[self._image], self._size)
        columns = (column[self._image, None] * self._size + np.arange(self._size)).ravel()[free]
        sources = np.arange(len(moved))
        rows = np.concatenate([np.repeat(sources, self._size)[free], sources])
        last = int(self._free.sum()) * self._size
        both = [
            sparse.coo_array(
                (
                    np.concatenate([one.ravel()[free], -self._drifting]),
                    (rows, np.concatenate([columns, np.full(len(moved), last + k)])),
                ),
                shape=(len(moved), last + self._size),
            ).tocsr()
            for k, one in enumerate(values)
        ]
        return both[0], both[1]

    def _errors(self) -> Floats:
        """Return the standard error of each centroid along one axis, mas."""
        errors = np.empty(len(self._image))
        for kind, model in enumerate(self._models):
            mine = self._kind == kind
            errors[mine] = model.at(self._flux[mine])
        # A source that is so far from its star that nobody looked for it there says nothing.
        return errors * self._noise[self._image] * np.where(self._unexpected, 1e6, 1.0)

    def _offsets(self, moved: Floats) -> Floats:
        """Return where sources lie against what is expected of their stars, mas, shape (n, 2)."""
        return np.einsum("nkx,nx->nk", self._axes, moved - self._expected) * MAS

    def _eliminated(self, errors: Floats) -> list[Eliminated]:
        weights = self._weights / errors**2
        return [
            Eliminated.of(
                self._sightings, weights, self._known.place[:, k], self._known.motion[:, k]
            )
            for k in range(2)
        ]

    def _step(self) -> float:
        """Make one step of Gauss and Newton; return the largest shift, mas."""
        from scipy.sparse.linalg import splu

        moved = self._moved()
        normal, right = self._normal(moved)
        if not self._free.any():
            return 0.0
        self._own[self._free] = np.linalg.inv(_blocks(normal, self._size)[:-1])
        step = -splu(normal.tocsc()).solve(right).reshape(-1, self._size)
        step, drift = step[:-1], step[-1, :2]
        self._drift += drift
        self._expected += self._drifting[:, None] * np.einsum("k,nkx->nx", drift / MAS, self._axes)
        units = np.array([1 / MAS, 1 / MAS, 1 / ARCSEC, 1e-6])[: self._size]
        for place, one in zip(np.flatnonzero(self._free), step * units, strict=True):
            roll, growth = (float(one[k]) if self._size > k else 0.0 for k in (2, 3))
            self._moves[place] = self._moves[place].then(one[0], one[1], roll, growth)
        return float(np.abs(step[:, :2]).max())

    def _normal(self, moved: Floats) -> tuple[sparse.csr_array, Floats]:
        offsets, design = self._offsets(moved), self._design(moved)
        parts = [
            star.reduced(design[k], offsets[:, k])
            for k, star in enumerate(self._eliminated(self._errors()))
        ]
        loose = np.tile(_LOOSE[: self._size] ** -2.0, int(self._free.sum()) + 1)
        shared = slice(len(loose) - self._size, len(loose) - self._size + 2)
        loose[shared] = self._drift_error**-2.0
        normal = parts[0][0] + parts[1][0] + sparse.diags_array(loose)
        right = parts[0][1] + parts[1][1]
        right[shared] += self._drift * self._drift_error**-2.0
        return normal.tocsr(), right

    def _squares(self) -> tuple[Floats, NDArray[np.bool_]]:
        """Return squared residuals (mas^2, both axes), over what the fit leaves of their variance.

        A star's own place holds a part of each of its sightings, and so do an image's unknowns. A
        star that is seen twice, ten years apart, and has an unknown motion, follows both: of its
        residuals nothing is left. The second array tells which residuals say something.
        """
        moved = self._moved()
        offsets, errors, columns = self._offsets(moved), self._errors(), self._columns(moved)
        squares, left = np.zeros(len(offsets)), np.zeros(len(offsets))
        for k, star in enumerate(self._eliminated(errors)):
            residual = offsets[:, k] - star.fitted(offsets[:, k])
            of_image = np.einsum(
                "np,npq,nq->n", columns[k], self._own[self._image], columns[k], optimize=True
            )
            fitted = (star.variance + of_image) / errors**2
            part = 1.0 + fitted * (1.0 - 2.0 * self._weights)
            squares += residual**2 / np.maximum(part, _LEAST)
            left += part / 2.0
        return squares, left > _TELLING

    def _learn_errors(self) -> None:
        """Set the errors of centroids from the residuals."""
        squares, tells = self._squares()
        squares = squares / self._noise[self._image] ** 2
        for number, kind in enumerate(self._kinds):
            mine = (self._kind == number) & tells
            found = centroids.from_residuals(
                self._flux[mine], squares[mine], self._pixels[kind]
            ) or centroids.from_few(squares[mine], self._pixels[kind])
            if found is not None:
                self._models[number] = found

    def _learn_noise(self) -> None:
        """Set how much noisier an image is than those of its kind; few sources say little."""
        squares, tells = self._squares()
        ratio = squares / self._errors() ** 2 * self._noise[self._image] ** 2
        order = np.argsort(self._image, kind="stable")
        ends = np.searchsorted(self._image[order], np.arange(len(self._numbers) + 1))
        for place in range(len(self._numbers)):
            mine = order[ends[place] : ends[place + 1]]
            mine = mine[tells[mine]]
            if len(mine):
                own = float(np.median(ratio[mine])) / _MEDIAN
                mean = (own * len(mine) + _SHRINK) / (len(mine) + _SHRINK)
                self._noise[place] = np.clip(np.sqrt(mean), 1.0, _NOISIEST)

    def _weigh(self, redescending: bool) -> None:
        size = np.sqrt(self._squares()[0]) / self._errors()
        if redescending:
            self._weights = np.maximum(0.0, 1.0 - (size / TUKEY) ** 2) ** 2
        else:
            self._weights = np.minimum(1.0, _HUBER / np.maximum(size, 1e-9))

    def solve(self) -> None:
        """Find the moves: first with weights that never vanish, then with Tukey's biweight."""
        self._step()
        for number in range(_ROUNDS):
            # What is learned from medians jumps; it is held for the solution to come to rest.
            if number < _LEARNING_ROUNDS:
                self._learn_errors()
            if number == _HUBER_ROUNDS:
                self._learn_noise()
            self._weigh(number >= _HUBER_ROUNDS)
            if self._step() < _STILL and number >= _LEARNING_ROUNDS:
                break

    def result(self) -> Adjusted:
        """Return the moves with their covariances and residuals."""
        moved = self._moved()
        offsets = self._offsets(moved)
        fitted = np.stack(
            [star.fitted(offsets[:, k]) for k, star in enumerate(self._eliminated(self._errors()))],
            axis=1,
        )
        normal, _ = self._normal(moved)
        size = self._size
        blocks = factored(normal).blocks(size)[:-1]
        covariances = {int(number): np.zeros((size, size)) for number in self._numbers[~self._free]}
        covariances |= {
            int(number): block
            for number, block in zip(self._numbers[self._free], blocks, strict=True)
        }
        return Adjusted(
            self._tracks,
            dict(zip(self._numbers.tolist(), self._moves, strict=True)),
            covariances,
            moved,
            offsets - fitted,
            np.where(self._has_reference[:, None], offsets, np.nan),
            self._weights,
            {
                kind: np.stack([model.flux, model.error], axis=1)
                for kind, model in zip(self._kinds, self._models, strict=True)
            },
        )


def _blocks(matrix: sparse.csr_array, size: int) -> Floats:
    """Return the square blocks on the diagonal of a matrix, shape (n / size, size, size)."""
    entries = matrix.tocoo()
    own = entries.row // size == entries.col // size
    row, column = entries.row[own], entries.col[own]
    blocks = np.zeros((matrix.shape[0] // size, size, size))
    np.add.at(blocks, (row // size, row % size, column % size), entries.data[own])
    return blocks
