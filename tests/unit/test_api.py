"""What programs and notebooks get of a run, and what a report on demand is made from."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
import yaml
from astropy.io import fits

import skymosaic
from skymosaic.align.positions import TOO_FEW
from skymosaic.config import Align
from skymosaic.drizzle.summaries import SwappedFootprints
from skymosaic.errors import CampaignError, LockedError, MissingError, SkyError
from skymosaic.results import reporting
from skymosaic.results.broken_off import report_broken_off, reported_if_broken_off
from skymosaic.results.reading import read_finished_steps
from skymosaic.store.shapes import sealed
from tests.unit.small_store import SmallStore
from tests.unit.test_positions import pair_of


@pytest.fixture
def store(tmp_path):
    store = SmallStore(tmp_path)
    store.inspect()
    store.plan()
    store.drizzle("localmin")
    return store


def states(store):
    """What is missing, but for the comparison that these stores never have."""
    found = {one.part: one.state for one in read_finished_steps(store.place).missing}
    assert found.pop("gather") == "not run"
    return found


def test_import_of_the_package_stays_cheap() -> None:
    code = (
        "import sys, skymosaic; assert 'load' in dir(skymosaic) or skymosaic.load; "
        "heavy = {'matplotlib', 'bokeh', 'drizzlepac'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    first = "import sys, skymosaic; assert 'astropy' not in sys.modules"
    subprocess.run([sys.executable, "-c", first], check=True)


def test_a_run_gives_its_tables_and_mosaics(store) -> None:
    store.drizzle("match")
    run = skymosaic.load(store.folder)
    assert run.methods == ("localmin", "match")
    assert [(one.part, one.state) for one in run.missing] == [("gather", "not run")]
    assert not run.complete
    assert "incomplete: 1 part missing" in repr(run)
    assert run.mdrizsky["localmin"].tolist() == [1.0, 1.5, 1.25]
    assert str(run.mdrizsky["match"].unit) == "electron / s"
    assert run.differences["localmin_minus_match"].tolist() == [1.0, 1.0, 1.0]
    assert run.exposures["rootname"].tolist() == ["a", "b", "c"]
    assert run.checks["agree"].tolist() == [True] * 6
    assert run.table("pairs")["area"].tolist() == [100.0, 50.0]
    assert "runs/match" in run.steps["step"].tolist()
    assert run.alignment is None
    assert run.advice is None
    mosaic = run.mosaic("match")
    assert mosaic.data.shape == mosaic.weight.shape == (20, 30)
    assert mosaic.data.dtype == np.float32
    assert mosaic.unit == "ELECTRONS/S"
    assert mosaic.wcs.wcs.crval.tolist() == [10.1, 0.05]
    assert run.preview("match").shape == (20, 30)


def test_a_run_of_the_one_pass_engine_gives_its_methods_too(tmp_path) -> None:
    store = SmallStore(tmp_path, engine="onepass")
    store.inspect()
    store.plan()
    assert states(store) == {"drizzle localmin": "not run", "drizzle match": "not run"}
    store.drizzle_at_once("localmin")
    assert states(store) == {"drizzle match": "not run"}
    store.drizzle_at_once("localmin", "match")
    run = skymosaic.load(store.folder)
    assert states(store) == {}
    assert run.methods == ("localmin", "match")
    assert run.mdrizsky["match"].tolist() == [0.0, 0.5, 0.25]
    assert run.mosaic("match").data.shape == (20, 30)
    store.fail("runs/onepass", "no sky")
    assert states(store) == {"drizzle localmin": "failed", "drizzle match": "failed"}


def test_tables_become_data_frames(store) -> None:
    frame = skymosaic.load(store.folder).mdrizsky.to_pandas()
    assert list(frame.columns) == ["rootname", "chip", "localmin"]
    assert frame.loc[1, "localmin"] == 1.5


def test_what_is_not_there_is_named_with_what_is(store) -> None:
    run = skymosaic.load(str(store.folder))
    with pytest.raises(MissingError, match="no finished run of 'match'; there are: localmin"):
        run.mosaic("match")
    with pytest.raises(MissingError, match=r"no table 'nothing'; there are: .*mdrizsky"):
        run.table("nothing")
    with pytest.raises(MissingError, match="residuals"):
        run.residuals()
    with pytest.raises(MissingError, match="forms are html, json, md"):
        run.report("pdf")
    with pytest.raises(MissingError, match="holds no campaign"):
        skymosaic.load(store.folder.parent / "other")
    with pytest.raises(CampaignError):
        skymosaic.load("s3://bucket")


@pytest.mark.parametrize(
    ("settings", "part", "why"),
    [
        ("sky: {static: none}", "static_masks", "sky.static is none: no static masks"),
        ("", "alignment", "align is none: nothing was aligned"),
        ("", "gates", "align is none: nothing was aligned"),
        ("drizzle: {engine: onepass}", "checks", "drizzle.engine is onepass"),
        ("drizzle: {witness: false}", "witness", "drizzle.witness is false"),
        ("drizzle: {witness: null}", "witness", "drizzle.witness is null"),
        ("", "engines", "drizzle.sample is null"),
        ("drizzle: {sample: 2}", "engines", "both engines: not run"),
        ("align: {method: tweakreg}", "positions", "the exposures were aligned"),
        ("drizzle: {engine: onepass}", "weights", "drizzle.engine is onepass"),
        ("", "residuals", "gather: not run"),
    ],
)
def test_what_the_campaign_file_turned_off_is_missing_with_the_reason(
    tmp_path, settings, part, why
) -> None:
    store = SmallStore(tmp_path)
    store.inspect()
    text = yaml.safe_load(store.place.store.read_text("field/campaign.yaml"))
    for section, values in (yaml.safe_load(settings) or {}).items():
        before = text.get(section)
        text[section] = {**before, **values} if isinstance(before, dict) else values
    store.place.store.write_text("field/campaign.yaml", yaml.safe_dump(text))
    run = skymosaic.load(store.folder)
    with pytest.raises(MissingError) as caught:
        run.table(part)
    assert f"no table {part!r} ({why}" in str(caught.value)
    with pytest.raises(MissingError, match=r"sky\.methods is localmin, match: .* not asked"):
        run.mosaic("globalmin")
    with pytest.raises(MissingError, match=r"'match'; there are: none\. drizzle match: not run"):
        run.mosaic("match")


def test_a_mask_that_was_turned_off_says_so_where_it_is_asked_for(store) -> None:
    text = store.place.store.read_text("field/campaign.yaml")
    text = text.replace("sky: {", "sky: {static: none, ")
    store.place.store.write_text("field/campaign.yaml", text)
    with pytest.raises(MissingError, match=r"sky\.static is none: no static masks"):
        _ = skymosaic.load(store.folder).static_masks


def test_a_group_of_a_program_is_found_below_it(tmp_path) -> None:
    store = SmallStore(tmp_path / "program" / "1" / "M_16")
    store.inspect()
    # The group's own store is the program's: keys begin with the program's name.
    own = tmp_path / "program" / "1" / "M_16" / "F160W"
    store.folder.rename(own)
    (tmp_path / "program" / "groups.json").write_text("[]")
    run = skymosaic.load(own)
    assert run.name == "program/1/M_16/F160W"


def test_what_failed_is_missing_and_told_with_its_reason(store) -> None:
    store.fail("runs/match", "the records disagree")
    missing, _gather = read_finished_steps(store.place).missing
    assert (missing.part, missing.state) == ("drizzle match", "failed")
    assert missing.why == "SkyError: the records disagree"
    with pytest.raises(MissingError, match="the records disagree"):
        skymosaic.load(store.folder).mosaic("match")


def test_what_was_not_run_is_missing_from_there_on(tmp_path) -> None:
    store = SmallStore(tmp_path)
    store.inspect()
    store.fail("plan", "no output grid")
    assert states(store) == {
        "plan": "failed",
        "compare positions": "not run",
        "drizzle localmin": "not run",
        "drizzle match": "not run",
    }


@pytest.mark.filterwarnings("error::UserWarning")
def test_footprints_are_drawn_before_the_groups_are_known(tmp_path) -> None:
    store = SmallStore(tmp_path)
    store.inspect()
    store.fail("plan", "no output grid")
    reporting.write_partial(store.place)
    page = (store.folder / "comparison" / "partial-report.html").read_text()
    assert 'id="chart-footprints"' in page
    assert "No sky method has finished." in page
    assert "no output grid" in page


def test_who_did_the_work_is_no_matter_to_who_reads(store) -> None:
    file = store.folder / "campaign.yaml"
    before = states(store)
    file.write_text(f"{file.read_text()}compute: {{memory_limit: 1kB, of_another_version: 1}}\n")
    assert states(store) == before
    assert skymosaic.load(store.folder).mosaic("localmin").data.size > 0


def test_a_mosaic_on_a_former_grid_is_outdated(store) -> None:
    store.drizzle("match")
    store.plan(scale=0.2)
    store.drizzle("localmin")
    assert states(store) == {"drizzle match": "outdated"}


def test_an_alignment_of_an_older_version_is_no_outdated_one(store) -> None:
    text = store.place.store.read_text("field/campaign.yaml")
    aligned = text.replace("align: none", "align: {method: tweakreg}")
    store.place.store.write_text("field/campaign.yaml", aligned)
    settings = Align().model_dump(mode="json")
    del settings["gates"]["max_chance"]
    store.align(settings)
    assert "align" not in states(store)
    store.align({**settings, "min_sources": 11})
    assert states(store)["align"] == "outdated"


def test_what_a_reader_must_know_first_is_in_a_report_of_a_part(store) -> None:
    store.fail("runs/match", "the records disagree")
    missed = SwappedFootprints(2, [("a[SCI,1]", "b[SCI,1]")], [["a", "b", "c"]])
    store.drizzle("localmin", footprints=missed)
    report = json.loads(skymosaic.load(store.folder).report("json"))
    assert any("sky.footprints: swapped" in warning for warning in report["warnings"])


def test_a_report_on_demand_tells_what_there_is(store) -> None:
    store.fail("runs/match", "the records disagree")
    part = reporting.write_partial(store.place)
    page = (store.folder / "comparison" / "partial-report.html").read_text()
    assert part.address == str(store.folder / "comparison" / "partial-report.html")
    assert "1.500000" in part.table
    assert part.missing == [
        "drizzle match: failed, SkyError: the records disagree",
        "gather: not run",
    ]
    assert "This run is incomplete" in page
    assert "the records disagree" in page
    document = json.loads(reporting.report_text(store.place, "json"))
    assert [row[0] for row in document["tables"]["mdrizsky"]["rows"]] == ["a", "b", "c"]
    assert not document["complete"]
    assert "# field: This run is incomplete" in reporting.report_text(store.place, "md")


def test_values_that_contradict_each_other_are_not_shown(store) -> None:
    store.drizzle("match", {"a": 5.5, "b": 6.5, "c": 7.5})  # the lowest must be 0
    text = reporting.report_text(store.place, "md")
    assert "contradict each other" in text
    assert "6.5" not in text
    assert "mdrizsky" not in json.loads(reporting.report_text(store.place, "json"))["tables"]


def test_a_run_that_fails_leaves_a_report_and_its_error(store, tmp_path) -> None:
    page = store.folder / "comparison" / "partial-report.html"
    with pytest.raises(LockedError), reported_if_broken_off(store.place):
        raise LockedError("another run is at work")
    assert not page.exists()
    with pytest.raises(SkyError, match="its own"), reported_if_broken_off(store.place):
        raise SkyError("its own")
    assert page.exists()
    empty = SmallStore(tmp_path / "empty")
    assert report_broken_off(empty.place) == ""
    assert not (empty.folder / "comparison").exists()


def test_a_run_of_onepass_gives_the_mosaics_of_all_methods(tmp_path) -> None:
    store = SmallStore(tmp_path, engine="onepass", witness="null")
    store.inspect()
    store.plan()
    store.drizzle_at_once("localmin", "match")
    assert states(store)["witness"] == "not run"
    store.hear_witness()
    run = skymosaic.load(store.folder)
    assert run.methods == ("localmin", "match")
    assert states(store) == {}
    [said] = run.verified
    assert said.startswith("AstroDrizzle itself made 30 x 20 pixels")
    assert run.table("witness")["method"].tolist() == ["localmin", "match"]
    assert run.mdrizsky["match"].tolist() == [0.0, 0.5, 0.25]
    assert run.mosaic("match").data.shape == (20, 30)
    page = reporting.report_text(store.place, "html")
    assert "there are no three records of AstroDrizzle" in page
    assert "Every value of this run passed that check" not in page
    assert said in page
    with pytest.raises(MissingError, match="has no table 'checks'"):
        _ = run.checks
    store.drizzle_at_once("match", "localmin")  # anew, with other bytes
    path = next((store.folder / "runs" / "onepass").glob("*_match_drz_sci.fits"))
    with fits.open(path, mode="update") as hdus:
        hdus[0].data += 1.0
    manifest = store.folder / "manifests" / "runs" / "onepass.json"
    written = json.loads(manifest.read_text())
    written["products"][path.name]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(sealed(written)))
    assert states(store)["witness"] == "outdated"


def test_what_the_stars_say_is_read_back(store) -> None:
    store.drizzle("match")
    store.compare_positions(pair_of("a", "b", "displaced", 3.0), pair_of("b", "c", TOO_FEW))
    run = skymosaic.load(store.folder)
    assert [one.part for one in run.missing] == ["gather"]
    assert run.table("positions")["pixels"].tolist() == [3.0, None]
    text = run.report("md")
    assert "- Positions of stars differ in 1 of 2 overlaps that were compared" in text
    assert "## Positions of stars" in text
    assert TOO_FEW in text


def test_a_comparison_of_stars_that_failed_is_named(store) -> None:
    store.fail("positions", "no")
    assert states(store)["compare positions"] == "failed"
