"""The demo on a real Dask scheduler and a real S3 server, with losses in the middle.

Each round submits the demo by ``dask-submit`` from a session whose processes are gone afterwards,
loses something while it runs, waits by ``skymosaic status``, and compares the table with that of a
local run, byte for byte. Where the campaign does not end well by itself, it must say why, and
``skymosaic restart`` must finish it. `scripts/test-scheduler` runs the rounds and prints a table.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.conftest import REPOSITORY
from tests.dask_cluster import DaskCluster, dask_cluster
from tests.local_tables import demo, local_table
from tests.s3_server import BUCKET, S3Server, s3_server
from tests.trials import TrialError, play

_NAME = "horsehead-demo"
_DEMO = REPOSITORY / "configs" / f"{_NAME}.yaml"
_BIN = Path(sys.executable).parent
_LONGEST = 1500.0  # s that a campaign may take
RUNNING, SUBMITTED, INTERRUPTED = 20, 24, 22


@dataclass
class Round:
    """One campaign on a cluster of its own."""

    name: str
    folder: Path
    server: S3Server
    cluster: DaskCluster
    environment: dict[str, str]
    options: list[str]
    ended: str = ""
    """How it went, for people."""
    seen: dict[int, str] = field(default_factory=dict)
    """What `skymosaic status` said first with each exit code."""

    @property
    def uri(self) -> str:
        """STORE/CAMPAIGN."""
        return f"s3://{BUCKET}/{self.name}/{_NAME}"

    def submit(self) -> None:
        """Submit from a session of its own, of which nothing is left when this returns."""
        command = [str(_BIN / "dask-submit"), self.cluster.address, str(_DEMO), *self.options]
        output = self.folder / "dask-submit.log"
        with output.open("wb") as written:
            terminal = subprocess.Popen(
                ["setsid", "--wait", *command, "--store", f"s3://{BUCKET}/{self.name}"],
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=written,
                env=self.environment,
                start_new_session=True,
            )
        if terminal.wait(180):
            raise TrialError(f"dask-submit ended with {terminal.returncode}: {output.read_text()}")
        if submitters := [p for p in psutil.process_iter(["cmdline"]) if _submits(p)]:
            raise TrialError(f"dask-submit is still there: {submitters}")

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run skymosaic; return its exit code and what it printed."""
        done = subprocess.run(
            [str(_BIN / "skymosaic"), *arguments],
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=_LONGEST,
        )
        return done.returncode, done.stdout + done.stderr

    def status(self) -> dict[str, Any]:
        """Return what `skymosaic status --json` tells."""
        done = subprocess.run(
            [str(_BIN / "skymosaic"), "status", "--json", self.uri],
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=180,
        )
        return json.loads(done.stdout) if done.stdout else {"state": done.stderr, "tasks": []}

    def until(self, stage: str) -> None:
        """Wait until a task of a stage is at work."""

        def at_work() -> bool:
            return any(
                task["name"].startswith(stage) and task["state"] == "running"
                for task in self.status()["tasks"]
            )

        self.wait_for(at_work, f"the stage {stage}")

    def until_end(self, interrupted_for: int = 20) -> tuple[int, str]:
        """Wait until `skymosaic status` tells of an end that lasts; return its code and words.

        Parameters
        ----------
        interrupted_for : int
            How often in a row it may be interrupted: a driver that was lost with its worker is
            started elsewhere soon, where there is a scheduler.
        """
        end, interrupted = time.monotonic() + _LONGEST, 0
        while time.monotonic() < end:
            code, out = self.run("status", self.uri)
            self.seen.setdefault(code, out)
            interrupted = interrupted + 1 if code == INTERRUPTED else 0
            if code not in (RUNNING, SUBMITTED, INTERRUPTED) or interrupted > interrupted_for:
                return code, out
            time.sleep(2)
        raise TrialError(f"{self.name} did not end within {_LONGEST:.0f} s")

    def wait_for(self, condition: Callable[[], Any], what: str) -> Any:
        """Return what `condition` gives as soon as it is true."""
        end = time.monotonic() + _LONGEST
        while time.monotonic() < end:
            if found := condition():
                return found
            time.sleep(0.2)
        raise TrialError(f"waited in vain for {what}")

    def drivers_worker(self) -> psutil.Process:
        """Return the worker process that the driver runs beside."""
        for worker in self.worker_processes():
            for child in worker.children():
                if "skymosaic.cli.driven" in " ".join(child.cmdline()):
                    return worker
        raise TrialError("no worker has a driver")

    def worker_processes(self) -> list[psutil.Process]:
        """Return the worker processes, below their nannies."""
        return [
            child
            for nanny in self.cluster.workers
            for child in psutil.Process(nanny.pid).children()
            if "spawn_main" in " ".join(child.cmdline())
        ]

    def table(self) -> bytes:
        """Return the table that the campaign made."""
        key = f"{self.name}/{_NAME}/comparison/mdrizsky.csv"
        content: bytes = self.server.client().get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return content


