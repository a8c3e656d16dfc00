"""Simulated exposures, with the truth beside the data.

WFC3/IR: a mosaic like HST proposal 12812. ACS/WFC and WFC3/UVIS: see `ccd`.

The files need no reference file: their headers carry the distortion, as the archive's do.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from skymosaic.archive.simulated import pointing
from skymosaic.archive.simulated.ccd import exposures as ccd
from skymosaic.archive.simulated.ccd import headers as ccd_headers
from skymosaic.archive.simulated.ccd import pointing as ccd_pointing
from skymosaic.archive.simulated.detector import FULL_WELL, expose
from skymosaic.archive.simulated.effects import Drawn, Frame, draw, persistence, sizes, trailed_of
from skymosaic.archive.simulated.headers import (
    association_name,
    distorted_wcs,
    flt_file,
    primary_header,
    reference_scale,
    scene_file,
    start_of,
)
from skymosaic.archive.simulated.names import IR_FILTER
from skymosaic.archive.simulated.pointing import PlannedExposure, plan_exposure
from skymosaic.archive.simulated.scene import render
from skymosaic.archive.simulated.scenes import ghost
from skymosaic.archive.simulated.simulation import Simulation
from skymosaic.hst import facts
from skymosaic.hst.epochs import julian_year
from skymosaic.hst.facts import FileFacts

__all__ = ["Simulation", "association_name", "facts_of", "simulate_visit", "visit_files"]


def visit_files(simulation: Simulation) -> dict[str, list[str]]:
    """Return the exposures' rootnames by visit: ``{'ibxl50': ['ibxl50clq', 'ibxl50cqq'], ...}``."""
    if simulation.is_ccd:
        return {
            visit: ccd_pointing.rootnames_of(simulation, visit)
            for visit in ccd_pointing.visits_of(simulation)
        }
    return {
        visit: pointing.rootnames_of(simulation, visit) for visit in pointing.visits_of(simulation)
    }


def facts_of(simulation: Simulation, visit: str) -> FileFacts:
    """Return what is known of a visit's exposures before they are made."""
    if simulation.is_ccd:
        first = ccd_pointing.plan_exposure(simulation, visit, 0)
        return facts.facts_of(ccd_headers.primary_header(simulation, first))
    return facts.facts_of(primary_header(simulation, plan_exposure(simulation, visit, 0)))


def simulate_visit(simulation: Simulation, visit: str, folder: Path) -> list[Path]:
    """Make the exposures of one visit.

    Parameters
    ----------
    simulation : Simulation
        What to make.
    visit : str
        One of `visit_files`, such as ``'ibxl54'``.
    folder : Path
        Made if absent. Files of the same names are replaced.

    Returns
    -------
    list of Path
        For each exposure ``<rootname>_flt.fits``; ``<rootname>_truth.json`` with the sky
        (e-/s), the pointing error (header minus truth: arcsec and degrees) and the true WCS; and
        ``<rootname>_scene.fits`` with the scene free of noise and sky (e-/s). Of CCDs what
        `ccd.exposures.simulate_exposure` tells.

    Raises
    ------
    CampaignError
        The visit is not in the simulation.
    """
    names = (ccd_pointing if simulation.is_ccd else pointing).rootnames_of(simulation, visit)
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for dither in range(len(names)):
        if simulation.is_ccd:
            paths += ccd.simulate_exposure(simulation, visit, dither, folder)
            continue
        paths += _simulate_exposure(simulation, plan_exposure(simulation, visit, dither), folder)
    return paths


def _simulate_exposure(
    simulation: Simulation, exposure: PlannedExposure, folder: Path
) -> list[Path]:
    epoch = julian_year(start_of(simulation, exposure))
    scene = render(simulation, distorted_wcs(exposure.true_wcs), reference_scale(), epoch)
    light = scene + exposure.sky
    if simulation.scene == "saturated":
        light = light + ghost(simulation, exposure, distorted_wcs(exposure.true_wcs))
    drawn = _detector(simulation, exposure)
    if drawn is not None:
        light = (light + drawn.light) * drawn.flat
    science, error, flags = expose(simulation, exposure.rootname, light, exposure.exptime)
    if drawn is not None:
        science += drawn.offset.astype(np.float32)
    flt = folder / f"{exposure.rootname}_flt.fits"
    flt_file(simulation, exposure, science, error, flags).writeto(flt, overwrite=True)
    truth = folder / f"{exposure.rootname}_truth.json"
    text = json.dumps(_truth(simulation, exposure, drawn), indent=2)
    truth.write_text(text + "\n", encoding="utf-8")
    image = folder / f"{exposure.rootname}_scene.fits"
    scene_file(exposure, scene.astype(np.float32)).writeto(image, overwrite=True)
    return [flt, truth, image]


def _detector(simulation: Simulation, exposure: PlannedExposure) -> Drawn | None:
    """Return what the detector does to an exposure; None where it is an ideal one."""
    effects, names = simulation.detector, pointing.rootnames_of(simulation, exposure.visit)
    if not effects.any:
        return None
    frame = Frame(
        seed=simulation.seed,
        detector=f"wfc3_ir {simulation.ir_filter}",
        rootname=exposure.rootname,
        chip=1,
        shape=(simulation.pixels, simulation.pixels),
        sky=exposure.sky,
    )
    drawn = draw(effects, frame, trailed=exposure.rootname == trailed_of(simulation.seed, names))
    number = names.index(exposure.rootname)
    if not effects.persistence or number == 0:
        return drawn
    before = plan_exposure(simulation, exposure.visit, number - 1)
    epoch = julian_year(start_of(simulation, before))
    seen = render(simulation, distorted_wcs(before.true_wcs), reference_scale(), epoch)
    left = persistence(effects, (seen + before.sky) * before.exptime, FULL_WELL)
    truth = {**drawn.truth, "persistence": float(left.max())}
    return replace(drawn, light=drawn.light + left, truth=truth)


def _truth(
    simulation: Simulation, exposure: PlannedExposure, drawn: Drawn | None
) -> dict[str, Any]:
    return {
        "rootname": exposure.rootname,
        "association": association_name(exposure.visit),
        "seed": simulation.seed,
        "size": simulation.size,
        "scene": simulation.scene,
        **({} if simulation.ir_filter == IR_FILTER else {"filter": simulation.filter}),
        "sky": exposure.sky + (drawn.sky if drawn else 0.0),
        **({"detector": {**sizes(simulation.detector), "drawn": drawn.truth}} if drawn else {}),
        "pointing_error": exposure.error.as_truth(),
        "true_wcs": {
            "crval": exposure.true_wcs.crval,
            "crpix": exposure.true_wcs.crpix,
            "cd": exposure.true_wcs.cd,
        },
    }
