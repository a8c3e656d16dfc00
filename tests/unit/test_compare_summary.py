from __future__ import annotations

from skymosaic.report.summary import BRIGHTNESS_UNIT, exposure_skies, sentences, warnings
from skymosaic.sky.values import SkyValue


def runs_of(skies, factors=None):
    return {
        method: [SkyValue(name, 1, v, (factors or {}).get(name, 60.0)) for name, v in row.items()]
        for method, row in skies.items()
    }


SKIES = {
    "localmin": {"a": 1.0, "b": 1.5, "c": 1.1, "d": 1.2},
    "match": {"a": 0.0, "b": 0.02, "c": 0.5, "d": 0.54},
}
GROUPS = [["a", "b"], ["c", "d"]]


def test_spreads_are_taken_within_overlap_groups():
    text = " ".join(sentences(runs_of(SKIES), GROUPS))
    assert "a spread of 0.5." in text  # localmin, all exposures: 1.0 to 1.5
    assert "by at most 0.04 between" in text  # match: 0.02 and 0.04 within, 0.54 across
    assert "spread of 0.48 among linked" in text  # localmin - match: 1.0 and 1.48
    whole = " ".join(sentences(runs_of(SKIES), [["a", "b", "c", "d"]]))
    assert "by at most 0.54 between" in whole


def test_only_methods_that_were_run_are_told():
    text = " ".join(sentences(runs_of({"localmin": SKIES["localmin"]}), GROUPS))
    assert "1 sky method: localmin" in text
    assert "globalmin" not in text
    assert "match" not in text


def test_data_of_unlike_exposures_are_compared_in_brightness():
    skies, unit = exposure_skies(runs_of(SKIES, {"a": 30.0}), "electron")
    assert unit == BRIGHTNESS_UNIT
    assert skies["localmin"]["a"] == 30.0
    skies, unit = exposure_skies(runs_of(SKIES), "electron")
    assert unit == "electron / s"
    assert skies["localmin"]["a"] == 1.0


def test_counts_are_compared_as_rates():
    values = [
        SkyValue("a", 1, 36.0, 400.0 / 360.0, seconds=360.0),
        SkyValue("b", 1, 50.0, 400.0 / 500.0, seconds=500.0),
    ]
    skies, unit = exposure_skies({"localmin": values}, "electron")
    assert unit == "electron / s"
    assert skies["localmin"] == {"a": 0.1, "b": 0.1}
    text = " ".join(sentences({"localmin": values}, [["a", "b"]], "electron"))
    assert "Values are in electron / s: MDRIZSKY divided by EXPTIME." in text
    assert "a spread of 0." in text
    plain = " ".join(sentences(runs_of(SKIES), GROUPS))
    assert "Values are in electron / s." in plain


def test_an_exposure_whose_chips_have_skies_of_their_own_counts_with_their_mean():
    values = [SkyValue("a", chip, sky, 400.0) for chip, sky in ((1, 0.1), (2, 0.2), (3, None))]
    skies, _ = exposure_skies({"match-differences": values}, "electron / s")
    assert abs(skies["match-differences"]["a"] - 0.15) < 1e-12
    skies, _ = exposure_skies({"match": [SkyValue("a", 1, None, 400.0)]}, "electron / s")
    assert skies["match"]["a"] is None


def test_warnings_name_undetermined_exposures_and_separate_groups():
    lone = {
        "localmin": {"a": 1.0, "b": 1.1, "c": 1.3},
        "match": {"a": 0.0, "b": 0.1, "c": None},
    }
    said = warnings(runs_of(lone), [["a", "b"], ["c"]])
    assert any("match could not determine" in one and "c" in one for one in said)
    assert any("2 groups" in one and "arbitrary zero point" in one for one in said)
    assert not any("data quality" in one for one in said)


def test_an_undetermined_exposure_that_overlaps_others_is_pointed_out():
    lone = {"match": {"a": 0.0, "b": 0.1, "c": None}}
    said = warnings(runs_of(lone), [["a", "b", "c"]])
    assert any("footprints of c overlap others" in one for one in said)


def test_nothing_is_warned_of_where_all_is_determined_and_linked():
    assert warnings(runs_of(SKIES), [["a", "b", "c", "d"]]) == []
    assert warnings(runs_of({"localmin": SKIES["localmin"]}), GROUPS) == []


def test_what_was_not_measured_is_named_with_its_reason():
    runs = {"localmin": [SkyValue("a", 1, 1.0, 60.0), SkyValue("b", 1, None, 60.0)]}
    [line] = warnings(runs, [["a", "b"]])
    assert "localmin could not determine the sky of 1 exposure: b. No pixel is left" in line


def test_a_chip_that_was_not_measured_beside_one_that_was():
    values = [SkyValue(name, chip, 1.0, 60.0) for name in "ab" for chip in (1, 2)]
    assert warnings({"localmin": values}, [["a", "b"]]) == []
    values[3] = SkyValue("b", 2, None, 60.0)
    [line] = warnings({"localmin": values}, [["a", "b"]])
    assert "localmin could measure no sky in b[SCI,2]" in line
