"""The files of a comparison: all of them or none, and the same for the same input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skymosaic.errors import SkyError, StoreError
from skymosaic.report.comparison import write_comparison
from tests.unit.reports import BARE, SKIES, data, known_run, runs

FIGURES = ("scatter", "footprints", "difference", "residuals", "vectors")
TABLES = (
    *("mdrizsky", "differences", "checks", "quality", "pairs", "invariants", "groups", "seams"),
    *("exposures", "alignment", "gates", "vectors", "steps", "residuals", "overlaps"),
)
ALL_FILES = {
    *(f"{name}.{form}" for name in FIGURES for form in ("png", "pdf")),
    *(f"{name}.ecsv" for name in TABLES),
    *("mdrizsky.csv", "blink.gif", "thumbnail.png", "advice.json"),
    *(f"preview_{method}.png" for method in ("localmin", "match", "globalmin", "globalmin_match")),
    *("report.html", "report.json", "report.md", "footprints.reg"),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A comparison with everything in it, and what was written."""
    folder = tmp_path_factory.mktemp("whole") / "deep" / "comparison"
    return folder, write_comparison(folder, data(), known_run())


def test_everything_is_written_and_nothing_else_is_left(whole):
    folder, written = whole
    assert {path.name for path in written.files} == ALL_FILES
    assert {path.name for path in folder.iterdir()} == ALL_FILES
    assert all(path.parent == folder and path.stat().st_size for path in written.files)
    assert [path.name for path in folder.parent.iterdir()] == ["comparison"]
    assert all(one.holds for one in written.invariants)
    assert len(written.table) == 3
    assert len(written.warnings) == 2
    assert written.card.headline == "Use globalmin+match"
    assert written.card.worst.residual == pytest.approx(0.015)


def test_the_same_input_gives_the_same_bytes(tmp_path, whole):
    write_comparison(tmp_path / "again", data(), known_run())
    for name in ALL_FILES:
        first, second = whole[0] / name, tmp_path / "again" / name
        assert first.read_bytes() == second.read_bytes(), name


def test_a_broken_invariant_writes_nothing(tmp_path):
    broken = runs()
    broken["globalmin"][1] = replace(broken["globalmin"][1], mdrizsky=91.0)
    with pytest.raises(SkyError, match=r"globalmin = constant.*is off by 1 "):
        write_comparison(tmp_path / "new" / "x", data(runs=broken), known_run())
    assert list(tmp_path.iterdir()) == []


def test_mosaics_that_do_not_fit_leave_the_last_comparison_as_it_was(tmp_path):
    folder = tmp_path / "comparison"
    few = {"images": {}, "polygons": {}, "evidence": None}
    write_comparison(folder, data(**few), BARE)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    wrong = data().images | {"globalmin": np.ones((3, 3), np.float32)}
    with pytest.raises(SkyError, match="not on one grid"):
        write_comparison(folder, data(**few | {"images": wrong}), known_run(campaign="x"))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert list(tmp_path.iterdir()) == [folder]


def test_a_mosaic_without_sky_values_is_refused(tmp_path):
    with pytest.raises(SkyError, match="there is a mosaic but no sky values"):
        write_comparison(
            tmp_path / "x", data(runs=runs({"localmin": SKIES["localmin"]})), known_run()
        )


def test_a_folder_that_cannot_be_written_is_a_store_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot write the comparison"):
        write_comparison(tmp_path / "file" / "x", data(images={}, evidence=None), BARE)


def test_one_method_alone_has_a_report_too(tmp_path):
    one = {"localmin": SKIES["localmin"]}
    written = write_comparison(
        tmp_path / "x", data(one, polygons={}, images={}, pairs={}, evidence=None), BARE
    )
    assert {path.name for path in written.files} == {
        *("mdrizsky.ecsv", "mdrizsky.csv", "differences.ecsv", "groups.ecsv"),
        *("scatter.png", "scatter.pdf", "report.html", "report.json", "report.md"),
    }
    text = (tmp_path / "x" / "report.html").read_text()
    for sentence in (
        "The exposures were not aligned",
        "There are no previews",
        "There is no figure of the footprints",
        "No relation could be checked",
        "The output grid was not recorded",
        "Time and memory were not recorded",
        "The campaign file was not recorded",
        "The differences in the overlaps were not measured",
        "did not keep the three records",
    ):
        assert sentence in text
    assert "Read first" not in text
