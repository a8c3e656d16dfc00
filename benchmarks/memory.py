"""How much memory a worker needs to drizzle, by engine, exposures and output pixels.

Each case is one drizzle step in a process of its own, as a worker does it: AstroDrizzle or the
one-pass engine with all four methods, in their children, then the preview and the checksum of the
weights. The exposures are simulated full frames of WFC3/IR, or of ACS/WFC with two chips.
What is measured is the largest sum of proportional set sizes of the process and its descendants.
`skymosaic.drizzle.memory` has its constants from the table that this prints; the last column is
what it projects now, without its margin.

    python benchmarks/memory.py [--only 1 6] [--folder FOLDER]

With `--folder` the simulated exposures stay there, and are taken from there the next time.
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
from ccd import exposures_of
from four_methods import kept_exposures, tree_memory

from skymosaic.drizzle import astrodrizzle, memory
from skymosaic.drizzle.depth import depth_of
from skymosaic.drizzle.grid import output_grid
from skymosaic.drizzle.onepass.choice import SkyChoice
from skymosaic.drizzle.onepass.run import Options, drizzle_all
from skymosaic.drizzle.order import decide
from skymosaic.drizzle.parameters import CR_STEPS, has_cr_steps, resolve
from skymosaic.drizzlepac_calls import process as drizzlepac_process
from skymosaic.evidence.reduction import reduce_image
from skymosaic.hst.reading import read_exposure
from skymosaic.methods import METHODS, column

SAMPLE = 0.1  # s between two looks at the memory
ON, OFF = dict.fromkeys(CR_STEPS, True), dict.fromkeys(CR_STEPS, False)
FINE, FINEST = {"final_scale": 0.06}, {"final_scale": 0.04}
CONTEXT = {"context": True}
# Camera, exposures, engine, AstroDrizzle's parameters, drizzles at once (of the one-pass engine).
CASES: tuple[tuple[str, int, memory.Engine, dict[str, Any], int], ...] = (
    ("wfc3-ir", 9, "astrodrizzle", {}, 1),
    ("wfc3-ir", 18, "astrodrizzle", {}, 1),
    ("wfc3-ir", 9, "astrodrizzle", FINEST, 1),
    ("wfc3-ir", 9, "astrodrizzle", FINEST | CONTEXT, 1),
    ("wfc3-ir", 9, "astrodrizzle", ON, 1),
    ("wfc3-ir", 9, "onepass", {}, 1),
    ("wfc3-ir", 9, "onepass", {}, 2),
    ("wfc3-ir", 18, "onepass", {}, 2),
    ("wfc3-ir", 9, "onepass", FINE, 1),
    ("wfc3-ir", 9, "onepass", FINE, 2),
    ("acs-wfc", 6, "astrodrizzle", OFF, 1),
    ("acs-wfc", 6, "onepass", OFF, 1),
    ("acs-wfc", 6, "onepass", OFF, 2),
    ("acs-wfc", 3, "astrodrizzle", ON, 1),
    ("wfc3-ir", 72, "astrodrizzle", {}, 1),
    ("wfc3-ir", 72, "onepass", {}, 2),
    ("wfc3-ir", 72, "astrodrizzle", FINE | CONTEXT, 1),
)


def drizzle(folder: str, names: list[str], case: tuple[Any, ...], queue: Any) -> None:
    """Do one drizzle step in `folder`; put what it was into `queue`."""
    here, (_, _, engine, given, processes) = Path(folder), case
    given = {"final_rot": 257.0, **given}
    exposures = [read_exposure(here / name) for name in names]
    grid, _ = output_grid(here, here / "plan.log", names, resolve(given))
    depth = depth_of([exposure.polygons for exposure in exposures], grid)
    order = decide([(e.instrument, e.detector) for e in exposures], depth, given)
    parameters = dict(order.parameters)
    if engine == "astrodrizzle":
        method = "match"
        log = here / "out.log"
        mosaics = [astrodrizzle.drizzle(here, log, exposures, "out", method, grid, parameters)]
    else:
        mosaics = drizzle_all(
            *(here, here / "out.log", exposures),
            {method: f"out_{column(method)}" for method in METHODS},
            {method: SkyChoice(method) for method in METHODS},
            *(grid, parameters),
            Options(processes=processes),
        ).values()
    for one in mosaics:
        with fits.open(one.science, memmap=False) as image, fits.open(one.weight) as weights:
            reduce_image(image[0].section, weights[0].section)
        astrodrizzle.weight_checksum(one.weight)
    pixels = [
        hdu.header["NAXIS1"] * hdu.header["NAXIS2"]
        for name in names
        for hdu in fits.open(here / name)
        if hdu.name == "SCI"
    ]
    queue.put(
        memory.Work(
            chips=len(pixels),
            input_pixels=sum(pixels),
            output_pixels=grid.shape[0] * grid.shape[1],
            largest_chip=max(pixels),
            columns=grid.shape[0],
            mosaics=len(mosaics),
            processes=processes,
            scale_ratio=max(c.scale for e in exposures for c in e.chips) / grid.scale,
            context=bool(parameters.get("context")),
            cosmic_rays=has_cr_steps(parameters),
        )
    )
    drizzlepac_process.close()


def measure(
    data: Path, names: list[str], case: tuple[Any, ...], scratch: Path
) -> tuple[memory.Work, int]:
    """Return what a case drizzled, and the largest memory of its processes in bytes."""
    folder = scratch / "case"
    folder.mkdir()
    for name in names:
        shutil.copy(data / name, folder)
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=drizzle, args=(str(folder), names, case, queue))
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
    return queue.get(), peak


def main() -> None:
    """Measure every case and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    numbers = range(1, len(CASES) + 1)
    parser.add_argument(
        "--only", type=int, nargs="+", choices=numbers, default=numbers, metavar="N",
        help="these cases alone, by their places in CASES, from 1",
    )  # fmt: skip
    parser.add_argument("--folder", type=Path, help="where the exposures are kept")
    options = parser.parse_args()
    figures = []
    with tempfile.TemporaryDirectory(prefix="skymosaic-memory-") as name:
        scratch = Path(name)
        print(
            "camera   exposures  engine        at once  Mpixel  context  cosmic rays"
            "  measured MB  projected MB",
            flush=True,
        )
        for case in (CASES[number - 1] for number in options.only):
            camera, exposures, engine, _, processes = case
            if camera == "wfc3-ir":
                data, names = kept_exposures(options.folder or scratch, exposures // 9)
            else:
                data, names = exposures_of(options.folder or scratch, camera, "full")
            work, peak = measure(data, names[:exposures], case, scratch)
            projected = memory.memory_of(engine, work).peak
            figures.append({**vars(work), "engine": engine, "memory": peak})
            print(
                f"{camera:<7}  {exposures:9d}  {engine:<12}  {processes:7d}"
                f"  {work.output_pixels / 1e6:6.1f}  {work.context!s:<7}  {work.cosmic_rays!s:<11}"
                f"  {peak / 1e6:11.0f}  {projected / 1e6:12.0f}",
                flush=True,
            )
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
