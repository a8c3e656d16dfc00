"""How many cosmic rays the defaults of each CCD find, and how many good pixels they cost.

    python benchmarks/cosmic_rays.py [--seeds N]

Simulated small exposures, two visits of three; skies of 10 and 100 electrons. Compared with the
truth where two exposures or more cover a pixel: hits of more than 6 times the local noise (target:
90% found), and pixels that none raised by more than the noise (target: fewer than 1% lost).
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from skymosaic.archive.simulated.exposures import Simulation
from tests.ccd_truth import find

SECONDS = 430.0  # mean of the exposure times
FOUND, LOST = 0.9, 0.01  # targets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds")
    parser.add_argument("--first-seed", type=int, default=1)
    options = parser.parse_args()
    rows = []
    print(f"{'instrument':12} {'sky (e-)':>8} {'seed':>5} {'hit':>7} {'found':>8} {'lost':>9}")
    for instrument in ("acs-wfc", "wfc3-uvis"):
        for electrons in (10.0, 100.0):
            for seed in range(options.first_seed, options.first_seed + options.seeds):
                simulation = Simulation(
                    seed=seed,
                    instrument=instrument,
                    size="small",
                    dithers=3,
                    sky=electrons / SECONDS,
                )
                with tempfile.TemporaryDirectory() as folder:
                    one = find(Path(folder), simulation)
                rows.append({"instrument": instrument, "sky": electrons, "seed": seed})
                rows[-1] |= {"hit": one.hit, "found": one.found, "lost": one.lost}
                print(
                    f"{instrument:12} {electrons:8.0f} {seed:5d} {one.hit:7d} {one.found:8.4f} "
                    f"{one.lost:9.6f}"
                )
    least, most = min(row["found"] for row in rows), max(row["lost"] for row in rows)
    met = least >= FOUND and most < LOST
    print(f"least found {least:.4f} (target {FOUND}), most lost {most:.6f} (target below {LOST})")
    print(json.dumps({"runs": rows, "least_found": least, "most_lost": most, "targets_met": met}))


if __name__ == "__main__":
    main()
