"""Four sky methods on the same aligned exposures: skymosaic's way against the tutorial's.

The tutorial's way is one process that calls AstroDrizzle four times, one after the other, in the
folder of the exposures. Ours is `skymosaic run` on the exposures in its store: the start of the
workers, isolated copies with their checksums, the four runs with all checks, the comparison and the
report. Bringing the exposures to where each side begins (a copy of the folder, `skymosaic inspect`)
is not timed. AstroDrizzle's parameters are the same. The sides alternate. Wall time is the median;
memory is the largest sum of proportional set sizes of a side's processes.

    python benchmarks/four_methods.py --dithers 2 --repeats 3     # 18 exposures
    python benchmarks/four_methods.py --dithers 8 --repeats 1     # 72 exposures

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from time import monotonic, sleep

import psutil
import yaml
from astropy.io import fits
from astropy.table import Table

from skymosaic.archive.simulated.exposures import Simulation, simulate_visit, visit_files
from skymosaic.drizzle import parameters as pars
from skymosaic.methods import METHODS, column

TARGETS = {18: 0.75, 72: 0.62}
"""Largest ratio of wall times, ours to the tutorial's, by number of exposures, on 2 cores."""
CHOICE = {"final_rot": 257.0, "final_bits": "64"}
SAMPLE = 1.0  # s between two looks at the memory: looking costs time, more with more processes

TUTORIAL = """
import json, sys
from drizzlepac import astrodrizzle
from skymosaic.drizzlepac_calls.skypac_polygons import give_back
give_back()  # without it AstroDrizzle would silently compute localmin instead of match
names, parameters, methods = json.loads(sys.argv[1])
from astropy.io import fits
sky = {}
for method in methods:
    output = method.replace("+", "_")
    astrodrizzle.AstroDrizzle(names, output=output, skymethod=method, **parameters)
    sky[output] = [float(fits.getval(name, "MDRIZSKY", ext=("SCI", 1))) for name in names]
with open("sky.json", "w") as file:
    json.dump(sky, file)
"""


def make_exposures(folder: Path, dithers: int) -> list[str]:
    """Simulate the field with the true WCS in the headers, as if aligned; return file names."""
    simulation = Simulation(size="full", dithers=dithers)
    visits = visit_files(simulation)
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(simulate_visit, [simulation] * len(visits), visits, [folder] * len(visits)))
    names = [f"{rootname}_flt.fits" for its in visits.values() for rootname in its]
    for name in names:
        true = json.loads((folder / name.replace("_flt.fits", "_truth.json")).read_text())
        with fits.open(folder / name, mode="update") as hdus:
            header = hdus["SCI", 1].header
            header["CRVAL1"], header["CRVAL2"] = true["true_wcs"]["crval"]
            (header["CD1_1"], header["CD1_2"]), (header["CD2_1"], header["CD2_2"]) = true[
                "true_wcs"
            ]["cd"]
            del header["MDRIZSKY"]
    for other in folder.iterdir():
        if other.name not in names:
            other.unlink()
    return names


def kept_exposures(folder: Path, dithers: int) -> tuple[Path, list[str]]:
    """Return where the exposures of `make_exposures` are below a folder, and their names.

    They are made unless an earlier call finished making them.
    """
    data = folder / f"exposures-{9 * dithers}"
    finished = data / "finished.json"
    if not finished.exists():
        print("simulating ...", flush=True)
        finished.write_text(json.dumps(make_exposures(data, dithers)))
    return data, json.loads(finished.read_text())


def measure(command: list[str], folder: Path) -> tuple[float, int]:
    """Run a command; return its wall time in s and its largest memory in bytes."""
    peak = 0
    with (folder / "output.log").open("w") as log:
        started = monotonic()
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        running = threading.Event()

        def watch() -> None:
            nonlocal peak
            while not running.is_set():
                peak = max(peak, tree_memory(process.pid))
                sleep(SAMPLE)

        watcher = threading.Thread(target=watch)
        watcher.start()
        code = process.wait()
        wall = monotonic() - started
        running.set()
        watcher.join()
    if code != 0:
        sys.exit(f"{command[:3]} ended with {code}:\n{(folder / 'output.log').read_text()[-3000:]}")
    return wall, peak


