"""The gates of the alignment: each fails for its own reason, and NaN never passes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from skymosaic.align.gates import TileFit, check_gates
from skymosaic.config import Gates

GATES = Gates(
    min_matches=10,
    max_rms_mas=100,
    max_chance=0.001,
    max_shift_arcsec=5,
    max_rotation_deg=0.5,
    max_scale_change=0.01,
)
GOOD = TileFit(
    tile="ibxl51030",
    place=1,
    sources=200,
    dx=-0.3,
    dy=-0.36,
    rotation=0.02,
    scale=1.0003,
    matches=50,
    rms_ra=17.0,
    rms_dec=19.0,
    shift=0.06,
    chance=1e-30,
)
NAN = math.nan
REFERENCE = TileFit("ibxl54030", 0, 300, 0.0, 0.0, 0.0, 1.0, 0, NAN, NAN, 0.0)
UNFITTED = TileFit("ibxl53030", -1, 200, NAN, NAN, NAN, NAN, 0, NAN, NAN, NAN)


def failed(*fits: TileFit) -> dict[str, tuple[str, ...]]:
    """Return the gates that something fails, with what fails them."""
    return {c.name: c.failed for c in check_gates(fits, GATES, 10) if c.failed}


def test_good_tiles_pass_all() -> None:
    table = check_gates([REFERENCE, GOOD], GATES, 10)
    assert [c.name for c in table] == [
        "sources",
        "fitted",
        "matches",
        "rms",
        "chance",
        "shift",
        "rotation",
        "scale",
    ]
    assert all(c.passed == 2 and c.failed == () for c in table)


def test_each_gate_says_what_it_asks() -> None:
    asks = {c.name: c.asks for c in check_gates([GOOD], GATES, 7)}
    assert "7 sources found" in asks["sources"]
    assert "10 sources matched" in asks["matches"]
    assert "100 mas" in asks["rms"]
    assert "0.001 such fits" in asks["chance"]
    assert "5 arcsec" in asks["shift"]
    assert "0.5 degrees" in asks["rotation"]
    assert "0.01" in asks["scale"]


@pytest.mark.parametrize(
    ("gate", "within", "beyond"),
    [
        ("sources", {"sources": 10}, {"sources": 9}),
        ("matches", {"matches": 10}, {"matches": 9}),
        ("rms", {"rms_ra": 100.0}, {"rms_ra": 100.1}),
        ("rms", {"rms_dec": 100.0}, {"rms_dec": 100.1}),
        ("chance", {"chance": 0.001}, {"chance": 0.0011}),
        ("shift", {"shift": 5.0}, {"shift": 5.01}),
        ("rotation", {"rotation": 0.5}, {"rotation": 0.51}),
        ("rotation", {"rotation": -0.5}, {"rotation": -0.51}),
        ("scale", {"scale": 1.0099}, {"scale": 1.0101}),
        ("scale", {"scale": 0.9901}, {"scale": 0.9899}),
    ],
)
def test_each_gate_fails_on_its_own(gate, within, beyond) -> None:
    assert failed(replace(GOOD, **within)) == {}
    assert failed(REFERENCE, replace(GOOD, **beyond)) == {gate: (GOOD.tile,)}


@pytest.mark.parametrize("value", ["dx", "dy", "rotation", "scale", "rms_ra", "rms_dec", "shift"])
def test_nan_in_any_number_fails(value) -> None:
    assert failed(replace(GOOD, **{value: NAN})) != {}


@pytest.mark.parametrize("value", ["dx", "dy", "rotation", "scale", "rms_ra", "rms_dec"])
def test_nan_in_the_fit_is_called_no_fit(value) -> None:
    assert GOOD.tile in failed(replace(GOOD, **{value: NAN}))["fitted"]


def test_an_unfitted_tile_fails_whatever_else_holds() -> None:
    assert UNFITTED.tile in failed(UNFITTED)["fitted"]
    assert failed(replace(GOOD, place=-1)) == {"fitted": (GOOD.tile,)}


def test_chance_is_no_gate_where_it_was_not_counted() -> None:
    """As with a catalogue of the user's."""
    assert failed(replace(GOOD, chance=NAN)) == {}


def test_the_reference_needs_sources_and_nothing_else() -> None:
    assert failed(replace(REFERENCE, dx=NAN, rotation=NAN, shift=NAN)) == {}
    assert failed(replace(REFERENCE, sources=9)) == {"sources": (REFERENCE.tile,)}


def test_all_that_fail_are_counted_in_their_order() -> None:
    bad = [replace(GOOD, tile=f"tile{i}", matches=i) for i in (3, 1, 2)]
    [matches] = [c for c in check_gates([REFERENCE, *bad, GOOD], GATES, 10) if c.failed]
    assert matches.failed == ("tile3", "tile1", "tile2")
    assert matches.passed == 2
