"""Processes of a real mpirun pass the suite of all back ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY
from tests.mpi_trials import MPIRUN, environment

pytestmark = pytest.mark.mpi


def test_the_suite_passes_in_a_driver_under_mpirun() -> None:
    done = subprocess.run(
        [*MPIRUN, "-np", "4", sys.executable, "-m", "tests.mpi_conformance"],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=REPOSITORY,
        env=environment(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
