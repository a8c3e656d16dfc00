"""AstroDrizzle as the witness of onepass: an error in a mosaic is found, and told where it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from skymosaic import load
from skymosaic.methods import word
from skymosaic.store.shapes import sealed
from tests.conftest import manifests, skymosaic, write_campaign
from tests.frames import Frame, write_frames, write_two_chip_frames

ALONE = Frame(420, 300, 3, 2.0)  # meets no other
DEEP = [Frame(0, 0, 0, 1.0), Frame(3, 2, 0, 1.2), Frame(30, 5, 0, 0.8), ALONE]
UNDITHERED = [Frame(0, 0, 0, 5.0), Frame(0, 0, 0, 5.2)]
CROWD = [Frame(i % 4, i // 4, 0, 1.0 + 0.01 * i, pixels=64) for i in range(14)]
PLANTED = 1e-4  # electron/s


def campaign(
    folder: Path, frames: Sequence[Frame], *, chips: int = 1, sky: Any = None, **drizzle: Any
) -> Path:
    data = folder / "data"
    data.mkdir()
    (write_frames if chips == 1 else write_two_chip_frames)(data, frames)
    return write_campaign(
        folder / "one.yaml",
        source={"kind": "directory", "path": str(data)},
        align="none",
        sky=sky or {"methods": ["localmin", "match"]},
        drizzle={"engine": "onepass", **drizzle},
    )


def run(file: Path, *more: str) -> Any:
    return skymosaic("run", file, "--store", file.parent / "store", "--workers", "1", *more)


def plant(store: Path, name: str, error: float) -> Path:
    """Add a constant to one mosaic, as if the engine had made it so; return its file."""
    step = word(name)
    manifest = store / "manifests" / "runs" / f"{step}.json"
    written = json.loads(manifest.read_text())
    science: Path = store / "runs" / step / written["result"]["science"]
    with fits.open(science, mode="update") as hdus:
        hdus[0].data += np.float32(error)
    checksum = hashlib.sha256(science.read_bytes()).hexdigest()
    written["products"][science.name]["sha256"] = checksum
    manifest.write_text(json.dumps(sealed(written)))
    return science


@pytest.mark.campaign
def test_an_error_in_one_mosaic_of_ccds_is_found(tmp_path: Path) -> None:
    sky = {
        "methods": ["localmin", "match", "match-differences"],
        "per_chip": True,
        "variants": {"mode": {"method": "localmin", "parameters": {"skystat": "mode"}}},
    }
    file = campaign(tmp_path, DEEP[:3], chips=2, sky=sky)
    ended = run(file)
    assert ended.code == 0, ended.err
    store = tmp_path / "store" / "one"
    done = manifests(store)
    assert done["runs/match"]["parameters"]["astrodrizzle"]["driz_cr"]
    witness = done["witness"]["result"]
    assert set(witness["methods"]) == {*sky["methods"], "variant:mode"}
    window = witness["window"]
    assert window["whole"] and len(window["exposures"]) == 3
    for one in witness["methods"].values():
        assert one["pixels"] > 0.9 * window["columns"] * window["rows"]
        assert one["largest"] < PLANTED / 10
    assert "witness: AstroDrizzle itself made" in ended.out
    loaded = load(store)
    assert loaded.complete
    [said] = loaded.verified
    assert said.startswith("AstroDrizzle itself made") and "of each of 4 mosaics" in said
    report = (store / "comparison" / "report.md").read_text()
    assert f"## What was verified\n\n- {said}" in report
    assert set(loaded.table("witness")["method"]) == set(witness["methods"])
    science = plant(store, "match-differences", PLANTED)
    ended = run(file)
    assert ended.code == 7, ended.err
    assert f"{science.name} (match-differences): its pixels are not those that" in ended.err
    assert "+0.0001 e-/s in the median" in ended.err
    assert "of the mosaic. Do not use" in ended.err
    [missing] = load(store).missing
    assert (missing.part, missing.state) == ("witness", "failed")
    assert load(store).verified == [
        "No part of the mosaics was compared with AstroDrizzle's: the witness has not finished."
    ]


@pytest.mark.campaign
def test_a_mosaic_of_an_older_form_is_made_anew(tmp_path: Path) -> None:
    file = campaign(tmp_path, DEEP[:2], sky={"methods": ["match"]})
    ended = run(file)
    assert ended.code == 0, ended.err
    store = tmp_path / "store" / "one"
    # Older versions left NaN of flagged pixels where other exposures are good.
    science = plant(store, "match", np.nan)
    ended = run(file)
    assert ended.code == 0, ended.err
    assert f"{science.name} is as older versions made it" in ended.err
    assert "report it" not in ended.err
    assert load(store).complete and load(store).verified[0].startswith("AstroDrizzle itself made")
    assert np.isfinite(load(store).mosaic("match").data).any()


@pytest.mark.slow
def test_where_many_exposures_cover_each_place_both_engines_drizzle_some(tmp_path: Path) -> None:
    file = campaign(tmp_path, CROWD, parameters={"final_units": "counts"})
    ended = run(file)
    assert ended.code == 0, ended.err
    witness = manifests(tmp_path / "store" / "one")["witness"]["result"]
    assert not witness["window"]["whole"]
    assert len(witness["window"]["exposures"]) == 4
    assert all(one["largest"] < PLANTED / 10 for one in witness["methods"].values())
    assert "more than 12 exposures" in ended.out


@pytest.mark.slow
@pytest.mark.parametrize(
    "parameters",
    [
        {"final_units": "counts", "final_bits": 0},
        {"final_bits": None, "final_wht_type": "ERR"},
        {"final_kernel": "gaussian", "final_scale": 0.1},
        {"final_fillval": 0.0, "final_pixfrac": 0.7, "final_bits": "~4"},
    ],
)
def test_it_agrees_whatever_is_asked_of_astrodrizzle(
    parameters: dict[str, Any], tmp_path: Path
) -> None:
    file = campaign(tmp_path, DEEP, parameters=parameters)
    ended = run(file)
    assert ended.code == 0, ended.err
    store = tmp_path / "store" / "one"
    for one in manifests(store)["witness"]["result"]["methods"].values():
        assert one["pixels"] > 0
        assert one["largest"] < PLANTED / 10
    # In counts a rate is multiplied by the time of all exposures.
    times = 2000.0 if parameters.get("final_units") == "counts" else 1.0
    science = plant(store, "localmin", PLANTED * times)
    ended = run(file)
    assert ended.code == 7, ended.err
    assert science.name in ended.err


@pytest.mark.slow
@pytest.mark.parametrize("scale", [0.03, 1.2, 3.0])
def test_it_agrees_whatever_the_size_of_a_pixel_is(scale: float, tmp_path: Path) -> None:
    file = campaign(tmp_path, UNDITHERED, parameters={"final_scale": scale})
    ended = run(file)
    assert ended.code == 0, ended.err
    witness = manifests(tmp_path / "store" / "one")["witness"]["result"]
    assert witness["window"]["whole"]
    assert all(one["pixels"] > 0 for one in witness["methods"].values())
