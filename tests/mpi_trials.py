"""Campaigns on the processes of a real mpirun, undisturbed and with faults; a table of outcomes.

scripts/test-mpi installs what this needs and runs it. Words choose trials.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests.conftest import command_line, wait_for
from tests.local_tables import demo as demo_sections
from tests.local_tables import local_table
from tests.s3_server import BUCKET, S3Server, s3_server
from tests.trials import TrialError, play, words_and_size

_LONGEST = 1200.0  # s that a run may take, on a busy machine
MPIRUN = (
    *("mpirun", "--oversubscribe", "--mca", "btl", "self,vader", "--mca", "plm", "isolated"),
    *("--mca", "oob_tcp_if_include", "lo"),
)
"""All processes on this host, on 127.0.0.1 only."""
TILES = {
    "source": {"kind": "simulated", "size": "small", "tiles": ["54", "51", "55"]},
    "align": {"order": ["54"]},
}


def environment() -> dict[str, str]:
    """Return that of mpirun, which lets root start processes only where it is told so."""
    return {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


@dataclass(frozen=True)
class Stage:
    """Where a trial takes place: a folder of its own, a server that all share."""

    folder: Path
    s3: S3Server
    size: str = "small"
    """Of the demo's frames."""


class Trial:
    """One campaign, with a prefix of the bucket and a folder of its own."""

    def __init__(self, stage: Stage, name: str, sections: dict[str, Any]) -> None:
        self.stage, self.name, self.sections = stage, name, sections
        stage.folder.mkdir(parents=True)
        self._prefix = stage.folder.name
        compute = {"backend": "mpi", "mpi": {"interface": "lo"}}
        self.file = stage.folder / "campaign.yaml"
        self.file.write_text(
            yaml.safe_dump({"campaign": {"name": name}, **sections, "compute": compute})
        )

    def start(self, processes: int) -> subprocess.Popen[str]:
        """Start the campaign; on 0 processes, without mpirun."""
        mpirun = [*MPIRUN, "-np", str(processes)] if processes else []
        store = f"s3://{BUCKET}/{self._prefix}"
        words = command_line("run", self.file, "--store", store, "--wait")
        return subprocess.Popen(
            [*mpirun, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**environment(), **self.stage.s3.environment},
        )

    def end(self, process: subprocess.Popen[str], code: int, *expected: str) -> None:
        """Wait for the end; check the exit code, and what must be told."""
        try:
            out, _ = process.communicate(timeout=_LONGEST)
        except subprocess.TimeoutExpired:
            process.kill()
            out, _ = process.communicate()
        missing = [words for words in expected if words not in out]
        if process.returncode != code or missing:
            raise TrialError(f"ended with {process.returncode}; not told: {missing}:\n{out}")

    def has(self, name: str) -> bool:
        """Whether the store has a file of the campaign."""
        found = self._client.list_objects_v2(Bucket=BUCKET, Prefix=self._key(name))
        return found["KeyCount"] > 0

    def check_same(self) -> None:
        """Check that the table is the one of the local back end."""
        if self._table() != local_table(self.sections):
            raise TrialError("the table is not that of the local back end")

    def _table(self) -> bytes:
        key = self._key("comparison/mdrizsky.csv")
        content: bytes = self._client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return content

    @property
    def _client(self) -> Any:
        return self.stage.s3.client()

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{self.name}/{name}"


def demo(stage: Stage) -> str:
    """The demo campaign on four processes."""
    trial = Trial(stage, *demo_sections(stage.size))
    trial.end(trial.start(4), 0)
    trial.check_same()
    return "same table"


def too_few(stage: Stage) -> str:
    """Two processes, and one without mpirun, are too few."""
    trial = Trial(stage, "tiles", TILES)
    for processes in (2, 0):
        trial.end(trial.start(processes), 3, "mpirun -np N")
    return "refused with exit code 3"


def error(stage: Stage) -> str:
    """An error of the campaign has its exit code."""
    trial = Trial(
        stage, "tiles", {**TILES, "align": {"order": ["54"], "gates": {"max_rms_mas": 1e-6}}}
    )
    trial.end(trial.start(4), 5, "AlignmentError")
    return "exit code 5"


def killed(stage: Stage) -> str:
    """A worker is killed: MPI ends all; the next run goes on."""
    trial = Trial(stage, "tiles", TILES)
    process = trial.start(4)
    wait_for(lambda: trial.has("manifests/plan.json"), "the plan", _LONGEST)
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
    trial.check_same()
    return f"ended with {process.returncode}; run again; same table"


TRIALS: dict[str, Callable[[Stage], str]] = {
    "mpirun -np 4: the demo": demo,
    "too few processes": too_few,
    "an error in the campaign": error,
    "a worker killed": killed,
}


def main() -> int:
    """Run all trials, or those whose names hold a word that was given."""
    words, size = words_and_size(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="mpi-trials-") as name:
        folder = Path(name)
        with s3_server(folder / "s3") as s3:

            def attempt(trial: str, number: int) -> str:
                own = folder / f"{list(TRIALS).index(trial)}-{number}"
                return TRIALS[trial](Stage(own, s3, size))

            return play(TRIALS, words, attempt)


if __name__ == "__main__":
    sys.exit(main())
