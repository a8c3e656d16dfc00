"""The trials that users run on a cluster of their own: what can be seen of them without one."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TRIALS = ROOT / "scripts" / "kubernetes-trials"
LIBRARY = "common.sh"
NAMES = sorted(path.name for path in TRIALS.iterdir() if path.name != LIBRARY)


def test_the_docs_name_each_trial() -> None:
    text = (ROOT / "docs" / "kubernetes.md").read_text()
    _, _, table = text.partition("| Trial | What it does |\n|---|---|\n")
    named = re.findall(r"`([a-z-]+)`", "".join(re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)))
    assert sorted(named) == NAMES


@pytest.mark.parametrize("name", [*NAMES, LIBRARY])
def test_a_trial_is_a_script_of_the_library(name: str) -> None:
    subprocess.run(["bash", "-n", TRIALS / name], check=True)
    text = (TRIALS / name).read_text()
    if name != LIBRARY:
        assert os.access(TRIALS / name, os.X_OK)
        assert text.count(f'. "$(dirname "$0")/{LIBRARY}" "$@"') == 1
        assert "tell " in text or "done_after " in text


def test_a_trial_without_its_arguments_says_what_it_wants() -> None:
    done = subprocess.run([TRIALS / NAMES[0]], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "KUBECONFIG IMAGE" in done.stderr and not done.stdout
