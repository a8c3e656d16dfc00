"""What is known of simulated CCD exposures, beside what was found in them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from matplotlib.path import Path as Outline

from skymosaic.archive.simulated.exposures import Simulation, simulate_visit, visit_files
from skymosaic.drizzle.depth import depth_of
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass.cosmic_rays import find_cosmic_rays
from skymosaic.drizzle.order import decide
from skymosaic.drizzle.static_masks import masks_of_files
from skymosaic.drizzlepac_calls import process
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.reading import read_exposure

HIT = 6.0  # times the local noise: what counts as hit
CLEAN = 1.0  # times the local noise: what counts as not hit
METHOD = "globalmin+match"
_READ_NOISE, _DARK = 4.2, 0.0125  # e-, e-/s: ACS; those of UVIS are smaller


@dataclass(frozen=True)
class Found:
    """How well cosmic rays were found, in pixels that two exposures or more cover."""

    hit: int
    """Pixels that cosmic rays raised by more than HIT times the noise."""
    found: float
    """Share of them that is masked."""
    lost: float
    """Share of good pixels, raised by less than CLEAN times the noise, that is masked."""
    masks: dict[str, np.ndarray]
    """By file and chip: where AstroDrizzle found cosmic rays."""


def find(folder: Path, simulation: Simulation) -> Found:
    """Make the exposures, look for cosmic rays as a campaign does by default, and compare."""
    for visit in visit_files(simulation):
        simulate_visit(simulation, visit, folder)
    names = sorted(path.name for path in folder.glob("*_flc.fits"))
    exposures = [read_exposure(folder / name) for name in names]
    log = folder / "log"
    arguments = {"files": names, "final": {"rot": 0.0}}
    grid = Grid.from_call(process.call("output_grid", folder, arguments, log).value)
    depth = depth_of([exposure.polygons for exposure in exposures], grid)
    order = decide([(e.instrument, e.detector) for e in exposures], depth, {})
    static = masks_of_files(folder, exposures, order.parameters)
    rays = find_cosmic_rays(folder, log, exposures, METHOD, grid, order.parameters, static)
    masks = {key: fits.getdata(folder / name) == 0 for key, name in rays.masks.items()}
    hit = found = good = lost = 0
    for exposure in exposures:
        for chip in exposure.chips:
            mask = masks[f"{exposure.name}_{chip.extver}"]
            added, noise, flags, wcs = _chip(folder, exposure, chip.extver)
            seen = _covered(wcs, mask.shape, [e for e in exposures if e is not exposure])
            rays_here = (added > HIT * noise) & seen
            clean = (added < CLEAN * noise) & seen & (flags == 0)
            hit, found = hit + int(rays_here.sum()), found + int((rays_here & mask).sum())
            good, lost = good + int(clean.sum()), lost + int((clean & mask).sum())
    return Found(hit, found / max(hit, 1), lost / max(good, 1), masks)


def _chip(
    folder: Path, exposure: Exposure, extver: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, WCS]:
    """Return what cosmic rays added, the noise without them (both e-), the flags, and the WCS."""
    truth = json.loads((folder / f"{exposure.rootname}_truth.json").read_text())
    [sky] = [chip["sky"] for chip in truth["chips"] if chip["extver"] == extver]
    with (
        fits.open(folder / f"{exposure.rootname}_cosmic_rays.fits") as rays,
        fits.open(folder / f"{exposure.rootname}_scene.fits") as scene,
        fits.open(folder / exposure.name) as flc,
    ):
        light = scene["SCI", extver].data + sky + _DARK
        noise = np.sqrt(light * exposure.exptime + _READ_NOISE**2)
        wcs = WCS(flc["SCI", extver].header, flc)
        return rays["CR", extver].data, noise, flc["DQ", extver].data, wcs


def _covered(wcs: WCS, shape: tuple[int, ...], others: Sequence[Exposure]) -> np.ndarray:
    """Tell which pixels of a chip at least one other exposure covers."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    places = np.stack(wcs.all_pix2world(x.ravel(), y.ravel(), 0), axis=1)
    outlines = [Outline(chip.footprint) for exposure in others for chip in exposure.chips]
    inside = [outline.contains_points(places) for outline in outlines]
    return np.asarray(np.any(inside, axis=0).reshape(shape))
