"""Groups of a program: what is their own, what is the campaign's, where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from skymosaic.archive.base import Parcel
from skymosaic.config import Campaign, load_campaign_text
from skymosaic.config.groups import TAKEN_FOLDERS
from skymosaic.errors import CampaignError, InputError
from skymosaic.hst.facts import FileFacts
from skymosaic.pipeline.group import Group, fields_in
from skymosaic.pipeline.groups import groups_of, tasks_of_groups
from skymosaic.pipeline.sources import open_source
from skymosaic.results.housekeeping import KEPT
from skymosaic.runs.running import groups_of_share
from skymosaic.steps.place import Place
from skymosaic.steps.tasks import KINDS, count_kinds, tasks_of
from skymosaic.store import LocalStore
from skymosaic.store.base import checked_key

TEXT = """
campaign: {name: program}
source: {kind: mast, proposal_id: [12812]}
align: {min_sources: 20, gates: {min_matches: 5}}
sky: {parameters: {skystat: mean}}
drizzle: {parameters: {final_bits: 64, final_scale: 0.1}}
groups:
  parameters:
    M 16/F160W:
      align: {order: [54], gates: {max_rms_mas: 10}}
      drizzle: {parameters: {final_rot: 30}}
    M 16/F110W: {align: none, sky: {methods: [match]}}
