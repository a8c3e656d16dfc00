"""Links between images: which are wrong, what they do not pull, and what nothing tells."""

from __future__ import annotations

import numpy as np
import pytest

from skymosaic.align.links import REFERENCE, Link, Stars, is_sure, link_images, link_reference
from skymosaic.align.matching import Match
from skymosaic.align.moves import Move, vectors_of
from skymosaic.align.neighbours import neighbours
from skymosaic.align.placing import groups_of, place
from skymosaic.align.together_records import Image
from skymosaic.align.tracks import find_tracks
from tests.unit.small_sky import make_image, make_stars

STARS = make_stars(3, 40, width=130.0)
PLACES = [(0.0, 0.0), (60.0, 0.0), (60.0, 60.0), (0.0, 60.0)]
ERRORS = [(0.1, 0.2), (-0.3, 0.1), (0.2, -0.4), (0.0, 0.3)]


@pytest.fixture(scope="module")
def images() -> list[Image]:
    return [make_image(STARS, f"{n}", place)[0] for n, place in enumerate(PLACES)]


def link(a: int, b: int, weight: int = 20, wrong: tuple[float, float] = (0.0, 0.0)) -> Link:
    """Return what sources say of two images that are off as `ERRORS` says."""
    there = (0.0, 0.0) if b == REFERENCE else ERRORS[b]
    shift = np.array(ERRORS[a]) - there + wrong
    index = np.arange(weight)
    found = Match(index, index, np.zeros(2), shift, 0.0, 40.0, 0.005, 1e-12)
    return Link(a, b, found)


def shifts(moves: list[Move]) -> np.ndarray:
    return np.array([move.shift for move in moves])


CYCLE = [link(0, 1), link(1, 2), link(2, 3), link(3, 0), link(0, REFERENCE)]


def test_links_put_images_where_they_belong(images: list[Image]) -> None:
    found = place(images, CYCLE)
    assert shifts(found.moves) == pytest.approx(np.array(ERRORS), abs=1e-3)
    assert not found.wrong
    assert found.group.tolist() == [0, 0, 0, 0]


def test_a_wrong_link_is_found_and_pulls_no_neighbour(images: list[Image]) -> None:
    wrong = link(0, 2, weight=8, wrong=(1.0, 0.5))
    found = place(images, [*CYCLE, link(2, REFERENCE), wrong])
    assert found.wrong == [wrong]
    assert not found.doubtful
    assert shifts(found.moves) == pytest.approx(np.array(ERRORS), abs=1e-3)


def test_an_image_whose_links_contradict_each_other_is_named(images: list[Image]) -> None:
    """One link says so, one otherwise, and they are as strong: nothing tells which is right."""
    wrong = link(3, 0, wrong=(0.0, 2.0))
    links = [link(0, 1), link(1, 2), link(0, 2), link(2, 3), wrong]
    links += [link(0, REFERENCE), link(1, REFERENCE)]
    found = place(images, links)
    assert found.doubtful == {3}
    assert shifts(found.moves[:3]) == pytest.approx(np.array(ERRORS[:3]), abs=1e-3)


def test_groups_are_numbered_from_the_reference(images: list[Image]) -> None:
    assert groups_of(4, [link(0, 1), link(1, 2)]).tolist() == [0, 0, 0, 1]
    assert groups_of(4, [link(0, 1), link(1, 2), link(3, REFERENCE)]).tolist() == [1, 1, 1, 0]
    assert place(images, []).group.tolist() == [0, 1, 2, 3]


def test_links_come_from_catalogues(images: list[Image]) -> None:
    found = link_images(images, 0, 1, 3.0)
    assert found is not None
    assert is_sure(found, 1e-4)
    assert np.abs(found.match.shift).max() < 0.01
    stars = Stars(np.arange(40), vectors_of(STARS.sky()))
    sure = link_reference(images, 0, stars, 3.0)
    assert sure is not None
    assert sure.b == REFERENCE
    assert len(sure.match) >= 20


def test_neighbours_are_some_of_many_and_cut_nobody_off() -> None:
    stack = [make_image(STARS, f"s{n}", (0.1 * n, 0.0))[0] for n in range(30)]
    aside = make_image(STARS, "aside", (115.0, 0.0))[0]
    pairs = neighbours([*stack, aside], own=2, other=2)
    assert len(pairs) < 31 * 5
    assert any(30 in pair for pair in pairs)
    assert neighbours([aside]) == []


def test_a_star_has_one_source_of_an_image(images: list[Image]) -> None:
    """A source that is split in one image is in two tracks, or its worse half in none."""
    one, two = images[0], images[1]
    split = one.sky + np.array([0.05, 0.0]) / 3600.0
    both = Image(
        "split",
        one.epoch,
        one.wcs,
        np.concatenate([one.sky, split]),
        np.tile(one.flux, 2),
        one.footprint,
        one.kind,
    )
    several = [both, two, images[3]]
    moves = {n: Move.none(image.centre) for n, image in enumerate(several)}
    stars = {0: Stars(np.arange(40), vectors_of(STARS.sky()))}
    found = find_tracks(several, moves, [(0, 1), (0, 2), (1, 2)], stars)
    seen = list(zip(found.track.tolist(), found.image.tolist(), strict=True))
    assert len(set(seen)) == len(seen)
    named = found.star[found.star >= 0]
    assert len(set(named.tolist())) == len(named) >= 20
    assert find_tracks(several, moves, [], {}).track.size == 0
