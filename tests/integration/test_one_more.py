"""One exposure more, by `skymosaic run`: what stays is looked up, and all is as from scratch."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import command_line, environment_of_run, manifests, write_campaign
from tests.many_frames import lattice, write_many

pytest.importorskip("drizzlepac")
pytestmark = pytest.mark.campaign

SIDE, STEP = 96, 70  # pixels of an exposure, and to the next one
GRID = {"ra": 85.25, "dec": -2.45, "scale": 0.1283, "columns": 420, "rows": 420}
COMPARED = {"comparison", "evidence", "figures", "levels"}
"""How the names of the steps of the comparison begin, whose products have times in them."""


def run(file: Path, store: Path) -> dict[str, dict[str, Any]]:
    """Run the campaign; return its manifests by step."""
    done = subprocess.run(
        command_line("--quiet", "run", file, "--store", store),
        capture_output=True,
        text=True,
        env=environment_of_run(),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return manifests(store / "more")


def products(steps: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return the SHA-256 of all products but those of the comparison, and logs."""
    return {
        product["key"]: product["sha256"]
        for step, manifest in steps.items()
        if step.split("/")[0] not in COMPARED
        for product in manifest["products"].values()
        if not product["key"].endswith(".log")
    }


@pytest.mark.timeout(900)
def test_one_exposure_more_makes_its_own_steps_and_the_same_mosaic(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    names = write_many(data, lattice(7, SIDE, STEP), share=0.001)
    last = data / names[-1]
    kept = last.rename(tmp_path / last.name)
    file = write_campaign(
        tmp_path / "more.yaml",
        source={"kind": "directory", "path": str(data)},
        align="none",
        sky={"methods": ["localmin", "match"], "static": "none"},
        drizzle={
            "engine": "onepass",
            "grid": GRID,
            "witness": False,
            "parameters": {"final_bits": 64},
        },
        compute={"workers": 2},
    )
    before = run(file, tmp_path / "store")
    kept.rename(last)
    after = run(file, tmp_path / "store")
    made = {step for step in after if after[step] != before.get(step)}
    root = names[-1].removesuffix("_flt.fits")
    for kind in ("pristine", "singles", "stars"):
        assert {step for step in made if step.startswith(f"{kind}/")} in (
            {f"{kind}/{root}"},
            {f"{kind}/{root}_flt"},
        )
    # Its neighbours share a new overlap with it, and are measured; no other is.
    measured = {step for step in made if step.startswith("measured/")}
    assert f"measured/{root}" in measured
    assert len(measured) < len(names)
    assert products(after) == products(run(file, tmp_path / "scratch"))
