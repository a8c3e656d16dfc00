"""The rule that names a method, or says that there is none to name."""

from __future__ import annotations

from collections.abc import Sequence

from skymosaic.compare import findings
from skymosaic.compare.advice import Advice, Verdict
from skymosaic.compare.background import NEGLIGIBLE
from skymosaic.compare.estimate import Comparison
from skymosaic.compare.facts import SIGMAS, SMALL_SHARE, Facts
from skymosaic.compare.wording import listed


def advise(facts: Facts) -> Advice:
    """Return the advice that the numbers support, and no more.

    The rules are told in ``docs/advice.md``.
    """
    ranking = sorted(
        (
            (method, one.estimated_error, one.estimated_error_error or 0.0)
            for method, one in facts.quality.items()
            if one.estimated_error is not None
        ),
        key=lambda row: row[1],
    )
    found = findings.find(facts)
    told = sorted(found, key=lambda finding: finding.severity != "warning")
    if not ranking:
        sentence = "The data do not tell which sky method to use: too few pixels to find empty sky."
        return Advice("undetermined", (), sentence, "", None, (), told)
    equal = [method for method, _, _ in ranking if _does_not_differ(facts, method)]
    others = [facts.against_best[method] for method, _, _ in ranking if method not in equal]
    margin = min((one.significance for one in others), default=None)
    verdict: Verdict = "method" if len(equal) == 1 else "no-difference"
    apart = max((facts.against_best[method] for method in equal), key=lambda one: one.excess)
    if len(equal) == len(ranking) > 1 and apart.excess > facts.negligible:
        verdict = "undetermined"
    return Advice(
        verdict=verdict,
        methods=() if verdict == "undetermined" else tuple(equal),
        sentence=_sentence(verdict, equal, ranking, apart, facts),
        sure=_sure(verdict, equal, margin, facts),
        margin=margin,
        ranking=tuple(ranking),
        findings=told,
        apart=apart.excess,
        apart_error=apart.error,
    )


def _does_not_differ(facts: Facts, method: str) -> bool:
    """Tell whether a method's error is as small as the smallest, within errors or for all use."""
    against = facts.against_best[method]
    return against.excess <= facts.negligible or against.significance < SIGMAS


def _sentence(
    verdict: Verdict,
    equal: Sequence[str],
    ranking: Sequence[tuple[str, float, float]],
    apart: Comparison,
    facts: Facts,
) -> str:
    names = listed(equal)
    best, error, uncertainty = ranking[0]
    off = f"{error:.4f} +- {max(uncertainty, 5e-5):.4f} e-/s rms"
    rest = [f"{one:.4f} ({method})" for method, one, _ in ranking if method not in equal]
    against = f"; the others are off by {listed(rest)}" if rest else ""
    differ = f"{apart.excess:.4f} +- {apart.error:.4f} e-/s"
    if verdict == "undetermined":
        return (
            "The data do not tell which sky method to use: the estimated errors differ by "
            f"{differ}, within what they are uncertain by."
        )
    if verdict == "method":
        return (
            f"Use {best}: what it subtracted is off by {off} from the skies that this field calls "
            f"for{against}."
        )
    if apart.excess + 2.0 * apart.error <= facts.negligible:
        how = (
            f"do not differ here by more than {facts.negligible:.4f} e-/s "
            f"({NEGLIGIBLE:.0%} of the noise of a pixel)"
        )
    elif apart.excess <= facts.negligible:
        how = (
            f"hardly differ here: by {differ}, where {NEGLIGIBLE:.0%} of the noise of a pixel is "
            f"{facts.negligible:.4f}"
        )
    else:
        how = f"cannot be told apart here: they differ by {differ}"
    return f"{names} {how}; {best} is off by {off}{against}."


def _sure(verdict: Verdict, equal: Sequence[str], margin: float | None, facts: Facts) -> str:
    """Tell how sure the advice is, and what it rests on."""
    if margin is None:
        told = "No method is worse than the best one by more than its errors."
    else:
        worse = "the next one is" if verdict == "method" else "those left out are"
        told = f"{worse[0].upper()}{worse[1:]} worse by {margin:.0f} standard errors or more."
    if verdict == "undetermined" or facts.empty_share is None:
        return told
    if _level_is_bounded(equal, facts):
        return told + (
            " It holds wherever there is emission: the others subtract more than the darkest part "
            "of the field has, or leave larger steps."
        )
    condition = (
        " It supposes that the darkest parts of each group of exposures are empty sky, "
        f"{facts.empty_share:.1%} of the mosaic here"
    )
    doubt = (
        ". With emission everywhere the skies are lower, and what subtracts less is better; where "
        "these parts are defects, such as bad flat fields, it is the other way round."
    )
    return told + condition + (doubt if facts.empty_share < SMALL_SHARE else ".")


def _level_is_bounded(equal: Sequence[str], facts: Facts) -> bool:
    """Tell whether emission in the darkest parts could only strengthen the advice.

    It would lower all skies that are called for by one constant: that favours whichever method
    subtracts less on average.
    """
    levels = {method: facts.quality[method].estimated_level for method in facts.against_best}
    known = {method: level for method, level in levels.items() if level is not None}
    others = [level for method, level in known.items() if method not in equal]
    return len(known) == len(levels) and all(
        known[method] <= level for method in equal for level in others
    )
