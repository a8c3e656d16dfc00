"""A mosaic far larger than a worker's memory: 40 full ACS exposures over 27,000 x 20,000 pixels.

    python benchmarks/wide.py --folder FOLDER            # 25 GB below FOLDER, an hour on 2 cores
    python benchmarks/wide.py --size small --exposures 6 --columns 1500 --rows 1100

Two exposures are simulated; copies of them point to places all over the field. Engine onepass, one
sky method, the steps against cosmic rays on, two workers of 2 GiB each. Every process is refused
more (RLIMIT_DATA) than a worker may have, drizzlepac's and the driver's, too. What lies in two
overlapping copies is not the same sky: cosmic rays are looked for, and what is found means nothing.

To keep the disk small the exposures are removed when the run has copied them, and the separate
images and their medians when all cosmic rays are found. It prints the largest resident set of each
kind of process, what workers spilled, the largest size of the store and the scratch folder, and
whether every step finished. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml
from astropy.io import fits
from scale import adopt_orphans, cpu_of_children, wait_for_orphans

from skymosaic.archive.simulated.exposures import Simulation, simulate_visit, visit_files
from skymosaic.hst.reading import read_exposure

SCALE = 0.05  # arcsec
LIMIT = 2 * 2**30  # bytes
CENTRE = (150.0, 2.0)  # RA, Dec of the mosaic, degrees
_MARGIN = {"full": 2300, "small": 350}
"""From the middle of an exposure to the edge of the mosaic, pixels."""
_POINTS = re.compile(r"CRVAL([12])[A-Z]?")
_EVERY = 0.5  # s


def write_frames(folder: Path, size: str, count: int, shape: tuple[int, int]) -> None:
    """Write the exposures: two that are simulated, by turns, each at a place of its own."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        made = Path(temporary)
        simulation = Simulation(instrument="acs-wfc", size=size, tiles=("01",), dithers=2)
        (visit,) = visit_files(simulation)
        simulate_visit(simulation, visit, made)
        originals = sorted(made.glob("*_flc.fits"))
        folder.mkdir()
        for number, place in enumerate(places(count, shape, _MARGIN[size])):
            _write(originals[number % len(originals)], folder, number, place)


def places(count: int, shape: tuple[int, int], margin: int) -> Iterator[tuple[float, float]]:
    """Return where exposures point, in pixels east and north of the middle: rows of equal ones."""
    columns, rows = (side - 2 * margin for side in shape)
    across = max(math.ceil(math.sqrt(count * columns / rows)), 1)
    down = math.ceil(count / across)
    for number in range(count):
        y, x = divmod(number, across)
        # Every other row is shifted, so that edges meet no edges.
        x += 0.5 * (y % 2) if across > 1 else 0
        yield (
            (x / (across - 0.5) - 0.5) * columns,
            (y / max(down - 1, 1) - 0.5) * rows,
        )


def _write(original: Path, folder: Path, number: int, place: tuple[float, float]) -> None:
    """Write a copy of an exposure that points elsewhere, under a name of its own."""
    name = f"jw{number:05d}xq"
    east, north = (each * SCALE / 3600.0 for each in place)
    middle = np.concatenate(read_exposure(original).polygons).mean(axis=0)
    ra, dec = CENTRE[0] + east / math.cos(math.radians(CENTRE[1])), CENTRE[1] + north
    moves = {"1": ra - float(middle[0]), "2": dec - float(middle[1])}
    with fits.open(original) as hdus:
        hdus[0].header["ROOTNAME"], hdus[0].header["FILENAME"] = name, f"{name}_flc.fits"
        for hdu in hdus:
            for card in hdu.header.cards:
                if match := _POINTS.fullmatch(card.keyword):
                    card.value += moves[match[1]]
            if "EXPNAME" in hdu.header:
                hdu.header["EXPNAME"] = name
        hdus.writeto(folder / f"{name}_flc.fits")


def campaign_of(folder: Path, shape: tuple[int, int]) -> Path:
    """Write the campaign file."""
    grid = {"ra": CENTRE[0], "dec": CENTRE[1], "scale": SCALE}
    values = {
        "campaign": {"name": "wide"},
        "source": {"kind": "directory", "path": str(folder / "data")},
        "store": {"uri": str(folder / "store")},
        "align": {"method": "none"},
        "sky": {"methods": ["localmin"], "static": "none"},
        "drizzle": {
            "engine": "onepass",
            "witness": False,
            "max_output_megapixels": 600,
            "parameters": dict.fromkeys(("driz_separate", "median", "blot", "driz_cr"), True),
            "grid": {**grid, "columns": shape[0], "rows": shape[1]},
        },
        "compute": {"workers": 2, "memory_limit": "2GiB", "scratch": str(folder / "scratch")},
    }
    path = folder / "wide.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@dataclass
