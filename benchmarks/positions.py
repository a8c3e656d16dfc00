"""How often the comparison of stars finds displacements, those that are there and others.

Pairs of small exposures of stars are made, with noise, defects of the detector and hits of cosmic
rays, a dither between them, and a WCS that is off by a known amount. For each kind a line tells how
many pairs were found displaced, agreeing, or without enough stars to tell, and the median and the
largest error of the displacements.

    python benchmarks/positions.py [--pairs 40]
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace

import numpy as np

from skymosaic.align.positions import Displacement, compare
from tests.unit.test_positions import SCALE, field, image, stars_of

FAR, NEAR = (10.4, -7.3), (4.0, 0.0)  # dithers, pixels
KINDS: dict[str, dict[str, object]] = {
    "40 stars": {"stars": 40},
    "10 stars": {"stars": 10},
    "40 stars, twice as wide": {"stars": 40, "dither": (2.5, 1.5), "width": 2.2},
    "40 stars, 100 defects": {"stars": 40, "defects": 100, "dither": NEAR},
    "10 stars, 60 defects": {"stars": 10, "defects": 60, "dither": (2.5, 1.5)},
    "100 defects alone": {"defects": 100, "dither": NEAR},
    "12 defects alone": {"defects": 12, "dither": NEAR},
    "8 stars, 300 hits in each": {"stars": 8, "hits": 300},
    "40 stars, off by 0.05": {"stars": 40, "off": 0.05},
    "40 stars, off by 0.3": {"stars": 40, "off": 0.3},
    "12 stars, off by 0.3": {"stars": 12, "off": 0.3},
    "12 stars, off by 3": {"stars": 12, "off": 3.0},
}


def try_pair(
    seed: int,
    stars: int = 0,
    defects: int = 0,
    hits: int = 0,
    dither: tuple[float, float] = FAR,
    off: float = 0.0,
    width: float = 1.2,
) -> Displacement:
    """Return what is found of one pair; `off` in pixels."""
    pair = []
    for number, shift in enumerate(((0.0, 0.0), dither)):
        parts = [
            (field(stars, seed), shift),
            (field(defects, seed + 1000), (0.0, 0.0)),
            (field(hits, 2 * seed + number + 5000), (0.0, 0.0)),
        ]
        noise = image(np.empty((0, 3)), (0.0, 0.0), 2 * seed + number)
        light = [image(what, moved, 0, width) for what, moved in parts]
        data = noise + sum(one - image(np.empty((0, 3)), (0.0, 0.0), 0) for one in light)
        pair.append(stars_of("ab"[number], data, shift, (off * number, 0.0)))
    commanded = (dither[0] * SCALE, dither[1] * SCALE)
    return compare(pair[0], replace(pair[1], postarg=commanded))


def main() -> None:
    """Print a line for each kind of pair."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=40, help="of each kind")
    pairs = parser.parse_args().pairs
    for kind, settings in KINDS.items():
        found = [try_pair(seed, **settings) for seed in range(pairs)]  # type: ignore[arg-type]
        off = float(settings.get("off", 0.0))  # type: ignore[arg-type]
        errors = [abs(one.pixels - off) for one in found if one.pixels is not None]
        spread = (
            f"error median {np.median(errors):.3f}, largest {max(errors):.3f}" if errors else ""
        )
        counts = ", ".join(
            f"{count} {state}" for state, count in Counter(one.state for one in found).most_common()
        )
        print(f"{kind:28} {counts:40} {spread}")


if __name__ == "__main__":
    main()
