"""What must hold between the sky methods, whatever the data.

The relations follow from how stsci.skypac (``skymatch``) builds each method on the others; they are
compared in electron/s/arcsec^2, the brightness in which it computes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from skymosaic.errors import SkyError
from skymosaic.host.counting import counted
from skymosaic.methods import OWN, column
from skymosaic.report.mdrizsky import Chip, Runs, by_chip

Levels = Mapping[str, Mapping[Chip, float | None]]
_ROUNDING = 1e-6  # relative; skies are kept in single precision


@dataclass(frozen=True)
class Invariant:
    """One relation between the methods, and whether it holds.

    Parameters
    ----------
    name : str
        Short name, one word with underscores.
    formula : str
        The relation.
    holds : bool
        Whether ``value <= tolerance``.
    value : float
        The largest deviation, in electron/s/arcsec^2.
    tolerance : float
        The largest deviation allowed, in electron/s/arcsec^2.
    explanation : str
        Why the relation must hold, and for what it was checked.
    """

    name: str
    formula: str
    holds: bool
    value: float
    tolerance: float
    explanation: str


def check_invariants(
    runs: Runs, groups: Sequence[Sequence[str]], tolerance: float = 1e-6
) -> list[Invariant]:
    """Check every relation whose methods were run.

    Parameters
    ----------
    runs : mapping of str to sequence of SkyValue
        The sky values of each method that was run.
    groups : sequence of sequences of str
        Rootnames of the exposures that overlap one another, directly or through others; each
        exposure is in one group. They bound no relation: skypac solves all exposures at once, so
        the constant of ``globalmin+match`` is one for the whole set. An exposure that overlaps no
        other has no ``match`` value, and ``globalmin+match`` gives it that constant alone.
    tolerance : float
        Largest deviation allowed, relative to the largest brightness (to 1 electron/s/arcsec^2
        where all are fainter): skypac may keep skies in single precision, good to 1e-7.

    Returns
    -------
    list of Invariant
        Those that could be checked; relations whose methods were not run are left out.

    Raises
    ------
    SkyError
        If the groups are not a partition of the exposures; see also `mdrizsky.by_chip`.
    """
    checked = by_chip(runs)
    levels: Levels = {
        method: {chip: value.brightness for chip, value in values.items()}
        for method, values in checked.items()
    }
    require_partition(groups, {rootname for rootname, _ in next(iter(levels.values()))})
    brightest = max(
        (abs(v) for m in levels.values() for v in m.values() if v is not None), default=0
    )
    limit = tolerance * max(1.0, brightest)
    found: list[Invariant] = []
    checks: list[Callable[[Levels, int], list[_Check]]] = [_one_sky, _globalmin]
    for matched in ("match", "match-differences"):
        checks += [partial(_match, method=matched), partial(_globalmin_match, method=matched)]
    for check in checks:
        for name, formula, deviation, explanation in check(levels, len(groups)):
            holds = deviation <= limit
            found.append(Invariant(name, formula, holds, deviation, limit, explanation))
    return found


def require_partition(groups: Sequence[Sequence[str]], rootnames: set[str]) -> None:
    """Raise SkyError unless each exposure is in exactly one of the groups."""
    members = [rootname for group in groups for rootname in group]
    times = Counter(members)
    wrong = sorted(times.keys() ^ rootnames) or sorted(m for m, n in times.items() if n > 1)
    if wrong:
        raise SkyError(
            f"exposure {wrong[0]} is not in exactly one overlap group while it is compared; "
            "find the groups from the same exposures as the sky values"
        )


def failures(invariants: Sequence[Invariant]) -> str:
    """Return one sentence for each relation that does not hold, empty where all hold."""
    return "; ".join(
        f"{one.name} ({one.formula}) is off by {one.value:.3g} electron/s/arcsec^2, "
        f"more than {one.tolerance:.3g}"
        for one in invariants
        if not one.holds
    )


_Check = tuple[str, str, float, str]


def _known(levels: Levels, method: str) -> dict[Chip, float]:
    """Return the determined skies of a method, empty where it was not run."""
    return {chip: sky for chip, sky in levels.get(method, {}).items() if sky is not None}


def _spread(values: Sequence[float]) -> float:
    return max(values) - min(values)


def _one_sky(levels: Levels, _groups: int) -> list[_Check]:
    spreads = []
    methods = [method for method in levels if method not in OWN]  # they may have a sky a chip
    for method in methods:
        exposures: dict[str, list[float]] = {}
        for (rootname, _), sky in _known(levels, method).items():
            exposures.setdefault(rootname, []).append(sky)
        spreads += [_spread(skies) for skies in exposures.values() if len(skies) > 1]
    if not spreads:
        return []
    why = (
        "AstroDrizzle's methods find one sky brightness for an exposure and subtract it from all "
        f"its chips; checked for {', '.join(methods)}."
    )
    return [("one_sky_per_exposure", "chips of an exposure have one brightness", max(spreads), why)]


def _differ_by_chip(skies: Mapping[Chip, float | None]) -> bool:
    """Tell whether chips of one exposure have skies of their own."""
    exposures: dict[str, set[float]] = {}
    for (rootname, _), sky in skies.items():
        if sky is not None:
            exposures.setdefault(rootname, set()).add(sky)
    return any(max(its) - min(its) > _ROUNDING * max(map(abs, its)) for its in exposures.values())


def _globalmin(levels: Levels, _groups: int) -> list[_Check]:
    lowest, local = _known(levels, "globalmin"), _known(levels, "localmin")
    if not lowest:
        return []
    why = "globalmin subtracts the same brightness from every exposure."
    found = [("globalmin_is_one_value", "globalmin = constant", _spread([*lowest.values()]), why)]
    if local:
        expected = min(local.values())
        deviation = max(abs(sky - expected) for sky in lowest.values())
        why = "globalmin is the lowest of the skies that localmin measures."
        formula = "globalmin = min(localmin)"
        found.append(("globalmin_is_lowest_localmin", formula, deviation, why))
    return found


def _match(levels: Levels, groups: int, *, method: str) -> list[_Check]:
    skies = _known(levels, method)
    if not skies:
        return []
    why = (
        f"{method} is relative to the exposure with the lowest sky. The zero is one for the whole "
        f"set, which has {counted(groups, 'overlap group')}."
    )
    return [
        (f"{column(method)}_starts_at_zero", f"min({method}) = 0", abs(min(skies.values())), why)
    ]


def _globalmin_match(levels: Levels, groups: int, *, method: str) -> list[_Check]:
    """Check that one constant joins the two methods, and which.

    Where match is undetermined skypac has subtracted nothing yet when it looks for the lowest sky,
    and adds the constant there too: match counts as 0.
    """
    if method not in levels:
        return []
    both, local = _known(levels, f"globalmin+{method}"), _known(levels, "localmin")
    matched = {chip: sky or 0.0 for chip, sky in levels[method].items()}
    if not both:
        return []
    missing = sum(sky is None for sky in levels[method].values())
    aside = f" Where {method} is undetermined (chips: {missing}) it counts as 0." if missing else ""
    offsets = {chip: sky - matched[chip] for chip, sky in both.items()}
    why = (
        f"globalmin+{method} adds one brightness to {method}, the same in all "
        f"{groups} overlap groups.{aside}"
        if groups != 1
        else f"globalmin+{method} adds one brightness to {method}.{aside}"
    )
    formula = f"(globalmin+{method}) - {method} = constant"
    end = column(method).removeprefix("match")
    found = [(f"one_constant_above_match{end}", formula, _spread([*offsets.values()]), why)]
    if local:
        expected = min(sky - matched[chip] for chip, sky in local.items())
        if _differ_by_chip(levels[method]):
            # localmin is the lowest of an exposure's chips, and tells no more than a bound of what
            # is left of the others.
            deviation = max(0.0, expected - min(offsets.values()))
            why = f"No chip has less sky left than its exposure's lowest, less {method}.{aside}"
            formula = f"(globalmin+{method}) - {method} >= min(localmin - {method})"
            return [*found, (f"constant_is_lowest_rest{end}", formula, deviation, why)]
        deviation = max(abs(offset - expected) for offset in offsets.values())
        why = f"The constant is the lowest sky that is left once {method} is subtracted.{aside}"
        formula = f"(globalmin+{method}) - {method} = min(localmin - {method})"
        found.append((f"constant_is_lowest_rest{end}", formula, deviation, why))
    return found