class Watched:
    """What was seen of a run from outside."""

    resident: Counter[str] = field(default_factory=Counter)
    """The largest resident set of a process of each kind, bytes."""
    disk: int = 0
    """Largest size of store and scratch folder, bytes."""
    spilled: int = 0
    """Of what workers wrote to disk of their results, bytes."""

    def look(self, driver: psutil.Process, folder: Path) -> None:
        """Look at all processes of the run, and at its files."""
        with suppress(psutil.Error):
            for one in (driver, *driver.children(recursive=True)):
                with suppress(psutil.Error, OSError):
                    kind = _kind_of(one, driver)
                    self.resident[kind] = max(self.resident[kind], _peak_of(one.pid))
        size = spilled = 0
        for at, _, names in os.walk(folder):
            own = sum(_size_of(Path(at) / name) for name in names)
            size += own
            spilled += own if "storage" in Path(at).parts else 0
        self.disk, self.spilled = max(self.disk, size), max(self.spilled, spilled)


def _kind_of(process: psutil.Process, driver: psutil.Process) -> str:
    command = " ".join(process.cmdline())
    if process.pid == driver.pid:
        return "driver"
    if "drizzlepac_calls.server" in command:
        return "drizzlepac"
    return "worker" if "spawn_main" in command or "forkserver" in command else "other"


def _peak_of(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _size_of(path: Path) -> int:
    """Return what a file takes on the disk; 0 where it has gone."""
    try:
        status = path.lstat()
    except OSError:
        return 0
    return status.st_blocks * 512


def watch(folder: Path, config: Path, count: int) -> dict[str, Any]:
    """Run the campaign; return what it took."""
    place = folder / "store" / "wide"
    watched, used, started = Watched(), cpu_of_children(), time.monotonic()
    with (folder / "wide.log").open("w") as log:
        driver = subprocess.Popen(
            [sys.executable, "-m", "skymosaic", "--quiet", "run", str(config)],
            stdout=log,
            stderr=log,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT)),
        )
        told = started
        try:
            while driver.poll() is None:
                watched.look(psutil.Process(driver.pid), folder)
                _make_room(folder, place, count)
                if time.monotonic() - told > 60:
                    told = time.monotonic()
                    print(f"  {told - started:.0f} s: {_progress(place, watched)}", flush=True)
                time.sleep(_EVERY)
        finally:
            driver.terminate()
            driver.wait()
    wall = time.monotonic() - started
    wait_for_orphans()
    print((folder / "wide.log").read_text()[-3000:])
    return {
        "exposures": count,
        "finished": driver.returncode == 0,
        "wall_s": round(wall, 1),
        "cpu_s": round(cpu_of_children() - used, 1),
        "peak_mb": {kind: round(size / 1e6) for kind, size in watched.resident.items()},
        "largest_disk_gb": round(watched.disk / 1e9, 2),
        "spilled_mb": round(watched.spilled / 1e6, 1),
        "steps": _steps(place),
        "within": max(watched.resident.values(), default=0) < LIMIT,
    }


def _make_room(folder: Path, place: Path, count: int) -> None:
    """Remove what no later step of this run reads."""
    if _count(place, "pristine") >= count:
        shutil.rmtree(folder / "data", ignore_errors=True)
    if _count(place, "hits") >= count:
        for kind in ("separate", "medians"):
            shutil.rmtree(place / kind, ignore_errors=True)


def _count(place: Path, kind: str) -> int:
    folder = place / "manifests" / kind
    return sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0


def _steps(place: Path) -> dict[str, int]:
    root = place / "manifests"
    return dict(Counter(path.relative_to(root).parts[0] for path in root.rglob("*.json")))


def _progress(place: Path, watched: Watched) -> str:
    largest = ", ".join(f"{kind} {size / 1e6:.0f}" for kind, size in watched.resident.items())
    steps = ", ".join(f"{kind} {count}" for kind, count in _steps(place).items())
    return f"{steps}; MB at most: {largest}; {watched.disk / 1e9:.1f} GB on disk at most"


def main() -> None:
    """Run it once, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--exposures", type=int, default=40)
    parser.add_argument("--size", choices=("full", "small"), default="full")
    parser.add_argument("--columns", type=int, default=27_000)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help="for everything; default: TMPDIR")
    options = parser.parse_args()
    adopt_orphans()
    shape = (options.columns, options.rows)
    with tempfile.TemporaryDirectory(prefix="wide-", dir=options.folder) as temporary:
        folder = Path(temporary)
        (folder / "scratch").mkdir()
        write_frames(folder / "data", options.size, options.exposures, shape)
        print(f"{options.exposures} exposures written", flush=True)
        found = watch(folder, campaign_of(folder, shape), options.exposures)
    for kind, size in found["peak_mb"].items():
        print(f"{kind:<12} {size:6} MB at most, of {LIMIT / 1e6:.0f}")
    print(json.dumps({"columns": shape[0], "rows": shape[1], **found}))


if __name__ == "__main__":
    main()
