"""Which groups are red, green and blue; what is refused, and the remedy."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from skymosaic.archive.base import Parcel
from skymosaic.config import Campaign, load_campaign_text
from skymosaic.errors import CampaignError
from skymosaic.hst.facts import FileFacts
from skymosaic.hst.wavelengths import wavelength_of
from skymosaic.pipeline.colour_plan import colour_plans
from skymosaic.pipeline.group import Group
from skymosaic.pipeline.grouping import is_called
from skymosaic.pipeline.groups import groups_of, tasks_of_groups

TEXT = """
campaign: {name: program}
source: {kind: simulated}
sky: {methods: [localmin, match]}
groups: {grid: shared}
colour: auto
"""


def campaign(text: str = TEXT) -> Campaign:
    return load_campaign_text(text, "program.yaml", {})


def parcels(filters: Sequence[str], target: str = "M 16", instrument: str = "WFC3/IR") -> list:
    letter = target[0].lower()
    return [
        Parcel(
            f"i{letter}xl{number:02d}aaq_flt",
            {},
            facts=FileFacts("1", target, instrument, filter_, 50000.0),
        )
        for number, filter_ in enumerate(filters)
    ]


def shades(text: str, *sets: list) -> dict[str, dict[str, str]]:
    given = campaign(text)
    groups = groups_of(given, [one for its in sets for one in its])
    return {
        plan.field: {shade.colour: shade.filter for shade in plan.shades}
        for plan in colour_plans(given, groups)
    }


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["F110W", "F160W"], {"red": "F160W", "blue": "F110W"}),
        (["F160W", "F110W", "F125W"], {"red": "F160W", "green": "F125W", "blue": "F110W"}),
        (
            ["F098M", "F105W", "F125W", "F140W", "F160W"],
            {"red": "F160W", "green": "F125W", "blue": "F098M"},
        ),
    ],
)
def test_colours_follow_the_wavelengths(filters: list[str], expected: dict[str, str]) -> None:
    assert shades(TEXT, parcels(filters)) == {"M_16": expected}


def test_filters_of_several_detectors_are_put_in_order() -> None:
    sets = parcels(["F160W"]), parcels(["F606W", "F814W"], instrument="ACS/WFC")
    assert shades(TEXT, *sets) == {"M_16": {"red": "F160W", "green": "F814W", "blue": "F606W"}}


@pytest.mark.parametrize(
    ("filter_", "instrument", "expected"),
    [
        ("F160W", "WFC3/IR", 1.6),
        ("F098M", "WFC3/IR", 0.98),
        ("F606W", "ACS/WFC", 0.606),
        ("F1042M", "WFPC2/PC", 1.042),
        ("F350LP", "WFC3/UVIS", 0.35),
        ("FQ889N", "WFC3/UVIS", 0.889),
        ("CLEAR1L;F814W", "ACS/WFC", 0.814),
        ("50CCD", "STIS", None),
    ],
)
def test_a_filters_name_tells_its_wavelength(
    filter_: str, instrument: str, expected: float | None
) -> None:
    assert wavelength_of(filter_, instrument) == expected


def test_named_groups_have_the_colours_that_they_are_given() -> None:
    named = TEXT.replace("auto", "{red: F110W, blue: F160W}")
    assert shades(named, parcels(["F110W", "F125W", "F160W"])) == {
        "M_16": {"red": "F110W", "blue": "F160W"}
    }


def test_a_target_without_the_filters_has_no_picture(caplog: pytest.LogCaptureFixture) -> None:
    sets = (
        parcels(["F110W", "F160W"]),
        parcels(["F110W", "F125W"], "NGC 1"),
        parcels(["F160W"], "X"),
    )
    named = TEXT.replace("auto", "{red: F160W, blue: F110W}")
    assert list(shades(named, *sets)) == ["M_16"]
    assert "no colour picture of NGC_1: it does not have F160W and F110W" in caplog.text
    assert "no colour picture of X/F160W: it is the only group of its target" in caplog.text


def test_where_no_target_has_the_filters_the_groups_are_named() -> None:
    named = TEXT.replace("auto", "{red: F814W, blue: F110W}")
    with pytest.raises(CampaignError, match=r"red: 'F814W' names none .*: M 16/F110W, M 16/F160W"):
        shades(named, parcels(["F110W", "F160W"]))
    with pytest.raises(CampaignError, match=r"no target has F814W and F110W; there are: M 16/F110"):
        shades(named, parcels(["F110W", "F160W"]), parcels(["F814W"], "X"))


def test_what_names_several_groups_is_refused() -> None:
    text = TEXT.replace("{grid: shared}", "{by: [target, filter, visit], grid: shared}")
    text = text.replace("auto", "{red: F160W, blue: F110W}")
    with pytest.raises(CampaignError, match=r"colour.red: F160W names several groups of M_16"):
        shades(text, parcels(["F110W", "F160W", "F160W"]))


def test_a_group_with_a_grid_of_its_own_is_refused() -> None:
    own = "{M 16/F160W: {drizzle: {grid: {ra: 1, dec: 2, columns: 9, rows: 9}}}}"
    text = TEXT.replace("{grid: shared}", f"{{grid: shared, parameters: {own}}}")
    text = text.replace("auto", "{red: F160W, blue: F110W}")
    with pytest.raises(CampaignError, match=r"M 16/F160W has a grid of its own.*groups.grid: shar"):
        shades(text, parcels(["F110W", "F125W", "F160W"]))


def test_a_part_of_a_name_is_found_beside_an_instrument_and_a_space() -> None:
    sets = (
        parcels(["F275W", "F814W"], instrument="WFC3/UVIS"),
        parcels(["F606W", "F814W"], instrument="ACS/WFC"),
    )
    groups = groups_of(campaign(), [one for its in sets for one in its])
    names = [group.name for group in groups]
    assert "M 16/F814W WFC3/UVIS" in names
    assert [name for name in names if is_called(name, "F814W")] == [
        "M 16/F814W",
        "M 16/F814W WFC3/UVIS",
    ]
    assert not any(is_called(name, "F81") for name in names)


@pytest.mark.parametrize(
    ("drizzle", "remedy"),
    [
        ("grid: {skycell: skycell-p1253x06y09}", "set drizzle.grid.crop: false"),
        ("parameters: {final_ra: 1, final_dec: 2}", "final_outny together, or leave final_ra and"),
    ],
)
@pytest.mark.parametrize("sharing", ["own", "shared"])
def test_grids_that_depend_on_the_exposures_of_a_group_are_refused(
    drizzle: str, remedy: str, sharing: str
) -> None:
    text = TEXT.replace("{grid: shared}", f"{{grid: {sharing}}}\ndrizzle: {{{drizzle}}}")
    with pytest.raises(CampaignError, match=remedy):
        campaign(text)


def test_the_remedies_of_refused_grids_work() -> None:
    for drizzle in (
        "grid: {skycell: skycell-p1253x06y09, crop: false}",
        "parameters: {final_ra: 1, final_dec: 2, final_outnx: 9, final_outny: 9}",
    ):
        text = TEXT.replace("{grid: shared}", f"{{}}\ndrizzle: {{{drizzle}}}")
        assert list(shades(text, parcels(["F110W", "F160W"]))) == ["M_16"]


def test_a_sky_method_that_a_group_does_not_have_is_refused() -> None:
    own = "{M 16/F160W: {sky: {methods: [localmin]}}}"
    text = TEXT.replace("{grid: shared}", f"{{grid: shared, parameters: {own}}}")
    assert list(shades(text, parcels(["F110W", "F160W"]))) == ["M_16"]
    with pytest.raises(CampaignError, match=r"M 16/F160W has no mosaic of match.* are localmin"):
        shades(text.replace("auto", "{method: match}"), parcels(["F110W", "F160W"]))


def test_pixels_that_a_shared_grid_tells_are_of_no_use_to_a_group(
    caplog: pytest.LogCaptureFixture,
) -> None:
    own = "{drizzle: {parameters: {final_scale: 0.06}}}"
    parameters = f"{{M 16/F110W: {own}, M 16/F160W: {own}}}"
    text = TEXT.replace("{grid: shared}", f"{{grid: shared, parameters: {parameters}}}")
    groups_of(campaign(text), parcels(["F110W", "F160W"]))
    assert [one.message for one in caplog.records] == [
        "groups.parameters.M 16/F160W: final_scale of no use: the size and the angle of a shared "
        "grid's pixels are those of M 16/F110W"
    ]


def test_a_given_grid_is_one_grid() -> None:
    given = TEXT.replace(
        "groups: {grid: shared}",
        "groups: {}\ndrizzle: {grid: {ra: 1, dec: 2, columns: 9, rows: 9, scale: 0.1}}",
    )
    assert list(shades(given, parcels(["F110W", "F160W"]))) == ["M_16"]
    groups = groups_of(campaign(given), parcels(["F110W", "F160W"]))
    assert all(group.field is not None and not group.field.is_linked for group in groups)


def test_the_picture_is_one_of_the_programs_tasks() -> None:
    groups: list[Group] = groups_of(campaign(), parcels(["F110W", "F160W"]))
    [task] = [task for task in tasks_of_groups(campaign(), groups) if task.kind == "colour"]
    assert task.title == "colour M_16"
    assert all(group.own(campaign()).colour is None for group in groups)
    assert [str(plan) for plan in colour_plans(campaign(), groups)] == [
        "M 16/F160W red, M 16/F110W blue"
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("groups: {grid: shared}\n", "", "set groups: {grid: shared}"),
        ("{grid: shared}", "{}", "grid of its own: set groups.grid: shared"),
        ("auto", "yes please", "must be auto, or a mapping"),
        ("auto", "{red: F160W}", "blue is missing"),
        ("auto", "{green: F160W}", "red is missing"),
        ("auto", "{percentiles: [99, 1]}", "the first must be lower"),
        ("auto", "{stretch: linear, linear_to: 0.1}", "linear_to is of no use"),
        ("auto", "{stretch: log, q: 3}", "q is of use with stretch: lupton only"),
        ("auto", "{stretch: sqrt}", "lupton"),
        ("auto", "{method: globalmin}", "none of sky.methods; choose one of localmin, match"),
    ],
)
def test_what_cannot_be_is_refused_with_the_remedy(old: str, new: str, message: str) -> None:
    with pytest.raises(CampaignError) as caught:
        campaign(TEXT.replace(old, new))
    assert message in str(caught.value)
