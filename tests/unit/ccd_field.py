"""Exposures of a detector of two chips, as arrays: their truth, noise and cosmic rays are known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from skymosaic.drizzle.onepass.grid_differences import measure_patches
from skymosaic.drizzle.onepass.sums import CutOut
from skymosaic.sky.chips import ChipSkies, match_chips
from skymosaic.sky.patches import Patch

Chips = tuple[list[CutOut], dict[int, tuple[np.ndarray, np.ndarray]]]
NOISE = 0.016  # e-/s: 500 s, sky of 50 e-, 4 e- of readout noise
ROWS, COLUMNS, GAP = 128, 256, 8
CROSSING = ((0, 0), (5, 22), (12, 44))
"""Dithers of a visit that cross the gap."""
STAYING = ((0, 0), (21, 2), (43, 4))
"""Dithers that do not."""
_TIME = 500.0


@dataclass
class CcdField:
    """Two visits of three dithers; the second one is turned by 90 degrees where `roll`.

    Parameters
    ----------
    seed : int
        Of the noise.
    step : float
        Share of its exposure's sky by which the second chip exceeds the first one's.
    steps : sequence of float or None
        Of each exposure, e-/s, instead.
    roll : bool
        Whether the second visit's gap lies across the first one's.
    dithers : tuple of (int, int)
        Of both visits.
    hits : float
        Share of pixels that cosmic rays hit.
    gradient : float
        Across each exposure in its own direction, e-/s.
    shift : (int, int)
        Columns and rows from the first visit to the second one without `roll`.
    """

    seed: int = 0
    step: float = 0.0
    steps: tuple[float, ...] | None = None
    roll: bool = True
    dithers: tuple[tuple[int, int], ...] = CROSSING
    hits: float = 0.0
    gradient: float = 0.0
    shift: tuple[int, int] = (100, 9)
    skies: tuple[float, ...] = (0.10, 0.12, 0.11, 0.16, 0.07, 0.14)

    shape = (440, 440)
    """Columns, rows of the grid."""

    @property
    def owners(self) -> list[int]:
        return [number // 2 for number in range(12)]

    @property
    def truth(self) -> np.ndarray:
        """The sky of each chip, e-/s."""
        added = self.steps or [self.step * sky for sky in self.skies]
        return np.array(
            [sky + k * step for sky, step in zip(self.skies, added, strict=True) for k in (0, 1)]
        )

    def chips(self) -> Chips:
        random = np.random.default_rng([self.seed, 7])
        scene, cut_outs, loaded = _scene(*self.shape), [], {}
        for number, sky in enumerate(self.truth):
            exposure, chip = divmod(number, 2)
            visit, (dx, dy) = exposure // 3, self.dithers[exposure % 3]
            x, y = 20 + dx, 20 + dy + chip * (ROWS + GAP)
            columns, rows = COLUMNS, ROWS
            if visit == 1 and self.roll:
                x, y, columns, rows = y + 10, x + 30, rows, columns
            elif visit == 1:
                x, y = x + self.shift[0], y + self.shift[1]
            light = scene[y : y + rows, x : x + columns] + sky
            v, u = np.mgrid[-0.5 : 0.5 : rows * 1j, -0.5 : 0.5 : columns * 1j]
            angle = 1.0 + 2.0 * exposure
            light = light + self.gradient * (np.cos(angle) * u + np.sin(angle) * v)
            # Resampled by a part of a pixel, which correlates the noise.
            noise = random.normal(0.0, NOISE, (rows + 1, columns + 1))
            noise += self._hits(random, noise.shape)
            good = (random.uniform(size=noise.shape) > 0.01).astype(float)
            shift = np.random.default_rng(number).uniform(0.2, 0.8, 2)
            weight = _shared(good, *shift)
            data = light + _shared(noise * good, *shift) / np.maximum(weight, 1e-9)
            data[weight == 0] = np.nan
            cut_outs.append(CutOut(number, x, y, columns, rows, 1.0))
            loaded[number] = data.astype(np.float32), (_TIME * weight).astype(np.float32)
        return cut_outs, loaded

    def _hits(self, random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        """Return cosmic rays: tracks of some pixels, from faint to bright."""
        light = np.zeros(shape)
        length = 4
        for _ in range(int(self.hits * light.size / length)):
            y, x = random.uniform(0, shape[0]), random.uniform(0, shape[1])
            turn, charge = random.uniform(0, 2 * np.pi), random.lognormal(5.5, 1.2) / _TIME
            for k in range(length):
                row, column = int(y + k * np.sin(turn)), int(x + k * np.cos(turn))
                if 0 <= row < shape[0] and 0 <= column < shape[1]:
                    light[row, column] += charge / length
        return light

    @cached_property
    def measured(self) -> tuple[list[Patch], np.ndarray]:
        """What its pixels tell, which does not depend on what is asked."""
        cut_outs, loaded = self.chips()
        return measure_patches(
            self.shape, cut_outs, lambda c: loaded[c.number], range(len(cut_outs))
        )

    def matched(self, per_chip: object = "auto") -> ChipSkies:
        return match_chips(self.owners, *self.measured, per_chip)

    def errors(self, found: ChipSkies) -> np.ndarray:
        """Return what each chip is off by, against the mean of all."""
        off = found.matched.offsets - self.truth
        return off - off.mean()


@cache
def _scene(columns: int, rows: int) -> np.ndarray:
    """Return the light of a nebula and of stars, which all fields have."""
    random = np.random.default_rng(99)
    y, x = np.mgrid[:rows, :columns]
    light = 0.05 * np.exp(-0.5 * ((x - 200) ** 2 + (y - 150) ** 2) / 80.0**2)
    for _ in range(150):
        x0, y0 = random.uniform(0, columns), random.uniform(0, rows)
        light += random.lognormal(0, 1) * np.exp(-0.5 * ((x - x0) ** 2 + (y - y0) ** 2))
    return light


def _shared(pixels: np.ndarray, dx: float, dy: float) -> np.ndarray:
    """Return what falls on the pixels of a grid that lies dx, dy beside that of the input."""
    rows = (1 - dy) * pixels[:-1] + dy * pixels[1:]
    return (1 - dx) * rows[:, :-1] + dx * rows[:, 1:]
