"""Small inputs that once gave wrong results: each of ../shared/cases, with its right outcome.

The kinds that they are examples of have tests of their own, which make their input themselves.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from skymosaic import load
from skymosaic.api import Run

CASES = Path(__file__).parents[3] / "shared" / "cases"
SETTINGS = ("source.on_bad_file=leave_out",)
EXPOSURES = {"ibxl51eoq", "ibxl51etq", "ibxl54bgq", "ibxl54blq"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared/cases"),
]


@dataclass(frozen=True)
class Case:
    """What is right for one case, as its README says it."""

    name: str
    code: int = 0
    says: Sequence[str] = ()
    left_out: Sequence[str] = ()
    skies: dict[str, Sequence[float]] = field(default_factory=dict)
    settings: Sequence[str] = ()

    def __str__(self) -> str:
        return "-".join([self.name, *(setting.rsplit("=")[-1] for setting in self.settings)])


LOCALMIN = (1.5586, 1.5490, 1.3164, 1.3057)  # e-/s, of the four exposures as they were
GONE = "ibxl54bgq"
OF_THREE = {"globalmin": (1.3057,) * 3}
RIGHT = [
    Case("01-electrons-localmin-refused", skies={"localmin": LOCALMIN}),
    Case("02-nan-in-flagged-pixels", says=["36 "]),
    Case("04-all-pixels-flagged", 4, [GONE]),
    Case(
        "04-all-pixels-flagged",
        says=[GONE],
        left_out=[GONE],
        skies=OF_THREE,
        settings=SETTINGS,
    ),
    Case("05-all-zero-exposure", 4, [GONE]),
    Case(
        "05-all-zero-exposure",
        says=[GONE],
        left_out=[GONE],
        skies=OF_THREE,
        settings=SETTINGS,
    ),
    Case("06-exptime-zero", 4, [GONE, "EXPTIME"], settings=("source.on_bad_file=refuse",)),
    Case("06-exptime-zero", says=["EXPTIME"], left_out=[GONE]),
    Case("07-mixed-wcs-solutions", says=["IDC_w3m18525i-FIT_IMG_GAIADR1", GONE]),
    Case("09-gz-passed-over", skies={"localmin": LOCALMIN}),
    Case("13-no-idcscale", 4, [GONE, "IDCSCALE"]),
]


def build(case: Case, folder: Path) -> list[str]:
    """Make the input of a case, and return the command that it gives to run."""
    ended = subprocess.run(
        [sys.executable, CASES / case.name / "build.py", folder],
        env={**os.environ, "SKYMOSAIC": str(Path(sys.executable).with_name("skymosaic"))},
        capture_output=True,
        text=True,
        check=True,
    )
    command = shlex.split(ended.stdout.splitlines()[-1])
    return command + [word for setting in case.settings for word in ("--set", setting)]


@pytest.mark.parametrize("engine", ["astrodrizzle", "onepass"])
@pytest.mark.parametrize("case", RIGHT, ids=str)
def test_a_case_that_went_wrong_has_its_right_outcome(
    case: Case, engine: str, tmp_path: Path
) -> None:
    command = build(case, tmp_path)
    ended = subprocess.run(
        [*command, "--set", f"drizzle.engine={engine}"], capture_output=True, text=True
    )
    said = " ".join((ended.stdout + ended.stderr).split())
    assert ended.returncode == case.code, said
    assert [words for words in case.says if words not in said] == []
    assert "Traceback" not in said
    if case.code == 0:
        _require_right(load(tmp_path / "store" / "case"), case)


def _require_right(run: Run, case: Case) -> None:
    table = run.mdrizsky
    assert set(table["rootname"]) == EXPOSURES - set(case.left_out)
    table.sort("rootname")
    per_second = 1 if "exptime" not in table.colnames else table["exptime"]
    for method, wanted in case.skies.items():
        rates = np.array(table[method], float)
        unit = str(table[method].unit or "")
        if not unit.endswith("s"):
            rates = rates / per_second
        np.testing.assert_allclose(rates, wanted, atol=6e-5)
    for method in run.methods:
        mosaic = run.mosaic(method)
        seen = np.asarray(mosaic.weight) > 0
        assert seen.any()
        assert np.isfinite(np.asarray(mosaic.data)[seen]).all()
