"""Groups of a program: what is their own, what is the campaign's, where they lie."""

from __future__ import annotations

import pytest

from skymosaic.archive.base import Parcel
from skymosaic.config import Campaign, load_campaign_text
from skymosaic.errors import CampaignError
from skymosaic.pipeline.groups import split, tasks_of_groups
from skymosaic.steps.tasks import count_kinds, tasks_of
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
    ("text", "told"),
    [
        (
            TEXT.replace("final_rot", "final_rotation"),
            "line 11: groups.parameters.M 16/F160W.drizzle",
        ),
        (TEXT.replace("max_rms_mas", "max_rms"), "max_rms: unknown key, did you mean max_rms_mas?"),
        (TEXT.replace("{align: none, ", "{algn: none, "), "algn: unknown key, did you mean align?"),
        (TEXT.replace("kind: mast, proposal_id: [12812]", "kind: simulated"), "groups need"),
    ],
)
def test_what_is_wrong_with_groups_is_said_with_its_line(text: str, told: str) -> None:
    with pytest.raises(CampaignError) as caught:
        program(text)
    assert told in str(caught.value)


def parcel(name: str, target: str, filter_: str, instrument: str = "WFC3/IR") -> Parcel:
    file = {"proposal": "12812", "target": target, "filter": filter_, "instrument": instrument}
    return Parcel(name, {"file": file})


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
