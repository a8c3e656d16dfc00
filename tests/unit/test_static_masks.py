"""Static masks of files: which chips share one, how AstroDrizzle gets them, and what is said."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata.bitmask import bitfield_to_boolean_mask

from skymosaic.config import load_campaign
from skymosaic.drizzle import order as ordering
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.order import StaticChoice, decide
from skymosaic.drizzle.static_masks import flag_repeated, masks_of_files, refusal, warning
from skymosaic.drizzle.summaries import MaskSummary
from skymosaic.errors import CampaignError, DrizzleError, SkyError
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.reading import read_exposure
from skymosaic.pipeline.comparison import result_settings
from skymosaic.pipeline.plan import static_rule
from skymosaic.pipeline.results import DrizzleResult, RecordedRule
from skymosaic.pipeline.sentences.static_masks import static_sheet, static_warnings
from skymosaic.sky.static_rule import FirstRule
from skymosaic.steps.step import Finished, Place, run_step
from skymosaic.steps.tasks import Step
from skymosaic.store.local import LocalStore
from tests.conftest import write_campaign
from tests.unit.small_fits import SIDE, write_exposure
from tests.unit.small_store import plain

BAD = (3, 12)
REPEATED = {"static": "repeated"}


def exposure(
    folder: Path,
    index: int,
    *,
    chips: int = 1,
    primary: Mapping[str, Any] | None = None,
    science: Mapping[str, Any] | None = None,
    share: float = 0.01,
    flags: int = 4,
) -> Exposure:
    """Write an exposure with noise, random low pixels, one that is low in all, and flags."""
    name = f"ibxl{index:02d}aaq_flt.fits"
    path = write_exposure(folder / name, chips=chips, primary=primary, science=science)
    random = np.random.default_rng([3, index])
    with fits.open(path, mode="update") as hdus:
        for hdu in hdus:
            if hdu.name == "SCI":
                hdu.data = random.normal(1.0, 0.03, (SIDE, SIDE)).astype(np.float32)
                hdu.data[random.uniform(size=(SIDE, SIDE)) < share] = -1.0
                hdu.data[BAD] = 0.0
            if hdu.name == "DQ":
                hdu.data[0, 0] = flags
    return read_exposure(path)


def summaries_of(folder: Path, exposures: list[Exposure], rule: object) -> list[MaskSummary]:
    return masks_of_files(folder, exposures, {"static": rule}).summaries()


def test_each_chip_of_a_detector_has_a_mask_of_its_own(tmp_path: Path) -> None:
    exposures = [exposure(tmp_path, index, chips=2) for index in range(12)]
    found = summaries_of(tmp_path, exposures, "repeated")
    assert [(one.chip, one.exposures, one.masked) for one in found] == [
        (1, 12, 1),
        (2, 12, 1),
    ]
    assert found[0].name == "WFC3/IR [SCI,1] of 16 x 16 pixels"


def test_the_same_pixel_of_another_detector_or_subarray_is_another_pixel(tmp_path: Path) -> None:
    exposures = [exposure(tmp_path, index) for index in range(4)]
    exposures += [
        exposure(tmp_path, index, primary={"DETECTOR": "UVIS"}, science={"CCDCHIP": 2})
        for index in range(4, 8)
    ]
    exposures += [
        exposure(
            tmp_path,
            index,
            primary={"DETECTOR": "UVIS"},
            science={"CCDCHIP": 2, "LTV1": -1024.0, "LTV2": -100.0},
        )
        for index in range(8, 12)
    ]
    found = summaries_of(tmp_path, exposures, "repeated")
    assert [one.exposures for one in found] == [4, 4, 4]
    assert [one.name for one in found] == [
        "WFC3/IR [SCI,1] of 16 x 16 pixels",
        "WFC3/UVIS [SCI,1] of 16 x 16 pixels",
        "WFC3/UVIS [SCI,1] of 16 x 16 pixels from (1025, 101)",
    ]
    # AstroDrizzle goes by size and number.
    assert [one.exposures for one in summaries_of(tmp_path, exposures, True)] == [12]


def test_without_a_rule_there_is_no_mask(tmp_path: Path) -> None:
    one = exposure(tmp_path, 0)
    assert summaries_of(tmp_path, [one], False) == []


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"sky_bits": "4,64", "driz_sep_bits": "64+512", "final_bits": "65535"},
        {"sky_bits": "None", "final_bits": "None"},
        {"sky_bits": "~4", "use_static": False},
    ],
)
def test_astrodrizzle_finds_the_pixels_flagged_and_no_other_changes(
    given: dict[str, Any], tmp_path: Path
) -> None:
    exposures = [exposure(tmp_path, index, chips=2, flags=4 | 64) for index in range(8)]
    before = [fits.getdata(tmp_path / e.name, ("DQ", 2)) for e in exposures]
    parameters = pars.resolve({**given, **REPEATED})
    masks = masks_of_files(tmp_path, exposures, parameters)
    known = flag_repeated(tmp_path, exposures, masks, parameters)
    assert known["static"] is False
    for one, old in zip(exposures, before, strict=True):
        with fits.open(tmp_path / one.name) as hdus:
            new = hdus["DQ", 2].data
            assert new.dtype == old.dtype
        for name in ("sky_bits", "driz_sep_bits", "final_bits"):
            was = parameters.get(name, "0")
            was = None if was == "None" else was
            good, expected = (
                bitfield_to_boolean_mask(
                    data.astype(np.uint16), ignore_flags=bits, good_mask_value=True, dtype=bool
                )
                for data, bits in ((new, known[name]), (old, was))
            )
            if name != "sky_bits" or given.get("use_static", True):
                expected[BAD] = False
            np.testing.assert_array_equal(good, expected)


def test_the_flag_is_one_that_no_exposure_has(tmp_path: Path) -> None:
    exposures = [exposure(tmp_path, index, flags=-32768 | 16384) for index in range(6)]
    parameters = pars.resolve({**REPEATED, "resetbits": "8192", "final_bits": "65535"})
    masks = masks_of_files(tmp_path, exposures, parameters)
    known = flag_repeated(tmp_path, exposures, masks, parameters)
    # 4096 is what AstroDrizzle flags cosmic rays with, 8192 what it clears first.
    assert fits.getdata(tmp_path / exposures[0].name, "DQ")[BAD] == 2048
    assert known["final_bits"] == str(65535 - 2048)


def test_where_all_flags_are_in_use_it_is_said(tmp_path: Path) -> None:
    exposures = [exposure(tmp_path, index, flags=-1) for index in range(3)]
    masks = masks_of_files(tmp_path, exposures, REPEATED)
    with pytest.raises(DrizzleError, match=r"set sky\.static: none"):
        flag_repeated(tmp_path, exposures, masks, REPEATED)


def test_astrodrizzles_own_rule_changes_neither_files_nor_parameters(tmp_path: Path) -> None:
    one = exposure(tmp_path, 0)
    content = (tmp_path / one.name).read_bytes()
    parameters = pars.resolve({})
    masks = masks_of_files(tmp_path, [one], parameters)
    assert flag_repeated(tmp_path, [one], masks, parameters) == parameters
    assert (tmp_path / one.name).read_bytes() == content


def test_a_mask_of_half_of_a_chip_is_refused_with_what_helps(tmp_path: Path) -> None:
    exposures = [exposure(tmp_path, index, share=0.03) for index in range(40)]
    with pytest.raises(SkyError) as caught:
        masks_of_files(tmp_path, exposures, {})
    assert "% of WFC3/IR [SCI,1] of 16 x 16 pixels: the pixels that are low" in str(caught.value)
    assert "any of 40 exposures" in str(caught.value)
    # What it says helps.
    assert "sky.static: repeated" in str(caught.value) and "sky.static: none" in str(caught.value)
    [repeated] = summaries_of(tmp_path, exposures, "repeated")
    assert repeated.masked == 1
    assert summaries_of(tmp_path, exposures, False) == []


def record(**values: Any) -> MaskSummary:
    known = {"detector": "WFC3/IR", "chip": 1, "columns": 10, "rows": 10, "name": "WFC3/IR [SCI,1]"}
    counts = {"rule": "once", "exposures": 30, "needed": 1, "masked": 1}
    return MaskSummary(**{**known, **counts, **values})


def test_what_is_said_of_a_mask() -> None:
    assert warning(record(share=0.05)) is None
    once = warning(record(share=0.0512)) or ""
    assert "5.12% of WFC3/IR [SCI,1]" in once and "any of 30 exposures" in once
    several = refusal(record(share=0.6, rule="repeated", needed=7))
    assert "60% of" in several and "in 7 or more of 30 exposures" in several
    assert "sky.static: none" in several and "sky.static: repeated" not in several


def run_of(*masks: MaskSummary) -> dict[str, Finished[DrizzleResult]]:
    result = DrizzleResult([], "sci", "wht", "preview", "sum", static=list(masks) or None)
    return {"match": Finished("runs/match", "key", {}, result, 1.0, 0, False)}


def test_the_report_has_a_row_a_chip_and_warns() -> None:
    runs = run_of(record(share=0.01), record(share=0.3, chip=2))
    table = static_sheet(runs)
    assert table is not None
    assert table["chip"].tolist() == [1, 2] and table["share"].tolist() == [0.01, 0.3]
    [warning] = static_warnings(runs)
    assert warning.startswith("The static mask leaves out 30% of") and warning.endswith("none.")
    older = run_of()
    assert static_sheet(older) is None and static_warnings(older) == []


def plan_step(place: Place, exposures: int, key: str) -> FirstRule | None:
    """Run what `plan` does to the rule, for exposures that `key` stands for."""
    done = run_step(
        place,
        Step("plan", RecordedRule, "plan"),
        inputs={},
        parameters={"inputs": key},
        versions={},
        work=lambda _bench: RecordedRule(static_rule(place, exposures)),
    )
    return done.result.static


def test_a_campaign_keeps_the_rule_of_its_first_run(tmp_path: Path) -> None:
    small, large, old = (
        Place(LocalStore(tmp_path / "store"), name, tmp_path) for name in ("small", "large", "old")
    )
    assert plan_step(small, 49, "a") == FirstRule("once", 49)
    assert plan_step(small, 50, "b") == FirstRule("once", 49)
    assert plan_step(large, 60, "a") == FirstRule("repeated", 60)
    assert plan_step(large, 3, "b") == FirstRule("repeated", 60)
    run_step(
        old,
        plain("plan"),
        inputs={},
        parameters={},
        versions={},
        work=lambda _bench: {"grid": {}},
    )
    assert plan_step(old, 1000, "b") is None  # an older version ran it, by AstroDrizzle's rule


IR = ("WFC3", "IR")


def order_of(exposures: int, choice: StaticChoice, given: Mapping[str, Any] = {}) -> ordering.Order:
    return decide([IR] * exposures, None, given, static=choice)


def test_below_fifty_exposures_nothing_of_the_order_changes() -> None:
    for choice in (StaticChoice(), StaticChoice("once")):
        order = order_of(49, choice)
        assert order.parameters == pars.resolve({})
        assert (order.sources, order.warnings) == ({}, [])


def test_the_rule_that_was_kept_holds_and_its_source_is_told() -> None:
    for exposures in (49, 60):
        order = order_of(exposures, StaticChoice("auto", "repeated", 60))
        assert order.parameters == {**pars.resolve({}), "static": "repeated"}
        assert "60 exposures at the campaign's first run" in order.sources["static"]
        assert order.warnings == []


def test_a_campaign_that_grew_keeps_its_rule_and_is_told_what_helps() -> None:
    order = order_of(50, StaticChoice("auto", "once", 49))
    assert order.parameters == pars.resolve({})
    [warning] = order.warnings
    assert "any of now 50 exposures" in warning and "sky.static: repeated" in warning
    assert order_of(50, StaticChoice("once", "once", 49)).warnings == []
    assert order_of(50, StaticChoice("repeated", "once", 49)).parameters["static"] == "repeated"
    assert order_of(50, StaticChoice("once", "repeated", 60)).parameters == pars.resolve({})
    assert order_of(50, StaticChoice("none", "repeated", 60)).parameters["static"] is False


def test_what_the_file_says_in_astrodrizzles_words_stands_above_all() -> None:
    for given in ({"static": True}, {"static": False}):
        order = order_of(60, StaticChoice("auto", "repeated", 60), given)
        assert order.parameters == pars.resolve(given)
        assert "static" not in order.sources and order.warnings == []


@pytest.mark.parametrize("recorded", [None, FirstRule("once"), FirstRule("once", 49)])
def test_a_record_without_a_rule_means_astrodrizzles(recorded: FirstRule | None) -> None:
    assert StaticChoice.of("auto", recorded) == StaticChoice()


@pytest.mark.parametrize(
    ("rule", "theirs", "allowed"),
    [
        ("once", True, True),
        ("none", False, True),
        ("auto", False, True),
        ("repeated", True, False),
        ("repeated", False, False),
        ("once", False, False),
        ("none", True, False),
    ],
)
def test_two_words_on_the_static_mask_must_be_one(
    rule: str, theirs: bool, allowed: bool, tmp_path: Path
) -> None:
    sky = {"static": rule, "parameters": {"static": theirs}}
    file = write_campaign(tmp_path / "a.yaml", source={"kind": "simulated"}, sky=sky)
    if allowed:
        assert load_campaign(file).sky.static == rule
        return
    with pytest.raises(CampaignError, match=r"leave parameters\.static out"):
        load_campaign(file)
    del sky["parameters"]
    assert load_campaign(write_campaign(file, source={"kind": "simulated"}, sky=sky))


def test_the_new_key_at_its_default_makes_no_comparison_anew(tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "a.yaml", source={"kind": "simulated"})
    assert "static" not in result_settings(load_campaign(file))["sky"]
    settings = result_settings(load_campaign(file, {"sky.static": "once"}))
    assert settings["sky"]["static"] == "once"
