"""What each rule of the static mask does to the skies of many exposures, against the truth.

    python benchmarks/static_masks.py --exposures 1000 [--chips 2] [--low 0.01]

Exposures of 256 x 256 pixels (of two chips: in electrons) lie on a square lattice and overlap their
eight neighbours. In each some pixels are low, in random places, and one in the same place in all.
The sky engine measures ``match`` under each rule; here ``once`` is not refused.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from skymosaic.drizzle import static_masks
from skymosaic.drizzle.onepass.sky import Exposures, SkySettings, measure_skies
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.reading import read_exposure
from tests.frames import Frame
from tests.many_frames import lattice, write_many

SIDE = 256
STEP = 130  # pixels from exposure to exposure


def truth(frames: list[Frame], exposures: list[Exposure]) -> np.ndarray:
    """Return the sky of each chip, e-/s."""
    return np.array(
        [
            frame.sky
            for frame, exposure in zip(frames, exposures, strict=True)
            for _ in exposure.chips
        ]
    )


def main() -> None:
    """Write the exposures, measure their skies under each rule, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--exposures", type=int, default=1000)
    parser.add_argument("--chips", type=int, choices=(1, 2), default=1)
    parser.add_argument("--low", type=float, default=0.01, help="share of random low pixels")
    parser.add_argument("--rules", nargs="+", default=["once", "repeated", "none"])
    options = parser.parse_args()
    static_masks.REFUSED = 1.0
    frames = lattice(options.exposures, SIDE, STEP)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = write_many(folder, frames, options.chips, options.low)
        exposures = [read_exposure(folder / one) for one in names]
        true = truth(frames, exposures)
        print("rule      needed  masked      undetermined  largest error  rms (e-/s)  CPU")
        for rule in options.rules:
            began = time.process_time()
            pixels = Exposures(folder, exposures, 0)
            way = SkySettings(static=None if rule == "none" else rule)
            found = measure_skies(folder, exposures, {"a": way}, ["match"], pixels=pixels)["a"]
            cpu = time.process_time() - began
            masks = pixels.static_masks(way.static, way.static_sig).summaries()
            share = ", ".join(f"{100 * one.share:.4g}%" for one in masks) or "-"
            needed = ", ".join(str(one.needed) for one in masks) or "-"
            # An exposure that was not measured has no value.
            skies = np.array([np.nan if v is None else v for v in found.methods["match"].values])
            skies /= [e.exptime if c.counts else 1.0 for e in exposures for c in e.chips]
            known = np.isfinite(skies)
            off = (skies - true)[known]
            off -= np.median(off) if off.size else 0.0
            worst, rms = (
                (np.abs(off).max(), np.sqrt(np.mean(off**2))) if off.size else (np.nan, np.nan)
            )
            print(
                f"{rule:9} {needed:7} {share:18} {int((~known).sum()):5} of {len(true)} "
                f"{worst:12.5f} {rms:12.5f} {cpu:8.1f} s",
                flush=True,
            )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
