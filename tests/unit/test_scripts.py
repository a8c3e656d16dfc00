"""Shell scripts: those of the repository, and those that are made for Slurm."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.unit.test_slurm import campaign_of
from tests.unit.test_slurm import scripts as scripts_for_slurm

_FOLDERS = (".ci", "docker", "scripts", "scripts/kubernetes-trials")
_SOURCED = ("environment", "install-debian", "common.sh")
"""Scripts without a first line that says so: others read them."""


def shell_scripts() -> list[Path]:
    files = [file for folder in _FOLDERS for file in (REPOSITORY / folder).iterdir()]
    return sorted(file for file in files if file.is_file() and is_for_bash(file))


def is_for_bash(file: Path) -> bool:
    return file.name in _SOURCED or file.read_bytes().startswith(b"#!/usr/bin/env bash")


@pytest.fixture
def made(tmp_path: Path) -> list[Path]:
    """What is submitted to Slurm: a job with nodes of its own, and an array."""
    program = {"source": {"kind": "mast", "proposal_id": [12812]}, "groups": {}}
    options = {"prologue": ["module load python"], "nodes": 2}
    found = {
        **scripts_for_slurm(campaign_of(options)),
        **scripts_for_slurm(campaign_of({"array": 8}, **program)),
    }
    files = [tmp_path / name for name in found if name.endswith(".sh")]
    for file in files:
        file.write_text(found[file.name])
    assert len(files) == 2
    return files


def test_bash_reads_all_scripts(made: list[Path]) -> None:
    files = shell_scripts()
    assert len(files) > 30
    for file in [*files, *made]:
        done = subprocess.run(["bash", "-n", file], capture_output=True, text=True, timeout=20)
        assert done.returncode == 0 and not done.stderr, done.stderr


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed (Debian)")
def test_shellcheck_finds_nothing(made: list[Path]) -> None:
    done = subprocess.run(
        ["shellcheck", "--shell=bash", *shell_scripts(), *made],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
