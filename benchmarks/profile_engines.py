"""Where the time of both engines goes: one process each, on the same aligned exposures.

Named functions are timed from outside; what they call of each other counts once, for the inner one.
The one-pass engine runs here in one thread and one process, so that its CPU time is that of its
parts. A part's time is its CPU time in s; `other` is what no part took.

    python benchmarks/profile_engines.py --dithers 2 [--folder FOLDER]    # keeps the exposures

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from engines import plan
from four_methods import CHOICE, kept_exposures

from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzlepac_calls import process
from skymosaic.methods import METHODS

TIMER = """
import functools, json, time
parts, running = {}, []
def timed(part, function):
    @functools.wraps(function)
    def wrapper(*arguments, **named):
        begun = time.process_time()
        running.append(0.0)
        try:
            return function(*arguments, **named)
        finally:
            taken = time.process_time() - begun
            parts[part] = parts.get(part, 0.0) + taken - running.pop()
            if running:
                running[-1] += taken
    return wrapper
def time_all(names):
    import importlib
    for part, where in names:
        module, name = where.split(":")
        owner = importlib.import_module(module)
        *path, last = name.split(".")
        for step in path:
            owner = getattr(owner, step)
        setattr(owner, last, timed(part, getattr(owner, last)))
def end(begun):
    parts["other"] = time.process_time() - begun - sum(parts.values())
    json.dump({k: round(v, 2) for k, v in parts.items()}, open("parts.json", "w"))
"""
PLAIN = (
    TIMER
    + """
from drizzlepac import adrizzle, astrodrizzle, cdriz, sky, processInput
from skymosaic.drizzlepac_calls.skypac_polygons import give_back
give_back()
time_all([
    ("resampling and mapping", "drizzlepac.cdriz:tdriz"),
    ("sky", "drizzlepac.sky:subtractSky"),
    ("set-up", "drizzlepac.processInput:setCommonInput"),
    ("static mask", "drizzlepac.staticMask:createStaticMask"),
    ("writing", "drizzlepac.outputimage:OutputImage.writeFITS"),
])
names, parameters, methods = json.load(open("job.json"))
begun = time.process_time()
for method in methods:
    astrodrizzle.AstroDrizzle(
        names, output="out_" + method.replace("+", "_"), skymethod=method, **parameters
    )
end(begun)
"""
)
ONEPASS = (
    TIMER
    + """
import os
from pathlib import Path
import drizzlepac.astrodrizzle
from skymosaic.drizzlepac_calls import process as drizzlepac_process
from skymosaic.drizzlepac_calls.functions import CALLS
from skymosaic.drizzle.onepass import drizzling, run as onepass_run
from skymosaic.drizzle.onepass import sums as onepass
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass.choice import SkyChoice
from skymosaic.hst.reading import read_exposure
from skymosaic.methods import column
time_all([
    ("resampling and mapping", "drizzlepac.cdriz:tdriz"),
    ("set-up", "drizzlepac.cdriz:DefaultWCSMapping"),
    ("set-up", "stwcs.wcsutil:HSTWCS"),
    ("set-up", "stwcs.distortion.utils:output_wcs"),
    ("set-up", "drizzlepac.wcs_functions:mergeWCS"),
    ("reading", "astropy.io.fits:open"),
    ("reading", "astropy.io.fits.hdu.image:ImageHDU._get_raw_data"),
    ("cut-outs", "numpy:save"),
    ("cut-outs", "skymosaic.drizzle.onepass.drizzling:DrizzledChips.load"),
    ("sky", "skymosaic.drizzle.onepass.run:find_skies"),
    ("static mask", "skymosaic.drizzle.onepass.sky:find_masks"),
    ("headers", "skymosaic.drizzle.onepass.run:make_headers"),
    ("sums", "skymosaic.drizzle.onepass.sums:_sum_band"),
    ("writing", "skymosaic.drizzle.onepass.products:ImageFile.write"),
    ("writing", "skymosaic.drizzle.onepass.products:ImageFile.finish"),
])
class Here:  # calls run here, and at once
    def __init__(self, workers): pass
    def __enter__(self): return self
    def __exit__(self, *error): pass
    def submit(self, function, *arguments):
        value = function(*arguments)
        return type("Done", (), {"result": lambda self: value})()
drizzling.ThreadPoolExecutor = Here
def call(function, folder, arguments, log):
    return drizzlepac_process.Call(CALLS[function](**arguments), 0.0, 0)
drizzlepac_process.call = call
names, parameters, methods, grid = json.load(open("job.json"))
here = Path()
exposures = [read_exposure(here / name) for name in names]
begun = time.process_time()
onepass_run.drizzle_all(
    here, here / "call.log", exposures,
    {method: "out_" + column(method) for method in methods},
    {method: SkyChoice(method) for method in methods},
    Grid.from_call(grid), parameters,
)
end(begun)
"""
)


def main() -> None:
    """Profile both sides and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dithers", type=int, default=2, help="exposures of each of the 9 tiles")
    parser.add_argument("--folder", type=Path, help="keeps the simulated exposures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="skymosaic-benchmark-") as name:
        scratch = Path(name)
        data, names = kept_exposures(options.folder or scratch, options.dithers)
        grid = plan(data, names, scratch)
        process.close()
        resolved = pars.resolve(CHOICE)
        parameters = pars.for_method(resolved, Grid.from_call(grid).final_parameters(), "")
        parameters.pop("skymethod")
        jobs = {
            "plain, four calls": (PLAIN, [names, parameters, METHODS]),
            "onepass, four methods": (ONEPASS, [names, resolved, METHODS, grid]),
        }
        found = {}
        for side, (script, job) in jobs.items():
            folder = Path(shutil.copytree(data, scratch / side[:5]))
            (folder / "job.json").write_text(json.dumps(job))
            with (folder / "output.log").open("w") as log:
                subprocess.run(
                    [sys.executable, "-c", script], cwd=folder, stdout=log, stderr=log, check=True
                )
            found[side] = json.loads((folder / "parts.json").read_text())
            for part, seconds in sorted(found[side].items(), key=lambda item: -item[1]):
                print(f"{side:<22} {part:<24} {seconds:7.2f} s", flush=True)
            print(f"{side:<22} {'all':<24} {sum(found[side].values()):7.2f} s", flush=True)
            shutil.rmtree(folder)
    print(json.dumps({"exposures": len(names), "cpu": found}))


if __name__ == "__main__":
    main()
