"""Campaigns on the processes of a real mpirun, undisturbed and with faults; a table of outcomes.

scripts/test-mpi installs what this needs and runs it. Words choose trials.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests.conftest import REPOSITORY, command_line, wait_for

_LONGEST = 420.0  # s that a run may take
MPIRUN = (
    *("mpirun", "--oversubscribe", "--mca", "btl", "self,vader", "--mca", "plm", "isolated"),
    *("--mca", "oob_tcp_if_include", "lo"),
)
"""All processes on this host, on 127.0.0.1 only."""
TILES = {
    "campaign": {"name": "tiles"},
    "source": {"kind": "simulated", "size": "small", "tiles": ["54", "51", "55"]},
    "align": {"order": ["54"]},
}


class TrialError(AssertionError):
    """Something was not as it must be."""


def environment() -> dict[str, str]:
    """Return that of mpirun, which lets root start processes only where it is told so."""
    return {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


class Trial:
    """One campaign in a folder of its own."""

    def __init__(self, folder: Path, sections: dict[str, Any], backend: str = "mpi") -> None:
        self.folder, self.name = folder, sections["campaign"]["name"]
        folder.mkdir(parents=True)
        compute = {"backend": backend}
        if backend == "mpi":
            compute["mpi"] = {"interface": "lo"}
        self.file = folder / "campaign.yaml"
        self.file.write_text(yaml.safe_dump({**sections, "compute": compute}))

    def start(self, processes: int) -> subprocess.Popen[str]:
        """Start the campaign; on 0 processes, without mpirun."""
        mpirun = [*MPIRUN, "-np", str(processes)] if processes else []
        words = command_line("run", self.file, "--store", self.folder / "store", "--wait")
        return subprocess.Popen(
            [*mpirun, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(),
        )

    def end(self, process: subprocess.Popen[str], code: int, *told: str) -> None:
        """Wait for the end; check the exit code, and what must be told."""
        try:
            out, _ = process.communicate(timeout=_LONGEST)
        except subprocess.TimeoutExpired:
            process.kill()
            out, _ = process.communicate()
        missing = [words for words in told if words not in out]
        if process.returncode != code or missing:
            raise TrialError(f"ended with {process.returncode}; not told: {missing}:\n{out}")

    def table(self) -> bytes:
        """Return the table of sky values."""
        return (self.folder / "store" / self.name / "comparison" / "mdrizsky.csv").read_bytes()

    def check_same(self, sections: dict[str, Any]) -> None:
        """Check that the table is the one of the local back end."""
        other = Trial(self.folder / "local", sections, "local")
        other.end(other.start(0), 0)
        if self.table() != other.table():
            raise TrialError("the table is not that of the local back end")


def demo(folder: Path) -> str:
    """The demo campaign on four processes."""
    sections = yaml.safe_load((REPOSITORY / "configs" / "horsehead-demo.yaml").read_text())
    trial = Trial(folder, sections)
    trial.end(trial.start(4), 0)
    trial.check_same(sections)
    return "same table"


def too_few(folder: Path) -> str:
    """Two processes, and one without mpirun, are too few."""
    trial = Trial(folder, TILES)
    for processes in (2, 0):
        trial.end(trial.start(processes), 3, "mpirun -np N")
    return "refused with exit code 3"


def error(folder: Path) -> str:
    """An error of the campaign has its exit code."""
    trial = Trial(folder, {**TILES, "align": {"order": ["54"], "gates": {"max_rms_mas": 1e-6}}})
    trial.end(trial.start(4), 5, "AlignmentError")
    return "exit code 5"


def killed(folder: Path) -> str:
    """A worker is killed: MPI ends all; the next run goes on."""
    trial = Trial(folder, TILES)
    process = trial.start(4)
    runs = folder / "store" / "tiles" / "manifests" / "plan.json"
    wait_for(runs.exists, "the plan", _LONGEST)
    ranks = [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if child.environ().get("OMPI_COMM_WORLD_RANK") == "3"
    ]
    ranks[0].send_signal(signal.SIGKILL)
    out, _ = process.communicate(timeout=_LONGEST)
    if process.returncode in (0, None):
        raise TrialError(f"ended with {process.returncode}:\n{out}")
    trial.end(trial.start(4), 0)
    trial.check_same(TILES)
    return f"ended with {process.returncode}; run again; same table"


TRIALS: dict[str, Callable[[Path], str]] = {
    "mpirun -np 4: the demo": demo,
    "too few processes": too_few,
    "an error in the campaign": error,
    "a worker killed": killed,
}


def main() -> int:
    """Run all trials, or those whose names hold a word that was given; print a table."""
    chosen = [t for t in TRIALS if not sys.argv[1:] or any(w in t for w in sys.argv[1:])]
    failures = 0
    print(f"{'trial':<30} {'time':>6}  outcome", flush=True)
    with tempfile.TemporaryDirectory(prefix="mpi-trials-") as name:
        for index, trial in enumerate(chosen):
            started = time.monotonic()
            try:
                outcome = TRIALS[trial](Path(name) / str(index))
            except Exception as why:
                failures += 1
                outcome = f"FAILED: {type(why).__name__}: {why}"
            print(f"{trial:<30} {time.monotonic() - started:5.0f}s  {outcome}", flush=True)
    print(f"{len(chosen)} trials, {failures} failed")
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main())
