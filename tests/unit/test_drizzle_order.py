"""What AstroDrizzle is asked for: by detector, depth, and the user, who stands above both."""

from __future__ import annotations

from typing import Any

import pytest
from astropy.time import Time

from skymosaic.config.hap_parameters import hap_parameters
from skymosaic.drizzle import order as ordering
from skymosaic.drizzle.depth import Depth
from skymosaic.drizzle.onepass.limits import require_linear
from skymosaic.drizzle.order import Order, decide, require_witness
from skymosaic.drizzle.parameters import CR_STEPS, has_cr_steps, resolve
from skymosaic.errors import DrizzleError
from skymosaic.hst.imagers import IMAGERS, Imager

IR, WFC, UVIS, HRC = ("WFC3", "IR"), ("ACS", "WFC"), ("WFC3", "UVIS"), ("ACS", "HRC")
WFPC2, STIS = ("WFPC2", "1"), ("STIS", "CCD")
CCDS = [WFC, UVIS, HRC, WFPC2, STIS]
ON, OFF = dict.fromkeys(CR_STEPS, True), dict.fromkeys(CR_STEPS, False)


def depth(*points: tuple[int, int]) -> Depth:
    return Depth(points)


ONE, TWO, THREE = depth((1, 90), (2, 10)), depth((1, 20), (2, 80)), depth((1, 12), (3, 88))
EIGHT = depth((1, 5), (2, 5), (8, 90))


@pytest.mark.parametrize("imager", IMAGERS, ids=lambda imager: imager.name)
def test_an_imager_that_keeps_its_cosmic_rays_has_defaults_against_them(imager: Imager) -> None:
    for detector in imager.detectors:
        sources = decide([(imager.instrument, detector)], THREE, {}).sources
        assert ("driz_cr" in sources) == imager.cosmic_rays


@pytest.mark.parametrize("given", [{}, {"final_bits": "8", "final_scale": 0.06}, ON])
@pytest.mark.parametrize("known", [None, ONE, THREE, EIGHT])
def test_wfc3_ir_has_the_defaults_that_it_always_had(
    known: Depth | None, given: dict[str, Any]
) -> None:
    order = decide([IR, IR], known, given)
    assert order.parameters == resolve(given)
    assert order.sources == {}


def test_wfc3_ir_by_default_is_warned_of_nothing() -> None:
    assert decide([IR], EIGHT, {}).warnings == []
    assert decide([IR], None, {}).warnings == []


@pytest.mark.parametrize("detector", CCDS)
def test_ccds_look_for_cosmic_rays_where_the_depth_allows_it(detector: tuple[str, str]) -> None:
    assert {step: decide([detector], TWO, {}).parameters[step] for step in CR_STEPS} == ON
    alone = decide([detector], ONE, {}).parameters
    assert {step: alone[step] for step in CR_STEPS} == OFF
    assert alone["resetbits"] == "0"
    for shallow in (ONE, TWO, EIGHT):  # any engine can do it
        require_linear(decide([detector], shallow, {}).parameters)


@pytest.mark.parametrize(
    ("detector", "name"), [(WFC, "acs_wfc"), (HRC, "acs_hrc"), (WFPC2, "wfpc2_pc")]
)
@pytest.mark.parametrize(("known", "count"), [(ONE, 1), (TWO, 2), (THREE, 3), (EIGHT, 8)])
def test_the_rest_is_drizzlepacs(
    detector: tuple[str, str], name: str, known: Depth, count: int
) -> None:
    order, theirs = decide([detector], known, {}), hap_parameters(name, count)
    for parameter, value in theirs.parameters.items():
        assert order.parameters[parameter] == value
        assert theirs.file in order.sources[parameter]
        assert f"median depth {known.median}" in order.sources[parameter]
    assert order.parameters["final_rot"] == 0.0
    assert f"it is {known.median}" in order.sources["driz_cr"]


def test_what_is_decided_differs_between_few_exposures_and_many() -> None:
    few, many = decide([WFC], THREE, {}).parameters, decide([WFC], EIGHT, {}).parameters
    assert few["combine_type"] == "minmed"
    assert many["combine_type"] == "median"
    assert few["driz_cr_scale"] != many["driz_cr_scale"]


def test_the_user_stands_above_all() -> None:
    given = {"final_bits": "8", "sky_bits": "16", "combine_type": "imean", "driz_cr_snr": "9 8"}
    order = decide([WFC], THREE, given)
    assert {name: order.parameters[name] for name in given} == given
    assert not set(given) & set(order.sources)
    assert (
        order.parameters["driz_sep_bits"]
        == hap_parameters("acs_wfc", 3).parameters["driz_sep_bits"]
    )


@pytest.mark.parametrize("given", [{"driz_cr": False}, OFF])
def test_who_wants_no_cosmic_rays_looked_for_has_none_of_the_steps(given: dict[str, Any]) -> None:
    order = decide([WFC], THREE, given)
    assert not has_cr_steps(order.parameters)
    assert order.parameters["resetbits"] == "0"
    assert order.parameters["final_bits"] == hap_parameters("acs_wfc", 3).parameters["final_bits"]
    assert order.warnings == []


def test_who_wants_them_looked_for_has_all_with_the_parameters_of_two() -> None:
    order = decide([WFC], ONE, {"driz_cr": True})
    assert {step: order.parameters[step] for step in CR_STEPS} == ON
    assert order.parameters["final_bits"] == hap_parameters("acs_wfc", 2).parameters["final_bits"]
    require_linear(order.parameters)


