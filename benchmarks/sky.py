"""`match` by the sky engine against stsci.skypac's, on the same files.

Both sides get the same exposures on disk and the same masks (flags with AstroDrizzle's `sky_bits`
of 0, handed to skypac as its user masks, as AstroDrizzle does). Timed is everything from opening
the files to the offsets: WCS, overlaps, statistics, solution. One process each, one after the
other; CPU time is reported, too, and is what counts on a machine that is busy otherwise.

    python benchmarks/sky.py --exposures 72                # full frames: 9 tiles, 8 dithers
    python benchmarks/sky.py --exposures 720 --small       # a mosaic of 720 small frames

Where skypac would take too long, its time is extrapolated: it looks at every pair, so its time is
fitted as a sum of one part for each pair, one for each pair that overlaps, and one for each
exposure, by non-negative least squares on smaller subsets of the same exposures. The output says
so.

stcal's skymatch, JWST's and Roman's descendant of skypac's, runs on the same frames where it is
installed (`pip install --no-deps stcal`); it takes arrays and functions of its caller, and the
brightness is the pixel's, so its `match` is compared, too.

    python benchmarks/sky.py --exposures 72 --folder FOLDER    # keeps the simulated exposures there
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from four_methods import kept_exposures
from scipy.optimize import nnls

from skymosaic.drizzle.onepass.sky import SkySettings, measure_skies
from skymosaic.hst.reading import read_exposure

sys.path.insert(0, str(Path(__file__).parents[1]))
TARGETS = {72: 5.0, 720: 30.0}
SUBSETS = (20, 40, 80, 160)
PIXELS = 64


def make_small(folder: Path, count: int) -> list[str]:
    """Write small frames in a mosaic: places half a frame apart, a few pixels off, any roll."""
    from tests.frames import Frame

    random = np.random.default_rng(7)
    side = int(np.ceil(np.sqrt(count)))
    frames = [
        Frame(
            *(0.6 * PIXELS * np.array([k % side, k // side]) + random.uniform(-4, 4, 2)),
            roll=random.uniform(0, 360),
            sky=random.uniform(0.5, 2.0),
            pixels=PIXELS,
        )
        for k in range(count)
    ]
    parts = np.array_split(np.arange(count), 8)
    with ProcessPoolExecutor(2) as pool:
        jobs = [
            pool.submit(write_some, folder, [frames[i] for i in part], int(part[0]))
            for part in parts
        ]
        return [name for job in jobs for name in job.result()]


def write_some(folder: Path, frames: list, first: int) -> list[str]:
    """Write frames under names of their own."""
    from tests import frames as module

    module.name_of = lambda index: f"ib{first + index:04d}aaq"
    return module.write_frames(folder, frames, seed=first)


def clocks() -> tuple[float, float]:
    return time.monotonic(), time.process_time()


def by_engine(folder: Path, names: list[str]) -> tuple[tuple[float, float], np.ndarray, int]:
    """Return wall and CPU time, the skies, and the number of overlapping pairs."""
    from skymosaic.drizzle.onepass.sky import Exposures

    exposures = [read_exposure(folder / name) for name in names]  # `inspect` has done it
    begun = clocks()
    skies = measure_skies(folder, exposures, {"a": SkySettings(static=None)}, ["match"])["a"]
    taken = tuple(b - a for a, b in zip(begun, clocks(), strict=True))
    values = np.array([np.nan if v is None else v for v in skies.methods["match"].values])
    pairs = len(Exposures(folder, exposures, 0).layout().pairs)
    return taken, values, pairs


def by_skypac(folder: Path, names: list[str]) -> tuple[tuple[float, float], np.ndarray]:
    """Return wall and CPU time, and the skies, by stsci.skypac."""
    from stsci.skypac.parseat import FileExtMaskInfo
    from stsci.skypac.skymatch import skymatch

    forget(folder, names)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.chdir(folder):
        begun = clocks()
        infos = []
        for name in names:
            info = FileExtMaskInfo(
                default_ext=("SCI", "*"), default_mask_ext=0, clobber=False, doNotOpenDQ=True,
                fnamesOnly=False, im_fmode="update", dq_fmode="readonly", msk_fmode="readonly",
            )  # fmt: skip
            info.image = name
            info.append_ext([("SCI", 1)])
            info.append_mask(mask_of(name), 0)
            info.finalize()
            infos.append(info)
        skymatch(
            infos, skymethod="match", skystat="median", lower=None, upper=None, nclip=5,
            lsigma=4.0, usigma=4.0, binwidth=0.1, skyuser_kwd="MDRIZSKY", units_kwd="BUNIT",
            readonly=False, dq_bits=None, optimize="balanced", clobber=True, clean=True,
            verbose=False, flog=None,
        )  # fmt: skip
        for info in infos:
            info.release_all_images()
        taken = tuple(b - a for a, b in zip(begun, clocks(), strict=True))
    values = [fits.getheader(folder / name, "SCI").get("MDRIZSKY", np.nan) for name in names]
    return taken, np.array(values)


def by_stcal(folder: Path, names: list[str]) -> tuple[tuple[float, float], np.ndarray] | None:
    """Return wall and CPU time, and the skies, by stcal's skymatch; None where there is none."""
    try:
        from stcal.skymatch import skyimage, skymatch, skystatistics
    except ImportError as error:
        print(f"stcal is left out: {error}", flush=True)
        return None
    from skymosaic.drizzle.onepass.sky import read_chips

    statistic = skystatistics.SkyStats("median", nclip=5, lsig=4.0, usig=4.0, binwidth=0.1)
    exposures = [read_exposure(folder / name) for name in names]  # `inspect` has done it
    begun = clocks()
    images = []
    for exposure in exposures:
        [chip], [wcs] = read_chips(folder / exposure.name, exposure)

        def to_sky(x, y, with_bounding_box, wcs=wcs):
            return wcs.all_pix2world(x, y, 0)

        def to_pixels(ra, dec, with_bounding_box, wcs=wcs):
            return wcs.all_world2pix(ra, dec, 0)

        good = chip.flags == 0
        images.append(skyimage.SkyImage(chip.image, good, to_sky, to_pixels, statistic))
    skymatch(images, skymethod="match")
    taken = tuple(b - a for a, b in zip(begun, clocks(), strict=True))
    return taken, np.array([image.sky if image.is_sky_valid else np.nan for image in images])


