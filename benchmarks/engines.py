"""Both engines on the same aligned exposures: the one-pass engine against plain AstroDrizzle.

The plain side is the tutorial's: one process that calls AstroDrizzle once for each sky method, one
after the other, in the folder of the exposures. The other side is one process that calls the
one-pass engine for all methods at once, on 2 cores. Copying the exposures and planning the grid is
not timed. Two times are taken of each side: `cold` is its process from start to end, `warm` leaves
out what passes before drizzlepac is imported. The sides alternate. CPU time is that of all of a
side's processes; memory is the largest sum of their proportional set sizes.

    python benchmarks/engines.py --dithers 2 --repeats 3     # 18 exposures
    python benchmarks/engines.py --dithers 8 --repeats 1     # 72 exposures
    python benchmarks/engines.py --dithers 8 --folder FOLDER --simulate-only
    python benchmarks/engines.py --dithers 8 --repeats 3 --with-differences --no-plain

With --with-differences a third side is the one-pass engine with this project's own methods, too:
what they cost is told as the ratio of its times to those of the four methods alone.

With `--folder` the simulated exposures stay there, and are taken from there the next time.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from astropy.io import fits
from four_methods import CHOICE, kept_exposures, measure

from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzlepac_calls import process
from skymosaic.methods import ALL, METHODS, column

TARGETS = {18: (4.0, 2.5), 72: (5.5, 4.5)}
"""Smallest ratio of wall times, plain to one-pass: warm, cold; by number of exposures."""

PLAIN = """
import json, time
from drizzlepac import astrodrizzle
from skymosaic.drizzlepac_calls.skypac_polygons import give_back
give_back()  # without it AstroDrizzle would silently compute localmin instead of match
started = time.monotonic()
names, parameters, methods = json.load(open("job.json"))
walls = {}
for method in methods:
    begun = time.monotonic()
    output = "out_" + method.replace("+", "_")
    astrodrizzle.AstroDrizzle(names, output=output, skymethod=method, **parameters)
    walls[method] = time.monotonic() - begun
json.dump({"warm": time.monotonic() - started, "walls": walls}, open("times.json", "w"))
"""
ONEPASS = """
import json, time
from pathlib import Path
from skymosaic.drizzlepac_calls import process as drizzlepac_process
drizzlepac_process.warm()
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass.run import Options, drizzle_all
from skymosaic.drizzle.onepass.choice import SkyChoice
from skymosaic.hst.reading import read_exposure
from skymosaic.methods import column
here = Path()
drizzlepac_process.call("versions", here, {}, here / "call.log")  # it has been imported
cpu = []  # of the processes that drizzlepac_server forks: the system does not add it to ours
plain_call = drizzlepac_process.call
def call(*arguments):
    done = plain_call(*arguments)
    cpu.append(done.cpu)
    return done
