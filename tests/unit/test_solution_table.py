"""The table of the WCS solutions that `inspect` prints."""

from __future__ import annotations

from skymosaic.hst.wcs_solutions import Solution
from skymosaic.pipeline.solution_table import solution_table
from tests.unit.small_store import exposure


def test_every_solution_of_every_image_has_a_row() -> None:
    first, second = exposure("b", 0.0), exposure("a", 1.0)
    fit = Solution(
        "IDC_x-FIT_REL_GAIAeDR3", headerlet=2, catalogue="GAIAeDR3", matches=33, rms_ra=4.5
    )
    own = Solution("IDC_x", primary=True, alternate="A")
    table = solution_table([first, second], {first.name: [own, fit], second.name: [own]})
    assert list(table["rootname"]) == ["a", "b", "b"]
    assert list(table["kind"]) == ["IDC", "IDC", "FIT_REL_GAIAEDR3"]
    assert list(table["held_as"]) == ["primary, alternate A"] * 2 + ["headerlet 2"]
    assert list(table["matches"].mask) == [True, True, False]
    assert (table["rms_ra"][2], table["rms_ra"].unit) == (4.5, "mas")
    assert table["rms_dec"].mask.all()
    assert "4.5" in "\n".join(table.pformat(max_width=-1))


def test_without_images_there_are_no_rows() -> None:
    assert len(solution_table([], {})) == 0
