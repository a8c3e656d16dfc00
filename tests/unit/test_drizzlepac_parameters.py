"""drizzlepac's parameters: read from its own files, checked by name, type and option."""

from __future__ import annotations

import subprocess
import sys

import pytest

from skymosaic.config import drizzlepac_parameters as dp
from skymosaic.errors import CampaignError, InstallationError


@pytest.mark.parametrize(
    ("task", "name", "kind", "default", "options", "section"),
    [
        ("astrodrizzle", "static", "boolean", True, (), "STEP 1: STATIC MASK"),
        ("astrodrizzle", "skywidth", "float_or_none", 0.1, (), "STEP 2: SKY SUBTRACTION"),
        ("astrodrizzle", "crbit", "integer", 4096, (), ""),
        ("astrodrizzle", "final_units", "option", "cps", ("counts", "cps"), None),
        ("astrodrizzle", "driz_cr_snr", "string", "3.5 3.0", (), None),
        ("tweakreg", "searchrad", "float", 1.0, (), "OBJECT MATCHING PARAMETERS"),
        ("tweakreg", "nbright", "integer_or_none", None, (), "COORDINATE FILE DESCRIPTION"),
        ("imagefind", "threshold", "float_or_none", 4.0, (), ""),
    ],
)
def test_definitions_are_drizzlepacs_own(task, name, kind, default, options, section) -> None:
    parameter = dp.known_parameters(task)[name]
    assert (parameter.type, parameter.default, parameter.options) == (kind, default, options)
    assert section is None or parameter.section == section
    assert parameter.comment


def test_buttons_and_rules_are_no_parameters() -> None:
    for task in ("astrodrizzle", "tweakreg", "imagefind"):
        names = dp.known_parameters(task)
        assert names and not [name for name in names if name.startswith("_")]


def test_the_sky_parameters_are_those_of_the_sky_step_and_the_static_mask() -> None:
    sky = {name for name, par in dp.known_parameters("astrodrizzle").items() if par.is_sky}
    assert {"static", "static_sig", "skystat", "sky_bits", "use_static", "skyclip"} <= sky
    assert not {"final_bits", "blot_addsky", "resetbits", "driz_sep_bits"} & sky


def test_definitions_are_cached_and_cannot_be_changed() -> None:
    known = dp.known_parameters("tweakreg")
    assert dp.known_parameters("tweakreg") is known
    with pytest.raises(TypeError):
        known["minobj"] = None  # type: ignore[index]