drizzlepac_process.call = call
started = time.monotonic()
names, parameters, methods, grid = json.load(open("job.json"))
drizzle_all(
    here, here / "call.log", [read_exposure(here / name) for name in names],
    {method: "out_" + column(method) for method in methods},
    {method: SkyChoice(method) for method in methods},
    Grid.from_call(grid), parameters, Options(processes=2),
)
json.dump({"warm": time.monotonic() - started, "forked": sum(cpu)}, open("times.json", "w"))
"""


def run_side(script: str, job: list, data: Path, folder: Path) -> dict:
    """Copy the exposures and run one side; return its times (s) and memory (bytes)."""
    shutil.copytree(data, folder)
    (folder / "job.json").write_text(json.dumps(job))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    cold, memory = measure([sys.executable, "-c", script], folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    times = json.loads((folder / "times.json").read_text())
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {**times, "cold": cold, "cpu": cpu + times.get("forked", 0.0), "memory": memory}


def plan(data: Path, names: list[str], scratch: Path) -> dict:
    """Return the output grid that both sides get."""
    arguments = {"files": names, "final": pars.grid_choice(pars.resolve(CHOICE))}
    return process.call("output_grid", data, arguments, scratch / "plan.log").value


def compare(plain: Path, ours: Path) -> dict[str, float]:
    """Return by how much the products differ, the worst of all methods."""
    worst = {"in_noise_or_2e-6": 0.0, "weight_relative": 0.0, "sky": 0.0}
    for method in METHODS:
        root = f"out_{column(method)}_drz"
        a, b = (fits.getdata(side / f"{root}_sci.fits") for side in (plain, ours))
        wa, wb = (fits.getdata(side / f"{root}_wht.fits") for side in (plain, ours))
        seen = wa > 0
        both = seen[:, 1:] & seen[:, :-1]
        noise = 1.4826 * np.median(np.abs(np.diff(a, axis=1)[both])) / np.sqrt(2)
        allowed = np.maximum(1e-4 * noise, 2e-6 * np.abs(a[seen]))
        sky = [fits.getdata(s / f"{root}_sci.fits", "HDRTAB")["MDRIZSKY"] for s in (plain, ours)]
        for name, value in (
            ("in_noise_or_2e-6", (np.abs(a[seen] - b[seen]) / allowed).max()),
            ("weight_relative", (np.abs(wa - wb)[seen] / wa[seen]).max()),
            ("sky", np.nanmax(np.abs(sky[0] - sky[1]))),
        ):
            worst[name] = max(worst[name], float(value))
    return worst


def jobs_of(options: argparse.Namespace, names: list[str], grid: dict) -> dict[str, tuple]:
    """Return the script of each side, and what it is given."""
    parameters = pars.for_method(pars.resolve(CHOICE), Grid.from_call(grid).final_parameters(), "")
    parameters.pop("skymethod")
    jobs: dict[str, tuple] = {}
    if not options.no_plain:
        jobs["plain"] = (PLAIN, [names, parameters, METHODS])
    chosen = {"onepass": METHODS}
    if options.with_differences:
        chosen |= {"match-differences": [*METHODS, "match-differences"], "differences": ALL}
    for side, methods in chosen.items():
        jobs[side] = (ONEPASS, [names, pars.resolve(CHOICE), methods, grid])
    return jobs


def run_all(jobs: dict[str, tuple], repeats: int, data: Path, scratch: Path) -> dict[str, list]:
    """Run each side so many times; return what was measured of each run."""
    runs: dict[str, list[dict]] = {side: [] for side in jobs}
    for repeat in range(repeats):
        # Each repeat starts with the other side, so that a slow minute hits both alike.
        for side in sorted(jobs, reverse=repeat % 2 == 0):
            script, job = jobs[side]
            shutil.rmtree(scratch / side, ignore_errors=True)
            found = run_side(script, job, data, scratch / side)
            runs[side].append(found)
            print(f"{side:<8} {json.dumps(found)}", flush=True)
    return runs


def summary(runs: dict[str, list[dict]], names: list[str], worst: dict | None) -> dict:
    """Return the figures of all runs; `worst`: as from `compare`, where plain was run."""
    median = {
        side: {
            kind: statistics.median(run[kind] for run in each) for kind in ("warm", "cold", "cpu")
        }
        for side, each in runs.items()
    }
    cost = {
        side: {kind: round(value / median["onepass"][kind], 3) for kind, value in its.items()}
        for side, its in median.items()
        if side in ("differences", "match-differences")
    }
    figures = {
        "exposures": len(names),
        "repeats": len(runs["onepass"]),
        "load": round(os.getloadavg()[1], 1),
        "seconds": {s: {k: round(v, 1) for k, v in m.items()} for s, m in median.items()},
        "peak_memory_mb": {
            side: round(max(run["memory"] for run in each) / 1e6) for side, each in runs.items()
        },
        "own_methods_to_four": cost or None,
    }
    if worst is None:
        return figures
    ratios = {kind: median["plain"][kind] / median["onepass"][kind] for kind in median["plain"]}
    match = statistics.median(run["walls"]["match"] for run in runs["plain"])
    targets = TARGETS.get(len(names))
    return figures | {
        "ratios": {kind: round(value, 2) for kind, value in ratios.items()},
        "targets_warm_cold": targets,
        "targets_met": None
        if targets is None
        else [ratios["warm"] >= targets[0], ratios["cold"] >= targets[1]],
        "all_methods_to_one_plain_match": round(median["onepass"]["warm"] / match, 2),
        "largest_differences": worst,
    }


def main() -> None:
    """Measure both sides and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dithers", type=int, default=2, help="exposures of each of the 9 tiles")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each side")
    parser.add_argument("--with-differences", action="store_true", help="the own methods, too")
    parser.add_argument("--no-plain", action="store_true", help="leave plain AstroDrizzle out")
    parser.add_argument("--folder", type=Path, help="keeps the simulated exposures")
    parser.add_argument("--simulate-only", action="store_true", help="fill that folder, and end")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="skymosaic-benchmark-") as name:
        scratch = Path(name)
        data, names = kept_exposures(options.folder or scratch, options.dithers)
        if options.simulate_only:
            return
        grid = plan(data, names, scratch)
        process.close()
        runs = run_all(jobs_of(options, names, grid), options.repeats, data, scratch)
        sides = scratch / "plain", scratch / "onepass"
        worst = None if options.no_plain else compare(*sides)
    print(json.dumps(summary(runs, names, worst)))


if __name__ == "__main__":
    main()
