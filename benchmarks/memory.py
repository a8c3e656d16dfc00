"""How much memory a worker needs to drizzle, by exposures and output pixels.

Each case is one drizzle step in a process of its own, as a worker does it: AstroDrizzle in its
child, then the preview and the checksum of the weights. The exposures are simulated, full frames.
What is measured is the largest sum of proportional set sizes of the process and its descendants.
`skymosaic.drizzle.memory` has its constants from the table that this prints; the last column is
what it projects now, without its margin.

    python benchmarks/memory.py

The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import sys
import tempfile
import threading
from pathlib import Path
from time import sleep
from typing import Any

from astropy.io import fits
from four_methods import make_exposures, tree_memory

from skymosaic.drizzle import astrodrizzle, memory
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzlepac_calls import process as drizzlepac_process
from skymosaic.evidence.reduction import reduce_image
from skymosaic.hst.exposure import read_exposure

CHIP = 1014**2  # pixels
SAMPLE = 0.1  # s between two looks at the memory
CASES: tuple[dict[str, Any], ...] = (
    # exposures of each of the nine tiles, output pixels in arcsec (None: the exposures')
    {"dithers": 1, "scale": None, "method": "localmin", "context": False},
    {"dithers": 2, "scale": None, "method": "localmin", "context": False},
    {"dithers": 2, "scale": None, "method": "match", "context": False},
    {"dithers": 8, "scale": None, "method": "localmin", "context": False},
    {"dithers": 1, "scale": 0.06, "method": "localmin", "context": False},
    {"dithers": 1, "scale": 0.04, "method": "localmin", "context": False},
    {"dithers": 1, "scale": 0.04, "method": "localmin", "context": True},
    {"dithers": 8, "scale": 0.06, "method": "localmin", "context": True},
)


def drizzle(folder: str, names: list[str], case: dict[str, Any], shape: Any) -> None:
    """Do one drizzle step in `folder`; put the output's shape into the queue `shape`."""
    here = Path(folder)
    choice = {"final_rot": 257.0, "context": case["context"]}
    if case["scale"]:
        choice["final_scale"] = case["scale"]
    parameters = pars.resolve(choice)
    exposures = [read_exposure(here / name) for name in names]
    final = pars.grid_choice(parameters)
    planned = drizzlepac_process.call(
        "output_grid", here, {"files": names, "final": final}, here / "plan.log"
    )
    grid = Grid.from_call(planned.value)
    made = astrodrizzle.drizzle(
        here, here / "out.log", exposures, "mosaic", case["method"], grid, parameters
    )
    reduce_image(fits.getdata(made.science), fits.getdata(made.weight))
    astrodrizzle.weight_checksum(made.weight)
    shape.put(grid.shape)
    drizzlepac_process.close()


def measure(data: Path, names: list[str], case: dict[str, Any], scratch: Path) -> tuple[int, int]:
    """Return the output pixels of a case, and the largest memory of its processes in bytes."""
    folder = scratch / "case"
    folder.mkdir()
    for name in names:
        shutil.copy(data / name, folder)
    context = multiprocessing.get_context("spawn")
    shape = context.Queue()
    process = context.Process(target=drizzle, args=(str(folder), names, case, shape))
    process.start()
    peak = 0
    ended = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not ended.is_set():
            peak = max(peak, tree_memory(process.pid))
            sleep(SAMPLE)

    watcher = threading.Thread(target=watch)
    watcher.start()
    process.join()
    ended.set()
    watcher.join()
    shutil.rmtree(folder)
    if process.exitcode != 0:
        sys.exit(f"{case} ended with {process.exitcode}")
    columns, rows = shape.get()
    return columns * rows, peak


def main() -> None:
    """Measure every case and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, default=len(CASES), help="the first so many")
    options = parser.parse_args()
    figures = []
    with tempfile.TemporaryDirectory(prefix="skymosaic-memory-") as name:
        scratch = Path(name)
        made: dict[int, list[str]] = {}
        print("exposures  Mpixel  method    context  measured MB  projected MB", flush=True)
        for case in CASES[: options.cases]:
            data = scratch / f"data-{case['dithers']}"
            if case["dithers"] not in made:
                made[case["dithers"]] = make_exposures(data, case["dithers"])
            names = made[case["dithers"]]
            pixels, peak = measure(data, names, case, scratch)
            work = memory.Work(
                chips=len(names),
                input_pixels=len(names) * CHIP,
                output_pixels=pixels,
                context=case["context"],
            )
            projected = memory.drizzle_memory(work)
            figures.append({**case, "exposures": len(names), "pixels": pixels, "memory": peak})
            print(
                f"{len(names):9d}  {pixels / 1e6:6.1f}  {case['method']:<8}  {case['context']!s:<7}"
                f"  {peak / 1e6:11.0f}  {projected / 1e6:12.0f}",
                flush=True,
            )
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