def tree_memory(pid: int) -> int:
    """Return the sum of the proportional set sizes of a process and its descendants, bytes."""
    total = 0
    try:
        processes = [psutil.Process(pid)]
        processes += processes[0].children(recursive=True)
    except psutil.NoSuchProcess:
        return 0
    for process in processes:
        try:
            total += process.memory_full_info().pss
        except psutil.Error:  # it ended between two looks
            continue
    return total


def run_tutorial(data: Path, names: list[str], scratch: Path) -> tuple[float, int, dict]:
    """Copy the exposures and drizzle them the tutorial's way."""
    folder = scratch / "tutorial"
    shutil.copytree(data, folder)
    parameters = {
        **pars.resolve(CHOICE),
        "final_wcs": True,
        "preserve": False,
        "mdriztab": False,
        "clean": True,
        "build": False,
    }
    argument = json.dumps([names, parameters, METHODS])
    wall, memory = measure([sys.executable, "-c", TUTORIAL, argument], folder)
    sky = json.loads((folder / "sky.json").read_text())
    shutil.rmtree(folder)
    return wall, memory, sky


def run_ours(data: Path, names: list[str], scratch: Path) -> tuple[float, int, dict]:
    """Retrieve the exposures into a store, and run skymosaic on them."""
    folder = scratch / "ours"
    folder.mkdir()
    (folder / "campaign.yaml").write_text(
        yaml.safe_dump(
            {
                "campaign": {"name": "benchmark"},
                "source": {"kind": "directory", "path": str(data)},
                "align": "none",
                "drizzle": {"parameters": CHOICE},
                "compute": {"workers": 2},
            }
        )
    )
    skymosaic = [sys.executable, "-m", "skymosaic.cli"]
    arguments = ["campaign.yaml", "--store", "store"]
    measure([*skymosaic, "inspect", *arguments], folder)
    wall, memory = measure([*skymosaic, "run", *arguments], folder)
    table = Table.read(folder / "store/benchmark/comparison/mdrizsky.ecsv")
    order = [list(table["rootname"]).index(name[:9]) for name in names]
    sky = {column(m): [float(table[column(m)][i]) for i in order] for m in METHODS}
    print(f"           steps: {step_seconds(folder / 'store/benchmark/manifests')}", flush=True)
    shutil.rmtree(folder)
    return wall, memory, sky


def step_seconds(manifests: Path) -> str:
    """Return the wall time of each step after retrieval, from its manifest."""
    written = {
        path.relative_to(manifests).with_suffix(""): json.loads(path.read_text())
        for path in sorted(manifests.rglob("*.json"))
    }
    return ", ".join(
        f"{name} {manifest['seconds']:.1f} s"
        for name, manifest in written.items()
        if name.parts[0] != "pristine"
    )


def largest_difference(a: dict, b: dict) -> float:
    """Return the largest difference between two sides' sky values, electrons/s."""
    return max(abs(x - y) for method in a for x, y in zip(a[method], b[method], strict=True))


def main() -> None:
    """Measure both sides and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dithers", type=int, default=2, help="exposures of each of the 9 tiles")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each side")
    options = parser.parse_args()
    sides = {"tutorial": run_tutorial, "skymosaic": run_ours}
    walls: dict[str, list[float]] = {side: [] for side in sides}
    peaks: dict[str, list[int]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory(prefix="skymosaic-benchmark-") as name:
        scratch = Path(name)
        data = scratch / "data"
        print("simulating ...", flush=True)
        names = make_exposures(data, options.dithers)
        skies = {}
        for repeat in range(options.repeats):
            # Each repeat starts with the other side, so that a slow minute hits both alike.
            for side in sorted(sides, reverse=repeat % 2 == 0):
                wall, memory, skies[side] = sides[side](data, names, scratch)
                walls[side].append(wall)
                peaks[side].append(memory)
                print(f"{side:<10} {wall:7.1f} s  {memory / 1e6:6.0f} MB", flush=True)
    median = {side: statistics.median(walls[side]) for side in sides}
    ratio = median["skymosaic"] / median["tutorial"]
    target = TARGETS.get(len(names))
    figures = {
        "exposures": len(names),
        "repeats": options.repeats,
        "wall_s": {side: round(value, 1) for side, value in median.items()},
        "peak_memory_mb": {side: round(max(peaks[side]) / 1e6) for side in sides},
        "wall_ratio": round(ratio, 3),
        "target_ratio": target,
        "target_met": None if target is None else ratio <= target,
        "largest_sky_difference": largest_difference(skies["tutorial"], skies["skymosaic"]),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
