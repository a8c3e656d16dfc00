"""What it does to the mosaics that onepass looks for cosmic rays once, under one method's sky.

Exposures of a CCD camera are simulated, with the true WCS in their headers, as if aligned. Plain
AstroDrizzle drizzles them with its cosmic-ray steps once for each sky method, each with the masks
that it finds under that method's sky; onepass drizzles them for all methods with the masks of one.
The parameters are those that a campaign decides by detector and depth; the output grid is the same.
For each method the last line tells

masks      of the pixels of all chips: the share whose mask is another; hit for AstroDrizzle alone,
           hit for onepass alone
hits       of the pixels that a cosmic ray raised by more than 6 sigma of the pixel's noise, the
           share that is masked: by AstroDrizzle, by onepass
lost       of the pixels that no cosmic ray touched, the share that is masked: by both
weight     of the pixels of the mosaic, the share with another weight; the sum of the differences
           of weight over the sum of AstroDrizzle's weights
mosaic     onepass minus AstroDrizzle in units of the local noise, which is that from pixel to
           pixel, by the square root of the weight: rms and largest; share of pixels beyond 1 and
           beyond 5
level      median of onepass minus median of AstroDrizzle, e-/s and in noise

    python benchmarks/masks.py                     # ACS/WFC, 2 visits of 3, parts of the chips
    python benchmarks/masks.py --size full --dithers 3
    python benchmarks/masks.py --sky 0.25                      # 90 to 125 e- a pixel
    python benchmarks/masks.py --folder FOLDER --scene horsehead

With `--folder` the simulated exposures stay there, and are taken from there the next time.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from skymosaic.archive.simulated.exposures import Simulation, simulate_visit, visit_files
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.checks.witness import pixel_noise
from skymosaic.drizzle.depth import depth_of
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass.choice import SkyChoice
from skymosaic.drizzle.onepass.cosmic_rays import method_of
from skymosaic.drizzle.onepass.run import Options, drizzle_all
from skymosaic.drizzle.order import decide
from skymosaic.drizzlepac_calls import process
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.files import write_frame
from skymosaic.hst.reading import read_exposure
from skymosaic.methods import METHODS, column

BRIGHT = 6.0  # sigma, from which on a cosmic ray counts
LISTED = ("combine_type", "driz_cr_snr", "driz_cr_scale", "sky_bits", "driz_sep_bits", "final_bits")
ROUNDING = 1e-5  # relative: the engines sum weights in another order


def make_exposures(folder: Path, simulation: Simulation) -> list[str]:
    """Simulate exposures with the true WCS in their headers; return their names."""
    names = []
    for visit, rootnames in visit_files(simulation).items():
        simulate_visit(simulation, visit, folder)
        names += [f"{rootname}_flc.fits" for rootname in rootnames]
    for name in names:
        truth = json.loads((folder / name.replace("_flc.fits", "_truth.json")).read_text())
        with fits.open(folder / name, mode="update") as hdus:
            for chip in truth["chips"]:
                header, true = hdus["SCI", chip["extver"]].header, chip["true_wcs"]
                header["CRVAL1"], header["CRVAL2"] = true["crval"]
                header["CRPIX1"], header["CRPIX2"] = true["crpix"]
                (header["CD1_1"], header["CD1_2"]), (header["CD2_1"], header["CD2_2"]) = true["cd"]
                header.remove("MDRIZSKY", ignore_missing=True)
    return names


def plan(data: Path, names: list[str], scratch: Path) -> Grid:
    """Return the output grid that both sides get."""
    folder = scratch / "plan"
    folder.mkdir()
    for name in names:
        write_frame(data / name, folder / name)
    arguments = {"files": names, "final": pars.grid_choice(pars.resolve({}))}
    return Grid.from_call(
        process.call("output_grid", folder, arguments, scratch / "plan.log").value
    )


def copies(data: Path, names: list[str], folder: Path) -> Path:
    """Return a folder with copies of the exposures."""
    folder.mkdir()
    for name in names:
        shutil.copy(data / name, folder / name)
    return folder


def plain(folder: Path, names: list[str], method: str, grid: Grid, parameters: dict) -> None:
    """Run AstroDrizzle, and keep its masks."""
    arguments = pars.for_method(parameters, grid.final_parameters(), method)
    process.call(
        "astrodrizzle",
        folder,
        {
            "files": names,
            "output": f"out_{column(method)}",
            "parameters": {**arguments, "clean": False},
        },
        folder / "call.log",
    )


def masked(folder: Path, exposure: Exposure, extver: int) -> np.ndarray:
    """Return where a chip's pixels were taken to be hit."""
    root = exposure.name.rsplit("_", 1)[0]
    return np.asarray(fits.getdata(folder / f"{root}_sci{extver}_crmask.fits")) == 0


