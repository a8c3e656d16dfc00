"""The order of alignment: the user's first, then whatever overlaps what is there the most."""

from __future__ import annotations

import numpy as np
import pytest

from skymosaic.align.order import choose_order
from skymosaic.errors import CampaignError


def tile(east, north, side=100.0):
    half = side / 7200.0
    ra, dec = 10.0 + east / 3600.0, north / 3600.0
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    return [corners + np.array([ra, dec])]


@pytest.fixture
def mosaic():
    """3 x 3 tiles with overlaps of 10 arcsec; ibxl54 is the middle one, as in proposal 12812."""
    visits = [50, 51, 52, 53, 54, 55, 56, 57, 58]
    return {f"ibxl{visit}030": tile(90 * (i % 3), 90 * (i // 3)) for i, visit in enumerate(visits)}


def visits(order):
    return [name[4:6] for name in order]


def test_the_users_order_is_kept(mosaic) -> None:
    wanted = ["54", "51", "53", "55", "57", "50", "52", "56", "58"]
    assert visits(choose_order(mosaic, wanted)) == wanted


def test_without_one_the_best_connected_tile_is_the_reference(mosaic) -> None:
    order = choose_order(mosaic, [])
    assert visits(order)[0] == "54"
    # The neighbours at its edges share more than those at its corners.
    assert set(visits(order)[1:3]) & {"51", "53", "55", "57"}
    assert sorted(order) == sorted(mosaic)


def test_it_is_the_same_however_the_tiles_are_listed(mosaic) -> None:
    assert choose_order(dict(reversed(mosaic.items())), []) == choose_order(mosaic, [])


def test_what_the_user_left_out_follows_by_overlap() -> None:
    row = {"far": tile(240, 0), "middle": tile(75, 0), "end": tile(0, 0), "next": tile(160, 0)}
    assert choose_order(row, ["end"]) == ["end", "middle", "next", "far"]
    assert choose_order(row, ["far", "end"]) == ["far", "end", "middle", "next"]


def test_each_next_tile_overlaps_what_came_before(mosaic) -> None:
    order = choose_order(mosaic, ["50"])
    place = {f"ibxl{50 + i}030": (i % 3, i // 3) for i in range(9)}
    for i, name in enumerate(order[1:], start=1):
        assert any(
            max(abs(place[name][0] - place[done][0]), abs(place[name][1] - place[done][1])) == 1
            for done in order[:i]
        )


def test_tiles_that_overlap_nothing_come_last_by_name() -> None:
    tiles = {"b": tile(9000, 0), "a": tile(5000, 0), "y": tile(0, 0), "x": tile(50, 0)}
    assert choose_order(tiles, []) == ["x", "y", "a", "b"]


def test_one_tile() -> None:
    assert choose_order({"only": tile(0, 0)}, []) == ["only"]


@pytest.mark.parametrize(
    "word",
    ["54", "ibxl54", "ibxl54030", "IBXL54030", "ibxl54030_drz.fits", "ibxl54030_drc", "xl54"],
)
def test_a_part_that_fits_one_tile_is_enough(mosaic, word) -> None:
    assert choose_order(mosaic, [word])[0] == "ibxl54030"


def test_an_exact_name_beats_a_part() -> None:
    tiles = {"mosaic_2": tile(0, 0), "mosaic": tile(50, 0)}
    assert choose_order(tiles, ["mosaic"])[0] == "mosaic"


def test_a_tiles_number_beats_the_same_digits_elsewhere() -> None:
    # '30' starts the tile's number in one name and is the association's number in the other.
    tiles = {"ibxl54030": tile(0, 0), "ibxl30010": tile(50, 0)}
    assert choose_order(tiles, ["30"])[0] == "ibxl30010"


def test_a_part_that_fits_several_is_refused_with_all_of_them(mosaic) -> None:
    with pytest.raises(CampaignError, match="'ibxl5' fits several") as caught:
        choose_order(mosaic, ["ibxl5"])
    assert all(name in str(caught.value) for name in mosaic)


def test_a_part_that_fits_none_is_refused_with_what_there_is(mosaic) -> None:
    with pytest.raises(CampaignError, match=r"align\.order: '59' fits no drizzled") as caught:
        choose_order(mosaic, ["54", "59"])
    assert "ibxl50030" in str(caught.value)


def test_a_tile_named_twice_is_refused(mosaic) -> None:
    with pytest.raises(CampaignError, match=r"names ibxl54030 twice \('ibxl54'\)"):
        choose_order(mosaic, ["54", "51", "ibxl54"])
