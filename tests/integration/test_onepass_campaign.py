"""A campaign with `drizzle.engine: onepass`, as a user runs it."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from skymosaic.config import load_campaign
from skymosaic.errors import CampaignError
from skymosaic.methods import ALL, METHODS, column, word
from skymosaic.store.shapes import sealed
from tests.conftest import manifests, skymosaic, tree, write_campaign


def campaign(folder: Path, name: str, data: Path, **sections: object) -> Path:
    return write_campaign(
        folder / f"{name}.yaml",
        source={"kind": "directory", "path": str(data)},
        align="none",
        **sections,
    )


@pytest.mark.slow
def test_a_campaign_with_variants(simulated_files: Path, tmp_path: Path) -> None:
    file = campaign(
        tmp_path,
        "one",
        simulated_files,
        drizzle={"engine": "onepass"},
        sky={
            "methods": list(ALL),
            "variants": {"mode": {"method": "localmin", "parameters": {"skystat": "mode"}}},
        },
    )
    arguments = ("run", file, "--store", tmp_path / "store", "--workers", "2")
    ended = skymosaic(*arguments)
    assert ended.code == 0, ended.err
    folder = tmp_path / "store" / "one"
    assert (folder / "comparison" / "report.html").exists()
    table = Table.read(folder / "comparison" / "mdrizsky.ecsv")
    done = manifests(folder)
    runs = {name: done[f"runs/{word(name)}"]["result"] for name in (*ALL, "variant:mode")}
    sky = {name: [chip["mdrizsky"] for chip in run["sky"]] for name, run in runs.items()}
    assert 0.0 < table["match_differences_error"].max() < 0.01
    for method in ALL:
        assert list(table[column(method)]) == pytest.approx(sky[method], abs=1e-6)
        assert (folder / "runs" / word(method) / runs[method]["science"]).exists()
    assert sky["variant:mode"] == pytest.approx(sky["localmin"], abs=0.05)
    assert sky["variant:mode"] != sky["localmin"]
    before = tree(tmp_path / "store")
    again = skymosaic(*arguments)
    assert again.code == 0, again.err
    assert tree(tmp_path / "store") == before  # everything had been done


@pytest.mark.slow
def test_both_engines_give_one_comparison(simulated_files: Path, tmp_path: Path) -> None:
    tables, mosaics = {}, {}
    for engine in ("astrodrizzle", "onepass"):
        file = campaign(tmp_path, engine, simulated_files, drizzle={"engine": engine})
        ended = skymosaic("run", file, "--store", tmp_path / "store", "--workers", "2")
        assert ended.code == 0, ended.err
        folder = tmp_path / "store" / engine
        tables[engine] = Table.read(folder / "comparison" / "mdrizsky.ecsv")
        (science,) = (folder / "runs").rglob(f"{engine}_match_drz_sci.fits")
        mosaics[engine] = fits.getdata(science)
    for method in METHODS:
        np.testing.assert_allclose(
            *(table[column(method)] for table in tables.values()), rtol=0, atol=1e-6
        )
    np.testing.assert_allclose(*mosaics.values(), rtol=2e-6, atol=1e-6)


def copy_of(small: Path, folder: Path) -> tuple[Path, tuple[str | Path, ...]]:
    """Return a copy of the finished small campaign, and what runs it again with the witness."""
    shutil.copytree(small.parent, folder / "store")
    again = ("run", small.parents[1] / "small.yaml", "--store", folder / "store")
    return folder / "store" / "small", (*again, "--set", "drizzle.witness=true", "--workers", "2")


@pytest.mark.slow
def test_the_witness_confirms_each_mosaic(small: Path, tmp_path: Path) -> None:
    folder, run = copy_of(small, tmp_path)
    ended = skymosaic(*run)
    assert ended.code == 0, ended.err
    assert (
        "witness: each of 4 mosaics agrees with what onepass predicts from the MDRIZSKY values "
        "in its headers" in ended.out
    )
    found = manifests(folder)["witness"]["result"]["methods"]
    assert set(found) == set(METHODS)
    for one in found.values():
        # Stars' pixels, of up to thousands of e-/s, are rounded by more than the noise allows.
        assert one["pixels"] > 100_000
        assert 0 < one["rms"] < 1e-3 * one["noise"]
    report = (folder / "comparison" / "report.html").read_text()
    assert "Engine: <strong>astrodrizzle</strong>" in report
    assert "Each mosaic compared with what onepass predicts" in report


@pytest.mark.campaign
def test_a_run_whose_pixels_are_not_those_of_its_headers_fails(small: Path, tmp_path: Path) -> None:
    folder, run = copy_of(small, tmp_path)
    (science,) = (folder / "runs" / "match").glob("*_sci.fits")
    with fits.open(science, mode="update") as hdus:
        hdus["HDRTAB"].data["MDRIZSKY"][3] += 0.01
    # As if the step had made it so.
    manifest = folder / "manifests" / "runs" / "match.json"
    written = json.loads(manifest.read_text())
    checksum = hashlib.sha256(science.read_bytes()).hexdigest()
    written["products"][science.name]["sha256"] = checksum
    manifest.write_text(json.dumps(sealed(written)))
    ended = skymosaic(*run)
    assert ended.code == 7, ended.err
    assert "its pixels do not agree with MDRIZSKY in its headers" in ended.err
    assert science.name in ended.err


@pytest.mark.slow
def test_both_engines_on_a_sample(simulated_files: Path, tmp_path: Path) -> None:
    file = campaign(
        tmp_path,
        "sample",
        simulated_files,
        sky={"methods": ["localmin", "match"]},
        drizzle={"engine": "onepass", "sample": 3},
    )
    ended = skymosaic("run", file, "--store", tmp_path / "store", "--workers", "2")
    assert ended.code == 0, ended.err
    assert "engines: on 3 exposures astrodrizzle and onepass differ at most by" in ended.out
    result = manifests(tmp_path / "store" / "sample")["engines"]["result"]
    assert len(result["exposures"]) == 3
    for one in result["methods"].values():
        assert one["sky"] < 1e-6
        assert one["mosaic_in_tolerance"] < 1.0
        assert one["weight"] < 1e-6


@pytest.mark.slow
def test_cosmic_rays_are_looked_for_once(simulated_files: Path, tmp_path: Path) -> None:
    steps = dict.fromkeys(("driz_separate", "median", "blot", "driz_cr"), True)
    file = campaign(
        tmp_path,
        "rays",
        simulated_files,
        sky={"methods": ["localmin", "match"]},
        drizzle={"engine": "onepass", "parameters": steps},
    )
    ended = skymosaic("run", file, "--store", tmp_path / "store", "--workers", "2")
    assert ended.code == 0, ended.err
    folder = tmp_path / "store" / "rays"
    report = (folder / "comparison" / "report.html").read_text()
    assert "Cosmic rays were looked for once, with the sky of match" in report
    assert "its mosaics of localmin would have other masks" in report
    hits = Table.read(folder / "comparison" / "cosmic_rays.ecsv")
    assert hits["hit"].max() < 0.1 * hits["pixels"].min()
    done = manifests(folder)
    assert "runs/onepass" not in done
    searches = [done[f"runs/{name}"]["result"]["cosmic_rays"] for name in ("localmin", "match")]
    assert searches[0] == searches[1]
    assert len([step for step in done if step.startswith("hits/")]) == len(searches[0]["chips"])


@pytest.mark.slow
def test_levels_do_not_depend_on_the_unit_of_the_mosaics(
    simulated_files: Path, tmp_path: Path
) -> None:
    seams = {}
    for units in ("cps", "counts"):
        file = campaign(
            tmp_path,
            units,
            simulated_files,
            sky={"methods": ["localmin", "match"]},
            drizzle={"engine": "onepass", "parameters": {"final_units": units}},
        )
        ended = skymosaic("run", file, "--store", tmp_path / "store", "--workers", "2")
        assert ended.code == 0, ended.err
        comparison = tmp_path / "store" / units / "comparison"
        seams[units] = Table.read(comparison / "seams.ecsv")
    assert len(seams["counts"]) > 0
    assert seams["counts"]["step"].unit == "electron / s"
    # Of single precision, as the mosaics are.
    np.testing.assert_allclose(seams["counts"]["step"], seams["cps"]["step"], atol=1e-5)


@pytest.mark.slow
def test_masks_of_each_method_are_told_by_their_weights(
    simulated_files: Path, tmp_path: Path
) -> None:
    steps = dict.fromkeys(("driz_separate", "median", "blot", "driz_cr"), True)
    file = campaign(
        tmp_path,
        "each",
        simulated_files,
        sky={"methods": ["localmin", "match"]},
        drizzle={"engine": "astrodrizzle", "parameters": steps},
    )
    ended = skymosaic("run", file, "--store", tmp_path / "store", "--workers", "2")
    assert ended.code == 0, ended.err
    folder = tmp_path / "store" / "each"
    weights = [
        fits.getdata(next((folder / "runs" / method).glob("*_wht.fits")))
        for method in ("localmin", "match")
    ]
    [row] = Table.read(folder / "comparison" / "weights.ecsv")
    assert (row["method"], row["reference"]) == ("localmin", "match")
    either = (weights[0] > 0) | (weights[1] > 0)
    differ = np.abs(weights[0] - weights[1]) > 1e-5 * np.maximum(*weights)
    assert row["share"] == pytest.approx(differ.sum() / either.sum())
    said = f"localmin in {100 * row['share']:.2f}% of the pixels"
    for place in ((folder / "comparison" / "report.md").read_text(), ended.err):
        assert "Cosmic rays were looked for in each run" in place
        assert said in place or "are equal" in place


def test_what_onepass_cannot_do_is_refused_before_anything_runs(
    simulated_files: Path, tmp_path: Path
) -> None:
    file = campaign(
        tmp_path,
        "cr",
        simulated_files,
        drizzle={"engine": "onepass", "parameters": {"final_wht_type": "IVM"}},
    )
    ended = skymosaic("run", file, "--store", tmp_path / "store")
    assert ended.code == 6
    assert "onepass does not do final_wht_type IVM" in ended.err
    assert not (tmp_path / "store" / "cr").exists()


def test_variants_need_onepass_and_known_parameters(tmp_path: Path) -> None:
    for sections, message in (
        ({"sky": {"variants": {"a": {"method": "match"}}}}, "need drizzle.engine: onepass"),
        (
            {
                "sky": {"variants": {"a": {"method": "match", "parameters": {"skystst": "mode"}}}},
                "drizzle": {"engine": "onepass"},
            },
            "did you mean skystat",
        ),
        (
            {"sky": {"variants": {"a": {}}}, "drizzle": {"engine": "onepass"}},
            "either a method or values",
        ),
    ):
        with pytest.raises(CampaignError, match=message):
            load_campaign(campaign(tmp_path, "wrong", tmp_path, **sections))


@pytest.mark.campaign
@pytest.mark.timeout(900)
def test_any_number_of_workers_gives_the_same_bytes(simulated_files: Path, tmp_path: Path) -> None:
    sky = {"methods": ["match", "globalmin+match-differences"]}
    drizzle = {"engine": "onepass", "witness": False, "parameters": {"final_scale": 0.04}}
    file = campaign(tmp_path, "one", simulated_files, drizzle=drizzle, sky=sky)
    checksums = []
    for workers in ("1", "2", "4"):
        store = tmp_path / f"store-{workers}"
        ended = skymosaic("run", file, "--store", store, "--workers", workers)
        assert ended.code == 0, ended.err
        done = manifests(store / "one")
        assert len([step for step in done if step.startswith("blocks/")]) > 1
        checksums.append(
            {
                (step, name): product["sha256"]
                for step, one in done.items()
                if step.startswith(("singles/", "skies", "blocks/", "runs/"))
                for name, product in one["products"].items()
            }
        )
    assert checksums[0] == checksums[1] == checksums[2]
