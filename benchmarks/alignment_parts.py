"""What an alignment in parts costs, and how much sooner two workers have done it.

    python benchmarks/alignment_parts.py                       # 9, 36 and 72 tiles, 1 and 2 workers
    python benchmarks/alignment_parts.py --tiles 9 --size small --folder FOLDER

A field of tiles side by side, each of two exposures and a drizzled image as the simulator makes
them of WFC3/IR; drizzled images share a seventh of each side with the next ones, and have their own
noise and the stars of one sky (some 600 in a tile), and pointing errors of 0.1 arcsec. The steps
before are done first: what is measured is `align` alone, by the tutorial's solver, in a store and
with a cache of its own, from the call to the last step.

`wall`: seconds. `cpu`: seconds of all processes meanwhile, those of drizzlepac's imports too.
`solution`: seconds of the one step that solves; all others are a task an image. The ratio is that
of the wall times of the most and the fewest workers: what the machine does meanwhile counts. The
last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from astropy.io import fits
from astropy.wcs import WCS

from skymosaic import clusters
from skymosaic.archive.simulated.scene import stars_about
from skymosaic.archive.simulated.simulation import Simulation
from skymosaic.config import Campaign, Compute, load_campaign_text
from skymosaic.pipeline import sources
from skymosaic.pipeline.graph import begin
from skymosaic.steps.execution import Here, OnWorkers
from skymosaic.steps.place import Place
from skymosaic.store import LocalStore

TEXT = """
campaign: {{name: field}}
source: {{kind: directory, path: {}}}
align: {{on_failure: keep}}
"""
TEMPLATE = "54"
SHARED = 1 / 7  # of a side
STARS = 600  # in a tile
FLUXES = (3.0, 3000.0)  # e-/s
NOISE = 0.02  # e-/s in a pixel
WIDTH = 1.1  # pixels: standard deviation of a star
POINTING = 0.1  # arcsec, standard deviation
STAMP = 8  # pixels to each side


def make_field(folder: Path, template: Path, tiles: int) -> None:
    """Write the files of a field."""
    folder.mkdir()
    [drizzled] = sorted(template.glob("*_drz.fits"))
    exposures = sorted(template.glob("*_flt.fits"))
    with fits.open(drizzled) as hdus:
        wcs = WCS(hdus["SCI"].header)
        covered = np.isfinite(hdus["SCI"].data) & (hdus["WHT"].data > 0)
    across = math.ceil(math.sqrt(tiles))
    step = (1 - SHARED) * math.sqrt(covered.sum() * abs(np.linalg.det(wcs.wcs.cd))) * 3600
    for number in range(tiles):
        column, row = number % across, number // across
        random = np.random.default_rng(number)
        shift = np.array([column - across / 2, row - across / 2]) * step
        write_tile(folder, drizzled, exposures, number, shift, random, covered)


def write_tile(
    folder: Path,
    drizzled: Path,
    exposures: list[Path],
    number: int,
    shift: np.ndarray,
    random: np.random.Generator,
    covered: np.ndarray,
) -> None:
    """Write one tile, moved by some arcsec from where the simulator's is."""
    error = random.normal(0.0, POINTING, 2) if number else np.zeros(2)
    visit = f"ib{number:04d}"
    roots = {path: f"{visit}{letter}aq" for path, letter in zip(exposures, "ab", strict=False)}
    for path, root in roots.items():
        with fits.open(path) as hdus:
            _name(hdus, root, visit)
            _move(hdus["SCI"].header, shift + error)
            hdus.writeto(folder / f"{root}_flt.fits")
    with fits.open(drizzled) as hdus:
        header = hdus["SCI"].header
        _move(header, shift)
        hdus["SCI"].data = _pixels(WCS(header), covered, random)
        _move(header, error)
        _name(hdus, f"{visit}030", visit)
        for place, root in enumerate(roots.values(), start=1):
            hdus[0].header[f"D{place:03d}DATA"] = f"{root}_flt.fits[sci,1]"
        hdus.writeto(folder / f"{visit}030_drz.fits")


def _name(hdus: fits.HDUList, root: str, visit: str) -> None:
    header = hdus[0].header
    header["ROOTNAME"], header["ASN_ID"] = root, f"{visit}030".upper()
    for hdu in hdus:
        if "ROOTNAME" in hdu.header:
            hdu.header["ROOTNAME"] = root
    if "FILENAME" in header:
        header["FILENAME"] = f"{root}_flt.fits"


def _move(header: fits.Header, by: np.ndarray) -> None:
    header["CRVAL1"] += by[0] / 3600 / math.cos(math.radians(header["CRVAL2"]))
    header["CRVAL2"] += by[1] / 3600


