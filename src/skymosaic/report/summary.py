"""What the sky values say, in sentences that claim no more than the numbers do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from skymosaic.evidence.wording import listed
from skymosaic.host.counting import counted
from skymosaic.methods import OWN
from skymosaic.report.mdrizsky import Runs, by_chip
from skymosaic.sky.values import SkyValue, mean_of_chips, rate_unit

BRIGHTNESS_UNIT = "electron / (s arcsec2)"

# What skypac does to an exposure that overlaps no other.
_FALLBACK = {
    matched: f"; {matched} subtracts nothing from them, globalmin+{matched} its constant alone"
    for matched in ("match", "match-differences")
}

_MOST_NAMED = 24  # exposures in a sentence
_MOST_GROUPS = 12

Skies = Mapping[str, Mapping[str, float | None]]


def exposure_skies(runs: Runs, unit: str) -> tuple[Skies, str]:
    """Return one sky an exposure for each method, in a unit in which exposures compare.

    Parameters
    ----------
    runs : mapping of str to sequence of SkyValue
        The sky values of each method that was run.
    unit : str
        Unit of MDRIZSKY in the headers.

    Returns
    -------
    skies : mapping of str to mapping of str to float or None
        By method and rootname, the mean of the exposure's chips. The rate in a pixel where all
        chips have pixels of one size, else the brightness. MDRIZSKY in counts does not compare
        between exposure times.
    unit : str
        Unit of the skies.
    """
    checked = by_chip(runs)
    # brightness = rate / area of a pixel
    areas = [v.brightness_factor * v.seconds for v in next(iter(checked.values())).values()]
    same = all(math.isclose(area, areas[0], rel_tol=1e-6) for area in areas)
    skies: dict[str, dict[str, float | None]] = {}
    for method, values in checked.items():
        chips: dict[str, list[float | None]] = {}
        for value in values.values():
            sky = value.rate if same else value.brightness
            chips.setdefault(value.rootname, []).append(sky)
        skies[method] = {rootname: mean_of_chips(its) for rootname, its in chips.items()}
    return skies, rate_unit(unit) if same else BRIGHTNESS_UNIT.replace(
        "electron", unit.removesuffix(" / s")
    )


def sentences(runs: Runs, groups: Sequence[Sequence[str]], unit: str = "electron / s") -> list[str]:
    """Return what the sky values say of the methods.

    Parameters
    ----------
    runs : mapping of str to sequence of SkyValue
        The sky values of each method that was run.
    groups : sequence of sequences of str
        Rootnames of the exposures that overlap one another, directly or through others.
    unit : str
        Unit of MDRIZSKY in the headers.

    Returns
    -------
    list of str
    """
    skies, shown = exposure_skies(runs, unit)
    divided = ": MDRIZSKY divided by EXPTIME" if shown == rate_unit(unit) != unit else ""
    said = [
        f"{counted(len(next(iter(skies.values()))), 'exposure')} compared under "
        f"{counted(len(skies), 'sky method')}: {', '.join(skies)}. Values are in {shown}{divided}."
    ]
    for tell in (_tell_localmin, _tell_match, _tell_localmin_match, _tell_constants, _tell_own):
        said += tell(skies, groups, shown)
    said.append(
        "These numbers compare the methods with one another. They do not show the true level of "
        "the sky, nor which part of it comes from the sources. Which method to use depends on "
        "what you want to measure on the mosaic."
    )
    return said


def warnings(runs: Runs, groups: Sequence[Sequence[str]]) -> list[str]:
    """Return what a reader must know before using the ``match`` values.

    Parameters
    ----------
    runs : mapping of str to sequence of SkyValue
        The sky values of each method that was run.
    groups : sequence of sequences of str
        Rootnames of the exposures that overlap one another, directly or through others.

    Returns
    -------
    list of str
        Empty where every sky was determined and all exposures are in one group.
    """
    skies, _ = exposure_skies(runs, "")
    alone = {group[0] for group in groups if len(group) == 1}
    said = []
    for method, values in skies.items():
        missing = [rootname for rootname, sky in values.items() if sky is None]
        if missing:
            said.append(
                f"{method} could not determine the sky of {counted(len(missing), 'exposure')}: "
                f"{_some(missing, _MOST_NAMED)}. {_why(method)}{_FALLBACK.get(method, '')}."
            )
        if chips := [chip for chip in _chips_without(runs[method]) if chip[0] not in missing]:
            named = _some([f"{name}[SCI,{extver}]" for name, extver in chips], _MOST_NAMED)
            said.append(
                f"{method} could measure no sky in {named}: what it subtracts there is the sky of "
                "the exposure's other chips."
            )
        joined = sorted(set(missing) - alone)
        if joined and method == "match":
            said.append(
                f"The footprints of {_some(joined, _MOST_NAMED)} overlap others, yet match found "
                "no valid pixels in common; look at their data quality."
            )
    if any("match" in method for method in skies):
        said += _tell_groups(skies, groups)
    return said


def _tell_groups(skies: Skies, groups: Sequence[Sequence[str]]) -> list[str]:
    """Say what separate groups mean for the methods that match."""
    if len(groups) < 2:
        return []
    names = listed([method for method in skies if "match" in method])
    members = "; ".join(
        f"group {i} ({counted(len(group), 'exposure')}): {_some(group)}"
        for i, group in enumerate(groups[:_MOST_GROUPS], start=1)
    )
    if len(groups) > _MOST_GROUPS:
        members += f"; {counted(len(groups) - _MOST_GROUPS, 'more group')}: groups.ecsv"
    return [
        f"The exposures form {len(groups)} groups that do not overlap each other. {names} can "
        "compare skies within a group only: each group has its own arbitrary zero point, and a "
        f"difference between groups carries no information. {members}."
    ]


def _why(method: str) -> str:
    if "match" in method:
        return "The level relative to the other exposures is not known there"
    return "No pixel is left to measure it in, and nothing is subtracted there"


def _chips_without(values: Sequence[SkyValue]) -> list[tuple[str, int]]:
    return [(value.rootname, value.chip) for value in values if value.mdrizsky is None]


def _tell_localmin(skies: Skies, _groups: object, unit: str) -> list[str]:
    values = _known(skies, "localmin")
    if not values:
        return []
    low, high = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
    return [
        f"localmin, measured in each exposure alone, runs from {values[low]:.6g} ({low}) to "
        f"{values[high]:.6g} ({high}), a spread of {values[high] - values[low]:.6g}. Extended "
        "sources in an exposure raise it as the background does; localmin cannot tell them apart."
    ]


def _tell_match(skies: Skies, groups: Sequence[Sequence[str]], unit: str) -> list[str]:
    values = _known(skies, "match")
    if not values:
        return []
    return [
        "match, measured where exposures overlap and see the same sources, differs by at most "
        f"{_group_spread(values, groups):.6g} between exposures that are linked by overlaps."
    ]


def _tell_localmin_match(skies: Skies, groups: Sequence[Sequence[str]], unit: str) -> list[str]:
    local, matched = _known(skies, "localmin"), _known(skies, "match")
    rest = {
        rootname: local[rootname] - sky for rootname, sky in matched.items() if rootname in local
    }
    if not rest:
        return []
    return [
        f"localmin minus match has a spread of {_group_spread(rest, groups):.6g} among linked "
        "exposures. Where match is right about the overlaps, localmin would leave differences of "
        "up to that size between exposures of one mosaic."
    ]


def _tell_constants(skies: Skies, groups: Sequence[Sequence[str]], unit: str) -> list[str]:
    said = []
    lowest, both = _known(skies, "globalmin"), _known(skies, "globalmin+match")
    matched = _known(skies, "match")
    if lowest:
        said.append(
            f"globalmin subtracts {next(iter(lowest.values())):.6g} from every exposure; it leaves "
            "the differences between exposures as they were."
        )
    shared = [rootname for rootname in matched if rootname in both]
    if shared:
        constant = both[shared[0]] - matched[shared[0]]
        said.append(
            f"globalmin+match is match plus {constant:.6g}: between exposures it makes the same "
            "differences as match, and the mosaics of the two differ by a constant level."
        )
    if lowest and matched:
        said.append(
            "Relative to match, globalmin leaves differences of up to "
            f"{_group_spread(matched, groups):.6g} between linked exposures."
        )
    return said


def _tell_own(skies: Skies, groups: Sequence[Sequence[str]], unit: str) -> list[str]:
    own = [method for method in OWN if method in skies]
    if not own:
        return []
    said = (
        f"{listed(own)} {'is' if len(own) == 1 else 'are'} skymosaic's own, not AstroDrizzle's: "
        "from differences of the exposures on the common grid, with a standard error for each sky."
    )
    ours, theirs = _known(skies, "match-differences"), _known(skies, "match")
    shared = [name for name in ours if name in theirs]
    if not shared:
        return [said]
    apart = {name: ours[name] - theirs[name] for name in shared}
    return [
        f"{said} Between linked exposures match-differences differs from match by up to "
        f"{_group_spread(apart, groups):.6g}."
    ]


def _known(skies: Skies, method: str) -> dict[str, float]:
    return {name: sky for name, sky in skies.get(method, {}).items() if sky is not None}


def _group_spread(values: Mapping[str, float], groups: Sequence[Sequence[str]]) -> float:
    """Return the largest spread within one group."""
    inside = [[values[name] for name in group if name in values] for group in groups]
    return max((max(skies) - min(skies) for skies in inside if skies), default=0.0)


def _some(names: Sequence[str], most: int = 8) -> str:
    """Return the names, the first few where there are many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
