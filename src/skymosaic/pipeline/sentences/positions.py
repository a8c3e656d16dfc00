"""What the positions of stars in the overlaps say, in sentences and as a table for the report."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from astropy.table import Table

from skymosaic.align.positions import AGREE, DISPLACED, TOLERANCE, TOO_FEW
from skymosaic.align.solutions import remedy, visit_of
from skymosaic.host.counting import counted
from skymosaic.report.sheet import Columns, sheet

if TYPE_CHECKING:
    from skymosaic.pipeline.results import PositionsResult

_MOST = 4  # pairs that a sentence names

_COLUMNS: Columns = {
    "a": (str, None, "rootname of one exposure"),
    "b": (str, None, "rootname of the other"),
    "state": (str, None, f"whether their stars agree to {TOLERANCE:g} pixel"),
    "stars": (int, None, "stars that both have"),
    "pixels": (float, "pix", "how far those of b lie from those of a, on the coarser detector"),
    "error": (float, "pix", "standard error of that"),
    "east": (float, "arcsec", "by how much they lie to the east"),
    "north": (float, "arcsec", "by how much they lie to the north"),
}


def position_warnings(result: PositionsResult) -> list[str]:
    """Return a warning where stars lie apart in overlaps."""
    apart = [pair for pair in result.pairs if pair.state == DISPLACED]
    if not apart:
        return []
    apart.sort(key=lambda pair: -(pair.pixels or 0.0))
    worst, *others = apart
    within = any(visit_of(pair.a) == visit_of(pair.b) for pair in apart)
    more = [f"{pair.a} and {pair.b} ({pair.pixels:.2f})" for pair in others[:_MOST]]
    rest = len(others) - len(more)
    if rest:
        more.append(f"{rest} more")
    also = f"; also {', '.join(more)}" if more else ""
    return [
        f"Positions of stars differ in {len(apart)} of "
        f"{counted(len(result.pairs), 'overlap that was', 'overlaps that were')} compared: by "
        f"{worst.pixels:.2f} +- {worst.error:.2f} pixels ({worst.arcsec:.3f} arcsec) "
        f"between {worst.a} and {worst.b} ({worst.stars} stars){also}. These stars are "
        "smeared in the mosaic, because align: none uses the WCS of the files. Remedy: "
        f"{remedy(within=within)}."
    ]


def positions_line(result: PositionsResult) -> str:
    """Return what was compared, for a terminal."""
    pairs, overlaps = result.pairs, result.overlaps
    counts = Counter(pair.state for pair in pairs)
    if not pairs:
        return f"positions of stars: none of {counted(overlaps, 'overlap')} could be compared"
    all_ = "all" if len(pairs) == overlaps else f"{len(pairs)} of {overlaps}"
    parts = [f"agree to {TOLERANCE:g} pixel in {counts[AGREE]}"]
    if counts[DISPLACED]:
        parts.append(f"differ in {counts[DISPLACED]}")
    if counts[TOO_FEW]:
        parts.append(f"{TOO_FEW} in {counts[TOO_FEW]}")
    return f"positions of stars, compared in {all_} overlaps: {', '.join(parts)}"


def positions_sheet(result: PositionsResult) -> Table | None:
    """Return what was found in each overlap that was compared; None where there is none."""
    rows = [[getattr(pair, name) for name in _COLUMNS] for pair in result.pairs]
    if not rows:
        return None
    compared, overlaps = len(rows), result.overlaps
    title = "Positions of stars in overlaps, of exposures that were not aligned"
    if compared < overlaps:
        title += f"; {compared} of {overlaps} overlaps were compared, some of each exposure"
    return sheet(title, _COLUMNS, rows)
