"""Steps in a mosaic whose exposures overlap so densely that no edge is free of others."""

from __future__ import annotations

import numpy as np
import pytest

from skymosaic.evidence.evidence import Measurements, gather_evidence
from skymosaic.evidence.levels import solve
from skymosaic.evidence.pairs import all_differences
from skymosaic.evidence.rims import find_rims, measure_rims
from skymosaic.evidence.seams import find_edges
from tests.unit.small_field import SCALE, SHAPE, SIDE, grid, make

PLACES = {
    f"v{visit}d{dither}": (20 + dither, 6 + 24 * visit + dither)
    for visit in range(3)
    for dither in range(4)
}
SKIES = {name: 1.0 + 0.05 * number for number, name in enumerate(PLACES)}


def nebula(row, column):
    return 0.8 * np.exp(-((row - 40) ** 2 + (column - 35) ** 2) / 1000.0)


def seams_of(field, subtracted):
    names = [one.rootname for one in field.cells]
    levels = solve(names, [tuple(names)], all_differences(field.cells).measured)
    left = levels.values - np.array([subtracted[name] for name in names])
    rims = find_rims(field.cells, SHAPE)
    image = field.mosaic(subtracted)
    return measure_rims("localmin", image, rims, field.cells, left, grid())


def test_dithers_have_no_edge_of_their_own_but_each_has_a_rim() -> None:
    field = make(PLACES, SKIES)
    assert find_edges(field.cells, SHAPE) == []
    rims = find_rims(field.cells, SHAPE)
    assert [edge.exposure for edge in rims] == list(range(len(PLACES)))
    for edge in rims:
        inside = field.cells[edge.exposure]
        for side, expected in ((edge.inside, True), (edge.outside, False)):
            row, column = np.divmod(side, SHAPE[1])
            row, column = row - inside.corner[0], column - inside.corner[1]
            within = (row >= 0) & (row < SIDE) & (column >= 0) & (column < SIDE)
            assert (within == expected).all()


def test_the_step_is_that_which_the_exposures_call_for() -> None:
    off = []
    for seed in range(3):
        field = make(PLACES, SKIES, nebula, seed=seed)
        wrong = {name: sky + (0.1 if name == "v1d1" else 0.0) for name, sky in SKIES.items()}
        found = {seam.exposure: seam for seam in seams_of(field, wrong)}
        assert found["v1d1"].step < -5 * found["v1d1"].error
        off += [(seam.step - seam.expected) / seam.error for seam in found.values()]
    assert np.std(off) < 1.6
    assert np.abs(off).max() < 4


def test_a_mosaic_without_steps_has_none() -> None:
    found = seams_of(make(PLACES, SKIES, nebula, seed=4), SKIES)
    assert len(found) == len(PLACES)
    assert max(seam.significance for seam in found) < 4
    assert all(seam.cells >= 12 and seam.others for seam in found)


@pytest.mark.parametrize(
    ("overlap", "dense"), [(PLACES, True), ({"a": (10, 10), "b": (10, 40)}, False)]
)
def test_the_evidence_has_seams_either_way_and_says_which(overlap, dense) -> None:
    skies = {name: 1.0 + 0.1 * number for number, name in enumerate(overlap)}
    field = make(overlap, skies, nebula)
    found = gather_evidence(
        Measurements(
            cells=field.cells,
            grid=grid(),
            skies={"localmin": dict.fromkeys(skies, 1.0), "match": skies},
            pixel_scale=SCALE,
            cell=8 * SCALE,
            mosaics={"match": field.mosaic(skies)},
        )
    )
    assert {seam.exposure for seam in found.seams["match"]} == set(overlap)
    assert any(one.code == "dense-edges" for one in found.advice.findings) is dense
