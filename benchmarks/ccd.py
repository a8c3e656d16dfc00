"""Full-frame CCD exposures, cosmic-ray steps on: both engines against AstroDrizzle, all methods.

Plain AstroDrizzle is one process that calls it once for each sky method. Ours are whole campaigns,
`skymosaic run` with each engine, on exposures that its store holds already (`skymosaic inspect` is
not timed): workers' start, copies with checksums, plan, drizzles, comparison and report. All get
one output grid and the parameters that a campaign decides by detector. The sides alternate; wall
times are medians; memory is the largest sum of the proportional set sizes of a side's processes.

    python benchmarks/ccd.py --instrument acs-wfc --repeats 1 [--size full] [--folder FOLDER]

Also compared: MDRIZSKY of each chip in float32 spacings, mosaics in units of what is allowed (1e-4
of the noise, or 2e-6 of the pixel) where the weights agree, and the share of pixels whose weights
differ. With `--folder` the simulated exposures stay there. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import yaml
from astropy.io import fits
from engines import PLAIN
from four_methods import measure

from skymosaic.archive.simulated.exposures import Simulation, simulate_visit, visit_files
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.checks.witness import NOISE, RELATIVE, pixel_noise
from skymosaic.drizzle.depth import depth_of
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.order import decide
from skymosaic.drizzlepac_calls import process
from skymosaic.hst.reading import read_exposure
from skymosaic.methods import METHODS, column

ENGINES = ("astrodrizzle", "onepass")
MASKED_BY = "globalmin+match"  # onepass takes its masks of cosmic rays from this method's sky


def exposures_of(folder: Path, instrument: str, size: str) -> tuple[Path, list[str]]:
    """Return where the exposures are, and their names; they are made unless they are there."""
    data = folder / f"{instrument}-{size}"
    if not (data / "finished").exists():
        print("simulating ...", flush=True)
        simulation = Simulation(instrument=instrument, size=size, dithers=3)
        data.mkdir(parents=True, exist_ok=True)
        for visit in visit_files(simulation):
            simulate_visit(simulation, visit, data)
        for path in [*data.glob("*_scene.fits"), *data.glob("*_cosmic_rays.fits")]:
            path.unlink()
        (data / "finished").touch()
    return data, sorted(path.name for path in data.glob("*_flc.fits"))


def order_of(data: Path, names: list[str], scratch: Path) -> tuple[Grid, dict]:
    """Return the output grid, and the parameters that a campaign decides for these exposures."""
    arguments = {"files": names, "final": {"rot": 0.0}}
    call = process.call("output_grid", data, arguments, scratch / "plan.log")
    grid = Grid.from_call(call.value)
    exposures = [read_exposure(data / name) for name in names]
    depth = depth_of([exposure.polygons for exposure in exposures], grid)
    order = decide([(e.instrument, e.detector) for e in exposures], depth, {})
    return grid, dict(order.parameters)


def run_plain(data: Path, names: list[str], scratch: Path, grid: Grid, parameters: dict) -> dict:
    """Copy the exposures, and call AstroDrizzle for each method."""
    folder = scratch / "plain"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in names:
        shutil.copy(data / name, folder / name)
        with fits.open(folder / name, mode="update") as hdus:
            for hdu in hdus:
                hdu.header.remove("MDRIZSKY", ignore_missing=True)
    arguments = pars.for_method(parameters, grid.final_parameters(), "")
    arguments.pop("skymethod")
    (folder / "job.json").write_text(json.dumps([names, arguments, METHODS]))
    wall, memory = measure([sys.executable, "-c", PLAIN], folder)
    return {"wall": wall, "memory": memory}


def run_campaign(data: Path, scratch: Path, engine: str) -> dict:
    """Bring the exposures into a store, and run a campaign on them."""
    folder = scratch / engine
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    campaign = {
        "campaign": {"name": "benchmark"},
        "source": {"kind": "directory", "path": str(data)},
        "align": "none",
        "drizzle": {"engine": engine},
        "compute": {"workers": 2},
    }
    (folder / "campaign.yaml").write_text(yaml.safe_dump(campaign))
    skymosaic = [sys.executable, "-m", "skymosaic.cli"]
    arguments = ["campaign.yaml", "--store", "store"]
    with (folder / "inspect.log").open("w") as log:
        command = [*skymosaic, "inspect", *arguments]
        subprocess.run(command, cwd=folder, check=True, stdout=log, stderr=log)
    wall, memory = measure([*skymosaic, "run", *arguments], folder)
    return {"wall": wall, "memory": memory}


def compare(plain: Path, ours: Path) -> dict[str, dict[str, float]]:
    """Return by how much the products of each method differ."""
    differences = {}
    for method in METHODS:
        [one] = plain.glob(f"out_{column(method)}_dr?_sci.fits")
        [other] = (ours / "store" / "benchmark" / "runs").rglob(
            f"benchmark_{column(method)}_dr?_sci.fits"
        )
        a, b = (fits.getdata(path) for path in (one, other))
        wa, wb = (fits.getdata(str(p).replace("_sci.fits", "_wht.fits")) for p in (one, other))
        skies = [fits.getdata(path, "HDRTAB")["MDRIZSKY"] for path in (one, other)]
        spacing = np.spacing(np.abs(skies[0]).astype(np.float32)).astype(float)
        same = np.isclose(wa, wb, rtol=2e-6, atol=0)
        seen = same & (wa > 0)
        allowed = np.maximum(NOISE * pixel_noise(a, wa), RELATIVE * np.abs(a[seen]))
        differences[method] = {
            "sky_in_spacings": float((np.abs(skies[0] - skies[1]) / spacing).max()),
            "weights_differ": float((~same).sum() / ((wa > 0) | (wb > 0)).sum()),
            "mosaic_in_allowed": float((np.abs(a[seen] - b[seen]) / allowed).max()),
        }
    return differences


def main() -> None:
    """Measure all sides and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--instrument", default="acs-wfc", choices=["acs-wfc", "wfc3-uvis"])
    parser.add_argument("--size", default="full", choices=["full", "small"])
    parser.add_argument("--repeats", type=int, default=1, help="runs of each side")
    parser.add_argument("--folder", type=Path, help="keeps the simulated exposures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="skymosaic-benchmark-") as name:
        scratch = Path(name)
        data, names = exposures_of(
            (options.folder or scratch).resolve(), options.instrument, options.size
        )
        grid, parameters = order_of(data, names, scratch)
        process.close()
        sides = {
            "plain": lambda: run_plain(data, names, scratch, grid, parameters),
            **{engine: lambda e=engine: run_campaign(data, scratch, e) for engine in ENGINES},
        }
        runs: dict[str, list[dict]] = {side: [] for side in sides}
        for repeat in range(options.repeats):
            for side in sorted(sides, reverse=repeat % 2 == 0):
                runs[side].append(sides[side]())
                print(f"{side:<13} {json.dumps(runs[side][-1])}", flush=True)
        differences = {engine: compare(scratch / "plain", scratch / engine) for engine in ENGINES}
    wall = {side: statistics.median(run["wall"] for run in each) for side, each in runs.items()}
    for engine, methods in differences.items():
        for method, its in methods.items():
            print(f"{engine:<13} {method:<16} {json.dumps(its)}")
    print(
        json.dumps(
            {
                "instrument": options.instrument,
                "size": options.size,
                "exposures": len(names),
                "columns_rows": grid.shape,
                "repeats": options.repeats,
                "load": round(os.getloadavg()[1], 1),
                "seconds": {side: round(value, 1) for side, value in wall.items()},
                "peak_memory_mb": {
                    side: round(max(run["memory"] for run in each) / 1e6)
                    for side, each in runs.items()
                },
                "plain_to_ours": {e: round(wall["plain"] / wall[e], 2) for e in ENGINES},
                "masks_from": MASKED_BY,
                "differences": differences,
            }
        )
    )


if __name__ == "__main__":
    main()