def test_drizzlepac_is_not_imported() -> None:
    code = (
        "import sys; from skymosaic.config.drizzlepac_parameters import known_parameters;"
        "known_parameters('astrodrizzle'); sys.exit('drizzlepac' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_types_are_those_of_drizzlepac() -> None:
    checked = dp.check_parameters(
        "astrodrizzle",
        {
            "final_bits": 64,
            "final_rot": 257,
            "final_scale": None,
            "final_pixfrac": "8e-1",
            "driz_sep_pixfrac": 1,
            "crbit": 4096.0,
            "driz_cr": False,
            "final_wht_type": "IVM",
            "sky_bits": None,
            "resetbits": 0,
        },
    )
    assert checked == {
        "final_bits": "64",
        "final_rot": 257.0,
        "final_scale": None,
        "final_pixfrac": 0.8,
        "driz_sep_pixfrac": 1.0,
        "crbit": 4096,
        "driz_cr": False,
        "final_wht_type": "IVM",
        "sky_bits": "None",
        "resetbits": "0",
    }
    assert isinstance(checked["final_rot"], float)
    assert isinstance(checked["crbit"], int)


@pytest.mark.parametrize(
    ("task", "name", "value", "said"),
    [
        ("astrodrizzle", "final_rott", 1, "did you mean final_rot?"),
        ("tweakreg", "treshold", 1, "unknown TweakReg parameter"),
        ("tweakreg", "threshold", 1, "it is one of imagefind"),
        ("astrodrizzle", "final_units", "cpss", "must be one of counts, cps, not 'cpss'"),
        ("astrodrizzle", "final_units", 3, "must be one of counts, cps, not 3"),
        ("astrodrizzle", "driz_cr", "maybe", "must be true or false, not 'maybe'"),
        ("astrodrizzle", "driz_cr", 1, "must be true or false"),
        ("astrodrizzle", "skyclip", 2.5, "must be a whole number, not 2.5"),
        ("astrodrizzle", "skyclip", None, "must be a whole number, not None"),
        ("astrodrizzle", "final_rot", "north", "must be a finite number or null, not 'north'"),
        ("astrodrizzle", "final_rot", float("nan"), "must be a finite number"),
        ("astrodrizzle", "final_fillval", float("inf"), "must be a finite number"),
        ("astrodrizzle", "skyclip", float("inf"), "must be a whole number"),
        ("astrodrizzle", "final_rot", True, "not a boolean"),
        ("astrodrizzle", "final_wt_scl", False, "not a boolean"),
        ("astrodrizzle", "final_bits", [4, 8], "must be text, not [4, 8]"),
        ("astrodrizzle", "resetbits", None, "must be text, not None"),
        ("astrodrizzle", "final_scale", 0, "must be at least 0.001 and at most 10, not 0"),
        ("astrodrizzle", "final_scale", -0.1, "must be at least 0.001 and at most 10, not -0.1"),
        ("astrodrizzle", "driz_sep_scale", "-1", "must be at least 0.001 and at most 10, not '-1'"),
        ("astrodrizzle", "final_pixfrac", -1, "must be at least 0 and at most 1, not -1"),
        # DQ has 16 bits.
        ("astrodrizzle", "resetbits", 65536, "powers of 2 up to 32768, such as"),
        ("astrodrizzle", "final_bits", "64,65536", "powers of 2 up to 32768"),
        ("astrodrizzle", "sky_bits", "~131072", "powers of 2 up to 32768"),
        ("astrodrizzle", "driz_sep_bits", 2**31, "powers of 2 up to 32768"),
        ("astrodrizzle", "crbit", 65536, "must be a power of 2 up to 32768"),
        ("imagefind", "dqbits", 65536, "powers of 2 up to 32768"),
        ("tweakreg", "fitgeometry", [], "must be one of shift, rscale, general"),
    ],
)
def test_a_wrong_parameter_is_refused_with_what_is_allowed(task, name, value, said) -> None:
    with pytest.raises(CampaignError) as caught:
        dp.check_parameters(task, {name: value})
    assert said in str(caught.value)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("task", "name", "reason"),
    [
        ("astrodrizzle", "skymethod", "sky.methods"),
        ("astrodrizzle", "updatewcs", "replace the WCS"),
        ("astrodrizzle", "skyuser", "would replace all four"),
        ("tweakreg", "refimage", "align.order"),
        ("tweakreg", "imagefindcfg", "align.imagefind"),
        ("tweakreg", "interactive", "no screen"),
    ],
)
def test_a_reserved_parameter_is_refused_with_its_reason(task, name, reason) -> None:
    with pytest.raises(CampaignError, match=f"{name} cannot be set: .*{reason}"):
        dp.check_parameters(task, {name: "x"})


def test_what_the_user_may_need_is_not_reserved() -> None:
    free = {
        "astrodrizzle": {"resetbits": "0", "context": False, "static": True, "final_rot": 1.0},
        "tweakreg": {
            "expand_refcat": True,
            "enforce_user_order": False,
            "refcat": "gaia.cat",
            "minobj": 4,
            "fitgeometry": "shift",
        },
        "imagefind": {"threshold": 10.0, "conv_width": 3.5},
    }
    for task, given in free.items():
        assert dp.check_parameters(task, given) == given


def test_every_reserved_name_is_a_real_argument() -> None:
    arguments = {
        "mdriztab",
        "configobj",
        "editpars",
        "updatewcs",
        "imagefindcfg",
        "refimagefindcfg",
    }
    for task, reserved in dp.RESERVED.items():
        assert set(reserved) - arguments <= set(dp.known_parameters(task))


def test_all_wrong_parameters_are_named_at_once() -> None:
    with pytest.raises(CampaignError) as caught:
        dp.check_parameters("tweakreg", {"minobjj": 1, "nclip": "x", "sigma": 2})
    assert [line.split(":")[1].strip() for line in str(caught.value).splitlines()] == [
        "minobjj",
        "nclip",
    ]


def test_a_damaged_installation_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(dp, "parameters_folder", lambda: tmp_path)
    dp.known_parameters.cache_clear()
    try:
        with pytest.raises(InstallationError, match=r"tweakreg\.cfgspc"):
            dp.known_parameters("tweakreg")
        (tmp_path / "tweakreg.cfgspc").write_text("# fine\nminobj = 3\n")
        with pytest.raises(InstallationError, match="line 2"):
            dp.known_parameters("tweakreg")
    finally:
        dp.known_parameters.cache_clear()
