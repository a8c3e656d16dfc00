"""Which of the WCS solutions that exposures hold is used for a mosaic."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from skymosaic.config.align import AS_THEY_ARE, BEST
from skymosaic.errors import AlignmentError
from skymosaic.evidence.wording import listed, some
from skymosaic.host.counting import counted
from skymosaic.hst.wcs_solutions import Solution

_CATALOGUES = ("GAIAEDR3", "GAIADR2", "GAIADR1", "GSC242", "2MASS", "NONE")
_WAYS = ("SVM", "REL", "IMG")
ORDER = (
    *(f"FIT_{way}_{catalogue}" for catalogue in _CATALOGUES for way in _WAYS),
    *("HSC30", "GSC240"),
)
"""Kinds of solutions, the best first: ``wcs_pref_list`` of drizzlepac 3.11.0
(haputils/mvm_quality_analysis.py). A later release of Gaia comes before an earlier one; in each, a
fit of all exposures of a visit before one of those of a filter, and that before one of each alone.
"""
_MODEL = re.compile(r"(IDC_[A-Z0-9]+)(?:-(.+))?")
_SINGLE = "FIT_EVM_"  # a visit of one exposure, in single-visit processing: as one of each alone
PLAIN = "IDC"
"""The kind of a solution of the distortion model alone: the telescope's own pointing."""
_NO_MODEL = "OPUS"  # without the distortion: with that of another solution it is wrong by arcsec


@dataclass(frozen=True)
class Choice:
    """What becomes of the WCS of each exposure."""

    chosen: dict[str, Solution]
    """By rootname; the primary one of those that stay as they are."""
    warnings: list[str] = field(default_factory=list)


def kind_of(name: str) -> str:
    """Return the kind of a solution by its WCSNAME: what is the same for exposures that match.

    ``IDC_2731450pi-FIT_REL_GAIAeDR3`` gives ``FIT_REL_GAIAEDR3``, ``IDC_2731450pi`` gives ``IDC``.
    Of names that are not MAST's it is the name.
    """
    match = _MODEL.fullmatch(name.upper())
    if match is None:
        return name.upper()
    return match[2] or PLAIN


def rank_of(kind: str) -> int:
    """Return the place of a kind in the order of preference, 0 for the best.

    Kinds that the order does not name come last, and after the plain distortion model.
    """
    if kind.startswith(_SINGLE):
        kind = kind.replace(_SINGLE, "FIT_IMG_")
    if kind in ORDER:
        return ORDER.index(kind)
    return len(ORDER) + (0 if kind == PLAIN else 1)


def choose_solutions(held: Mapping[str, Sequence[Solution]], wanted: str) -> Choice:
    """Choose a solution for each exposure: of one kind for all where that is possible.

    Parameters
    ----------
    held : mapping of str to sequence of Solution
        What each exposure holds, by rootname.
    wanted : str
        ``best``, or a WCSNAME, in which ``*`` stands for anything and the case does not matter.

    Returns
    -------
    Choice
        With a warning where exposures differ in kind, or where a better kind is in most of them.

    Raises
    ------
    AlignmentError
        Exposures hold no solution of the name; they are named, with what they hold.
    """
    candidates = {name: _candidates(its, wanted) for name, its in held.items()}
    without = [name for name, its in candidates.items() if not its]
    if without and wanted != BEST:
        raise AlignmentError(_none_of(wanted, without, held))
    able = {name: its for name, its in candidates.items() if its}
    kinds = [{kind_of(one.name) for one in its} for its in able.values()]
    common = set.intersection(*kinds) if kinds else set()
    kind = min(common, key=lambda one: (rank_of(one), one), default=None)
    chosen, warnings = {}, []
    for name, its in held.items():
        if name in able:
            chosen[name] = _pick(able[name], kind, its)
        elif primary := next((one for one in its if one.primary), None):
            chosen[name] = primary
    if kind is None or without:
        warnings += _mixed(chosen, wanted)
    elif better := _passed_over(able, kind):
        warnings.append(better)
    return Choice(chosen, warnings)


def _candidates(held: Sequence[Solution], wanted: str) -> list[Solution]:
    """Return the solutions that may be chosen."""
    held = [one for one in held if not one.name.upper().startswith(_NO_MODEL)]
    if wanted != BEST:
        pattern = wanted.upper()
        return [one for one in held if fnmatchcase(one.name.upper(), pattern)]
    # A name that the order does not know, such as a user's own, says nothing of how good it is.
    return [one for one in held if rank_of(kind_of(one.name)) <= len(ORDER)]


def _pick(its: Sequence[Solution], kind: str | None, held: Sequence[Solution]) -> Solution:
    """Return the one of a kind, else the best one; of several that with the primary's model."""
    of_kind = [one for one in its if kind is None or kind_of(one.name) == kind]
    primary = next((one.name for one in held if one.primary), "")
    model = primary.partition("-")[0]

    def order(one: Solution) -> tuple[int, bool, bool, str]:
        same_model = one.name.partition("-")[0] == model
        return rank_of(kind_of(one.name)), not one.primary, not same_model, one.name

    return min(of_kind, key=order)


def _mixed(chosen: Mapping[str, Solution], wanted: str) -> list[str]:
    """Return a warning where no kind is in all exposures."""
    kinds: dict[str, list[str]] = {}
    for name, solution in chosen.items():
        kinds.setdefault(kind_of(solution.name), []).append(name)
    if len(kinds) < 2:
        return []
    parts = [f"{kind} ({some(names)})" for kind, names in _most_first(kinds)]
    return [
        f"With align.wcs: {wanted} the exposures have WCS solutions of {len(kinds)} kinds: "
        f"{listed(parts)}; none is in all of them. Positions by such solutions may differ by "
        "tenths of an arcsec. `skymosaic inspect` lists what each exposure holds."
    ]


def _passed_over(able: Mapping[str, Sequence[Solution]], kind: str) -> str:
    """Return what to say where most exposures hold a better kind; empty where they do not."""
    holders: dict[str, list[str]] = {}
    for name, its in able.items():
        for better in {kind_of(one.name) for one in its}:
            if rank_of(better) < rank_of(kind):
                holders.setdefault(better, []).append(name)
    if not holders:
        return ""
    best = min(holders, key=lambda one: (-len(holders[one]), rank_of(one)))
    lacking = [name for name in able if name not in holders[best]]
    return (
        f"The exposures are used with the WCS solution {kind}, which all hold. "
        f"{counted(len(holders[best]), 'exposure')} of {len(able)} also have {best}, which "
        f"{some(lacking)} {'lacks' if len(lacking) == 1 else 'lack'}."
    )


def _none_of(wanted: str, without: Sequence[str], held: Mapping[str, Sequence[Solution]]) -> str:
    shown = [
        f"{name} has {some([one.name for one in held[name]] or ['none with a name'])}"
        for name in without[:3]
    ]
    more = len(without) - len(shown)
    return (
        f"{counted(len(without), 'exposure')} of {len(held)} hold no WCS solution {wanted}: "
        f"{'; '.join(shown)}{f'; and {more} more' if more else ''}. Set align.wcs to one that all "
        f"hold (`skymosaic inspect` lists them), to {BEST}, or to {AS_THEY_ARE}"
    )


def _most_first(kinds: Mapping[str, list[str]]) -> list[tuple[str, list[str]]]:
    return sorted(kinds.items(), key=lambda kind: -len(kind[1]))
