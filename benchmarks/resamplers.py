"""One chip by drizzlepac's resampler and by that of the `drizzle` package: results and times.

Both get the same pixels, weights and output grid. drizzlepac maps pixels by the WCS itself, at
every tenth pixel, and interpolates; `drizzle` takes a map of all pixels, which is made here by that
mapping of drizzlepac's, so that the two differ in nothing else. Times are CPU times, the least of
several repeats, with and without the map.

    pip install --no-deps drizzle
    python benchmarks/resamplers.py --repeats 5 [--folder FOLDER]    # keeps simulated exposures

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from drizzlepac import cdriz, wcs_functions
from four_methods import CHOICE, kept_exposures
from stwcs.distortion.utils import output_wcs
from stwcs.wcsutil import HSTWCS

try:
    from drizzle.resample import Drizzle
except ImportError as error:
    sys.exit(f"{error}: pip install --no-deps drizzle")


def least(work: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Return the least CPU time of some repeats, s, and what the work gives."""
    times = []
    for _ in range(repeats):
        begun = time.process_time()
        value = work()
        times.append(time.process_time() - begun)
    return min(times), value


def compare(path: Path, kernel: str, repeats: int) -> dict[str, Any]:
    """Drizzle one chip both ways."""
    with fits.open(path, memmap=False) as hdus:
        wcs = HSTWCS(hdus, ext=("SCI", 1))
        science = np.asarray(hdus["SCI", 1].data, dtype=np.float32)
        exptime = float(hdus[0].header["EXPTIME"])
        good = (hdus["DQ", 1].data & ~np.int16(int(CHOICE["final_bits"]))) == 0
    weight = (good * exptime).astype(np.float32)
    natural = output_wcs([wcs])
    out = wcs_functions.mergeWCS(output_wcs([wcs]), {"rot": CHOICE["final_rot"]})
    ratio, shape = out.pscale / natural.pscale, out.array_shape

    def mapping() -> Any:
        return cdriz.DefaultWCSMapping(wcs, out, *wcs.pixel_shape, 10)

    def by_drizzlepac() -> tuple[np.ndarray, np.ndarray]:
        sci, wht = np.full(shape, np.nan, dtype=np.float32), np.zeros(shape, dtype=np.float32)
        cdriz.tdriz(
            *(science, weight, sci, wht, np.zeros(shape, dtype=np.int32), 1, 0, 1, 1),
            *(science.shape[0], ratio, 1.0, 1.0, "center", 1.0, kernel, "cps", 1.0, 1.0),
            *("INDEF", 0, 0, 1, mapping()),
        )
        return sci, wht

    def pixel_map() -> np.ndarray:
        rows, columns = science.shape
        y, x = np.mgrid[1.0 : rows + 1, 1.0 : columns + 1]
        found = mapping()(x.ravel(), y.ravel())
        return np.stack([np.reshape(axis, science.shape) - 1.0 for axis in found], axis=-1)

    def by_drizzle() -> tuple[np.ndarray, np.ndarray]:
        drizzled = Drizzle(kernel=kernel, out_shape=shape, disable_ctx=True)
        drizzled.add_image(
            science,
            exptime,
            pixmap,
            iscale=ratio**2,
            pixel_scale_ratio=ratio,
            weight_map=weight,
            pixfrac=1.0,
            in_units="cps",
        )
        return drizzled.out_img, drizzled.out_wht

    its, (sci, wht) = least(by_drizzlepac, repeats)
    mapped, pixmap = least(pixel_map, repeats)
    other, (sci2, wht2) = least(by_drizzle, repeats)
    seen = (wht > 0) & (wht2 > 0)
    both = seen[:, 1:] & seen[:, :-1]
    noise = 1.4826 * np.median(np.abs(np.diff(sci, axis=1)[both])) / np.sqrt(2)
    allowed = np.maximum(1e-4 * noise, 2e-6 * np.abs(sci[seen]))
    return {
        "kernel": kernel,
        "drizzlepac_s": round(its, 3),
        "drizzle_s": round(other, 3),
        "its_map_s": round(mapped, 3),
        "pixels_with_weight": [int((wht > 0).sum()), int((wht2 > 0).sum())],
        "weight_relative": float((np.abs(wht - wht2)[seen] / wht[seen]).max()),
        "in_noise_or_2e-6": float((np.abs(sci - sci2)[seen] / allowed).max()),
    }


def main() -> None:
    """Compare the kernels that both have."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="keeps the simulated exposures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="skymosaic-benchmark-") as name:
        data, names = kept_exposures(options.folder or Path(name), 2)
        found = [compare(data / names[0], kernel, options.repeats) for kernel in KERNELS]
    print(json.dumps(found))


KERNELS = ("square", "turbo", "point", "gaussian")

if __name__ == "__main__":
    main()
