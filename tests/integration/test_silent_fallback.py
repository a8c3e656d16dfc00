"""Installations in which AstroDrizzle silently computes another method than `match`."""

from __future__ import annotations

import inspect
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from skymosaic.drizzlepac_calls.skypac_polygons import NAME
from tests.conftest import REPOSITORY, environment, skymosaic

SELF_TEST = "from skymosaic.pipeline.installation import self_test; self_test()"


def _without(folder: Path, *lines: tuple[str, str]) -> dict[str, str]:
    """Copy the package without some of its lines; return the variables that put it first."""
    package = folder / "skymosaic"
    # With what is compiled: only the files that change are compiled again.
    shutil.copytree(REPOSITORY / "src" / "skymosaic", package)
    for name, line in lines:
        text = (package / name).read_text()
        assert text.count(f" {line}\n") == 1, f"{name} has no line {line!r}"
        (package / name).write_text(text.replace(line, "pass"))
    return {"PYTHONPATH": str(folder)}


GIVES_BACK = ("drizzlepac_calls/server.py", "give_back()")
REQUIRES = ("drizzlepac_calls/functions.py", "skypac_polygons.require()")


def _self_test(changed: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SELF_TEST],
        capture_output=True,
        text=True,
        env=environment(changed),
    )
    assert done.returncode != 0
    return done.stderr


def test_the_plain_stack_still_needs_the_name() -> None:
    """When this fails, skypac and spherical_geometry fit together again: `skypac_polygons` goes."""
    from spherical_geometry.polygon import SphericalPolygon
    from stsci.skypac import skymatch

    stack = f"skypac {version('stsci.skypac')}, geometry {version('spherical_geometry')}"
    assert NAME in inspect.getsource(skymatch), (
        f"no longer called: delete skypac_polygons ({stack})"
    )
    assert not hasattr(SphericalPolygon, NAME), f"there again: delete skypac_polygons ({stack})"


def test_doctor_fails_by_name_without_the_name_given_back(tmp_path: Path) -> None:
    changed = _without(tmp_path, GIVES_BACK)
    ended = skymosaic("doctor", env=changed)
    assert ended.code == 8
    assert f"SphericalPolygon.{NAME}" in ended.err
    assert f"spherical_geometry {version('spherical_geometry')} lacks" in ended.err


def test_self_test_sees_the_fallback_itself(tmp_path: Path) -> None:
    """Without the look for the name: the real AstroDrizzle falls back, and is caught."""
    said = _self_test(_without(tmp_path, GIVES_BACK, REQUIRES))
    assert "SkyError" in said
    assert "Reverting sky computation" in said


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment variables of an installation with an older spherical_geometry."""
    folder = tmp_path_factory.mktemp("older")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    done = subprocess.run([*pip, "spherical_geometry==1.3.5"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {"PYTHONPATH": str(folder)}


@pytest.mark.network
def test_doctor_names_an_older_geometry(older: dict[str, str]) -> None:
    ended = skymosaic("doctor", env=older)
    assert ended.code == 8
    assert "spherical_geometry 1.3.5 exchanges rows and columns" in ended.err
    assert "spherical_geometry>=1.4" in ended.err


@pytest.mark.network
def test_run_refuses_an_older_geometry_and_stores_nothing(
    older: dict[str, str], tmp_path: Path
) -> None:
    demo = REPOSITORY / "configs" / "horsehead-demo.yaml"
    ended = skymosaic("run", demo, "--store", tmp_path / "store", env=older)
    assert ended.code == 8
    assert "misses overlaps of chips that are not square" in ended.err
    assert not (tmp_path / "store").exists()
