"""A whole campaign on small frames with the real drizzlepac, and what it leaves in the store."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from skymosaic import load
from skymosaic.drizzle.parameters import DEFAULTS
from skymosaic.methods import METHODS, column
from tests.conftest import (
    ORDER,
    SECRETS,
    SMALL,
    manifests,
    reading,
    skymosaic,
    tree,
    write_campaign,
)


def test_products_lie_in_the_tree_of_the_design(small: Path) -> None:
    expected = {"pristine", "inspection", "aligned", "plan", "runs", "comparison", "manifests"}
    assert expected <= {path.name for path in small.iterdir()}
    assert {path.name for path in (small / "runs").iterdir()} == {column(m) for m in METHODS}
    names = {path.name for path in (small / "comparison").iterdir()}
    assert {"mdrizsky.ecsv", "mdrizsky.csv", "scatter.png", "blink.gif", "report.html"} <= names
    assert {f"preview_{column(m)}.png" for m in METHODS} <= names
    assert not [name for name in tree(small) if name.endswith(".part") or "staging" in name]


def test_every_manifest_tells_the_truth_about_its_products(small: Path) -> None:
    steps = manifests(small)
    assert {f"runs/{column(m)}" for m in METHODS} <= set(steps)
    for step, manifest in steps.items():
        assert manifest["versions"] or step == "inspection"
        for name, product in manifest["products"].items():
            content = (small.parent / product["key"]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == product["sha256"], name
            assert len(content) == product["size"]


def test_no_stored_file_holds_a_credential(small: Path) -> None:
    """The campaign ran with secrets in its environment; names of files with one would be listed."""
    secrets = [value.encode() for value in SECRETS.values()]
    files = [small / name for name in tree(small)]
    assert any(path.suffix == ".log" for path in files)
    assert [p.name for p in files if any(secret in p.read_bytes() for secret in secrets)] == []


def test_table_has_a_row_for_each_exposure_and_a_column_for_each_method(small: Path) -> None:
    table = Table.read(small / "comparison" / "mdrizsky.ecsv")
    assert table.colnames == [
        "rootname",
        "chip",
        "localmin",
        "match",
        "globalmin",
        "globalmin_match",
    ]
    assert len(table) == 18
    assert len(set(table["rootname"])) == 18
    csv = Table.read(small / "comparison" / "mdrizsky.csv")
    for name in table.colnames[2:]:
        np.testing.assert_array_equal(csv[name], table[name])


def test_the_comparison_tells_which_method_to_trust_and_why(small: Path) -> None:
    folder = small / "comparison"
    advice = json.loads((folder / "advice.json").read_text())
    truth = {method: one["truth"]["rms"] for method, one in advice["quality"].items()}
    assert min(truth, key=truth.__getitem__) in advice["advice"]["methods"]
    overlaps, residuals, seams = (
        Table.read(folder / f"{name}.ecsv") for name in ("overlaps", "residuals", "seams")
    )
    assert len(residuals) == len(METHODS) * len(overlaps)
    match = residuals[residuals["method"] == "match"]
    local = residuals[residuals["method"] == "localmin"]
    # The nebula makes localmin wrong; match leaves little more than its errors.
    assert np.median(np.abs(match["residual"])) < 0.005
    assert np.median(np.abs(local["residual"])) > 0.02
    # Measured on the drizzled mosaics and on the exposures: two ways to one number.
    assert len(seams) > 0
    off = np.abs(seams["step"] - seams["expected"])
    assert np.mean(off < 3 * seams["error"] + 0.1 * np.abs(seams["expected"])) > 0.9
    summary = manifests(small)["comparison"]["result"]["summary"]
    assert summary[0].startswith("advice: ")


def test_published_values_are_those_of_the_headers_and_of_hdrtab(small: Path) -> None:
    table = Table.read(small / "comparison" / "mdrizsky.ecsv")
    for method in METHODS:
        run = small / "runs" / column(method)
        [science] = run.glob("*_sci.fits")
        hdrtab = fits.getdata(science, "HDRTAB")
        found = {
            str(name).strip(): sky
            for name, sky in zip(hdrtab["ROOTNAME"], hdrtab["MDRIZSKY"], strict=False)
        }
        for row in table:
            assert abs(found[row["rootname"]] - row[column(method)]) < 1e-9


def test_all_methods_have_one_grid_and_one_weight_map(small: Path) -> None:
    headers, weights = [], []
    for method in METHODS:
        run = small / "runs" / column(method)
        [science], [weight] = run.glob("*_sci.fits"), run.glob("*_wht.fits")
        header = fits.getheader(science)
        headers.append([header[key] for key in ("NAXIS1", "NAXIS2", "CRVAL1", "CRPIX2", "CD1_1")])
        weights.append(fits.getdata(weight))
    assert all(header == headers[0] for header in headers)
    assert all(np.array_equal(weight, weights[0]) for weight in weights)
    assert weights[0].max() > 0


def test_mosaics_differ_by_the_sky_that_was_subtracted(small: Path) -> None:
    """Drizzle is linear: globalmin subtracts one value everywhere, localmin one an exposure."""
    table = Table.read(small / "comparison" / "mdrizsky.ecsv")
    images = {}
    for method in ("globalmin", "globalmin+match", "match"):
        [science] = (small / "runs" / column(method)).glob("*_sci.fits")
        images[method] = fits.getdata(science)
    [weight] = (small / "runs" / "match").glob("*_wht.fits")
    seen = fits.getdata(weight) > 0
    constant = float(np.median(table["globalmin_match"] - table["match"]))
    difference = (images["match"] - images["globalmin+match"])[seen]
    np.testing.assert_allclose(np.median(difference), constant, atol=1e-4)
    assert np.percentile(np.abs(difference - constant), 99) < 1e-3


def test_pristine_exposures_keep_the_stale_sky_of_the_archive(small: Path) -> None:
    for path in (small / "pristine").glob("*_flt.fits"):
        assert fits.getval(path, "MDRIZSKY", ext=("SCI", 1)) > 0


def test_aligned_exposures_carry_a_new_wcs_but_the_reference(small: Path) -> None:
    names = {p.name: fits.getval(p, "WCSNAME", ext=1) for p in (small / "aligned").glob("*.fits")}
    assert len(names) == 18
    assert {name for name, wcs in names.items() if wcs != "TWEAK"} == {
        "ibxl54bgq_flt.fits",
        "ibxl54blq_flt.fits",
    }


def test_exposures_moved_as_their_drizzled_images_did(small: Path) -> None:
    alignment = manifests(small)["aligned"]["result"]["alignment"]
    assert len(alignment["unlike_motion"]) == 16
    assert max(alignment["unlike_motion"].values()) < 1.0  # mas
    assert alignment["order"] == [f"ibxl{tile}030" for tile in ORDER]
    assert [fit["place"] for fit in alignment["fits"]] == list(range(9))


def test_of_wfc3_ir_no_detector_decides_and_keys_are_what_they_were(small: Path) -> None:
    """Stores of versions that had one set of defaults stay valid."""
    steps = manifests(small)
    assert set(steps["plan"]["parameters"]) == {"final", "max_output_megapixels"}
    recorded = steps["runs/match"]["parameters"]["astrodrizzle"]
    # As the campaign file sets them, over the defaults.
    assert recorded | DEFAULTS | {"final_rot": recorded["final_rot"], "resetbits": "0"} == recorded
    report = json.loads((small / "comparison" / "report.json").read_text())
    assert "defaults" not in report["tables"]
    assert not any("osmic rays" in warning for warning in report["warnings"])


def test_second_run_does_nothing_again(small: Path) -> None:
    before = tree(small)
    ended = skymosaic("run", small.parent.parent / "small.yaml", "--store", small.parent)
    assert ended.code == 0
    assert "nothing was run again" in ended.err
    assert tree(small) == before
    assert "ibxl58svq" in ended.out


def test_restart_of_what_is_done_does_nothing_again(small: Path) -> None:
    before = tree(small)
    ended = skymosaic("restart", small)
    assert ended.code == 0
    assert "nothing was run again" in ended.err
    assert tree(small) == before


@pytest.mark.campaign
def test_changed_parameter_runs_only_what_depends_on_it(small: Path, tmp_path: Path) -> None:
    shutil.copytree(small, tmp_path / "store" / "small")
    file = write_campaign(
        tmp_path / "small.yaml",
        source=SMALL,
        align={"order": ORDER},
        sky={"methods": ["localmin", "globalmin"]},
        drizzle={"parameters": {"final_rot": 257, "final_bits": 64}},
    )
    before = tree(tmp_path / "store" / "small")
    ended = skymosaic("run", file, "--store", tmp_path / "store")
    assert ended.code == 0, ended.err
    after = tree(tmp_path / "store" / "small")
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed
    folders = {"comparison", "manifests", "campaign.yaml", "locks", "logs", "records"}
    assert {name.split("/")[0] for name in changed} <= folders
    locked = {name.split("/")[1] for name in changed if name.startswith("locks/")}
    assert locked == {"campaign", "comparison"}
    assert {n for n in changed if n.startswith("manifests")} == {"manifests/comparison.json"}
    table = Table.read(tmp_path / "store" / "small" / "comparison" / "mdrizsky.ecsv")
    assert table.colnames == ["rootname", "chip", "localmin", "globalmin"]


@pytest.mark.campaign
def test_what_failed_in_between_is_forgotten_when_all_is_finished_again(
    small: Path, tmp_path: Path
) -> None:
    shutil.copytree(small, tmp_path / "store" / "small")
    run = ("run", small.parent.parent / "small.yaml", "--store", tmp_path / "store")
    ended = skymosaic(*run, "--set", "drizzle.max_output_megapixels=0.001")
    assert ended.code != 0
    failed = tmp_path / "store" / "small" / "failed"
    assert (failed / "plan.json").exists()
    assert not load(tmp_path / "store" / "small").complete
    ended = skymosaic(*run)
    assert ended.code == 0, ended.err
    assert list(failed.rglob("*.json")) == []
    assert load(tmp_path / "store" / "small").complete


def test_report_is_self_contained(small: Path) -> None:
    page = (small / "comparison" / "report.html").read_text()
    assert "ibxl54bgq" in page
    assert page.count("data:image/") >= 6
    # What Bokeh's script may write is tested in a browser.
    page = re.sub("<script[^>]*>.*?</script>", "", page, flags=re.DOTALL)
    # A link is followed by who wants to; the page itself fetches nothing.
    assert not re.search(r"(?<!<a )(src|href)=[\"'](?!data:|#)", page)


def test_report_command_runs_nothing(small: Path) -> None:
    before = tree(small)
    ended = reading("report", small.parent.parent / "small.yaml", "--store", small.parent)
    assert ended.code == 0
    assert "report.html" in ended.out
    assert tree(small) == before


def test_inspection_tables_tell_what_the_headers_say(small: Path) -> None:
    exposures = Table.read(small / "inspection" / "exposures.ecsv")
    drizzled = Table.read(small / "inspection" / "drizzled.ecsv")
    assert len(exposures) == 18
    assert len(drizzled) == 9
    assert set(exposures["filter"]) == {"F160W"}
    assert set(exposures["exptime"]) == {702.9}
    assert str(exposures["postarg1"].unit) == "arcsec"
    assert "IBXL54030" in set(exposures["asn_id"])


def test_nothing_is_left_in_scratch(small: Path) -> None:
    assert list((small.parent.parent / "scratch").iterdir()) == []


def test_resolved_campaign_is_stored_with_the_run(small: Path) -> None:
    ended = reading("check", small / "campaign.yaml")
    assert ended.code == 0, ended.err
    assert "seed: 12812" in ended.out
    assert json.loads((small / "manifests" / "comparison.json").read_text())["result"]["table"]


def test_vectors_of_the_matched_sources_agree_with_the_fits(small: Path) -> None:
    vectors = Table.read(small / "aligned" / "vectors.ecsv")
    fits_ = [f for f in manifests(small)["aligned"]["result"]["alignment"]["fits"] if f["place"]]
    assert {fit["tile"] for fit in fits_} == set(vectors["tile"])
    for fit in fits_:
        its = vectors[vectors["tile"] == fit["tile"]]
        assert len(its) == fit["matches"]
        # RMS_RA and RMS_DEC are the offset on the sky of the vector (rms in x, rms in y), which is
        # as long as these.
        length = np.sqrt(np.mean(its["east"] ** 2 + its["north"] ** 2))
        assert length == pytest.approx(np.hypot(fit["rms_ra"], fit["rms_dec"]), rel=0.02)


def test_every_sky_value_has_its_three_records(small: Path) -> None:
    checks = Table.read(small / "comparison" / "checks.ecsv")
    assert len(checks) == 72
    assert all(checks["agree"])
    run = load(small)
    for row in checks:
        its = run.mdrizsky[run.mdrizsky["rootname"] == row["rootname"]]
        assert its[row["method"].replace("+", "_")][0] == row["header"]


def test_python_gets_what_the_run_made(small: Path) -> None:
    run = load(small)
    assert run.complete
    assert run.advice is not None
    assert set(run.advice.methods) <= set(run.methods)
    assert len(run.residuals("match")) == len(run.residuals()) // 4
    assert run.mosaic("match").data.shape == run.mosaic("localmin").data.shape
    assert len(run.alignment) == 9
    assert "complete" in repr(run)


@pytest.mark.parametrize("form", ["html", "json", "md"])
def test_the_report_command_prints_each_form(small: Path, form: str) -> None:
    ended = reading("report", small, "--format", form)
    assert ended.code == 0, ended.err
    assert ended.out == (small / "comparison" / f"report.{form}").read_text()
