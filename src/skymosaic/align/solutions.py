"""Which WCS solutions exposures have: those of different kinds put stars at different places."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import chain

from skymosaic.evidence.wording import listed, some
from skymosaic.hst.exposure import Exposure

_MODEL = re.compile(r"IDC_[A-Za-z0-9]+")
"""The distortion model that MAST's names begin with; each detector has its own."""


def kinds_of(exposures: Sequence[Exposure]) -> dict[str, list[str]]:
    """Return the exposures of each kind of WCS solution.

    Parameters
    ----------
    exposures : sequence of Exposure
        Of one or several detectors. What the names tell of a detector's distortion model makes
        kinds only among exposures of one detector.

    Returns
    -------
    dict
        WCSNAME, with WCSTYPE where that is told, to rootnames; that of most exposures first.
    """
    several = len({(exposure.instrument, exposure.detector) for exposure in exposures}) > 1
    found: dict[str, dict[str, list[str]]] = {}
    for exposure in exposures:
        for chip in exposure.chips:
            name = _MODEL.sub("IDC_*", chip.wcsname) if several else chip.wcsname
            names = found.setdefault(name, {}).setdefault(chip.wcstype, [])
            if exposure.rootname not in names:
                names.append(exposure.rootname)
    kinds: dict[str, list[str]] = {}
    for name, types in found.items():
        label = name or "without WCSNAME"
        # Of records that older versions made no type is known.
        if len([one for one in types if one]) < 2:
            type_ = next((one for one in types if one), "")
            kinds[_kind(label, type_)] = list(dict.fromkeys(chain(*types.values())))
        else:
            kinds |= {_kind(label, type_): names for type_, names in types.items()}
    return dict(sorted(kinds.items(), key=lambda kind: -len(kind[1])))


def _kind(name: str, type_: str) -> str:
    return f"{name} ({type_})" if type_ else name


def mixed_as_they_are(exposures: Sequence[Exposure]) -> list[str]:
    """Return a warning where exposures that are not aligned have solutions of several kinds."""
    kinds = kinds_of(exposures)
    if len(kinds) < 2:
        return []
    visits = [{visit_of(name) for name in names} for names in kinds.values()]
    return [
        f"The exposures have WCS solutions of {len(kinds)} kinds: {_listed(kinds)}. Positions by "
        "such solutions may differ by tenths of an arcsec, and with align: none they are not "
        f"corrected. Remedy: {remedy(within=sum(map(len, visits)) > len(set().union(*visits)))}."
    ]


def visit_of(rootname: str) -> str:
    """Return the visit of an exposure by its name, as MAST makes names: IPPPSSOOT."""
    return rootname[:6]


def remedy(*, within: bool) -> str:
    """Return what to do about exposures whose WCS do not fit together.

    Parameters
    ----------
    within : bool
        Whether that is so of exposures of one visit, which an alignment moves alike.
    """
    fetch = "fetch the exposures from MAST again, so that all have a WCS of one kind"
    if within:
        return f"{fetch} (exposures of one visit differ, too, and TweakReg moves those together)"
    return (
        "align them (align.method: tweakreg, with the DRZ or DRC files of the exposures in the "
        f"source), or {fetch}"
    )


def mixed_in_tiles(
    members: Mapping[str, Sequence[str]],
    exposures: Sequence[Exposure],
    drizzled: Sequence[Exposure],
) -> list[str]:
    """Return warnings of drizzled images whose exposures TweakReg cannot bring together.

    TweakBack moves the exposures of a drizzled image alike. Solutions of other kinds in other
    drizzled images do no harm: TweakReg brings them together.

    Parameters
    ----------
    members : mapping of str to sequence of str
        The exposures of each drizzled image.
    exposures, drizzled : sequence of Exposure
        As they were retrieved.
    """
    by_name = {exposure.rootname: exposure for exposure in exposures}
    tiles = {tile.rootname: tile for tile in drizzled}
    mixed, other = [], []
    for name, its in members.items():
        own = [by_name[one] for one in its if one in by_name]
        kinds = kinds_of(own)
        if len(kinds) > 1:
            mixed.append(f"{name}: {_listed(kinds)}")
        elif own and name in tiles:
            used, have = tiles[name].chips[0].wcsname, own[0].chips[0].wcsname
            # AstroDrizzle's own name (DRZWCS) says nothing of the exposures that it took.
            if used != have and _MODEL.match(used) and _MODEL.match(have):
                other.append(f"{name} ({used}, its exposures {have})")
    warnings = []
    if mixed:
        warnings.append(
            "The exposures of one drizzled image have WCS solutions of several kinds "
            f"({'; '.join(mixed[:3])}{_more(mixed)}). The alignment moves all of them together, "
            "so their differences stay. Fetch these exposures and their drizzled image from MAST "
            "again, so that they have solutions of one kind."
        )
    if other:
        warnings.append(
            "Drizzled images were made with other kinds of WCS solutions than their exposures "
            f"have now: {some(other)}. The alignment of such an image is then wrong for its "
            "exposures, by the difference of the two solutions. Fetch both from MAST again."
        )
    return warnings


def unknown_in_tiles(
    drizzled_with: Mapping[str, str], held: Mapping[str, Sequence[str]]
) -> list[str]:
    """Return a warning of exposures that do not hold the solution of their drizzled image.

    Where that image lies relative to another solution of theirs is not known then.

    Parameters
    ----------
    drizzled_with : mapping of str to str
        The WCSNAME of the drizzled image of each exposure, by rootname.
    held : mapping of str to sequence of str
        The WCSNAMEs that each exposure holds.
    """
    # AstroDrizzle's own name (DRZWCS) says nothing of the exposures that it took.
    lacking = [
        f"{name} ({used})"
        for name, used in drizzled_with.items()
        if _MODEL.match(used) and name in held and used not in held[name]
    ]
    if not lacking:
        return []
    return [
        "The drizzled images of some exposures were made with WCS solutions that these exposures "
        f"do not hold: {some(lacking)}. They are taken to lie as the primary WCS of the "
        "exposures has them; the alignment is wrong by the difference of the two solutions. "
        "Fetch both from MAST again."
    ]


def _listed(kinds: Mapping[str, Sequence[str]]) -> str:
    return listed([f"{kind} ({some(names)})" for kind, names in kinds.items()])


def _more(names: Sequence[str]) -> str:
    return f"; and {len(names) - 3} more" if len(names) > 3 else ""
