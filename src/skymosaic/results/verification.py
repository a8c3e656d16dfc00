"""A finished run against what was published of the same data."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from skymosaic.errors import MissingError, SkyError
from skymosaic.methods import METHODS, column
from skymosaic.pipeline.results import COMPARISON
from skymosaic.results.housekeeping import find_place
from skymosaic.results.published import PublishedComparison, compare, published


def verify(uri: str, name: str) -> list[PublishedComparison]:
    """Compare a finished run with the published ones, the nearest first.

    Parameters
    ----------
    uri : str
        The run: ``STORE/CAMPAIGN``.
    name : str
        What was published, such as ``horsehead-12812``.

    Raises
    ------
    MissingError
        The run has no table.
    CampaignError
        Nothing was published under this name.
    """
    runs = published(name)
    place = find_place(uri)
    key = place.key(COMPARISON.step().folder, "mdrizsky.csv")
    text = place.store.read_text(key)
    if text is None:
        raise MissingError(f"{place.store.address(key)} is not there; run the campaign first")
    rows = list(csv.DictReader(io.StringIO(text)))
    skies = {
        # An empty value is one that the method did not measure.
        method: {row["rootname"]: float(row[column(method)]) for row in rows if row[column(method)]}
        for method in METHODS
        if rows and column(method) in rows[0]
    }
    return compare(skies, runs)


def require_agreement(compared: Sequence[PublishedComparison], tolerance: float) -> None:
    """Refuse a run that agrees with none of the published ones.

    Raises
    ------
    SkyError
        It differs by more than `tolerance` (electrons/s) from each.
    """
    if not any(comparison.agrees(tolerance) for comparison in compared):
        method, (difference, rootname) = max(
            compared[0].largest.items(), key=lambda item: abs(item[1][0])
        )
        raise SkyError(
            f"the run agrees with no published run within {tolerance} electrons/s; the nearest is "
            f"{compared[0].source}, from which {rootname} differs by {difference:+.6f} in {method}"
        )
