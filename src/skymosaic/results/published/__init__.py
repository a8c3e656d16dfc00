"""MDRIZSKY values that others published, to compare a run with.

``horsehead-12812.csv``: four runs of STScI's tutorial 'Sky Matching for HST Mosaics' (proposal
12812, WFC3/IR F160W, 18 exposures), 2019 to 2024, in electrons/s; the columns ``source`` and
``date`` say which.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from skymosaic.errors import CampaignError
from skymosaic.methods import METHODS, column

Skies = Mapping[str, Mapping[str, float]]
"""MDRIZSKY in electrons/s by method and rootname."""

TOLERANCE = 0.007
"""Electrons/s. The four published runs of the tutorial differ from each other by up to 0.0065."""


@dataclass(frozen=True)
class PublishedComparison:
    """A run against one that was published."""

    source: str
    largest: Mapping[str, tuple[float, str]]
    """By method: the largest difference, electrons/s (NaN where a value is missing), and whose."""

    def agrees(self, tolerance: float = TOLERANCE) -> bool:
        """Whether every value is there and differs by no more than `tolerance`, electrons/s."""
        return all(abs(difference) <= tolerance for difference, _ in self.largest.values())


def published(name: str) -> dict[str, dict[str, dict[str, float]]]:
    """Return the published runs of a campaign: by source, method and rootname, electrons/s.

    Raises
    ------
    CampaignError
        Nothing was published under this name.
    """
    folder = resources.files(__name__)
    known = sorted(p.name.removesuffix(".csv") for p in folder.iterdir() if p.name.endswith(".csv"))
    if name not in known:
        raise CampaignError(f"nothing is published of {name!r}; known: {', '.join(known)}")
    runs: dict[str, dict[str, dict[str, float]]] = {}
    with (folder / f"{name}.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            run = runs.setdefault(f"{row['source']}, {row['date']}", {m: {} for m in METHODS})
            for method in METHODS:
                run[method][row["rootname"]] = float(row[column(method)])
    return runs


def compare(skies: Skies, runs: Mapping[str, Skies]) -> list[PublishedComparison]:
    """Compare a run's values with each published run, the nearest first.

    Parameters
    ----------
    skies : mapping
        The run's values, by method and rootname, electrons/s.
    runs : mapping
        As `published` returns them.
    """
    found = [
        PublishedComparison(
            source, {method: _largest(skies.get(method, {}), run[method]) for method in run}
        )
        for source, run in runs.items()
    ]
    return sorted(found, key=_distance)


def _largest(ours: Mapping[str, float], theirs: Mapping[str, float]) -> tuple[float, str]:
    missing = sorted(set(theirs) - set(ours))
    if missing:
        return float("nan"), missing[0]
    rootname = max(theirs, key=lambda name: abs(ours[name] - theirs[name]))
    return ours[rootname] - theirs[rootname], rootname


def _distance(comparison: PublishedComparison) -> float:
    differences = [abs(difference) for difference, _ in comparison.largest.values()]
    return float("inf") if any(d != d for d in differences) else max(differences)
