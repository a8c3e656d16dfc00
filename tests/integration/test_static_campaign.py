"""The rule of the static mask in a campaign as a user runs it: decided once, kept, and told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

import skymosaic as library
from tests.conftest import Ended, skymosaic, write_campaign
from tests.frames import Frame, write_frames, write_two_chip_frames

SIDE = 64
BAD = (20, 33)
CHIP_STEP = 0.1  # e-/s, by which `write_two_chip_frames` raises the second chip


def lattice(count: int, side: int = SIDE, step: int = 34) -> list[Frame]:
    """Return exposures that overlap their neighbours, with random skies."""
    random, across = np.random.default_rng(4), int(np.ceil(np.sqrt(count)))
    number = np.arange(count)
    places = step * (np.stack([number % across, number // across], 1) - (across - 1) / 2)
    skies = random.uniform(0.5, 2.0, count)
    return [
        Frame(float(x), float(y), sky=float(sky), pixels=side)
        for (x, y), sky in zip(places, skies, strict=True)
    ]


def spoil(path: Path, seed: int, share: float) -> None:
    """Make random pixels of each chip low, and one in the same place in all exposures."""
    random = np.random.default_rng([5, seed])
    with fits.open(path, mode="update") as hdus:
        for hdu in hdus:
            if hdu.name == "SCI":
                if hdu.ver == 2:  # `match` knows one sky an exposure
                    hdu.data -= np.float32(CHIP_STEP * hdus[0].header["EXPTIME"])
                level = float(np.median(hdu.data))
                hdu.data[random.uniform(size=hdu.shape) < share] = -level
                hdu.data[BAD] = 0.3 * level


def run(folder: Path, **sky: Any) -> Ended:
    file = write_campaign(
        folder / "many.yaml",
        source={"kind": "directory", "path": str(folder / "data")},
        align="none",
        sky={"methods": ["match"], **sky},
        drizzle={"engine": "onepass"},
        compute={"workers": 2},
    )
    return skymosaic("run", file, "--store", folder / "store")


def write(folder: Path, frames: list[Frame], chips: int = 1, share: float = 0.01) -> list[str]:
    data = folder / "data"
    data.mkdir(exist_ok=True)
    names = (write_two_chip_frames if chips == 2 else write_frames)(data, frames)
    for seed, name in enumerate(names):
        spoil(data / name, seed, share)
    return names


def largest_error(folder: Path, frames: list[Frame]) -> float:
    """Return the largest error of the skies of `match`, but for one constant, e-/s."""
    table = Table.read(folder / "store" / "many" / "comparison" / "mdrizsky.ecsv")
    true = {f"ibxl{index:02d}aaq": frame.sky for index, frame in enumerate(frames)}
    off = np.array([row["match"] - true[row["rootname"]] for row in table], dtype=float)
    return float(np.abs(off - np.median(off)).max())


def mask(folder: Path) -> list[dict[str, Any]]:
    table = library.load(folder / "store" / "many").static_masks
    return [dict(zip(table.colnames, row, strict=True)) for row in table]


@pytest.mark.slow
def test_the_rule_of_the_first_run_is_kept_until_it_is_changed_by_name(tmp_path: Path) -> None:
    frames = lattice(50)
    names = write(tmp_path, frames, share=0.0)
    last = (tmp_path / "data" / names[-1]).rename(tmp_path / names[-1])
    first = run(tmp_path)
    assert first.code == 0, first.err
    assert [one["rule"] for one in mask(tmp_path)] == ["once"]
    # 1% of flagged pixels, which are low, in 49 exposures.
    assert "warning: The static mask leaves out 38" in first.err
    assert "Set sky.static: repeated" in first.err
    assert "first run" not in first.err

    last.rename(tmp_path / "data" / names[-1])
    grown = run(tmp_path)
    assert grown.code == 0, grown.err
    assert [(one["rule"], one["exposures"]) for one in mask(tmp_path)] == [("once", 50)]
    assert "as at the first run of this campaign" in grown.err
    assert "nothing was run again" in run(tmp_path).err

    for seed, name in enumerate(names):
        spoil(tmp_path / "data" / name, seed, share=0.01)
    refused = run(tmp_path)
    assert refused.code == 7, refused.err
    assert "the static mask would leave out 6" in refused.err

    # What the message advises, both.
    none = run(tmp_path, static="none")
    assert none.code == 0, none.err
    named = run(tmp_path, static="repeated")
    assert named.code == 0, named.err
    assert "The static mask" not in named.err
    [one] = mask(tmp_path)
    assert (one["rule"], one["exposures"], one["masked"]) == ("repeated", 50, 1)
    assert largest_error(tmp_path, frames) < 0.004
    report = skymosaic("report", tmp_path / "store" / "many", "--format", "json")
    tables = json.loads(report.out)["tables"]
    assert [row[-1] for row in tables["static_masks"]["rows"]] == [1 / SIDE**2]
    assert ["static", "repeated", "sky.static: repeated"] in tables["defaults"]["rows"]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("count", "chips"), [(1000, 1), (200, 2)])
def test_the_skies_of_many_exposures_are_right_by_default(
    count: int, chips: int, tmp_path: Path
) -> None:
    frames = lattice(count, side=256, step=130)
    write(tmp_path, frames, chips)
    ended = run(tmp_path)
    assert ended.code == 0, ended.err
    found = mask(tmp_path)
    assert [one["rule"] for one in found] == ["repeated"] * chips
    assert [one["masked"] for one in found] == [1] * chips
    assert "The static mask" not in ended.err
    assert largest_error(tmp_path, frames) < 0.001 * chips  # half of the pixels in a chip
