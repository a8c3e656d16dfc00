"""What a run with the footprints of an older spherical_geometry tells its reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skymosaic.steps.step import Finished

_MOST = 6  # pairs and exposures of a group that are named


def footprints_told(runs: Mapping[str, Finished]) -> list[str]:
    """Return what the reader of a comparison must know of the footprints first."""
    for run in runs.values():
        if "footprints" in run.result:
            return [_told(run.result["footprints"])]
    return []


def _told(found: Mapping[str, Any]) -> str:
    missed, overlap, groups = found["missed"], found["overlap"], found["groups"]
    said = (
        "The overlaps are those that AstroDrizzle found with spherical_geometry before 1.4, as "
        "sky.footprints: swapped asks: it exchanged rows and columns of each chip's footprint. "
    )
    if not missed:
        return said + f"It missed none of the {overlap} pairs of chips that overlap here."
    pairs = _some([f"{a} with {b}" for a, b in missed])
    said += (
        f"Of {overlap} pairs of chips that overlap it did not compare {len(missed)}: {pairs}; of "
        "others it compared a part of the overlap. The sky differences of match and "
        "globalmin+match rest on what is left. "
    )
    if len(groups) > 1:
        members = "; ".join(_some(group) for group in groups)
        said += (
            f"What was compared relates {len(groups)} groups of exposures each in itself "
            f"({members}): between these groups match says nothing, though they overlap. "
        )
    return said + "Use this to reproduce an older mosaic, not to make a new one."


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more