def _submits(process: psutil.Process) -> bool:
    return any(part.endswith("/dask-submit") for part in process.info["cmdline"] or ())


def undisturbed(round_: Round) -> None:
    """Nothing is lost."""
    code, out = round_.until_end()
    _require(code == 0, out)


def lost_worker(round_: Round) -> None:
    """A worker that the driver does not run beside is killed while it drizzles."""
    round_.until("drizzle")
    drivers = round_.drivers_worker()
    [victim] = [p for p in round_.worker_processes() if p.pid != drivers.pid]
    victim.send_signal(signal.SIGKILL)
    code, out = round_.until_end()
    round_.ended = "went on by itself"
    _require(code == 0, out)


def lost_driver(round_: Round) -> None:
    """The worker that the driver runs beside is killed while tasks drizzle."""
    round_.until("drizzle")
    round_.drivers_worker().send_signal(signal.SIGKILL)
    code, out = round_.until_end()
    _require(code == 0, out)
    _require(21 not in round_.seen, "status gave up what goes on by itself")
    _require("gave it to a worker" in round_.seen.get(SUBMITTED, "gave it to a worker"), out)
    round_.ended = f"went on by itself, in run 2; status said {sorted(round_.seen)}"
    _, records = round_.run("logs", round_.uri, "--run", "2")
    _require("gather" in records, f"another driver took it up: {records}")


def lost_scheduler(round_: Round) -> None:
    """The scheduler is killed while tasks drizzle; the workers end with it."""
    round_.until("drizzle")
    assert round_.cluster.scheduler is not None
    round_.cluster.scheduler.send_signal(signal.SIGKILL)
    code, out = round_.until_end(interrupted_for=0)
    _require(code in (21, INTERRUPTED) and "cannot be asked from here" in out, out)
    last = out.strip().splitlines()
    why = next((line for line in last if "Error" in line), last[0])
    round_.cluster.stop()
    round_.cluster.start()
    round_.cluster.scale(2)
    again, words = round_.run("--quiet", "restart", round_.uri)
    _require(again == 0, words)
    round_.ended = f"status {code} ({why[:150]}); `restart` finished it"
    code, out = round_.until_end()
    _require(code == 0, out)


def cancelled(round_: Round) -> None:
    """Somebody cancels it while it drizzles; `restart --detached` finishes it."""
    round_.until("drizzle")
    code, out = round_.run("cancel", round_.uri)
    _require(code == 0, out)
    code, out = round_.until_end()
    _require(code == 23, out)
    code, words = round_.run("restart", "--detached", round_.uri)
    _require(code == 0, words)
    code, out = round_.until_end()
    _require(code == 0, out)
    round_.ended = "status 23; `restart --detached` finished it"


ROUNDS = {
    round_.__name__.replace("_", "-"): round_
    for round_ in (undisturbed, lost_worker, lost_driver, lost_scheduler, cancelled)
}


def _require(truth: bool, message: str) -> None:
    if not truth:
        raise TrialError(message)


@contextmanager
def prepared(name: str, folder: Path, server: S3Server, options: list[str]) -> Iterator[Round]:
    """Yield a round with a scheduler and two workers, of which nothing is left afterwards."""
    scratch = folder / "scratch"
    scratch.mkdir(parents=True)
    environment = {**os.environ, **server.environment, "TMPDIR": str(scratch)}
    with dask_cluster(folder, environment=environment) as cluster:
        cluster.scale(2)
        yield Round(name, folder, server, cluster, environment, options)
    end = time.monotonic() + 60
    while left := [p for p in psutil.process_iter(["environ"]) if _is_of(p, scratch)]:
        if time.monotonic() > end:
            raise TrialError(f"processes are left: {[p.cmdline() for p in left]}")
        time.sleep(0.5)


def _is_of(process: psutil.Process, scratch: Path) -> bool:
    environment = process.info["environ"] or {}
    return environment.get("TMPDIR") == str(scratch) and process.status() != psutil.STATUS_ZOMBIE


def main() -> int:
    """Play the rounds whose names hold a word that the command line gives, all where none."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", help=f"words of rounds: {', '.join(ROUNDS)}")
    parser.add_argument("--full", action="store_true", help="frames of full size")
    given = parser.parse_args()
    options = [] if given.full else ["--set", "source.size=small"]
    with tempfile.TemporaryDirectory(prefix="skymosaic-rounds-") as name:
        folder = Path(name)
        print("a local run, to compare with ...", flush=True)
        table = local_table(demo("full" if given.full else "small")[1])
        with s3_server(folder / "s3") as server:

            def attempt(name: str, number: int) -> str:
                own = f"{name}-{number}"
                with prepared(own, folder / own, server, options) as round_:
                    round_.submit()
                    ROUNDS[name](round_)
                    _require(round_.table() == table, "the table is not that of the local run")
                return f"the same table; {round_.ended or 'as it should'}"

            return play(ROUNDS, given.words, attempt)


if __name__ == "__main__":
    sys.exit(main())