def _pixels(wcs: WCS, covered: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return noise and the stars that lie there; nothing where no exposure was."""
    rows, columns = covered.shape
    ra, dec = wcs.calc_footprint(axes=(columns, rows)).T
    area = covered.sum() * abs(np.linalg.det(wcs.wcs.cd)) * 3600**2
    cells = 4
    block = cells * math.sqrt(area / STARS)
    stars = stars_about(1, ra, dec, block, cells, FLUXES)
    x, y = wcs.wcs_world2pix(stars.ra, stars.dec, 0)
    image = random.normal(0.0, NOISE, covered.shape)
    for at_x, at_y, flux in zip(x, y, stars.flux, strict=True):
        column, row = round(float(at_x)), round(float(at_y))
        if not (STAMP < column < columns - STAMP and STAMP < row < rows - STAMP):
            continue
        along = np.arange(-STAMP, STAMP + 1)
        profile = [
            np.exp(-0.5 * ((along + middle - at) / WIDTH) ** 2)
            for middle, at in ((row, at_y), (column, at_x))
        ]
        part = np.s_[row - STAMP : row + STAMP + 1, column - STAMP : column + STAMP + 1]
        image[part] += flux / (2 * math.pi * WIDTH**2) * np.outer(*profile)
    return np.where(covered, image, 0.0).astype(np.float32)


def measure(folder: Path, campaign: Campaign, workers: int) -> dict[str, Any]:
    """Align a field whose files are in the store `before`; return what it took."""
    store, scratch = folder / f"store{workers}", folder / "scratch"
    shutil.copytree(folder / "before", store)
    place = Place(LocalStore(store), campaign.name, scratch)
    source = sources.open_source(campaign.source)
    parcels = source.parcels()
    with clusters.client(Compute(workers=workers, scratch=scratch), workers) as client:
        calls = OnWorkers(client)
        client.wait_for_workers(workers)
        before = _cpu()
        started = time.monotonic()
        first = begin(calls, campaign, place, source, parcels)
        alignment = calls.result(first.aligned).result.alignment
        wall = time.monotonic() - started
        spent = _cpu() - before
    seconds: Counter[str] = Counter()
    folder_of = store / campaign.name / "manifests"
    for path in folder_of.rglob("*.json"):
        kind = path.relative_to(folder_of).parts[0].removesuffix(".json")
        seconds[kind] += json.loads(path.read_text())["seconds"]
    shutil.rmtree(store)
    apart = ("pristine", "inspection")
    return {
        "workers": workers,
        "wall": round(wall, 2),
        "cpu": round(spent, 2),
        "solution": round(seconds["solution"], 2),
        "steps": {kind: round(each, 2) for kind, each in seconds.items() if kind not in apart},
        "aligned": sum(1 for fit in alignment.fits if alignment.status(fit) != "not aligned"),
        "sources": round(float(np.mean([fit.sources for fit in alignment.fits]))),
    }


def _cpu() -> float:
    """Return the CPU seconds of this process and of all that it started and that live."""
    own = psutil.Process()
    every = [process.cpu_times() for process in [own, *own.children(recursive=True)]]
    return sum(one.user + one.system + one.children_user + one.children_system for one in every)


def main() -> None:
    """Measure each size with each number of workers, and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, nargs="+", default=[9, 36, 72])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--size", default="full", choices=("full", "small"))
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory(dir=options.folder) as root:
        template = Path(root) / "template"
        template.mkdir()
        sources.simulate(template, Simulation(size=options.size, tiles=(TEMPLATE,)), lambda _: None)
        for tiles in options.tiles:
            folder = Path(root) / str(tiles)
            folder.mkdir()
            (folder / "scratch").mkdir()
            make_field(folder / "files", template, tiles)
            campaign = load_campaign_text(TEXT.format(folder / "files"), "field.yaml", {})
            _retrieve(folder, campaign)
            runs = []
            for workers in options.workers:
                runs.append(measure(folder, campaign, workers))
                print(f"{tiles} tiles, {runs[-1]}", flush=True)
            ratio = round(runs[-1]["wall"] / runs[0]["wall"], 3)
            results.append({"tiles": tiles, "ratio": ratio, "runs": runs})
            print(f"{tiles} tiles: {ratio}", flush=True)
            shutil.rmtree(folder)
    print(json.dumps({"cores": os.cpu_count(), "size": options.size, "fields": results}))


def _retrieve(folder: Path, campaign: Campaign) -> None:
    """Do the steps before the alignment."""
    from skymosaic.pipeline.graph import inspect_all, retrieve_each

    place = Place(LocalStore(folder / "before"), campaign.name, folder / "scratch")
    source = sources.open_source(campaign.source)
    retrieved = retrieve_each(Here(), campaign, place, source, source.parcels())
    inspect_all(Here(), campaign, place, retrieved)


if __name__ == "__main__":
    main()
