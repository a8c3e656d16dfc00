"""Whether the error plane states how sums in apertures of a mosaic scatter.

Exposures of WFC3/IR are simulated, small frames with their true distortion, and drizzled by engine
onepass with an error plane. Then their pixels are replaced by noise of their ERR, 200 times, and go
through the same resampler. Sums are taken in 50 apertures of 3, 10 and 30 pixels radius each, apart
from each other. For each aperture the scatter of its sums is divided by what is stated: the root of
the sum of the squares of the error plane, times the factor of correlated noise in its header.

    python benchmarks/noise.py                   # all settings
    python benchmarks/noise.py --settings 0      # the first one

The last line is one JSON object; `met` tells whether the mean ratio is 0.95 to 1.05 at each radius
in each setting.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from skymosaic.archive.simulated.exposures import (
    Simulation,
    simulate_visit,
    visit_files,
)
from tests.noise_frames import measure

SETTINGS = (
    {"final_scale": 0.065, "final_pixfrac": 0.8},
    {"final_scale": 0.065, "final_pixfrac": 1.0, "final_wht_type": "ERR"},
    {"final_scale": 0.08, "final_pixfrac": 0.8, "final_kernel": "gaussian"},
)
BETWEEN = (0.95, 1.05)


def exposures(folder: Path, tiles: tuple[str, ...]) -> list[str]:
    """Simulate exposures; return the names of their files."""
    simulation = Simulation(size="small", tiles=tiles)
    names = []
    for visit, rootnames in visit_files(simulation).items():
        simulate_visit(simulation, visit, folder)
        names += [f"{rootname}_flt.fits" for rootname in rootnames]
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--settings", type=int, nargs="*", default=range(len(SETTINGS)))
    parser.add_argument("--realisations", type=int, default=200)
    parser.add_argument("--tiles", nargs="*", default=["51", "54"])
    given = parser.parse_args()
    rows, met = [], True
    for number in given.settings:
        with tempfile.TemporaryDirectory(prefix="skymosaic-benchmark-") as scratch:
            folder = Path(scratch)
            names = exposures(folder, tuple(given.tiles))
            found, header = measure(
                folder, names, SETTINGS[number], realisations=given.realisations
            )
        print(f"{len(names)} exposures, {SETTINGS[number]}: R {header['NOISCORR']}")
        for one in found:
            fine = BETWEEN[0] <= one.ratio <= BETWEEN[1]
            met &= fine
            print(
                f"  radius {one.radius:2d}: {one.apertures} apertures, scatter / stated "
                f"{one.ratio:.4f} +- {one.error:.4f} (without the factor {one.uncorrected:.4f})"
                f"{'' if fine else ' TARGET MISSED'}",
                flush=True,
            )
            rows.append({"setting": SETTINGS[number], **vars(one)})
    print(json.dumps({"rows": rows, "between": BETWEEN, "met": met}))


if __name__ == "__main__":
    main()
