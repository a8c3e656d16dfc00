"""The rule of the static mask in a campaign as a user runs it: decided once, kept, and told."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table

import skymosaic as library
from tests.conftest import Ended, command_line, environment, skymosaic, write_campaign
from tests.frames import Frame
from tests.many_frames import lattice, spoil, write_many

SIDE = 64


def run(folder: Path, **sky: Any) -> Ended:
    file = write_campaign(
        folder / "many.yaml",
        source={"kind": "directory", "path": str(folder / "data")},
        align="none",
        sky={"methods": ["match"], **sky},
        drizzle={"engine": "onepass"},
        compute={"workers": 2},
    )
    # Of a thousand exposures it takes longer than `tests.conftest.skymosaic` waits.
    done = subprocess.run(
        command_line("run", file, "--store", folder / "store"),
        capture_output=True,
        text=True,
        env=environment(),
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def write(folder: Path, frames: list[Frame], chips: int = 1, share: float = 0.01) -> list[str]:
    (folder / "data").mkdir()
    return write_many(folder / "data", frames, chips, share)


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
@pytest.mark.timeout(1800)
def test_the_rule_of_the_first_run_is_kept_until_it_is_changed_by_name(tmp_path: Path) -> None:
    frames = lattice(50, SIDE, 34)
    names = write(tmp_path, frames, share=0.0)
    last = (tmp_path / "data" / names[-1]).rename(tmp_path / names[-1])
    first = run(tmp_path)
    assert first.code == 0, first.err
    assert [one["rule"] for one in mask(tmp_path)] == ["once"]
    # 1% of flagged pixels, which are low, in 49 exposures.
    assert re.search("warning: The static mask leaves out (3[6-9]|4[0-2])", first.err)
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
    assert re.search("the static mask would leave out 6[0-9]", refused.err)

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
