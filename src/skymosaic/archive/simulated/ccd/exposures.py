"""Simulated exposures of a CCD camera, with the truth beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from skymosaic.archive.simulated.ccd.cosmic_rays import cosmic_rays
from skymosaic.archive.simulated.ccd.detector import READ_TIME, expose
from skymosaic.archive.simulated.ccd.headers import (
    ChipPlanes,
    distorted_wcs,
    flc_file,
    image_file,
    start_of,
)
from skymosaic.archive.simulated.ccd.pointing import (
    CcdExposure,
    ChipView,
    plan_exposure,
    rootnames_of,
)
from skymosaic.archive.simulated.ccd.scene import ghost, render
from skymosaic.archive.simulated.effects import Drawn, Frame, draw, sizes, trailed_of
from skymosaic.archive.simulated.headers import association_name
from skymosaic.archive.simulated.simulation import Simulation
from skymosaic.hst.epochs import julian_year


def simulate_exposure(simulation: Simulation, visit: str, dither: int, folder: Path) -> list[Path]:
    """Make one exposure, `dither` counted from 0; the folder must exist.

    Returns
    -------
    list of Path
        ``<rootname>_flc.fits``; ``<rootname>_truth.json``; ``<rootname>_scene.fits`` with the scene
        free of noise and sky (SCI, e-/s); ``<rootname>_cosmic_rays.fits`` with what cosmic rays
        added (CR, e-). The last two have an image a chip, with its true WCS.
    """
    exposure = plan_exposure(simulation, visit, dither)
    epoch = julian_year(start_of(simulation, exposure))
    pixels, scenes, all_hits, effects = [], [], [], []
    for view in exposure.views:
        wcs = distorted_wcs(view.chip, view.true_wcs)
        scene = render(simulation, view, wcs, epoch)
        light = scene + view.sky + ghost(simulation, visit, view, wcs)
        drawn = _detector(simulation, exposure, view)
        if drawn is not None:
            light = (light + drawn.light) * drawn.flat
        hits = cosmic_rays(simulation, exposure.rootname, view.chip, exposure.exptime + READ_TIME)
        planes = expose(simulation, exposure.rootname, view.chip, light, hits, exposure.exptime)
        if drawn is not None:
            planes[0][...] += (drawn.offset * exposure.exptime).astype(np.float32)
        effects.append(drawn)
        pixels.append(ChipPlanes(*planes))
        scenes.append(scene)
        all_hits.append(hits)
    files: dict[str, fits.HDUList] = {
        "flc": flc_file(simulation, exposure, tuple(pixels)),
        "scene": image_file(exposure, "SCI", "ELECTRONS/S", list(scenes)),
        "cosmic_rays": image_file(exposure, "CR", "ELECTRONS", list(all_hits)),
    }
    paths = []
    for kind, units in files.items():
        paths.append(folder / f"{exposure.rootname}_{kind}.fits")
        units.writeto(paths[-1], overwrite=True)
    truth = folder / f"{exposure.rootname}_truth.json"
    text = json.dumps(_truth(simulation, exposure, effects), indent=2)
    truth.write_text(text + "\n", encoding="utf-8")
    return [paths[0], truth, *paths[1:]]


def _detector(simulation: Simulation, exposure: CcdExposure, view: ChipView) -> Drawn | None:
    """Return what the detector does to a chip; None where it is an ideal one."""
    if not simulation.detector.any:
        return None
    frame = Frame(
        seed=simulation.seed,
        detector=view.chip.camera.name,
        rootname=exposure.rootname,
        chip=view.chip.number,
        shape=view.chip.shape,
        sky=view.sky,
        part=(0.0, 1.0) if view.chip.number == 1 else (-1.0, 0.0),
        halves=1,
    )
    names = rootnames_of(simulation, exposure.visit)
    trailed = exposure.rootname == trailed_of(simulation.seed, names)
    return draw(simulation.detector, frame, trailed=trailed)


def _truth(
    simulation: Simulation, exposure: CcdExposure, effects: Sequence[Drawn | None]
) -> dict[str, Any]:
    gains = [drawn.sky if drawn else 0.0 for drawn in effects]
    return {
        "rootname": exposure.rootname,
        "association": association_name(exposure.visit),
        "instrument": simulation.instrument,
        "seed": simulation.seed,
        "size": simulation.size,
        "scene": simulation.scene,
        "exptime": exposure.exptime,
        "sky": exposure.sky + sum(gains) / len(gains),
        **({"detector": sizes(simulation.detector)} if simulation.detector.any else {}),
        "chip_step": simulation.chip_step,
        "pointing_error": exposure.error.as_truth(),
        "chips": [
            {
                "extver": view.chip.extver,
                "ccdchip": view.chip.number,
                "sky": view.sky + gain,
                "sky_electrons": (view.sky + gain) * exposure.exptime,
                **({"detector": drawn.truth} if drawn else {}),
                "true_wcs": {
                    "crval": view.true_wcs.crval,
                    "crpix": view.true_wcs.crpix,
                    "cd": view.true_wcs.cd,
                },
            }
            for view, gain, drawn in zip(exposure.views, gains, effects, strict=True)
        ],
    }
