"""The skies of chips against the truth, without and with a step between the chips.

Exposures of a CCD camera are simulated, two visits of three dithers that cross the gap, with cosmic
rays and the true WCS in their headers; every seed has its own noise, skies and cosmic rays. For
each seed are printed the rms error of all chips' skies against the mean of all, in milli-e-/s, and
the rms of the pulls, true over stated error:

match       AstroDrizzle's, one sky an exposure
one sky     match-differences with sky.per_chip: false
auto        match-differences with sky.per_chip: auto, and which model it took
a sky each  match-differences with sky.per_chip: true

The exposures are drizzled one by one without the cosmic-ray steps, as for the reference engine:
cosmic rays are rejected by the differences alone.

    python benchmarks/chips.py                        # ACS/WFC, 20 seeds, no step and one of 1%
    python benchmarks/chips.py --instrument wfc3-uvis --seeds 5 --steps 0.01

The last line is one JSON object; `met` tells whether auto is within 0.2 milli-e-/s rms with pulls
of 0.9 to 1.2.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from masks import make_exposures, plan

from skymosaic.archive.simulated.exposures import Simulation
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.onepass.grid_differences import measure_patches
from skymosaic.drizzle.onepass.run import drizzle_chips
from skymosaic.drizzle.onepass.sky import SkySettings, measure_skies
from skymosaic.drizzlepac_calls import process
from skymosaic.hst.reading import read_exposure
from skymosaic.sky.chips import match_chips

WAYS = {"one sky": False, "auto": "auto", "a sky each": True}
PARAMETERS = pars.resolve({"final_bits": "0", "sky_bits": "0"})
MOST_ERROR, PULLS = 2e-4, (0.9, 1.2)


def rms(values: Any) -> float:
    return float(np.sqrt(np.nanmean(np.square(values))))


def centred(values: np.ndarray) -> np.ndarray:
    return values - values.mean()


def try_seed(simulation: Simulation, jobs: int) -> dict[str, Any]:
    """Return the errors of all chips' skies by each method, e-/s, and what is stated."""
    with tempfile.TemporaryDirectory(prefix="skymosaic-benchmark-") as scratch:
        folder = Path(scratch) / "data"
        folder.mkdir()
        names = sorted(make_exposures(folder, simulation))
        grid = plan(folder, names, Path(scratch))
        exposures = [read_exposure(folder / name) for name in names]
        true, times = [], []
        for exposure in exposures:
            truth = json.loads((folder / f"{exposure.rootname}_truth.json").read_text())
            skies = {chip["extver"]: chip["sky"] for chip in truth["chips"]}
            true += [skies[chip.extver] for chip in exposure.chips]
            times += [exposure.exptime] * len(exposure.chips)
        settings = {"": SkySettings.from_parameters(PARAMETERS)}
        known = measure_skies(folder, exposures, settings, ["match"])[""].methods["match"]
        cut_outs, load = drizzle_chips(
            folder, Path(scratch) / "log", exposures, grid, PARAMETERS, processes=jobs
        )
        patches, offsets = measure_patches(grid.shape, cut_outs, load, range(len(cut_outs)))
    to_rate = np.array([cut_out.factor for cut_out in cut_outs]) * np.array(times)
    owners = [index for index, exposure in enumerate(exposures) for _ in exposure.chips]
    match = np.array(known.values, dtype=float) / times
    errors: dict[str, Any] = {"match": centred(match - true).tolist()}
    stated, models = {}, {}
    for way, per_chip in WAYS.items():
        found = match_chips(owners, patches, offsets, per_chip)
        errors[way] = centred(found.matched.offsets / to_rate - true).tolist()
        stated[way] = (found.matched.errors / to_rate).tolist()
        models[way] = found.used
    return {"errors": errors, "stated": stated, "models": models}


def summary(tries: list[dict[str, Any]]) -> dict[str, Any]:
    """Return rms error (milli-e-/s) and pulls of each method, over all seeds."""
    found: dict[str, Any] = {}
    for way in ("match", *WAYS):
        errors = np.array([one["errors"][way] for one in tries])
        found[way] = {
            "rms": round(1e3 * rms(errors), 4),
            "largest": round(1e3 * float(np.abs(errors).max()), 4),
        }
        if way in WAYS:
            pulls = errors / np.array([one["stated"][way] for one in tries])
            found[way]["pulls"] = round(rms(pulls), 3)
            found[way]["models"] = dict(Counter(one["models"][way] for one in tries))
    auto = found["auto"]
    found["met"] = auto["rms"] <= 1e3 * MOST_ERROR and PULLS[0] <= auto["pulls"] <= PULLS[1]
    return found


def line(name: str, found: dict[str, Any]) -> str:
    parts = [
        f"{way} {found[way]['rms']:.4f}"
        + (f" ({found[way]['pulls']:.2f})" if "pulls" in found[way] else "")
        for way in ("match", *WAYS)
    ]
    return f"{name}: " + ", ".join(parts) + f", auto took {', '.join(found['auto']['models'])}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instrument", choices=["acs-wfc", "wfc3-uvis"], default="acs-wfc")
    parser.add_argument("--size", choices=["small", "full"], default="small")
    parser.add_argument("--scene", default=None)
    parser.add_argument("--steps", type=float, nargs="+", default=[0.0, 0.01])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    results = {}
    for step in options.steps:
        tries = []
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            simulation = Simulation(
                seed=seed,
                size=options.size,
                instrument=options.instrument,
                chip_step=step,
                scene=options.scene,
            )
            tries.append(try_seed(simulation, options.jobs))
            print(line(f"step {step:g}, seed {seed}", summary(tries[-1:])), flush=True)
        results[f"{step:g}"] = summary(tries)
        print(line(f"step {step:g}, {len(tries)} seeds", results[f"{step:g}"]), flush=True)
    process.close()
    settings = {"instrument": options.instrument, "size": options.size, "seeds": options.seeds}
    print(json.dumps({**settings, "load": os.getloadavg()[1], "steps": results}))


if __name__ == "__main__":
    main()