def mask_of(name: str) -> str:
    """Write what AstroDrizzle hands to skypac: 1 for good pixels."""
    mask = name.replace("_flt", "_mask")
    flags = fits.getdata(name, "DQ")
    fits.writeto(mask, (flags == 0).astype(np.uint8), overwrite=True)
    return mask


def forget(folder: Path, names: list[str]) -> None:
    for name in names:
        with fits.open(folder / name, mode="update") as hdus:
            hdus["SCI"].header.remove("MDRIZSKY", ignore_missing=True)


def extrapolated(
    folder: Path, names: list[str], pairs: int, kind: int
) -> tuple[float, list, np.ndarray]:
    """Return skypac's time for all from its growth, the subsets, and the skies of the largest."""
    rows, times, subsets = [], [], []
    for size in SUBSETS:
        subset = names[:size]
        taken, skies = by_skypac(folder, subset)
        _, _, overlapping = by_engine(folder, subset)
        rows.append([size * (size - 1) / 2, overlapping, size])
        times.append(taken[kind])
        subsets.append([size, overlapping, round(taken[kind], 2)])
        print(f"skypac on {size}: {overlapping} overlaps, {taken[kind]:.1f} s CPU", flush=True)
    parts, _ = nnls(np.array(rows, dtype=float), np.array(times))
    count = len(names)
    return float(parts @ [count * (count - 1) / 2, pairs, count]), subsets, skies


def main() -> None:
    """Measure both sides and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--exposures", type=int, default=72)
    parser.add_argument("--small", action="store_true", help="small frames, skypac extrapolated")
    parser.add_argument("--folder", type=Path, help="keeps the simulated exposures; full frames")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="skymosaic-benchmark-") as name:
        folder = Path(name)
        if options.small:
            print("simulating ...", flush=True)
            names = make_small(folder, options.exposures)
        else:
            data, names = kept_exposures(options.folder or folder, -(-options.exposures // 9))
            names = names[: options.exposures]
            if data.parent != folder:  # skypac writes into its exposures
                folder = Path(shutil.copytree(data, folder / "copies"))
        figures = measure_all(folder, names, options.small)
    target = TARGETS.get(options.exposures)
    met = None if target is None else min(figures["ratios"].values()) >= target
    print(json.dumps({**figures, "target": target, "target_met": met}))


def measure_all(folder: Path, names: list[str], small: bool) -> dict[str, Any]:
    """Return what all sides took for `match`, and by how much their skies differ."""
    growth = []
    for size in (len(names) // 4, len(names) // 2, len(names)):
        taken, values, pairs = by_engine(folder, names[:size])
        growth.append([size, pairs, *(round(t, 2) for t in taken)])
        print(f"engine on {size}: {pairs} overlaps, {taken[0]:.1f} s, {taken[1]:.1f} s CPU")
    measured = None
    # Where skypac's time is extrapolated, stcal runs on as many exposures as skypac did.
    compared = names[: SUBSETS[-1]] if small else names
    if small:
        skypac, measured, theirs = extrapolated(folder, names, pairs, 1)
        taken_there, values, _ = by_engine(folder, compared)
        ratios = {"cpu": skypac / taken[1]}
        seconds = {"skypac, extrapolated (CPU)": skypac, "engine (CPU)": taken[1]}
    else:
        taken_there = taken
        theirs_taken, theirs = by_skypac(folder, names)
        ratios = {"wall": theirs_taken[0] / taken[0], "cpu": theirs_taken[1] / taken[1]}
        seconds = {
            "skypac": theirs_taken[0], "skypac (CPU)": theirs_taken[1],
            "engine": taken[0], "engine (CPU)": taken[1],
        }  # fmt: skip
    found = by_stcal(folder, compared)
    stcal = None
    if found is not None:
        both = np.isfinite(found[1]) & np.isfinite(values)
        # Its lowest sky is 0 in each group, as skypac's is.
        stcal = {
            "exposures": len(compared),
            "seconds": round(found[0][0], 1),
            "CPU": round(found[0][1], 1),
            "ratio to the engine on these (CPU)": round(found[0][1] / taken_there[1], 1),
            "largest_sky_difference": float(np.abs(found[1] - values)[both].max()),
        }
    return {
        "exposures": len(names),
        "overlapping_pairs": pairs,
        "load": round(os.getloadavg()[1], 1),
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "ratios": {name: round(value, 1) for name, value in ratios.items()},
        "skypac_extrapolated_from": measured,
        "engine_growth [exposures, pairs, wall, CPU]": growth,
        "largest_sky_difference": float(np.nanmax(np.abs(theirs - values))),
        "stcal": stcal,
    }


if __name__ == "__main__":
    main()
