"""What else the numbers say: each rule is a function, and gives the numbers that lead to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from skymosaic.evidence import chip_findings, overlap_findings
from skymosaic.evidence.advice import Finding
from skymosaic.evidence.facts import SIGMAS, SMALL_SHARE, Facts
from skymosaic.evidence.residuals import Residual
from skymosaic.evidence.wording import amount, listed, measured
from skymosaic.host.counting import counted
from skymosaic.hst.imagers import onepass_imagers
from skymosaic.methods import ascribed

_UNEVEN = 3.0  # times its standard error that one constant an exposure leaves of a difference
_SEAM_SHARE = 0.1  # of a step: the weights of exposures at an edge are known to some per cent


def find(facts: Facts) -> list[Finding]:
    """Return what each rule found."""
    rules = (
        _statistic_disagrees,
        _not_constant,
        _oversubtraction,
        _pedestal,
        _no_empty_sky,
        _same_differences,
        _steps,
        _dense_edges,
        _seams_disagree,
        _truth,
    )
    graph, chips = overlap_findings.find(facts), chip_findings.find(facts)
    return graph + chips + [one for rule in rules for one in rule(facts)]


def _significant(facts: Facts, method: str) -> list[Residual]:
    """Return the residuals of a method that matter, the most significant first."""
    residuals = facts.residuals.get(method, ())
    limit = facts.limit(len(residuals))
    large = [
        one
        for one in residuals
        if one.significance > limit and abs(one.residual) > facts.negligible
    ]
    return sorted(large, key=lambda one: -one.significance)


def _statistic_disagrees(facts: Facts) -> Iterator[Finding]:
    """Tell where a method that matches leaves what the same pixels show to be there."""
    for method in facts.matching[:1]:
        left = _significant(facts, method)
        if not left:
            continue
        worst = left[0]
        yield Finding(
            "statistic-disagrees",
            "warning",
            f"{method} leaves {measured(worst.residual, worst.error, sign='+')} e-/s between "
            f"{worst.a} and {worst.b}. In {len(left)} of "
            f"{counted(len(facts.differences), 'overlap')} it leaves more than the error. There "
            "the statistic that it compares (skystat) disagrees with the difference measured at "
            "the same places on the sky. Look for bright or saturated sources and bad pixels in "
            "these overlaps, and mask them: give them a flag in DQ that sky_bits does not ignore, "
            "or set sky.mask_sources: true, which leaves sources out (drizzle.engine: onepass, "
            f"for {onepass_imagers()} only).",
            {
                "method": method,
                "pairs": [asdict(one) | {"significance": one.significance} for one in left[:10]],
                "overlaps": len(facts.differences),
            },
        )


def _not_constant(facts: Facts) -> Iterator[Finding]:
    uneven = [one for one in facts.differences if one.unevenness > facts.negligible]
    worst = max(uneven, key=lambda one: one.unevenness, default=None)
    if worst is not None:
        yield Finding(
            "not-constant",
            "warning",
            f"The difference between {worst.a} and {worst.b} varies across their overlap by "
            f"{amount(worst.unevenness)} e-/s rms ({len(uneven)} of {len(facts.differences)} "
            "overlaps have such a variation). The cause is a gradient or a bad flat field. A "
            "method that subtracts one value from an exposure cannot remove it.",
            {"pairs": [[one.a, one.b, one.unevenness] for one in uneven[:10]]},
        )
    if facts.misfit > _UNEVEN:
        yield Finding(
            "no-constants",
            "warning",
            "One sky value for each exposure does not explain the differences in the overlaps: "
            f"they deviate by {facts.misfit:.1f} times their errors.",
            {"misfit": facts.misfit},
        )


def _oversubtraction(facts: Facts) -> Iterator[Finding]:
    for method, one in facts.quality.items():
        if one.background is None or one.background_error is None:
            continue
        limit = max(SIGMAS * one.background_error, facts.negligible)
        if one.background < -limit:
            yield Finding(
                "over-subtraction",
                "note",
                f"{method} leaves the darkest parts of its mosaic "
                f"{measured(-one.background, one.background_error)} e-/s below zero. If no defects "
                "darken these parts, the method subtracts at least this much too much.",
                {
                    "method": method,
                    "background": one.background,
                    "standard_error": one.background_error,
                    "negative_share": one.negative_share,
                },
            )


def _pedestal(facts: Facts) -> Iterator[Finding]:
    for method, one in facts.quality.items():
        if one.background is None or one.background_error is None:
            continue
        if one.background > max(SIGMAS * one.background_error, facts.negligible):
            yield Finding(
                "pedestal",
                "note",
                f"{method} leaves {amount(one.background)} e-/s in the darkest parts of its "
                "mosaic. This is sky, or emission that covers the whole field.",
                {
                    "method": method,
                    "background": one.background,
                    "standard_error": one.background_error,
                },
            )


def _no_empty_sky(facts: Facts) -> Iterator[Finding]:
    if facts.empty_share is not None and facts.empty_share < SMALL_SHARE:
        yield Finding(
            "no-empty-sky",
            "warning",
            f"Only {facts.empty_share:.1%} of the mosaic is as dark as its darkest parts. Perhaps "
            "there is no empty sky in it, or these parts are defects. Then only differences of the "
            "sky are known, not its level.",
            {"empty_share": facts.empty_share},
        )


def _same_differences(facts: Facts) -> Iterator[Finding]:
    """Name the methods that differ in the level of the sky alone, not between exposures."""
    rms = {m: one.residual_rms for m, one in facts.quality.items() if one.residual_rms is not None}
    if len(rms) < 2:
        return
    least = min(rms.values())
    same = [method for method, one in rms.items() if one - least <= facts.negligible]
    if len(same) > 1:
        left = listed([amount(rms[method]) for method in same])
        names = listed([ascribed(method) for method in same])
        yield Finding(
            "same-differences",
            "note",
            f"Between exposures, {names} leave the same differences: {left} e-/s rms in the "
            "overlaps. If you measure with a local background, as for stars, they are equally "
            "good.",
            {method: rms[method] for method in same},
        )


def _steps(facts: Facts) -> Iterator[Finding]:
    for method, seams in facts.seams.items():
        real = [seam for seam in seams if seam.significance > facts.limit(len(seams))]
        large = [seam for seam in real if abs(seam.step) > facts.negligible]
        if large:
            worst = max(large, key=lambda seam: abs(seam.step))
            yield Finding(
                "steps",
                "note",
                f"{method} leaves steps at {len(large)} of {counted(len(seams), 'seam')}. The "
                f"largest is {measured(worst.step, worst.error, sign='+')} e-/s, at the edge of "
                f"{worst.exposure}, at RA {worst.ra:.5f}, Dec {worst.dec:+.5f}.",
                {"method": method, "seams": len(large), "of": len(seams), "worst": asdict(worst)},
            )


def _dense_edges(facts: Facts) -> Iterator[Finding]:
    if facts.dense:
        yield Finding(
            "dense-edges",
            "note",
            "The exposures overlap so densely that edges of others lie beside those of each. So "
            "the step of a seam is the mean along all edges of an exposure, with what else begins "
            "or ends there. The step that is expected is found in the same way.",
            {"seams": max(map(len, facts.seams.values()), default=0)},
        )


def _seams_disagree(facts: Facts) -> Iterator[Finding]:
    """Tell where a mosaic has a step that its exposures do not call for."""
    for method, seams in facts.seams.items():
        odd = [
            seam
            for seam in seams
            if seam.expected is not None
            and abs(seam.step - seam.expected)
            > 5.0 * seam.error + _SEAM_SHARE * abs(seam.expected) + facts.negligible
        ]
        if odd:
            worst = max(odd, key=lambda seam: abs(seam.step - (seam.expected or 0.0)))
            yield Finding(
                "seams-disagree",
                "warning",
                f"At {len(odd)} of {counted(len(seams), 'seam')} the mosaic of {method} has a "
                "different step from what its exposures predict: "
                f"{measured(worst.step, worst.error, sign='+')} e-/s at the edge of "
                f"{worst.exposure}, where {amount(worst.expected or 0.0, sign='+')} is expected. "
                "Look at the masks and weights there.",
                {"method": method, "worst": asdict(worst), "seams": len(odd)},
            )


def _truth(facts: Facts) -> Iterator[Finding]:
    known = {method: one.truth for method, one in facts.quality.items() if one.truth is not None}
    if known:
        best = min(known, key=lambda method: known[method].rms)
        errors = listed(
            [f"{amount(one.rms)} ({ascribed(method)})" for method, one in known.items()]
        )
        yield Finding(
            "truth",
            "note",
            f"The data are simulated. {ascribed(best)} is closest to the true skies. True errors: "
            f"{errors} e-/s rms.",
            {method: asdict(one) for method, one in known.items()},
        )