"""


def program(text: str = TEXT) -> Campaign:
    return load_campaign_text(text, "program.yaml", {})


def test_what_is_a_groups_own_is_merged_into_the_campaigns() -> None:
    own = program().for_group("M 16/F160W")
    assert own.align.order == ("54",)
    assert own.align.min_sources == 20
    assert (own.align.gates.min_matches, own.align.gates.max_rms_mas) == (5, 10)
    assert own.drizzle.parameters == {"final_bits": "64", "final_scale": 0.1, "final_rot": 30.0}
    assert own.sky == program().sky
    assert own.groups is None


def test_a_group_can_be_left_unaligned() -> None:
    own = program().for_group("M 16/F110W")
    assert own.align.method == "none"
    assert own.sky.methods == ("match",)
    assert own.sky.parameters == {"skystat": "mean"}


def test_a_group_without_anything_of_its_own_is_the_campaign() -> None:
    campaign = program()
    own = campaign.for_group("NGC 1/F160W")
    assert (own.align, own.sky, own.drizzle) == (campaign.align, campaign.sky, campaign.drizzle)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            TEXT.replace("final_rot", "final_rotation"),
            "line 11: groups.parameters.M 16/F160W.drizzle",
        ),
        (TEXT.replace("max_rms_mas", "max_rms"), "max_rms: unknown key, did you mean max_rms_mas?"),
        (TEXT.replace("{align: none, ", "{algn: none, "), "algn: unknown key, did you mean align?"),
        (TEXT.replace("groups:", "groups:\n  by: [target, colour]"), "groups.by"),
        (TEXT.replace("groups:", "groups:\n  epoch_gap: 3"), "epoch_gap is of use with epoch"),
        (TEXT.replace("groups:", "groups:\n  members: {a: []}"), "members.a names nothing"),
        (
            TEXT.replace("groups:", "groups:\n  reference: F160W"),
            "reference is of use where",
        ),
        (
            TEXT.replace("groups:", "groups:\n  by: [filter]\n  members: {a: [i*]}"),
            "by and members both",
        ),
    ],
)
def test_what_is_wrong_with_groups_is_said_with_its_line(text: str, message: str) -> None:
    with pytest.raises(CampaignError) as caught:
        program(text)
    assert message in str(caught.value)


def parcel(
    name: str,
    target: str,
    filter_: str,
    instrument: str = "WFC3/IR",
    start: float | None = None,
    association: str = "",
) -> Parcel:
    return Parcel(
        name, {}, facts=FileFacts("12812", target, instrument, filter_, start, association)
    )


def split(parcels: Sequence[Parcel], text: str = "{}", *, mixed: bool = False) -> list[Group]:
    source = "{kind: directory, path: /data, allow_mixed: true}" if mixed else "{kind: simulated}"
    campaign = program(f"campaign: {{name: p}}\nsource: {source}\ngroups: {text}\n")
    return groups_of(campaign, parcels)


def test_files_are_split_by_target_and_filter() -> None:
    groups = split(
        [
            parcel("a", "M 16", "F160W"),
            parcel("b", "M 16", "F110W"),
            parcel("c", "M 16", "F160W"),
            parcel("d", "NGC-1", "F160W"),
        ]
    )
    assert [(g.name, g.folder, [p.name for p in g.parcels]) for g in groups] == [
        ("M 16/F110W", "12812/M_16/F110W", ["b"]),
        ("M 16/F160W", "12812/M_16/F160W", ["a", "c"]),
        ("NGC-1/F160W", "12812/NGC-1/F160W", ["d"]),
    ]


@pytest.mark.parametrize("target", ["../../etc", "/abs", ".hidden", "", "a\nb", "-x", "M/16", "Ü"])
def test_folders_are_safe_whatever_a_target_is_called(target: str) -> None:
    [group] = split([parcel("a", target, "F160W")])
    assert checked_key(group.folder)
    assert len(group.folder.split("/")) == 3


@pytest.mark.parametrize("target", ["manifests", "RECORDS", "groups.json", "colour"])
def test_no_group_lies_in_a_folder_of_its_programs_own(target: str) -> None:
    [group] = split([parcel("a", target, "F160W")], "{by: [target]}")
    assert (group.name, group.folder) == (target, f"_{target}")


def test_the_folders_of_a_program_are_known() -> None:
    steps = {(kind.folder or kind.step_of()).split("/")[0] for kind in KINDS}
    assert steps | KEPT <= TAKEN_FOLDERS


def test_instruments_with_filters_of_one_name_stay_apart() -> None:
    groups = split(
        [parcel("a", "M 16", "F606W", "WFC3/UVIS"), parcel("b", "M 16", "F606W", "ACS/WFC")]
    )
    assert [(g.name, g.folder) for g in groups] == [
        ("M 16/F606W", "12812/M_16/F606W"),
        ("M 16/F606W WFC3/UVIS", "12812/M_16/F606W-WFC3_UVIS"),
    ]


def test_two_targets_that_look_alike_as_folders_stay_apart() -> None:
    groups = split([parcel("a", "M 16", "F160W"), parcel("b", "M_16", "F160W")])
    assert len({group.folder for group in groups}) == 2


def summary(groups: Sequence[Group]) -> list[tuple[str, str, list[str]]]:
    return [(g.name, g.folder, [p.name for p in g.parcels]) for g in groups]


def test_groups_by_what_the_user_says() -> None:
    parcels = [
        parcel("ibxl54bgq_flt", "M 16", "F160W"),
        parcel("jbxl01aaq_flc", "M 16", "F606W", "ACS/WFC"),
        parcel("ibxl51bgq_flt", "NGC 1", "F160W"),
    ]
    assert summary(split(parcels, "{by: [filter]}")) == [
        ("F160W", "F160W", ["ibxl54bgq_flt", "ibxl51bgq_flt"]),
        ("F606W", "F606W", ["jbxl01aaq_flc"]),
    ]
    assert summary(split(parcels, "{by: [detector, target, visit]}")) == [
        ("ACS-WFC/M 16/jbxl01", "ACS-WFC/M_16/jbxl01", ["jbxl01aaq_flc"]),
        ("WFC3-IR/M 16/ibxl54", "WFC3-IR/M_16/ibxl54", ["ibxl54bgq_flt"]),
        ("WFC3-IR/NGC 1/ibxl51", "WFC3-IR/NGC_1/ibxl51", ["ibxl51bgq_flt"]),
    ]
    # A mosaic is of one detector, unless the user allows more.
    assert [g.name for g in split(parcels, "{by: [target]}")] == ["M 16", "M 16 WFC3/IR", "NGC 1"]
    assert [g.name for g in split(parcels, "{by: [target]}", mixed=True)] == ["M 16", "NGC 1"]


def test_an_epoch_ends_where_a_target_has_no_exposure_for_long() -> None:
    parcels = [
        parcel("a", "M 16", "F160W", start=56222.0),  # 2012-10-22
        parcel("b", "M 16", "F110W", start=56224.0),
        parcel("c", "M 16", "F160W", start=56231.0),
        parcel("d", "M 16", "F160W", start=56300.0),  # 2013-01-08
        parcel("e", "NGC 1", "F160W", start=56226.0),
        parcel("f", "NGC 1", "F160W"),
    ]
    assert [(n, its) for n, _, its in summary(split(parcels, "{by: [target, filter, epoch]}"))] == [
        ("M 16/F110W/2012-10-22", ["b"]),
        ("M 16/F160W/2012-10-22", ["a", "c"]),
        ("M 16/F160W/2013-01-08", ["d"]),
        ("NGC 1/F160W/2012-10-26", ["e"]),
        ("NGC 1/F160W/undated", ["f"]),
    ]
    # Without targets all exposures are one series.
    assert [g.name for g in split(parcels[:5], "{by: [epoch], epoch_gap: 5}")] == [
        "2012-10-22",
        "2013-01-08",
    ]
    short = split(parcels[:2], "{by: [epoch], epoch_gap: 0.5}")
    assert [g.name for g in short] == ["2012-10-22T000000", "2012-10-24T000000"]


LISTED = [
    parcel("ibxl51aaq_flt", "M 16", "F160W", association="ibxl51030"),
    parcel("ibxl51bbq_flt", "M 16", "F160W", association="ibxl51030"),
    parcel("ibxl51030_drz", "M 16", "F160W", association="ibxl51030"),
    parcel("ibxl54aaq_flt", "M 16", "F160W"),
    parcel("ibxl54030_drz", "M 16", "F160W"),
    parcel("ibxl54040_drz", "M 16", "F110W"),
]


def test_a_list_of_ones_own(caplog: pytest.LogCaptureFixture) -> None:
    groups = split(LISTED, "{members: {deep: ['ibxl51?aq', 'IBXL54AAQ_FLT.fits'], one: [ibxl51*]}}")
    assert summary(groups) == [
        # Drizzled images go with their exposures: by association, or by visit and filter.
        ("deep", "deep", ["ibxl51030_drz", "ibxl51aaq_flt", "ibxl54030_drz", "ibxl54aaq_flt"]),
        ("one", "one", ["ibxl51030_drz", "ibxl51aaq_flt", "ibxl51bbq_flt"]),
    ]
    assert "no group of groups.members names ibxl54040_drz.fits: left out" in caplog.text


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ("{a: [ibxl51*, ibxl99*]}", r"members.a: 'ibxl99\*' names none of the files: ibxl51030"),
        ("{a: ['*_drz.fits']}", r"members.a names drizzled images only"),
    ],
)
def test_a_list_that_names_nothing_is_refused(members: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        split(LISTED, f"{{members: {members}}}")


def test_the_visits_of_a_simulation_are_named_by_their_files() -> None:
    text = "campaign: {name: p}\nsource: {kind: simulated, tiles: [54, 51], size: small}\n"
    campaign = program(f"{text}groups: {{members: {{one: [ibxl54bgq]}}}}\n")
    [group] = groups_of(campaign, open_source(campaign.source).parcels())
    assert [parcel.name for parcel in group.parcels] == ["ibxl54"]
    assert group.files == 3


@pytest.mark.parametrize(
    ("given", "tasks"),
    [
        ("sky: {methods: [match]}", 3 + 1 + 4),
        ("sky: {methods: [match, match-differences]}", 3 + 2 + 4 + 1),
        ("sky: {methods: [match, match-differences]}\ndrizzle: {engine: onepass}", 3 + 2 + 1 + 4),
    ],
)
def test_the_tasks_of_a_group_are_counted(given: str, tasks: int) -> None:
    text = f"campaign: {{name: p}}\nsource: {{kind: mast, proposal_id: [12812]}}\n{given}\n"
    own = program(f"{text}groups: {{}}\n").for_group("M 16/F160W")
    assert len(tasks_of(own, [parcel(name, "M 16", "F160W") for name in "abc"])) == tasks


def test_a_groups_own_methods_count() -> None:
    both = TEXT.replace("[match]}}", "[match, globalmin+match-differences]}}")
    groups = split([parcel("a", "M 16", "F110W"), parcel("b", "M 16", "F160W")])
    tasks = tasks_of_groups(program(both), groups)
    assert count_kinds(tasks) == {
        **{"retrieve": 2, "inspect": 2, "align": 2, "plan": 2, "gather": 2},
        # The first of the groups is not aligned.
        **{"positions": 1, "differences": 1, "drizzle": 2 + 4},
    }


def test_a_group_that_cannot_be_does_not_stop_the_count_of_the_others() -> None:
    text = TEXT.replace("final_bits", "driz_cr: true, final_bits")
    text += "    M 17/F160W: {drizzle: {witness: true}}\n"
    groups = split([parcel("a", "M 17", "F160W"), parcel("b", "M 16", "F160W")])
    with pytest.raises(CampaignError, match=r"M 17/F160W: witness does not work"):
        program(text).for_group("M 17/F160W")
    assert count_kinds(tasks_of_groups(program(text), groups))["gather"] == 1


FIELD = [
    parcel("a", "M 16", "F110W"),
    parcel("b", "M 16", "F160W"),
    parcel("c", "M 16", "F814W", "ACS/WFC"),
    parcel("d", "NGC 1", "F160W"),
    parcel("e", "NGC 2", "F160W"),
    parcel("f", "NGC 2", "F110W"),
]


def test_the_groups_of_a_target_share_what_the_file_says() -> None:
    groups = split(FIELD, "{grid: shared, align: shared, reference: F160W}")
    m_16, ngc_2 = fields_in(groups)
    assert m_16.groups == ("M 16/F160W", "M 16/F110W", "M 16/F814W")
    assert (m_16.name, m_16.reference, m_16.aligned) == ("M_16", "M 16/F160W", True)
    assert m_16.on_grid == m_16.groups
    assert ngc_2.groups == ("NGC 2/F160W", "NGC 2/F110W")
    # A group that is alone shares nothing.
    assert [g.name for g in groups if g.field is None] == ["NGC 1/F160W"]
    assert fields_in(split(FIELD, "{}")) == []


def test_without_targets_all_groups_are_one_field() -> None:
    [field] = fields_in(split(FIELD[:4], "{by: [filter], grid: shared}"))
    assert (field.name, field.groups) == ("p", ("F110W", "F160W", "F814W"))
    assert not field.aligned
    listed = "{members: {z: [b], y: [a]}, align: shared}"
    [field] = fields_in(split(FIELD[:2], listed))
    assert (field.groups, field.on_grid) == (("z", "y"), ())  # the first of the file


def test_a_group_with_a_grid_of_its_own_shares_none() -> None:
    own = "{drizzle: {grid: {ra: 85, dec: -2, columns: 100, rows: 100}}}"
    rules = f"{{grid: shared, parameters: {{M 16/F110W: {own}}}}}"
    [field] = fields_in(split(FIELD[:3], rules))
    assert field.on_grid == ("M 16/F160W", "M 16/F814W")


def test_a_reference_that_is_no_group_is_refused() -> None:
    with pytest.raises(CampaignError, match=r"reference: 'F999W' names none .* NGC 2/F160W"):
        split(FIELD, "{grid: shared, reference: F999W}")


def test_groups_that_share_something_are_in_one_share(tmp_path: Path) -> None:
    groups = split(FIELD, "{grid: shared}")
    place = Place(LocalStore(tmp_path), "p", tmp_path)
    shares = [[g.name for g in groups_of_share(f"{k}/3", groups, place)[0]] for k in (1, 2, 3)]
    assert shares == [
        ["M 16/F110W", "M 16/F160W", "M 16/F814W"],
        ["NGC 1/F160W"],
        ["NGC 2/F110W", "NGC 2/F160W"],
    ]