def test_uvis_changed_at_the_date_that_drizzlepac_has() -> None:
    change = Time("2012-11-08T02:59:15", format="isot", scale="utc").mjd
    assert pytest.approx(change, abs=1e-9) == ordering.UVIS_CHANGED
    before, after = (decide([UVIS], THREE, {}, change + days) for days in (-1.0, 1.0))
    assert "pre2012" in before.sources["sky_bits"]
    assert "pre2012" not in after.sources["sky_bits"]
    assert before.parameters["sky_bits"] != after.parameters["sky_bits"]
    assert decide([UVIS], THREE, {}).parameters == after.parameters


def test_stis_has_the_thresholds_of_acs_but_not_its_flags() -> None:
    order, acs = decide([STIS], THREE, {}), hap_parameters("acs_wfc", 3).parameters
    assert order.parameters["driz_cr_snr"] == acs["driz_cr_snr"]
    assert "those of ACS/WFC" in order.sources["driz_cr_snr"]
    for name in ("sky_bits", "driz_sep_bits", "final_bits"):
        assert order.parameters[name] == "0" != acs[name]
        assert "AstroDrizzle's own" in order.sources[name]


def test_detectors_without_cosmic_rays_of_their_own_stay_as_they_were() -> None:
    for detector in (("ACS", "SBC"), ("NICMOS", "3"), ("STIS", "NUV-MAMA")):
        assert decide([detector], THREE, {}) == Order(resolve({}), {}, [])


def test_several_detectors_have_no_common_defaults_and_the_reader_is_told() -> None:
    order = decide([WFC, IR], THREE, {})
    assert order.parameters == resolve({})
    [warning] = order.warnings
    assert "ACS/WFC, WFC3/IR" in warning
    assert decide([WFC, IR], None, OFF).warnings == []


def test_where_one_exposure_is_alone_its_cosmic_rays_stay_and_the_reader_is_told() -> None:
    [warning] = decide([WFC], THREE, {}).warnings
    assert warning.startswith(
        "Cosmic rays stay in 12% of the area, which one exposure alone covers"
    )
    assert decide([WFC], depth((2, 100)), {}).warnings == []
    [slight] = decide([WFC], depth((1, 1), (2, 9999)), {}).warnings
    assert "less than 0.1%" in slight


def test_what_an_older_version_made_of_ccds_is_not_said_to_be_shallow() -> None:
    order = decide([WFC], None, {})
    assert order.parameters == resolve({})  # those that it was made with
    [warning] = order.warnings
    assert warning.startswith("Cosmic rays stay in the mosaics: an older version of skymosaic")
    assert decide([WFC], None, {"driz_cr": False}).warnings == []


def test_a_single_layer_is_told_of_with_what_can_be_done() -> None:
    [warning] = decide([WFC], ONE, {}).warnings
    assert warning.startswith("Cosmic rays stay in the mosaics")
    assert "{driz_cr: true} to look for them in the 10%" in warning
    assert "final_bits 65535" in warning
    [alone] = decide([WFC], depth((1, 7)), {"final_bits": "64"}).warnings
    assert "driz_cr: true" not in alone and "final_bits" not in alone


@pytest.mark.parametrize("detector", [WFC, IR])
@pytest.mark.parametrize("kind", ["minmed", "iminmed"])
def test_minmed_of_many_exposures_is_warned_of(detector: tuple[str, str], kind: str) -> None:
    deep = depth((2, 60), (7, 40))
    warnings = decide([detector], deep, {**ON, "combine_type": kind}).warnings
    assert [one for one in warnings if f"combine_type {kind}" in one and "in 40%" in one]
    for fine, chosen in ((depth((2, 60), (6, 40)), kind), (deep, "median")):
        warnings = decide([detector], fine, {**ON, "combine_type": chosen}).warnings
        assert not [one for one in warnings if "combine_type" in one]


def test_a_median_without_a_search_does_not_pass_for_one() -> None:
    order = decide([WFC], depth((1, 20), (2, 80)), {"median": True, "driz_cr": False})
    assert order.parameters["median"] and not order.warnings
    require_witness(order)


def test_a_default_of_minmed_is_warned_of_too() -> None:
    warnings = decide([WFC], depth((2, 90), (9, 10)), {}).warnings
    assert [one for one in warnings if "combine_type minmed" in one and "in 10% of the area" in one]


def test_a_witness_of_masks_that_are_not_kept_is_refused() -> None:
    with pytest.raises(DrizzleError, match=r"on by default: ACS/WFC is a CCD.*to false in"):
        require_witness(decide([WFC], THREE, {}))
    with pytest.raises(DrizzleError, match=r"drizzle\.witness") as refused:
        require_witness(decide([IR], None, ON))
    assert "by default" not in str(refused.value)
    for order in (decide([IR], None, {}), decide([WFC], ONE, {}), decide([WFC], THREE, OFF)):
        require_witness(order)


def test_what_a_file_alone_tells() -> None:
    alone = {"driz_cr": True}
    with pytest.raises(DrizzleError, match="driz_cr without driz_separate"):
        require_linear(ordering.as_far_as_known([IR], alone))
    require_linear(ordering.as_far_as_known([], alone))
    require_linear(ordering.as_far_as_known([WFC], alone))
    with pytest.raises(DrizzleError, match="driz_cr without"):
        require_linear(ordering.as_far_as_known([WFC], {"driz_cr": True, "median": False}))
    may = ordering.may_look_for_cosmic_rays
    assert may([], {}) and may([WFC], {}) and may([IR], ON)
    assert not may([IR], {}) and not may([], OFF) and not may([WFC], {"driz_cr": False})
