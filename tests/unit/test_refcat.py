"""Catalogues for TweakReg: stars at the epoch of the images, and which images share one."""

from __future__ import annotations

import numpy as np
import pytest

from skymosaic.align.chance import read_positions
from skymosaic.align.refcat import epoch_spans, stars_at, unknown_of, write_refcat
from skymosaic.align.reference import Unknown, reference_of
from skymosaic.config import Align

MOVING = reference_of(
    "m", ra=[10.0, 11.0, 12.0], dec=0.0, epoch=2016.0, pmra=[10.0, 20.0, 30.0], pmdec=0.0,
    mag=[20.0, np.nan, 18.0],
)  # fmt: skip
STILL = reference_of("s", ra=[10.0], dec=0.0, epoch=2016.0)


def test_stars_lie_where_they_were_at_the_epoch(tmp_path) -> None:
    write_refcat(tmp_path / "ref.cat", MOVING, 2026.0)
    found = read_positions(tmp_path / "ref.cat")
    moved = (np.sort(found[:, 0]) - [10.0, 11.0, 12.0]) * 3.6e6
    assert moved == pytest.approx([100.0, 200.0, 300.0], abs=0.3)  # 10 decimals of a degree


def test_the_brightest_star_goes_first_and_without_a_magnitude_last() -> None:
    assert stars_at(MOVING, None)[:, 0].tolist() == [12.0, 10.0, 11.0]
    assert stars_at(MOVING, None)[2, 2] == 0.0


@pytest.mark.parametrize(
    ("reference", "epochs", "spans"),
    [
        (MOVING, [2012.0, 2012.01, 2012.02], [([0, 1, 2], 2012.01)]),
        (MOVING, [2022.0, 2012.0, 2022.02], [([0, 2], 2022.01), ([1], 2012.0)]),
        (MOVING, [2012.0, None, 2022.0], [([0, 1], 2012.0), ([2], 2022.0)]),
        (MOVING, [None, None], [([0, 1], None)]),
        (STILL, [1994.0, 2024.0], [([0, 1], 2009.0)]),
        (MOVING, [], []),
    ],
)
def test_images_share_a_catalogue_where_stars_move_little_between_them(
    reference, epochs, spans
) -> None:
    found = epoch_spans(reference, epochs)
    assert [places for places, _ in found] == [places for places, _ in spans]
    for (_, mean), (_, expected) in zip(found, spans, strict=True):
        assert mean == pytest.approx(expected)


def test_no_image_is_further_than_the_tolerance_from_its_catalogue() -> None:
    epochs = list(np.linspace(2010.0, 2011.0, 30))
    found = epoch_spans(MOVING, epochs, tolerance=1.0)
    assert sorted(place for places, _ in found for place in places) == list(range(30))
    assert 5 <= len(found) <= 15
    for places, mean in found:
        for place in places:
            moved = (stars_at(MOVING, mean) - stars_at(MOVING, epochs[place]))[:, 0] * 3.6e6
            assert np.median(np.abs(moved)) <= 2.0


def test_stars_that_are_known_far_worse_than_most_are_left_out() -> None:
    mixed = reference_of(
        "m", ra=[10.0, 11.0, 12.0, 13.0], dec=0.0, epoch=2016.0, ra_error=0.1, dec_error=0.1,
        pmra=[1.0, 1.0, 1.0, np.nan], pmdec=0.0, pmra_error=0.1, pmdec_error=0.1,
    )  # fmt: skip
    assert sorted(stars_at(mixed, 2026.0)[:, 0].round(3)) == [10.0, 11.0, 12.0]
    assert len(stars_at(mixed, 2016.5)) == 4  # there nobody has moved yet
    # The campaign can say that they move little.
    assert len(stars_at(mixed, 2026.0, Unknown(motion=0.1))) == 4
    # Where no star has a motion all are alike.
    alike = reference_of("a", ra=[10.0, 11.0], dec=0.0, epoch=2016.0)
    assert len(stars_at(alike, 2026.0)) == 2


def test_what_is_unknown_is_as_the_campaign_says() -> None:
    assert unknown_of(Align()) == Unknown()
    given = {"kind": "gaia", "unknown_motion": 2.0, "unknown_position": 3.0}
    assert unknown_of(Align(reference=given)) == Unknown(2.0, 3.0)
