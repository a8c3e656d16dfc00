"""What the engines are compared on."""

from __future__ import annotations

from skymosaic.engine_checks import sample_of
from skymosaic.run_record import alignment_lines
from skymosaic.steps import Finished
from skymosaic.verified_told import check_lines

PAIRS = [("a", "b", 3.0), ("b", "c", 5.0), ("c", "d", 1.0), ("a", "d", 1.5)]


def test_the_pair_that_shares_most_comes_first_then_who_shares_most_with_it() -> None:
    assert sample_of("abcde", PAIRS, 2) == {"b", "c"}
    assert sample_of("abcde", PAIRS, 3) == {"a", "b", "c"}
    assert sample_of("abcde", PAIRS, 4) == {"a", "b", "c", "d"}


def test_it_takes_all_where_there_are_not_more_and_any_where_none_overlap() -> None:
    assert sample_of("ab", PAIRS[:1], 9) == {"a", "b"}
    assert len(sample_of("xyz", [], 2)) == 2


def told(masks_of: str | None) -> str:
    rounding = {"sky": 1e-9, "mosaic": 2e-5, "mosaic_in_tolerance": 0.2, "weight": 3e-7}
    masks = {"sky": 2e-9, "mosaic": 0.21, "mosaic_in_tolerance": 4e5, "weight": 1.2}
    methods = {"globalmin+match": rounding, "match": rounding if masks_of is None else masks}
    result = {"exposures": ["a", "b"], "methods": methods, "masks_of": masks_of}
    [line] = check_lines({"engines": Finished("engines", "key", {}, result, 1.0, 0, False)})
    return line


def test_engines_are_compared_where_both_mask_the_same_pixels() -> None:
    line = told("globalmin+match")
    assert "under globalmin+match, where both mask the same pixels, " in line
    assert "1e-09 e-/s in sky, 2e-05 in the mosaics' unit (0.2 of what is allowed)" in line
    assert "Under match AstroDrizzle may find other cosmic rays" in line
    assert "single pixels of the mosaics by up to 0.21" in line


def test_without_steps_against_cosmic_rays_all_methods_are_compared() -> None:
    line = told(None)
    assert "(0.2 of what is allowed), 3e-07 relative in weight" in line
    assert "cosmic rays" not in line


def test_the_alignment_is_told_by_its_worst_values() -> None:
    def fit(tile: str, place: int, matches: int, rms: float, shift: float) -> dict[str, object]:
        its = {"rms_ra": rms, "rms_dec": rms / 2, "shift": shift, "matches": matches}
        return {"tile": tile, "place": place, **its}

    fits = [fit("a", 0, 0, 0.0, 0.0), fit("b", 1, 93, 4.46, 0.05), fit("c", 2, 60, 3.0, 0.5)]
    lost = {"tile": "d", "place": -1, "matches": 1, "rms_ra": None, "rms_dec": None, "shift": 9.0}
    result = {"alignment": {"fits": [*fits, lost], "kept": ["d"], "dropped": []}}
    assert alignment_lines(Finished("aligned", "key", {}, result, 1.0, 0, False)) == [
        "alignment: 3 of 4 drizzled images aligned; 60 matched sources or more in each, rms at "
        "most 4.5 mas, shift at most 0.500 arcsec"
    ]
    nothing = Finished("aligned", "key", {}, {"alignment": None}, 1.0, 0, False)
    assert alignment_lines(nothing) == []