def compare_masks(
    data: Path, exposures: list[Exposure], theirs: Path, ours: Path
) -> dict[str, Any]:
    """Return how the masks of one method differ, and how good either is."""
    pixels = differ = only_theirs = only_ours = 0
    bright = clean = 0
    found, lost = np.zeros(2), np.zeros(2)
    for exposure in exposures:
        hits = data / f"{exposure.rootname}_cosmic_rays.fits"
        with fits.open(hits) as added, fits.open(data / exposure.name) as hdus:
            for number, chip in enumerate(exposure.chips, start=1):
                a, b = (masked(side, exposure, chip.extver) for side in (theirs, ours))
                pixels += a.size
                differ += int((a != b).sum())
                only_theirs += int((a & ~b).sum())
                only_ours += int((b & ~a).sum())
                charge = added["CR", number].data
                noise = hdus["ERR", chip.extver].data
                strong, none = charge > BRIGHT * noise, charge == 0
                bright += int(strong.sum())
                clean += int(none.sum())
                found += [(side & strong).sum() for side in (a, b)]
                lost += [(side & none).sum() for side in (a, b)]
    return {
        "masks": [differ / pixels, only_theirs / pixels, only_ours / pixels],
        "hits": (found / bright).tolist() if bright else None,
        "lost": (lost / clean).tolist() if clean else None,
    }


def compare_mosaics(theirs: Path, ours: Path, method: str) -> dict[str, Any]:
    """Return how the mosaics of one method differ."""
    root = f"out_{column(method)}"
    (a, wa), (b, wb) = (
        [
            np.asarray(fits.getdata(next(side.glob(f"{root}_dr?_{kind}.fits"))), dtype=np.float64)
            for kind in ("sci", "wht")
        ]
        for side in (theirs, ours)
    )
    either, both = (wa > 0) | (wb > 0), (wa > 0) & (wb > 0)
    typical = float(np.median(wa[both]))
    noise = pixel_noise(a, np.where(wa >= typical, wa, 0.0))
    off = ((b - a) * np.sqrt(wa / typical) / noise)[both]
    level = float(np.median(b[both]) - np.median(a[both]))
    return {
        "weight": [
            float((np.abs(wa - wb) > ROUNDING * np.maximum(wa, wb))[either].mean()),
            float(np.abs(wa - wb).sum() / wa.sum()),
        ],
        "noise": noise,
        "mosaic": {
            "rms": float(np.sqrt(np.mean(off**2))),
            "largest": float(np.abs(off).max()),
            "beyond_1": float((np.abs(off) > 1).mean()),
            "beyond_5": float((np.abs(off) > 5).mean()),
        },
        "level": [level, level / noise],
    }


def main() -> None:
    """Measure, and print the figures."""
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="skymosaic-benchmark-") as name:
        scratch = Path(name)
        data = options.folder or scratch / "exposures"
        names = simulated(data, options)
        exposures = [read_exposure(data / name) for name in names]
        grid = plan(data, names, scratch)
        depth = depth_of((exposure.polygons for exposure in exposures), grid)
        detectors = [(exposure.instrument, exposure.detector) for exposure in exposures]
        parameters = dict(decide(detectors, depth, {}).parameters)
        if not pars.has_cr_steps(parameters):
            sys.exit("too few exposures overlap to look for cosmic rays: take more --dithers")
        choices = {method: SkyChoice(method) for method in METHODS}
        ours = copies(data, names, scratch / "onepass")
        outputs = {method: f"out_{column(method)}" for method in METHODS}
        drizzle_all(
            ours, ours / "log", exposures, outputs, choices, grid, parameters, Options(processes=2)
        )
        found = {}
        for method in METHODS:
            theirs = copies(data, names, scratch / column(method))
            plain(theirs, names, method, grid, parameters)
            found[method] = {
                **compare_masks(data, exposures, theirs, ours),
                **compare_mosaics(theirs, ours, method),
            }
            print(method, json.dumps(found[method]), flush=True)
            shutil.rmtree(theirs)
        sky = [
            round(json.loads(truth.read_text())["chips"][0]["sky_electrons"], 2)
            for truth in sorted(data.glob("*_truth.json"))
        ]
    figures = {
        "instrument": options.instrument,
        "size": options.size,
        "scene": options.scene,
        "exposures": len(names),
        "sky_electrons": sky,
        "parameters": {name: parameters.get(name) for name in LISTED},
        "masks_of": method_of(choices),
        "methods": found,
    }
    print(json.dumps(figures))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--instrument", default="acs-wfc", help="acs-wfc, wfc3-uvis")
    parser.add_argument("--size", choices=("small", "full"), default="small")
    parser.add_argument("--dithers", type=int, default=3, help="exposures of each of two visits")
    parser.add_argument("--scene", default="sparse", help="of the simulator")
    parser.add_argument("--sky", type=float, help="mean sky, e-/s; default: that of the camera")
    parser.add_argument("--chip-step", type=float, default=0.0, help="sky step between the chips")
    parser.add_argument("--folder", type=Path, help="keeps the simulated exposures")
    return parser.parse_args()


def simulated(data: Path, options: argparse.Namespace) -> list[str]:
    """Return the names of the exposures, made unless the folder has them."""
    finished = data / "finished.json"
    if not finished.exists():
        print("simulating ...", flush=True)
        simulation = Simulation(
            size=options.size,
            dithers=options.dithers,
            instrument=options.instrument,
            scene=options.scene,
            sky=options.sky,
            chip_step=options.chip_step,
        )
        finished.write_text(json.dumps(make_exposures(data, simulation)))
    return json.loads(finished.read_text())


if __name__ == "__main__":
    main()
