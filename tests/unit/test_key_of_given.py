"""What a drizzle with given skies is made from: their errors, too, where chips have skies."""

from __future__ import annotations

from skymosaic.drizzle.onepass.skies import AppliedSky
from skymosaic.drizzle.summaries import DifferencesSummary
from skymosaic.evidence.chips_summary import ChipsSummary
from skymosaic.pipeline.drizzle import key_of_given
from skymosaic.sky.values import SkyValue


def summary(chips: ChipsSummary | None) -> DifferencesSummary:
    return DifferencesSummary(1.0, 10, 0, planes=None, planes_subtracted=False, chips=chips)


def given(error: float, differences: DifferencesSummary | None) -> AppliedSky:
    values = [SkyValue("a", extver, 1.5, 400.0, error) for extver in (1, 2)]
    return AppliedSky(values, (1.5, 1.5), (1.5, 1.5), differences=differences)


def test_skies_of_exposures_have_the_key_that_they_had() -> None:
    assert key_of_given(None) == {}
    assert key_of_given(given(0.1, None)) == {"sky": [1.5, 1.5]}
    assert key_of_given(given(0.1, summary(None))) == {"sky": [1.5, 1.5]}


def test_one_sky_with_other_errors_is_made_anew_where_exposures_have_chips() -> None:
    auto, off = (summary(ChipsSummary("step", "step", per_chip=word)) for word in ("auto", False))
    keys = [
        key_of_given(given(error, differences))
        for error in (0.1, 0.2)
        for differences in (auto, off)
    ]
    assert all(key["sky"] == [1.5, 1.5] for key in keys)
    assert all(a != b for i, a in enumerate(keys) for b in keys[:i])
