"""What a campaign file tells of its groups by itself: refused by `check`, and the remedy."""

from __future__ import annotations

import pytest

from skymosaic.config import load_campaign_text
from skymosaic.errors import CampaignError, InputError
from skymosaic.pipeline.known_groups import doubts, require_groups_possible
from skymosaic.pipeline.sentences.grid import grid_lines

TWO = "source: {kind: simulated, size: small, filters: {F110W: ['54'], F160W: ['54']}}\n"
LIST = "groups: {grid: shared, members: {deep: ['ib*'], first: ['ia*']}}\n"
MAST = "source: {kind: mast, proposal_id: [12812], filters: [F110W, F160W]}\n"
FOLDER = "source: {kind: directory, path: nowhere}\n"


def campaign(*lines: str):
    return load_campaign_text("campaign: {name: own}\n" + "".join(lines), "own.yaml", {})


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((TWO, "groups: {grid: shared}\n", "colour: {red: F999W, blue: F110W}"),
         "colour.red: 'F999W' names none of the groups; there are: HORSEHEAD/F110W, "),
        ((TWO, "groups: {grid: shared}\n", "colour: {red: F160W, green: F1, blue: F110W}"),
         "colour.green: 'F1' names none of the groups"),
        ((TWO, "groups: {grid: shared, reference: F105W}\n"),
         "groups.reference: 'F105W' names none of the groups"),
        ((FOLDER, LIST, "colour: {red: deep, blue: F110W}"),
         "colour.blue: 'F110W' names none of the groups; there are: deep, first"),
        ((FOLDER, "groups: {grid: shared, reference: best, members: {deep: ['ib*']}}\n"),
         "groups.reference: 'best' names none of the groups; there are: deep"),
    ],
)  # fmt: skip
def test_a_name_that_no_group_has_is_refused(lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(CampaignError) as caught:
        require_groups_possible(campaign(*lines))
    assert str(caught.value).startswith(message)


def test_names_that_groups_have_are_taken() -> None:
    shared = "groups: {grid: shared, reference: F160W}\n"
    require_groups_possible(campaign(TWO, shared, "colour: {red: F160W, blue: F110W}"))
    require_groups_possible(campaign(FOLDER, LIST, "colour: {red: deep, blue: first}"))
    # Filters are known by the files alone.
    require_groups_possible(campaign(FOLDER, LIST, "colour: auto"))
    require_groups_possible(campaign(FOLDER, shared, "colour: {red: F999W, blue: F110W}"))


def test_several_filters_without_groups() -> None:
    with pytest.raises(InputError, match=r"source\.filters has F110W, F160W; keep one, or "):
        require_groups_possible(campaign(TWO))
    [doubt] = doubts(campaign(MAST))
    assert "source.filters has F110W, F160W, and a mosaic is of one filter" in doubt
    assert doubts(campaign(MAST, "groups: {}")) == []
    assert doubts(campaign(MAST.replace("F110W, ", ""))) == []


@pytest.mark.parametrize(
    ("groups", "start"),
    [
        ("", "grid: auto, the smallest that holds all exposures; plan computes it"),
        ("groups: {}", "grid: auto, for each group the smallest that holds its exposures; plan"),
        ("groups: {grid: shared}",
         "grid: shared by the groups of a target (groups.grid): that of the first group, with "),
        ("groups: {grid: shared, by: [filter], reference: F160W}",
         "grid: shared by all groups (groups.grid): that of F160W, with columns and rows more "),
        (LIST, "grid: shared by all groups (groups.grid): that of the first group, with "),
    ],
)  # fmt: skip
def test_whose_grid_it_is(groups: str, start: str) -> None:
    [line] = grid_lines(campaign(FOLDER, groups))
    assert line.startswith(start)
    assert line.endswith("there (rotation 0 degrees)")
