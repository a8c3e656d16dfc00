"""What a run with the footprints of an older spherical_geometry tells its reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from skymosaic.host.counting import counted

if TYPE_CHECKING:
    from skymosaic.drizzle.summaries import SwappedFootprints
    from skymosaic.pipeline.results import DrizzleResult
    from skymosaic.steps.finished import Finished

_MOST = 6  # pairs and exposures of a group that are named


def footprint_warnings(runs: Mapping[str, Finished[DrizzleResult]]) -> list[str]:
    """Return what the reader of a comparison must know of the footprints first."""
    for run in runs.values():
        if run.result.footprints is not None:
            return [_swapped(run.result.footprints)]
    return []


def _swapped(found: SwappedFootprints) -> str:
    missed, overlap, groups = found.missed, found.overlap, found.groups
    said = (
        "As sky.footprints: swapped asks, the overlaps are those that AstroDrizzle found with "
        "spherical_geometry before 1.4, which exchanged rows and columns of each footprint. "
    )
    if not missed:
        return said + f"It missed none of the {counted(overlap, 'overlap')} between chips here."
    pairs = _some([f"{a} with {b}" for a, b in missed])
    said += (
        f"{counted(overlap, 'pair of chips overlaps', 'pairs of chips overlap')}. AstroDrizzle did "
        f"not compare {len(missed)} of them: {pairs}; of others it compared only a part of the "
        "overlap. The sky differences of match and globalmin+match come from the rest. "
    )
    if len(groups) > 1:
        members = "; ".join(_some(group) for group in groups)
        said += (
            f"The overlaps that were compared form {len(groups)} separate groups of exposures "
            f"({members}). match does not relate these groups to each other, although they "
            "overlap. "
        )
    return said + "Use this to reproduce an older mosaic, not to make a new one."


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more
