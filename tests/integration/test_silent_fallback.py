"""An installation in which AstroDrizzle silently computes another method than `match`.

spherical_geometry 1.4.0 dropped a method that skypac calls; drizzlepac catches the error. It
is installed into a folder that stands before the real one.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, environment, skymosaic

pytestmark = pytest.mark.network

SELF_TEST = "from skymosaic.installation import self_test; self_test()"


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment variables of the broken installation."""
    folder = tmp_path_factory.mktemp("broken")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    done = subprocess.run([*pip, "spherical_geometry==1.4.0"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {"PYTHONPATH": str(folder)}


def test_doctor_fails_by_name(broken: dict[str, str]) -> None:
    ended = skymosaic("doctor", env=broken)
    assert ended.code == 8
    assert "spherical_geometry 1.4.0" in ended.err
    assert "spherical_geometry<1.4" in ended.err


def test_run_refuses_and_stores_nothing(broken: dict[str, str], tmp_path: Path) -> None:
    demo = REPOSITORY / "configs" / "horsehead-demo.yaml"
    ended = skymosaic("run", demo, "--store", tmp_path / "store", env=broken)
    assert ended.code == 8
    assert "silently compute localmin instead of match" in ended.err
    assert not (tmp_path / "store").exists()


def test_self_test_sees_the_fallback_itself(broken: dict[str, str]) -> None:
    """Without the look at versions: the real AstroDrizzle falls back, and is caught."""
    done = subprocess.run(
        [sys.executable, "-c", SELF_TEST],
        capture_output=True,
        text=True,
        env=environment(broken),
    )
    assert done.returncode != 0
    assert "SkyError" in done.stderr
    assert "Reverting sky computation" in done.stderr
