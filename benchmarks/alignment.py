"""Alignment with the defaults, against the truth: how many tiles pass, and how far each is off.

Each seed is a field of its own, small frames unless told otherwise. The reference is the tile that
has no pointing error. A tile's offset is the mean over its exposures' pixels; the largest is that
of any pixel.

    python benchmarks/alignment.py --seeds 101 102 103 [--scene sparse] [--instrument acs-wfc]

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from skymosaic.archive.simulated.exposures import Simulation
from skymosaic.archive.simulated.residuals import alignment_residuals
from skymosaic.config import Align
from skymosaic.errors import AlignmentError
from skymosaic.hst.reading import read_exposure
from skymosaic.pipeline import sources
from tests.serial_alignment import align


def measure(folder: Path, simulation: Simulation) -> dict[str, Any]:
    """Simulate a field into a folder, and align it."""
    sources.simulate(folder, simulation, lambda _: None)
    exposures, drizzled = (
        [read_exposure(path) for pattern in patterns for path in sorted(folder.glob(pattern))]
        for patterns in (("*_flt.fits", "*_flc.fits"), ("*_drz.fits", "*_drc.fits"))
    )
    found: dict[str, Any] = {"seed": simulation.seed, "tiles": len(drizzled)}
    try:
        settings = Align(on_failure="keep")
        done, _ = align(folder, exposures, drizzled, settings)
    except AlignmentError as error:
        return {**found, "aligned": 0, "error": str(error)}
    mean, largest = [], []
    for fit in done.fits:
        if fit.reference or fit.tile in done.kept:
            continue
        offsets = np.concatenate(
            [
                chip
                for exposure in exposures
                if exposure.rootname in done.members[fit.tile]
                for chip in alignment_residuals(
                    folder / exposure.name, folder / f"{exposure.rootname}_truth.json"
                ).values()
            ]
        )
        mean.append(float(np.hypot(*offsets.mean(axis=0))))
        largest.append(float(np.hypot(*offsets.T).max()))
    return {
        **found,
        "aligned": len(done.fits) - len(done.kept),
        "matches": [fit.matches for fit in done.fits if not fit.reference],
        "mean_mas": float(np.mean(mean)) if mean else None,
        "largest_mas": max(largest, default=None),
        "threshold": done.finding.parameters["threshold"],
        "fitgeometry": done.finding.tweakreg["fitgeometry"],
    }


def main() -> None:
    """Measure, and print a line for each seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--scene", default=None)
    parser.add_argument("--instrument", default="wfc3-ir")
    parser.add_argument("--size", default="small")
    options = parser.parse_args()
    results = []
    for seed in options.seeds:
        simulation = Simulation(
            seed=seed, size=options.size, scene=options.scene, instrument=options.instrument
        )
        with tempfile.TemporaryDirectory() as folder:
            results.append(measure(Path(folder), simulation))
        print(results[-1], flush=True)
    tiles, aligned = (sum(result[name] for result in results) for name in ("tiles", "aligned"))
    print(json.dumps({"tiles": tiles, "aligned": aligned, "seeds": results}))


if __name__ == "__main__":
    main()
