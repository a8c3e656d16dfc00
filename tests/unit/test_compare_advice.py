"""The rules of the advice, on constructed numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from skymosaic.evidence.estimate import MethodComparison
from skymosaic.evidence.facts import Facts
from skymosaic.evidence.graph import OverlapGraph
from skymosaic.evidence.overlap_graph import build
from skymosaic.evidence.residuals import MethodQuality, PairDifference, Residual, Seam
from skymosaic.evidence.rules import advise
from skymosaic.methods import METHODS

NOISE = 0.06  # negligible: 0.003


def quality(method: str, error: float | None, **more) -> MethodQuality:
    plain = MethodQuality(
        method=method,
        residual_rms=0.0005,
        residual_rms_error=0.0005,
        largest=None,
        worst_exposure=None,
        worst_exposure_residual=None,
        largest_seam=None,
        seam_rms=None,
        flatness=0.0,
        background=0.0,
        background_error=0.001,
        negative_share=0.0,
        subtracted=1.0,
        imposed=0.0,
        estimated_error=error,
        estimated_error_error=None if error is None else 0.001,
        undetermined=(),
    )
    return replace(plain, **more)


def difference(a: str, b: str, **more) -> PairDifference:
    return replace(PairDifference(a, b, 0.0, 0.001, 0.01, NOISE, 0.0, 1000, 64000), **more)


PAIRS = [difference("a", "b"), difference("b", "c"), difference("a", "c")]


def graph(pairs=PAIRS, names: str = "abc") -> OverlapGraph:
    return build(list(names), pairs, dict.fromkeys(names, 1_000_000))


def facts(
    errors: dict[str, float], significance: float = 20.0, error: float = 0.0003, **more
) -> Facts:
    best = min(errors.values(), default=0.0)
    against = {
        m: MethodComparison(e - best, error, significance * (e > best)) for m, e in errors.items()
    }
    given = {
        "quality": {m: quality(m, e) for m, e in errors.items()},
        "against_best": against,
        "residuals": {},
        "seams": {},
        "differences": PAIRS,
        "misfit": 1.0,
        "graph": graph(),
        "empty_share": 0.5,
        "noise": NOISE,
    }
    return Facts(**{**given, **more})


ERRORS = {"localmin": 0.4, "match": 0.8, "globalmin": 0.2, "globalmin+match": 0.05}


def codes(advice) -> list[str]:
    return [finding.code for finding in advice.findings]


def test_the_method_that_is_clearly_best_is_named_with_the_numbers() -> None:
    advice = advise(facts(ERRORS))
    assert advice.verdict == "method"
    assert advice.methods == ("globalmin+match",)
    assert advice.sentence.startswith("Use globalmin+match. ")
    for number in ("0.0500", "0.2000 (globalmin)", "0.8000 (match)"):
        assert number in advice.sentence
    assert advice.margin == 20.0
    assert "20 standard errors" in advice.sure
    assert advice.ranking[0][0] == "globalmin+match"


def test_methods_within_what_is_negligible_do_not_differ() -> None:
    advice = advise(facts({**ERRORS, "globalmin": 0.0520}))
    assert advice.verdict == "no-difference"
    assert advice.methods == ("globalmin+match", "globalmin")
    assert "do not differ here by more than 0.0030" in advice.sentence
    assert "0.4000 (localmin)" in advice.sentence


def test_all_methods_may_not_differ() -> None:
    advice = advise(facts(dict.fromkeys(METHODS, 0.002)))
    assert advice.verdict == "no-difference"
    assert set(advice.methods) == set(METHODS)
    assert "the others" not in advice.sentence


def test_methods_within_their_errors_cannot_be_told_apart() -> None:
    errors = {"localmin": 0.03, "globalmin+match": 0.02, "match": 0.8}
    given = facts(errors)
    against = {**given.against_best, "localmin": MethodComparison(0.01, 0.0067, 1.5)}
    advice = advise(replace(given, against_best=against))
    assert advice.verdict == "no-difference"
    assert advice.methods == ("globalmin+match", "localmin")
    assert "cannot be told apart here: they differ by 0.0100 +- 0.0067" in advice.sentence
    assert (advice.apart, advice.apart_error) == (0.01, 0.0067)


def test_a_difference_that_may_be_more_than_negligible_is_told_with_its_error() -> None:
    advice = advise(facts({**ERRORS, "globalmin": 0.0525}, error=0.001))
    assert advice.methods == ("globalmin+match", "globalmin")
    assert "hardly differ here: by 0.0025 +- 0.0010 e-/s; 5%" in advice.sentence


def test_it_says_so_where_the_data_do_not_tell() -> None:
    advice = advise(facts(ERRORS, significance=1.0))
    assert (advice.verdict, advice.methods) == ("undetermined", ())
    assert advice.sentence.startswith("The data do not tell")
    nothing = facts({})
    unknown = replace(nothing, quality={m: quality(m, None) for m in METHODS})
    assert advise(unknown).verdict == "undetermined"


def test_how_sure_it_is_tells_the_assumption() -> None:
    plain = advise(facts(ERRORS))
    assert "If the darkest parts of the field are empty sky" in plain.sentence
    assert "assumes that the darkest parts, 50.0% of the mosaic, are empty sky" in plain.sure
    assert plain.sure.startswith("Well supported. Every other method is worse by at least 20")
    assert advise(facts(ERRORS, misfit=4.0)).sure.startswith("See the warnings. Every other")
    doubtful = advise(facts(ERRORS, empty_share=0.01))
    assert doubtful.sure.startswith(
        "The advice depends on the level of the sky, which these data do not determine"
    )
    assert "no-empty-sky" in codes(doubtful)
    assert plain.turns is None  # the levels of these are not known
    assert "would be better" not in plain.sure


LEVELS = {
    "match": quality("match", 0.05, estimated_level=-0.05),
    "globalmin+match": quality("globalmin+match", 0.2, estimated_level=0.2),
}


def test_what_subtracts_least_is_right_whatever_emission_there_is() -> None:
    advice = advise(facts({"match": 0.05, "globalmin+match": 0.2}, quality=LEVELS))
    assert [(turn.cause, turn.method) for turn in advice.turns] == [("defects", "globalmin+match")]
    # Both would be off by 0.125: -0.05 - 0.075 and 0.2 - 0.075.
    assert advice.turns[0].level == pytest.approx(0.075)
    assert "No emission in these parts would change the advice" in advice.sure
    assert "globalmin+match would be better if defects" in advice.sure
    assert "more than 0.075" in advice.sure


def test_it_tells_how_much_emission_would_change_it() -> None:
    errors = {"match": 0.8, "globalmin": 0.3, "globalmin+match": 0.05}
    qualities = {
        "match": quality("match", 0.8, estimated_level=-0.8),
        "globalmin": quality("globalmin", 0.3, estimated_level=-0.1),
        "globalmin+match": quality("globalmin+match", 0.05, estimated_level=0.05),
    }
    advice = advise(facts(errors, quality=qualities, empty_share=0.01))
    [turn] = advice.turns
    # globalmin: (0.09 - 0.0025) / 2 / 0.15 = 0.2917, match: (0.64 - 0.0025) / 2 / 0.85 = 0.375
    assert (turn.cause, turn.method) == ("emission", "globalmin")
    assert turn.level == pytest.approx(0.29167, abs=1e-4)
    assert (
        "globalmin would be better if these parts held more than 0.29 e-/s of emission"
        in advice.sure
    )
    assert "Under this assumption: every other method is worse by at least 20" in advice.sure
    apart = graph([difference("a", "b")], "abc")
    several = advise(facts(errors, quality=qualities, graph=apart))
    assert "emission, the same in all groups" in several.sure


def test_separate_groups_cannot_be_related() -> None:
    apart = graph([difference("a", "b"), difference("c", "d")], "abcd")
    advice = advise(facts(ERRORS, graph=apart))
    [finding] = [one for one in advice.findings if one.code == "separate-groups"]
    assert finding.severity == "warning"
    assert "2 groups" in finding.text
    assert "match and globalmin+match cannot relate them" in finding.text
    assert finding.evidence["groups"] == [["a", "b"], ["c", "d"]]


def test_undetermined_exposures_are_named() -> None:
    given = facts(ERRORS)
    qualities = {**given.quality, "match": quality("match", 0.8, undetermined=("c",))}
    advice = advise(replace(given, quality=qualities))
    [finding] = [one for one in advice.findings if one.code == "undetermined"]
    assert "match is undetermined for c" in finding.text


def test_a_bridge_is_a_warning_where_it_is_weak() -> None:
    names = "abcdef"
    strong = [difference(p, q) for p, q in ("ab", "bc", "ac", "de", "ef", "df")]
    weak = difference("c", "d", pixels=400, error=0.01)
    advice = advise(facts(ERRORS, graph=graph([*strong, weak], names)))
    [finding] = [one for one in advice.findings if one.code == "bridge"]
    assert finding.severity == "warning"
    assert "400 pixels" in finding.text and "0.0100" in finding.text
    good = difference("c", "d", error=0.0005)
    advice = advise(facts(ERRORS, graph=graph([*strong, good], names)))
    [finding] = [one for one in advice.findings if one.code == "bridge"]
    assert finding.severity == "note"


def test_exposures_with_few_pixels_in_common_are_named() -> None:
    thin = graph([difference("a", "b"), difference("b", "c", pixels=900)])
    assert "few-pixels" in codes(advise(facts(ERRORS, graph=thin)))
    assert "few-pixels" not in codes(advise(facts(ERRORS)))


@pytest.mark.parametrize(("size", "warned"), [(0.02, True), (0.0035, False), (0.002, False)])
def test_the_statistic_disagrees_where_match_leaves_a_significant_residual(size, warned) -> None:
    left = {"match": [Residual("match", "a", "b", size, 0.001, size / NOISE)] * 60}
    advice = advise(facts(ERRORS, residuals=left))
    assert ("statistic-disagrees" in codes(advice)) is warned


def test_what_localmin_leaves_is_no_fault_of_the_statistic() -> None:
    left = {"localmin": [Residual("localmin", "a", "b", 0.3, 0.001, 5.0)]}
    assert "statistic-disagrees" not in codes(advise(facts(ERRORS, residuals=left)))


def test_a_difference_that_is_no_constant_is_told() -> None:
    uneven = [difference("a", "b", unevenness=0.01), *PAIRS[1:]]
    assert "not-constant" in codes(advise(facts(ERRORS, differences=uneven)))
    assert "no-constants" in codes(advise(facts(ERRORS, misfit=4.0)))
    assert not {"not-constant", "no-constants"} & set(codes(advise(facts(ERRORS))))


@pytest.mark.parametrize(("level", "code"), [(-0.02, "over-subtraction"), (0.02, "pedestal")])
def test_the_darkest_sky_tells_of_too_much_or_too_little(level, code) -> None:
    given = facts(ERRORS)
    qualities = {**given.quality, "match": quality("match", 0.8, background=level)}
    found = [one for one in advise(replace(given, quality=qualities)).findings if one.code == code]
    assert [one.evidence["method"] for one in found] == ["match"]
    assert code not in codes(advise(given))


def test_steps_and_steps_that_nothing_calls_for() -> None:
    plain = Seam("localmin", "a", ("b",), 0.1, 0.002, 0.1, 90, 85.0, -2.4)
    advice = advise(facts(ERRORS, seams={"localmin": [plain]}))
    assert "steps" in codes(advice)
    assert "seams-disagree" not in codes(advice)
    odd = replace(plain, expected=0.0)
    assert "seams-disagree" in codes(advise(facts(ERRORS, seams={"localmin": [odd]})))
    small = replace(plain, step=0.002, expected=0.0)
    assert not {"steps", "seams-disagree"} & set(
        codes(advise(facts(ERRORS, seams={"localmin": [small]})))
    )


def test_warnings_come_first() -> None:
    found = advise(facts(ERRORS, misfit=5.0, empty_share=0.01)).findings
    severities = [one.severity for one in found]
    assert severities == sorted(severities, reverse=True)
    assert {"warning", "note"} == set(severities)


def test_a_method_of_this_project_is_marked_wherever_the_advice_names_it() -> None:
    best = advise(facts({**ERRORS, "globalmin+match-differences": 0.01}))
    assert best.methods == ("globalmin+match-differences",)
    assert best.sentence.startswith("Use globalmin+match-differences *. ")
    worse = advise(facts({**ERRORS, "match-differences": 0.7}))
    assert "0.7000 (match-differences *)" in worse.sentence
    both = {"match": 0.01, "match-differences": 0.01, "globalmin": 0.4}
    alike = advise(facts(both, graph=graph(PAIRS[:1])))
    assert alike.sentence.startswith("match and match-differences * do not differ here")
    texts = {finding.code: finding.text for finding in alike.findings}
    assert "match and match-differences * cannot relate them" in texts["separate-groups"]
    assert "match, match-differences * and globalmin leave the same" in texts["same-differences"]


def test_the_advice_names_a_method_of_this_project_as_what_would_be_better() -> None:
    errors = {"match": 0.01, "match-differences": 0.5}
    given = facts(errors)
    levels = {"match": 0.0, "match-differences": -0.4}
    rated = {m: quality(m, e, estimated_level=levels[m]) for m, e in errors.items()}
    advice = advise(replace(given, quality=rated))
    assert "match-differences * would be better if these parts held more than" in advice.sure
