"""A step between chips, found in cells of sky and told in the advice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from skymosaic.evidence import chip_findings
from skymosaic.evidence.cells import Cells
from skymosaic.evidence.chips_summary import ChipsSummary
from skymosaic.evidence.facts import Facts
from skymosaic.evidence.graph import OverlapGraph
from skymosaic.hst.exposure import Chip, Exposure
from skymosaic.pipeline.chip_steps import steps_in_cells, steps_of
from tests.unit.ccd_field import NOISE, STAYING, CcdField

CORNERS = ((0.0, 0.0),) * 4
EXPOSURES = [
    Exposure(
        rootname=f"jskm0{number}a1q",
        suffix="_flc",
        asn_id="",
        instrument="ACS",
        detector="WFC",
        filter="F814W",
        exptime=500.0,
        postarg1=0.0,
        postarg2=0.0,
        chips=tuple(Chip(extver, CORNERS, "", 0.0, 0.05, True) for extver in (1, 2)),
    )
    for number in range(6)
]


def reported_chips(field: CcdField) -> ChipsSummary:
    """Return what cells of the size of a pixel tell."""
    cut_outs, loaded = field.chips()
    cells = [
        Cells(
            rootname=EXPOSURES[chip.number // 2].rootname,
            corner=(chip.y, chip.x),
            level=loaded[chip.number][0],
            count=(loaded[chip.number][1] > 0).astype(np.int32),
            covered=np.ones((chip.rows, chip.columns), dtype=bool),
            noise=NOISE,
            weight=500.0,
        )
        for chip in cut_outs
    ]
    return steps_in_cells(EXPOSURES, cells, field.shape[::-1])


def findings(chips: ChipsSummary | None, *methods: str) -> dict[str, Any]:
    graph = OverlapGraph((), (), (), (), ())
    facts = Facts(
        quality=dict.fromkeys(methods),
        against_best={},
        residuals={},
        seams={},
        differences=(),
        misfit=1.0,
        graph=graph,
        empty_share=None,
        noise=NOISE,
        chips=chips,
    )
    return {one.code: one for one in chip_findings.find(facts)}


@pytest.fixture(scope="module")
def stepped() -> ChipsSummary:
    return reported_chips(CcdField(1, step=0.02))


def test_a_step_is_told_with_its_size_and_what_takes_it_out(stepped: ChipsSummary) -> None:
    found = findings(stepped, "localmin", "match")["chip-step"]
    assert found.severity == "warning"
    ((extver, step, error),) = found.evidence["mean"]
    assert extver == 2
    assert step == pytest.approx(0.02 * np.mean(CcdField().skies), abs=4 * error)
    for words in ("[SCI,2]", "sigma", "not a gradient", "add match-differences", "sky.per_chip"):
        assert words in found.text
    value, its = found.evidence["relative"][0]
    assert value == pytest.approx(0.02, abs=4 * its)
    assert "The step grows with the sky" in found.text


def test_what_was_done_is_told(stepped: ChipsSummary) -> None:
    taken = findings(replace(stepped, used="step", per_chip="auto"), "match-differences")
    assert taken["chip-step"].severity == "note"
    assert "removed it (sky.per_chip: auto)" in taken["chip-step"].text
    left = findings(replace(stepped, used="exposures", per_chip=False), "match-differences")
    assert left["chip-step"].severity == "warning"
    assert "set sky.per_chip: true" in left["chip-step"].text


def test_the_step_is_taken_out_of_each_chip(stepped: ChipsSummary) -> None:
    first, second = steps_of(stepped, EXPOSURES[3])
    assert first == -second
    assert second - first == pytest.approx(0.02 * 0.16, abs=0.0006)
    assert steps_of(None, EXPOSURES[3]) == [0.0, 0.0]


def test_where_no_overlap_tells_it_nothing_is_invented() -> None:
    chips = reported_chips(CcdField(2, step=0.02, roll=False, dithers=STAYING, shift=(100, 2)))
    assert chips.known is False
    found = findings(replace(chips, per_chip="auto"), "match-differences")
    assert "no dither crosses the gap" in found["chip-step-unknown"].text
    assert "is not known" in found["chip-step-unknown"].text
    # That their skies grow unlike each other is seen; the step that all have in common is not.
    assert "different skies. The step grows with the sky: it is 2.0%" in found["chip-step"].text


def test_one_chip_an_exposure_tells_nothing() -> None:
    assert findings(None, "match") == {}
