"""How the solution of the skies grows with the exposures: tables of overlaps, no pixels.

    python -m benchmarks.solving 125 1000 4000 10000

prints CPU seconds of `sky.solving.solve`, of the factors of its equations and of all variances, how
many elements the factors have an exposure, and the largest front.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from skymosaic.sky.ldl import factored
from skymosaic.sky.solving import Difference, solve

_REACH = 2.2  # sides of an exposure's share of the sky within which others overlap it


def survey(exposures: int) -> list[Difference]:
    """Return the differences of exposures at random places of a square, some dozen of each."""
    random = np.random.default_rng(0)
    places = random.uniform(0, np.sqrt(exposures), (exposures, 2))
    skies = random.uniform(0.5, 2.0, exposures)
    return [
        Difference(
            *(a, b),
            *(float(skies[a] + random.normal(0, 0.01)), float(skies[b])),
            *random.integers(100, 9000, 2).tolist(),
        )
        for a, b in cKDTree(places).query_pairs(_REACH, output_type="ndarray").tolist()
    ]


def main(counts: list[int]) -> None:
    """Measure and print."""
    print("exposures  overlaps  solve  factors  variances  elements  front")
    for exposures in counts:
        differences = survey(exposures)
        clock = [time.process_time()]
        solve(exposures, differences)
        clock.append(time.process_time())
        a, b = (np.array([getattr(d, side) for d in differences]) for side in "ab")
        weights = np.array([d.weight**2 for d in differences])
        links = sparse.coo_array((weights, (a, b)), shape=(exposures, exposures)).tocsr()
        links = links + links.T
        degrees = np.asarray(links.sum(axis=1)).ravel()
        clock.append(time.process_time())
        factors = factored((sparse.diags_array(degrees + 1e-3) - links).tocsr())
        clock.append(time.process_time())
        factors.variances()
        clock.append(time.process_time())
        solved, _, factor, variances = np.diff(clock)
        sizes = [len(rows) for rows in factors.rows]
        print(
            f"{exposures:9}  {2 * len(differences) / exposures:8.1f}  {solved:5.2f}  {factor:7.2f}"
            f"  {variances:9.2f}  {np.mean(sizes):8.1f}  {max(sizes):5}"
        )


if __name__ == "__main__":
    main([int(count) for count in sys.argv[1:]])
