"""What the engines are compared on."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from skymosaic.align.alignment import Alignment
from skymosaic.align.gates import TileFit
from skymosaic.config import Campaign
from skymosaic.drizzle.checks.sameness import EngineDifferences
from skymosaic.drizzle.checks.sample_window import Window
from skymosaic.drizzle.checks.witness import Agreement
from skymosaic.drizzle.sky_record import SkyCheck
from skymosaic.errors import DamagedError
from skymosaic.pipeline import checks
from skymosaic.pipeline.checks import sample_of
from skymosaic.pipeline.finished import FinishedSteps
from skymosaic.pipeline.results import DRIZZLE, DrizzleResult, EnginesResult, WitnessResult
from skymosaic.pipeline.sentences.verified import check_lines, verified, witness_sentence
from skymosaic.pipeline.tables import alignment_lines
from skymosaic.steps.finished import Finished
from skymosaic.steps.manifests import finished
from skymosaic.steps.place import Place
from skymosaic.store.local import LocalStore
from tests.unit.small_store import SmallStore

PAIRS = [("a", "b", 3.0), ("b", "c", 5.0), ("c", "d", 1.0), ("a", "d", 1.5)]


def test_the_pair_that_shares_most_comes_first_then_who_shares_most_with_it() -> None:
    assert sample_of("abcde", PAIRS, 2) == {"b", "c"}
    assert sample_of("abcde", PAIRS, 3) == {"a", "b", "c"}
    assert sample_of("abcde", PAIRS, 4) == {"a", "b", "c", "d"}


def test_it_takes_all_where_there_are_not_more_and_any_where_none_overlap() -> None:
    assert sample_of("ab", PAIRS[:1], 9) == {"a", "b"}
    assert len(sample_of("xyz", [], 2)) == 2


def compared(masks_of: str | None) -> str:
    rounding, masks = (
        EngineDifferences(1e-9, 2e-5, 0.2, 3e-7),
        EngineDifferences(2e-9, 0.21, 4e5, 1.2),
    )
    methods = {"globalmin+match": rounding, "match": rounding if masks_of is None else masks}
    result = EnginesResult(["a", "b"], methods, masks_of)
    [line] = check_lines(None, Finished("engines", "key", {}, result, 1.0, 0, False))
    return line


def test_engines_are_compared_where_both_mask_the_same_pixels() -> None:
    line = compared("globalmin+match")
    assert "under globalmin+match, where both mask the same pixels, " in line
    assert "1e-09 e-/s in sky, 2e-05 in the mosaics' unit (0.2 of what is allowed)" in line
    assert "Under match AstroDrizzle may find other cosmic rays" in line
    assert "single pixels of the mosaics by up to 0.21" in line


def test_without_steps_against_cosmic_rays_all_methods_are_compared() -> None:
    line = compared(None)
    assert "(0.2 of what is allowed), 3e-07 relative in weight" in line
    assert "cosmic rays" not in line


def test_the_alignment_is_told_by_its_worst_values() -> None:
    def fit(tile: str, place: int, matches: int, rms: float, shift: float) -> TileFit:
        return TileFit(tile, place, 100, 0.0, 0.0, 0.0, 1.0, matches, rms, rms / 2, shift)

    fits = [fit("a", 0, 0, 0.0, 0.0), fit("b", 1, 93, 4.46, 0.05), fit("c", 2, 60, 3.0, 0.5)]
    lost = fit("d", -1, 1, math.nan, 9.0)
    assert alignment_lines(Alignment([], [*fits, lost], [], [], ["d"], {}, {})) == [
        "alignment: 3 of 4 drizzled images aligned; 60 matched sources or more in each, rms at "
        "most 4.5 mas, shift at most 0.500 arcsec"
    ]
    assert alignment_lines(None) == []
    followed = alignment_lines(Alignment([], [*fits], [], [], [], {}, {}), "p/M/F1/catalogue/r.cat")
    assert " aligned to the sources of M/F1; " in followed[0]


def of_onepass(whole: bool = True) -> WitnessResult:
    agreement = Agreement(pixels=100, rms=1e-7, largest=2e-6, noise=0.01)
    window = Window(9, 19, 10, 10, ("a", "b"), whole)
    return WitnessResult({"match": agreement}, window, [], False)


def test_the_witness_of_onepass_says_what_it_saw() -> None:
    said = witness_sentence(of_onepass())
    assert "AstroDrizzle itself made 10 x 10 pixels (columns 10 to 19, rows 20 to 29)" in said
    assert "the exposures that cover these pixels (a and b)" in said
    assert "largest difference is 2e-06 (match)" in said
    deep = witness_sentence(of_onepass(whole=False))
    assert "the mosaics themselves were not compared" in deep


def test_where_all_pixels_are_bad_the_witness_says_that_nothing_was_compared() -> None:
    nothing = Agreement(pixels=0, rms=0.0, largest=0.0, noise=0.0)
    said = witness_sentence(replace(of_onepass(), methods={"match": nothing}))
    assert said.endswith("no pixel there is good in any exposure, so nothing was compared.")


def test_what_astrodrizzle_cannot_make_is_named() -> None:
    planes = replace(of_onepass(), left_out=["match-differences"])
    assert witness_sentence(planes).endswith(
        "Not compared: match-differences *, because AstroDrizzle cannot subtract planes."
    )
    assert witness_sentence(replace(planes, methods={})).startswith("Not compared")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"engine": "onepass"}, "compared with AstroDrizzle's: the witness has not finished"),
        ({"engine": "onepass", "witness": False}, "AstroDrizzle's: drizzle.witness is false"),
        ({}, "1 of 2 sky values: three records of AstroDrizzle agree"),
    ],
)
def test_what_was_verified_is_told_for_each_engine(given: dict[str, object], said: str) -> None:
    file = {"campaign": {"name": "a"}, "source": {"kind": "simulated"}, "drizzle": given}
    checks = [SkyCheck("a", 1, 0.5, 0.5, 0.5), SkyCheck("b", 1, 0.5, 0.5, 0.75)]
    result = DrizzleResult([], "sci", "wht", "preview", "sum", checks)
    run = Finished("runs/match", "key", {}, result, 1.0, 0, False)
    place = Place(LocalStore(Path()), "a", None)
    found = FinishedSteps(place, Campaign.model_validate(file), drizzled={"match": run})
    [sentence] = verified(found)
    assert said in sentence


def test_a_mosaic_with_pixels_that_are_no_number_is_made_anew(tmp_path: Path) -> None:
    store = SmallStore(tmp_path)
    store.inspect()
    store.plan()
    store.drizzle("match")
    run = finished(store.place, DRIZZLE.step("match"))
    assert run is not None
    name, weight = run.result.science, np.ones((2, 3), np.float32)
    weight[0, 0] = 0.0
    science = np.full((2, 3), 0.5, np.float32)
    science[0, 0] = np.nan  # where no exposure has weight it is no matter
    checks.make_anew_if_older(store.place, run.step, name, (science, weight))
    assert finished(store.place, DRIZZLE.step("match")) is not None
    science[1, 1] = np.nan
    with pytest.raises(DamagedError, match=rf"{name} is as older .* 1 pixel that has weight is no"):
        checks.make_anew_if_older(store.place, run.step, name, (science, weight))
    assert finished(store.place, DRIZZLE.step("match")) is None
