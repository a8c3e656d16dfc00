"""What is said of exposures that are off within their association, or trailed."""

from __future__ import annotations

from collections.abc import Sequence

from astropy.table import Table

from skymosaic.align.within import OFF, TOO_FEW, UNDECIDED, Member, Within
from skymosaic.evidence.wording import some
from skymosaic.host.counting import counted
from skymosaic.report.sheet import Columns, sheet

_COLUMNS: Columns = {
    "rootname": (str, None, "the exposure"),
    "association": (str, None, "its association; its visit where it is of none"),
    "state": (str, None, "whether its stars lie where those of its association do"),
    "stars": (int, None, "stars that another exposure of its association has, too"),
    "offset": (float, "mas", "how far its stars lie from those of its association"),
    "error": (float, "mas", "standard error of that, in each axis"),
    "east": (float, "mas", "by how much they lie to the east"),
    "north": (float, "mas", "by how much they lie to the north"),
    "elongation": (float, None, "length of its stars over their width, from second moments"),
    "usual": (float, None, "the same of the other exposures with its filter"),
    "trailed": (str, None, "whether its stars are longer than is allowed"),
    "corrected": (str, None, "whether it was moved to where its association is"),
}


def within_warnings(result: Within) -> list[str]:
    """Return what to know of exposures that are off, or trailed."""
    warnings = []
    if off := result.of(OFF):
        done = "They were moved there (align.exposures.correct)"
        left = (
            "The alignment moves all exposures of an association alike, so that their stars are "
            "smeared. Remedy: align.exposures: {correct: true}"
        )
        moved = set(result.corrected) >= {one.rootname for one in off}
        warnings.append(
            f"{counted(len(off), 'exposure')} of {len(result.members)} "
            f"{'lies' if len(off) == 1 else 'lie'} more than {result.max_offset:g} mas off "
            f"the rest of the association: {_offsets(off)}. {done if moved else left}."
        )
    if undecided := result.of(UNDECIDED):
        groups = list(dict.fromkeys(one.association for one in undecided))
        warnings.append(
            f"Exposures of {some(groups)} lie more than {result.max_offset:g} mas apart, and no "
            f"place has more than half of them: {_offsets(undecided)} from their middle. Which of "
            "them are right is not known, and none was moved. Look at them, or leave some out of "
            "the source."
        )
    if trailed := result.trailed:
        parts = [f"{one.rootname} ({one.elongation:.2f}, usual {one.usual:.2f})" for one in trailed]
        warnings.append(
            f"The stars of {some(parts)} are longer than those of other exposures with the filter, "
            f"by more than {result.max_elongation:g} times: the telescope moved, or lost its guide "
            "stars. Leave them out of the source, or look at them first."
        )
    return warnings


def _offsets(members: Sequence[Member]) -> str:
    largest = sorted(members, key=lambda one: -(one.offset or 0.0))
    return some([f"{one.rootname} ({one.offset:.0f} +- {one.error:.0f} mas)" for one in largest])


def within_line(result: Within) -> str:
    """Return what was compared, for a terminal."""
    off, few = len(result.of(OFF)), len(result.of(TOO_FEW))
    parts = [
        f"{counted(len(result.members), 'exposure')} compared",
        *([f"{off} off by more than {result.max_offset:g} mas"] if off else ["none is off"]),
        *([f"{len(result.trailed)} trailed"] if result.trailed else []),
        *([f"{TOO_FEW} of {few}"] if few else []),
    ]
    return f"exposures within their associations: {', '.join(parts)}"


def within_sheet(result: Within) -> Table:
    """Return the table of all exposures."""
    moved = set(result.corrected)
    rows = [
        [
            *(one.rootname, one.association, one.state, one.stars, one.offset, one.error),
            *(one.east, one.north, one.elongation, one.usual),
            *("yes" if one.trailed else "no", "yes" if one.rootname in moved else "no"),
        ]
        for one in result.members
    ]
    return sheet("Exposures within their associations", _COLUMNS, rows)
