"""What `sky.mask_sources` and `sky.planes` change, against the truth; for accuracy.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from accuracy_fields import Field, Truth
from astropy.wcs import WCS

from skymosaic.archive.simulated.headers import distorted_wcs
from skymosaic.archive.simulated.simulation import Simulation
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass.grid_differences import OnGrid, matched_on_grid
from skymosaic.drizzle.onepass.sky import SkySettings, measure_all
from skymosaic.drizzle.onepass.source_mask import sources_on_grid
from skymosaic.drizzle.onepass.sums import CutOut, Load, Tilt
from skymosaic.hst.exposure import Exposure
from skymosaic.sky.matching import compute_skies

BY_MEDIANS = ("localmin", "match", "globalmin+match")
MASKED = (*BY_MEDIANS, "match-differences")
"""What is measured without and with the mask."""
LEVELS = ("localmin", "globalmin+match")
"""Those whose level means something: the others leave the lowest sky in."""
_STEP = 16  # pixels of an exposure of which one serves along both axes for what is left in it


def by_medians(
    folder: Path,
    exposures: Sequence[Exposure],
    settings: SkySettings,
    **options: object,
) -> dict[str, np.ndarray]:
    """Return the skies by AstroDrizzle's methods; `options` as of `measure_all`."""
    one = measure_all(folder, exposures, {"a": settings}, **options)["a"]
    found = compute_skies(one.layout, one.chips, one.brightness).methods
    return {
        method: np.array([np.nan if v is None else v for v in found[method].values])
        for method in BY_MEDIANS
    }


def in_data_units(on_grid: OnGrid, exposures: Sequence[Exposure]) -> np.ndarray:
    factors = [one.brightness_factor(one.chips[0].extver) for one in exposures]
    return on_grid.matched.offsets / np.array(factors)


def with_masks(
    folder: Path,
    exposures: Sequence[Exposure],
    settings: SkySettings,
    grid: Grid,
    cut_outs: Sequence[CutOut],
    load: Load,
) -> tuple[dict[str, np.ndarray], float]:
    """Return the skies with `mask_sources`, and the share of the mosaic that is masked."""
    sources = sources_on_grid(grid, cut_outs, load, exposures)
    seen = np.zeros(sources.mask.shape, dtype=bool)
    for chip in cut_outs:
        rows, columns = slice(chip.y, chip.y + chip.rows), slice(chip.x, chip.x + chip.columns)
        seen[rows, columns] |= np.asarray(load(chip)[1]) > 0
    found = by_medians(folder, exposures, settings, sources=sources)
    on_grid = matched_on_grid(grid, cut_outs, load, exposures, mask=sources.mask)
    found["match-differences"] = in_data_units(on_grid, exposures)
    return found, float(sources.mask[seen].mean())


def with_planes(
    exposures: Sequence[Exposure], grid: Grid, cut_outs: Sequence[CutOut], load: Load
) -> tuple[np.ndarray, Sequence[Tilt], bool]:
    """Return the skies in the middle of each exposure with `planes`, the planes, whether told of.

    A report tells of planes where they fit better by more than chance.
    """
    on_grid = matched_on_grid(grid, cut_outs, load, exposures, planes=True)
    planes_found = on_grid.summary.planes
    significant = planes_found is not None and planes_found.significant
    return in_data_units(on_grid, exposures), on_grid.tilts, significant


def left_in(
    field: Field,
    simulation: Simulation,
    truths: Sequence[Truth],
    grid: Grid,
    cut_outs: Sequence[CutOut],
    skies: Mapping[str, tuple[np.ndarray, Sequence[Tilt]]],
) -> dict[str, list[float]]:
    """Return what each method leaves of the true sky with its gradient, rms over all pixels, e-/s.

    Returns
    -------
    dict of str to [float, float]
        Beyond one constant for all exposures; and beyond one plane over the whole field, which
        no differences can tell from the scene.
    """
    wcs = grid.wcs()
    rows, true, owner = [], [], []
    for number, truth in enumerate(truths):
        y, x = np.mgrid[: simulation.pixels : _STEP, : simulation.pixels : _STEP].reshape(2, -1)
        pointing: WCS = distorted_wcs(truth.exposure.true_wcs)
        rows.append(wcs.wcs_world2pix(*pointing.all_pix2world(x, y, 0), 0))
        light = np.zeros((simulation.pixels, simulation.pixels))
        if field.extra is not None:
            light = light + field.extra(simulation, truth.exposure, pointing)
        true.append(truth.exposure.sky + light[y, x])
        owner.append(np.full(len(x), number))
    at, sky, number = np.hstack(rows), np.concatenate(true), np.concatenate(owner)
    found = {}
    for method, (values, tilts) in skies.items():
        left = values[number] - sky
        if tilts:
            plane = [
                tilts[n].slope_x * (x - tilts[n].x) + tilts[n].slope_y * (y - tilts[n].y)
                for n, x, y in zip(number, *at, strict=True)
            ]
            left += np.array(plane) / np.array([chip.factor for chip in cut_outs])[number]
        design = np.column_stack([np.ones(len(left)), *(at - at.mean(axis=1, keepdims=True))])
        found[method] = []
        for free in (1, 3):
            fitted = np.linalg.lstsq(design[:, :free], left, rcond=None)[0]
            found[method].append(float(np.sqrt(np.mean((left - design[:, :free] @ fitted) ** 2))))
    return found


def masks_table(raw: Mapping[str, dict]) -> str:
    """Return rms (largest) of each method without and with the mask, and the mean level."""
    lines = [
        "| Field | masked | Method | without | with | ratio | level without | level with |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, found in raw.items():
        noises = [one for one in found["noises"].values() if "masked" in one]
        for method in MASKED if noises else ():
            plain, masked = (
                np.array([one["errors"][f"{method}{mark}"] for one in noises])
                for mark in ("", ", masked")
            )
            levels = [
                f"{1e3 * np.mean([one['levels'][f'{method}{mark}'] for one in noises]):+.3f}"
                if method in LEVELS
                else ""
                for mark in ("", ", masked")
            ]
            share = np.mean([one["masked"] for one in noises])
            ratio = f"{_rms(masked) / _rms(plain):.2f}"
            cells = [name, f"{share:.1%}", method, _cell(plain), _cell(masked), ratio, *levels]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def planes_table(raw: Mapping[str, dict]) -> str:
    """Return what methods leave of gradients, without and with planes."""
    lines = [
        "| Field | planes told of | Method | sky in the middle | all pixels | beyond one plane |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in raw.items():
        noises = [one for one in found["noises"].values() if "left" in one]
        for method in noises[0]["left"] if noises else ():
            errors = np.array([one["errors"][method] for one in noises])
            left = np.sqrt(np.mean(np.square([one["left"][method] for one in noises]), axis=0))
            warned = f"{sum(one['planes told'] for one in noises)} of {len(noises)}"
            cells = [name, warned, method, _cell(errors), *(f"{1e3 * value:.3f}" for value in left)]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.nanmean(np.square(values))))


def _cell(values: np.ndarray) -> str:
    return f"{1e3 * _rms(values):.3f} ({1e3 * float(np.nanmax(np.abs(values))):.2f})"
