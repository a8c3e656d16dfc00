"""Skies from differences on the common grid: on arrays whose truth and noise are known."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pytest

from skymosaic.drizzle.onepass.grid_differences import measure_patches
from skymosaic.drizzle.onepass.sums import CutOut
from skymosaic.sky.difference_fit import CORRELATED, MatchedSkies, match_differences
from skymosaic.sky.patches import Rejection
from skymosaic.sky.planes import Planes, fit_planes

SIDE = 160
NOISE = 0.05
SKIES = np.array([1.0, 1.2, 0.8, 1.1, 0.95])
PLACES = ((0, 0), (90, 10), (20, 95), (105, 100), (4, 6))  # x, y; the last is a dither of the first
GRID = (280, 280)


@cache
def light_of(columns: int, rows: int) -> np.ndarray:
    """Return a nebula and stars on a grid, which all fields on it have."""
    random = np.random.default_rng(99)
    y, x = np.mgrid[:rows, :columns]
    light = 0.5 * np.exp(-0.5 * ((x - 130) ** 2 + (y - 120) ** 2) / 60.0**2)
    for _ in range(60):
        x0, y0 = random.uniform(0, columns), random.uniform(0, rows)
        light += random.lognormal(2, 1) * np.exp(-0.5 * ((x - x0) ** 2 + (y - y0) ** 2))
    return light


@cache
def plain() -> MatchedSkies:
    """Return the skies of the field as it is, which several tests look at."""
    return Field().matched()


@dataclass
class Field:
    """Exposures that are resampled by half a pixel, or less, which correlates their noise."""

    seed: int = 1
    places: tuple[tuple[int, int], ...] = PLACES
    skies: np.ndarray = field(default_factory=lambda: SKIES)
    extra: dict[int, np.ndarray] = field(default_factory=dict)
    grid: tuple[int, int] = GRID

    def pixels(self) -> tuple[list[CutOut], dict[int, tuple[np.ndarray, np.ndarray]]]:
        random = np.random.default_rng(self.seed)
        scene = light_of(*self.grid)
        cut_outs, loaded = [], {}
        for number, (x, y) in enumerate(self.places):
            noise = random.normal(0.0, NOISE, (SIDE + 1, SIDE + 1))
            good = (random.uniform(size=noise.shape) > 0.01).astype(float)
            dx, dy = np.random.default_rng(number).uniform(0.2, 0.8, 2)
            light = scene[y : y + SIDE, x : x + SIDE] + self.skies[number]
            weight = self.shared(good, dx, dy)
            data = light + self.shared(noise * good, dx, dy) / np.maximum(weight, 1e-9)
            data += self.extra.get(number, 0.0)
            data[weight == 0] = np.nan
            cut_outs.append(CutOut(number, x, y, SIDE, SIDE, 1.0))
            loaded[number] = data.astype(np.float32), (500.0 * weight).astype(np.float32)
        return cut_outs, loaded

    @staticmethod
    def shared(pixels: np.ndarray, dx: float, dy: float) -> np.ndarray:
        """Return what falls on the pixels of a grid that lies dx, dy beside that of the input."""
        rows = (1 - dy) * pixels[:-1] + dy * pixels[1:]
        return (1 - dx) * rows[:, :-1] + dx * rows[:, 1:]

    def matched(self, **options: object) -> MatchedSkies:
        cut_outs, loaded = self.pixels()
        owners = range(len(cut_outs))
        patches, known = measure_patches(
            self.grid, cut_outs, lambda c: loaded[c.number], owners, **options
        )
        return match_differences(len(cut_outs), patches, known, covariance=True)


def errors(found: MatchedSkies, skies: np.ndarray = SKIES) -> np.ndarray:
    """Return what each exposure is off by, against the mean of its group."""
    off = np.full(len(skies), np.nan)
    for group in found.groups:
        own = list(group)
        off[own] = found.offsets[own] - (skies[own] - skies[own].mean())
    return off


def test_skies_are_found_within_their_errors() -> None:
    found = plain()
    assert found.groups == ((0, 1, 2, 3, 4),)
    assert np.abs(errors(found)).max() < 4 * found.errors.max()
    assert 2e-4 < found.errors.max() < 2e-3
    assert found.offsets.sum() == pytest.approx(0.0, abs=1e-12)


def test_stated_errors_are_honest() -> None:
    pulls = []
    for seed in range(50):
        found = Field(seed).matched()
        pulls.append(errors(found) / found.errors)
    assert 0.9 < np.std(pulls) < 1.15
    # The mean over realisations has no bias that would show in one.
    assert np.abs(np.mean(pulls, axis=0)).max() < 4 / np.sqrt(50)


def test_errors_reach_the_limit_of_the_noise() -> None:
    """The covariance is the inverse of the information in the pixels, but for rejected ones."""
    found = plain()
    cut_outs, loaded = Field().pixels()
    u = np.zeros((len(cut_outs), GRID[1], GRID[0]))
    for chip in cut_outs:
        here = (chip.number, slice(chip.y, chip.y + SIDE), slice(chip.x, chip.x + SIDE))
        u[here] = loaded[chip.number][1] / 500.0 / NOISE**2
    flat = u.reshape(len(u), -1)
    total = np.maximum(flat.sum(axis=0), 1e-9)
    information = np.diag(flat.sum(axis=1)) - (flat / total) @ flat.T
    limit = np.sqrt(np.diag(np.linalg.pinv(information, rcond=1e-9, hermitian=True)))
    assert np.all(found.errors / limit < 1.2)
    assert np.all(found.errors / limit > 0.9)


def test_a_ghost_in_one_exposure_does_not_move_the_others() -> None:
    y, x = np.mgrid[:SIDE, :SIDE]
    ghost = 0.3 * np.exp(-0.5 * ((x - 130) ** 2 + (y - 70) ** 2) / 20.0**2)
    found = Field(extra={0: ghost}).matched()
    assert found.doubtful > plain().doubtful
    moved = found.offsets - plain().offsets
    assert np.abs(moved).max() < 3 * found.errors.max()
    # Without looking for it the ghost moves them by more than that.
    assert (ghost[:, 90:].mean()) > 30 * found.errors.max()


def test_an_exposure_that_is_wrong_altogether_keeps_a_sky() -> None:
    steep = np.linspace(-0.2, 0.2, SIDE)[None, :] * np.ones((SIDE, 1))
    found = Field(extra={3: steep}).matched()
    assert np.isfinite(found.offsets).all()
    others = (found.offsets - plain().offsets)[[0, 1, 2, 4]]
    assert np.ptp(others) < 10 * plain().errors.max()  # its gradient is 500 times that
    assert found.errors[3] > 2 * plain().errors[3]


def test_groups_and_an_exposure_alone() -> None:
    places = ((0, 0), (20, 10), (220, 200), (230, 220), (0, 400))
    found = Field(places=places, grid=(400, 600)).matched()
    assert found.groups == ((0, 1), (2, 3), (4,))
    assert found.undetermined == (4,)
    assert np.isnan(found.errors[4])
    assert np.abs(errors(found)[:4] / found.errors[:4]).max() < 4
    assert found.covariances[0, 2] == 0.0


def test_the_sign_of_a_difference_rejects_nothing() -> None:
    """With every difference turned round, the same pixels are left out."""
    cut_outs, loaded = Field().pixels()
    turned = {n: (2.0 - d, w) for n, (d, w) in loaded.items()}
    patches, _ = measure_patches(GRID, cut_outs, lambda c: loaded[c.number], range(5))
    others, _ = measure_patches(GRID, cut_outs, lambda c: turned[c.number], range(5))
    assert [one.rejected for one in patches] == [one.rejected for one in others]
    assert sum(one.rejected for one in patches) > 20  # by noise, and at stars


def test_a_mask_takes_pixels_out() -> None:
    mask = np.zeros((GRID[1], GRID[0]), dtype=bool)
    mask[:, :200] = True
    cut_outs, loaded = Field().pixels()
    patches, _ = measure_patches(GRID, cut_outs, lambda c: loaded[c.number], range(5), mask=mask)
    assert min(patch.x for patch in patches) > 180


def test_two_chips_of_an_exposure_have_one_sky() -> None:
    cut_outs, loaded = Field().pixels()
    owners = [0, 1, 2, 3, 0]  # of which the last lies upon the first: they tell nothing
    patches, known = measure_patches(GRID, cut_outs, lambda c: loaded[c.number], owners)
    found = match_differences(4, patches, known)
    # Of 1.0 and 0.95, weighted by what other exposures see of either
    assert 0.94 < found.offsets[0] - found.offsets[1] + SKIES[1] < 1.01


def test_few_patches_take_the_noise_that_is_known_for_drizzled_pixels() -> None:
    found = Field(places=((0, 0), (158, 150)), skies=SKIES[:2], grid=(330, 330)).matched()
    assert found.noise_factor == CORRELATED
    assert np.isfinite(found.errors).all()


def planes_of(field: Field) -> Planes:
    cut_outs, loaded = field.pixels()
    patches, known = measure_patches(field.grid, cut_outs, lambda c: loaded[c.number], range(5))
    groups = match_differences(5, patches, known).groups
    middles = np.array([[c.x + (SIDE - 1) / 2, c.y + (SIDE - 1) / 2] for c in cut_outs])
    found = fit_planes(5, patches, middles, np.full((5, 2), float(SIDE)), groups)
    assert found is not None
    return found


def test_planes_are_not_found_where_there_are_none() -> None:
    chances = [planes_of(Field(seed)).chance for seed in range(6)]
    assert min(chances) > 1e-3


def test_a_gradient_in_one_exposure_is_found() -> None:
    y, x = np.mgrid[-0.5 : 0.5 : SIDE * 1j, -0.5 : 0.5 : SIDE * 1j]
    found = planes_of(Field(extra={3: 0.02 * x - 0.01 * y}))
    assert found.significant
    assert int(np.nanargmin(found.chances)) == 3
    # A plane that all share is the scene's: of one exposure's, a fifth is given to each.
    slopes = found.slopes[3] - found.slopes[[0, 1, 2, 4]].mean(axis=0)
    assert slopes == pytest.approx([0.02, -0.01], abs=5 * found.errors[3].max())
    assert found.errors[3].max() < 0.003


def test_planes_give_the_skies_of_one_place() -> None:
    y, x = np.mgrid[-0.5 : 0.5 : SIDE * 1j, -0.5 : 0.5 : SIDE * 1j]
    field = Field(extra={3: 0.02 * x - 0.01 * y})
    cut_outs, loaded = field.pixels()
    _, known = measure_patches(field.grid, cut_outs, lambda c: loaded[c.number], range(5))
    found, place = planes_of(field), np.array([130.0, 120.0])
    away = (place - [[c.x + (SIDE - 1) / 2, c.y + (SIDE - 1) / 2] for c in cut_outs]) / SIDE
    there = known + found.constants + (found.slopes * away).sum(axis=1)
    true = SKIES + np.array([0, 0, 0, 0.02 * away[3, 0] - 0.01 * away[3, 1], 0])
    assert there - there.mean() == pytest.approx(true - true.mean(), abs=2e-3)


def test_of_many_dithers_of_one_place_some_rows_serve() -> None:
    places = tuple((k, 3 - k % 3) for k in range(8))
    skies = np.linspace(1.0, 1.7, 8)
    found = Field(places=places, skies=skies).matched()
    assert np.abs(errors(found, skies) / found.errors).max() < 4
    # Were all pixels used, the errors were half of these.
    assert found.errors.max() < 0.002


def test_no_rejection_is_possible() -> None:
    found = Field().matched(rejection=Rejection(clip=1e6, mismatch=0.0))
    assert np.isfinite(found.offsets).all()
