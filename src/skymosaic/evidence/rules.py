"""The rule that names a method, or says that there is none to name."""

from __future__ import annotations

from collections.abc import Sequence

from skymosaic.evidence import findings
from skymosaic.evidence.advice import Advice, Ranked, Verdict
from skymosaic.evidence.background import NEGLIGIBLE
from skymosaic.evidence.estimate import MethodComparison
from skymosaic.evidence.facts import SIGMAS, SMALL_SHARE, Facts
from skymosaic.evidence.turning import Turn, turns
from skymosaic.evidence.wording import amount, listed, measured
from skymosaic.methods import ascribed


def advise(facts: Facts) -> Advice:
    """Return the advice that the numbers support, and no more.

    The rules are told in ``docs/advice.md``.
    """
    ranking = sorted(
        (
            Ranked(method, one.estimated_error, one.estimated_error_error or 0.0)
            for method, one in facts.quality.items()
            if one.estimated_error is not None
        ),
        key=lambda one: one.estimated_error,
    )
    found = findings.find(facts)
    ordered = sorted(found, key=lambda finding: finding.severity != "warning")
    if not ranking:
        sentence = "The data do not tell which sky method to use: too few pixels to find empty sky."
        return Advice(
            verdict="undetermined",
            methods=(),
            sentence=sentence,
            sure="",
            margin=None,
            ranking=(),
            findings=ordered,
        )
    equal = [method for method, _, _ in ranking if _does_not_differ(facts, method)]
    others = [facts.against_best[method] for method, _, _ in ranking if method not in equal]
    margin = min((one.significance for one in others), default=None)
    verdict: Verdict = "method" if len(equal) == 1 else "no-difference"
    apart = max((facts.against_best[method] for method in equal), key=lambda one: one.excess)
    if len(equal) == len(ranking) > 1 and apart.excess > facts.negligible:
        verdict = "undetermined"
    turning = None if verdict == "undetermined" else turns(facts.quality, equal)
    return Advice(
        verdict=verdict,
        methods=() if verdict == "undetermined" else tuple(equal),
        sentence=_sentence(verdict, equal, ranking, apart, facts),
        sure=_sure(verdict, margin, turning, facts, any(f.severity == "warning" for f in found)),
        margin=margin,
        ranking=tuple(ranking),
        findings=ordered,
        apart=apart.excess,
        apart_error=apart.error,
        turns=turning,
    )


def _does_not_differ(facts: Facts, method: str) -> bool:
    """Tell whether a method's error is as small as the smallest, within errors or for all use."""
    against = facts.against_best[method]
    return against.excess <= facts.negligible or against.significance < SIGMAS


def _sentence(
    verdict: Verdict,
    equal: Sequence[str],
    ranking: Sequence[Ranked],
    apart: MethodComparison,
    facts: Facts,
) -> str:
    names = listed([ascribed(method) for method in equal])
    first, error, uncertainty = ranking[0]
    best = ascribed(first)
    off = f"{measured(error, uncertainty)} e-/s rms"
    rest = [f"{amount(one)} ({ascribed(m)})" for m, one, _ in ranking if m not in equal]
    against = f" Estimated errors of the others: {listed(rest)}." if rest else ""
    assumed = "If the darkest parts of the field are empty sky, the estimated error of"
    differ = f"{measured(apart.excess, apart.error)} e-/s"
    if verdict == "undetermined":
        return (
            "The data do not tell which sky method to use: the estimated errors differ by no more "
            f"than {differ}, which is within their uncertainty."
        )
    if verdict == "method":
        return f"Use {best}. {assumed} its sky values is {off}.{against}"
    if apart.excess + 2.0 * apart.error <= facts.negligible:
        how = (
            f"do not differ here by more than {amount(facts.negligible)} e-/s "
            f"({NEGLIGIBLE:.0%} of the noise of a pixel)"
        )
    elif apart.excess <= facts.negligible:
        how = (
            f"hardly differ here: by {differ}; {NEGLIGIBLE:.0%} of the noise of a pixel is "
            f"{amount(facts.negligible)}"
        )
    else:
        how = f"cannot be told apart here: they differ by {differ}"
    return f"{names} {how}. {assumed} the sky values of {best} is {off}.{against}"


def _sure(
    verdict: Verdict,
    margin: float | None,
    turning: Sequence[Turn] | None,
    facts: Facts,
    warned: bool,
) -> str:
    """Tell how sure the advice is, what it rests on, and what it would take to change it."""
    if margin is None:
        text = "No method is clearly worse than the best one."
    else:
        text = f"Every other method is worse by at least {margin:.0f} standard errors."
    if verdict == "undetermined" or facts.empty_share is None:
        return text
    share = f"{facts.empty_share:.1%} of the mosaic"
    bounded = turning is not None and all(turn.cause != "emission" for turn in turning)
    if facts.empty_share < SMALL_SHARE and not bounded:
        text = (
            "The advice depends on the level of the sky, which these data do not determine. It "
            f"assumes that the darkest parts of the field, only {share}, are empty sky. Under this "
            f"assumption: {_lower(text)}"
        )
    else:
        start = "See the warnings" if warned else "Well supported"
        text = f"{start}. {text} The advice assumes that the darkest parts, {share}, are empty sky."
    return text if turning is None else f"{text} {_would_change(turning, facts)}"


def _lower(sentence: str) -> str:
    return f"{sentence[0].lower()}{sentence[1:]}"


def _would_change(turning: Sequence[Turn], facts: Facts) -> str:
    """Tell what the darkest parts would have to hold for another method to be better."""
    alike = ", the same in all groups," if len(facts.graph.components) > 1 else ""
    found = {turn.cause: turn for turn in turning}
    changes = []
    if emission := found.get("emission"):
        changes.append(
            f"{ascribed(emission.method)} would be better if these parts held more than "
            f"{emission.level:.2g} e-/s of emission{alike.rstrip(',')}"
        )
    else:
        changes.append(f"No emission in these parts{alike} would change the advice")
    if defects := found.get("defects"):
        changes.append(
            f"{ascribed(defects.method)} would be better if defects, such as bad flat fields, "
            f"darkened these parts by more than {defects.level:.2g} e-/s"
        )
    return "; ".join(changes) + "."
