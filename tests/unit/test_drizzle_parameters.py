"""AstroDrizzle's parameters: defaults < the user's < those that only the project sets."""

from __future__ import annotations

import pytest

from skymosaic.config.drizzlepac_parameters import known_parameters
from skymosaic.config.drizzlepac_reserved import RESERVED
from skymosaic.drizzle.parameters import (
    CR_STEPS,
    DEFAULTS,
    for_method,
    grid_choice,
    has_cr_steps,
    resolve,
)
from skymosaic.methods import METHODS, column

GRID = {"final_wcs": True, "final_rot": 257.0, "final_scale": 0.12, "final_outnx": 10}


def test_without_anything_given_the_defaults_hold() -> None:
    assert resolve({}) == {**DEFAULTS, "resetbits": "0"}


def test_what_is_given_stands_above_the_defaults() -> None:
    resolved = resolve({"final_rot": 257.0, "final_kernel": "gaussian", "context": True})
    assert resolved["final_rot"] == 257.0
    assert resolved["final_kernel"] == "gaussian"
    assert resolved["context"] is True
    assert resolved["driz_cr"] is False


def test_resolving_changes_neither_the_defaults_nor_the_given() -> None:
    before, given = dict(DEFAULTS), {"final_bits": 64}
    resolve(given)["final_rot"] = 99
    assert before == DEFAULTS
    assert given == {"final_bits": 64}


def test_without_cosmic_ray_steps_no_flag_is_reset() -> None:
    """AstroDrizzle clears 4096 in DQ by default, even where it looks for no cosmic rays."""
    assert resolve({})["resetbits"] == "0"
    assert resolve({"resetbits": 4096})["resetbits"] == "4096"


def test_where_cosmic_rays_are_looked_for_the_flags_are_left_to_astrodrizzle() -> None:
    resolved = resolve({"driz_cr": True})
    assert has_cr_steps(resolved)
    assert "resetbits" not in resolved


@pytest.mark.parametrize("step", [step for step in CR_STEPS if step != "driz_cr"])
def test_images_that_the_search_would_need_are_no_search(step) -> None:
    resolved = resolve({step: True})
    assert not has_cr_steps(resolved)
    assert resolved["resetbits"] == "0"  # what is cleared would not be found again


def test_cosmic_ray_steps() -> None:
    off = dict.fromkeys(CR_STEPS, False)
    assert not has_cr_steps(off)
    assert not has_cr_steps(DEFAULTS)
    # What is not said is on in AstroDrizzle.
    assert has_cr_steps({})
    assert has_cr_steps({key: value for key, value in off.items() if key != "driz_cr"})


@pytest.mark.parametrize("name", ["final_bits", "sky_bits", "driz_sep_bits", "resetbits"])
@pytest.mark.parametrize(("given", "expected"), [(64, "64"), ("64,512", "64,512"), (None, None)])
def test_flags_are_text_as_drizzlepac_declares_them(name, given, expected) -> None:
    assert resolve({name: given})[name] == expected


def test_the_choice_of_grid_goes_under_mergewcs_names() -> None:
    assert grid_choice(resolve({})) == {"rot": 0.0}
    assert grid_choice(resolve({"final_rot": 257.0, "final_scale": 0.06})) == {
        "rot": 257.0,
        "scale": 0.06,
    }
    assert grid_choice({"final_rot": None, "final_kernel": "square"}) == {}


@pytest.mark.parametrize("method", METHODS)
def test_each_method_gets_the_same_but_its_name(method) -> None:
    called = for_method(resolve({}), GRID, method)
    assert called["skymethod"] == method
    other = for_method(resolve({}), GRID, "another")
    assert {key for key in called if called[key] != other[key]} == {"skymethod"}


def test_only_the_project_sets_what_endangers_other_runs() -> None:
    hostile = {
        "skymethod": "localmin",
        "num_cores": 64,
        "in_memory": True,
        "mdriztab": True,
        "preserve": True,
        "clean": False,
        "build": True,
        "runfile": "/tmp/elsewhere.log",
    }
    called = for_method(resolve(hostile), GRID, "match")
    assert (
        called
        | {
            "skymethod": "match",
            "num_cores": 1,
            "in_memory": False,
            "mdriztab": False,
            "preserve": False,
            "clean": True,
            "build": False,
            "runfile": "astrodrizzle.log",
        }
        == called
    )


def test_the_grid_stands_above_the_users_choice() -> None:
    called = for_method(resolve({"final_rot": 1.0, "final_wcs": False}), GRID, "match")
    assert called["final_rot"] == 257.0
    assert called["final_wcs"] is True
    assert called["final_outnx"] == 10


def test_astrodrizzle_knows_every_parameter() -> None:
    called = for_method(resolve({}), GRID, "match")
    # mdriztab is an argument of the function, no parameter of the task.
    assert set(called) - {"mdriztab"} <= set(known_parameters("astrodrizzle"))


def test_what_the_project_sets_itself_a_campaign_cannot_set() -> None:
    own = set(for_method({}, {}, "match"))
    assert own <= set(RESERVED["astrodrizzle"])


def test_method_names_as_columns() -> None:
    assert [column(method) for method in METHODS] == [
        "localmin",
        "match",
        "globalmin",
        "globalmin_match",
    ]
