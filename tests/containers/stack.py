"""compose.yaml: the demo on an S3 server and two workers, and what becomes of it after faults."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from astropy.table import Table

from tests.containers.host import (
    COMPOSE,
    DOCKER_COMPOSE,
    IMAGE,
    PROJECT,
    ROOT,
    packaged,
    run,
)
from tests.containers.image import Bench
from tests.local_tables import local_table
from tests.trials import TrialError

_LONGEST = 900.0  # s that a campaign may take
_SERVICES = ("s3", "scheduler", "worker-1", "worker-2")
_KILL_ALL = "import os, signal; os.kill(-1, signal.SIGKILL)"
_SMALL_MEMORY = {"WORKER_MEMORY": "420M", "WORKER_OWN_MEMORY": "400MiB"}
"""Enough for a worker, and for drizzlepac to start in."""


@dataclass(frozen=True)
class Played:
    """A campaign file, and a setting of it."""

    file: Path
    setting: str = "compute.workers=auto"

    @property
    def name(self) -> str:
        """The campaign's name, which is its file's."""
        return self.file.stem

    @property
    def table(self) -> str:
        """Where its table is in a store."""
        return f"{self.name}/comparison/mdrizsky.csv"


_TILES = Played(Path(__file__).with_name("campaigns") / "tiles.yaml")
_ONEPASS = Played(Path(__file__).with_name("campaigns") / "onepass.yaml")


def _demo(bench: Bench) -> Played:
    size = "full" if bench.full else "small"
    return Played(ROOT / "configs" / "horsehead-demo.yaml", f"source.size={size}")


def expected_table(played: Played) -> bytes:
    """Return the table of the same campaign, run by this environment on this host."""
    sections = yaml.safe_load(played.file.read_text())
    key, _, value = played.setting.partition("=")
    section, _, key = key.partition(".")
    sections.setdefault(section, {})[key] = value
    return local_table(sections)


@dataclass
class Stack:
    """The services of compose.yaml as one project."""

    bench: Bench
    played: Played
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def _command(self) -> tuple[str | Path, ...]:
        program = packaged(self.bench.tools, DOCKER_COMPOSE)
        return (program, "--project-name", PROJECT, "--file", COMPOSE)

    @property
    def _environment(self) -> dict[str, str]:
        return {
            **self.bench.engine.environment,
            **self.bench.engine.images,
            "SKYMOSAIC_IMAGE": IMAGE,
            "CAMPAIGNS": str(self.played.file.parent),
            "CAMPAIGN": self.played.name,
            "SETTING": self.played.setting,
            **self.variables,
        }

    def compose(self, *arguments: str, accept: bool = False) -> subprocess.CompletedProcess[str]:
        """Run Docker Compose, with values for the variables of compose.yaml."""
        return run(*self._command, *arguments, environment=self._environment, accept=accept)

    def state(self, service: str) -> dict[str, Any]:
        """Return what the engine knows of a service's container."""
        name = service if service.startswith("worker-") else f"{service}-1"
        return self.bench.engine.state(f"{PROJECT}-{name}")

    def logs(self, *services: str) -> str:
        """Return what services said."""
        return self.compose("logs", "--no-color", *services).stdout

    def kill(self, service: str) -> None:
        """Let every process in a container die at once, as in a crash; the engine was not asked."""
        self.bench.engine.docker(
            "exec", self.state(service)["Id"], "python", "-c", _KILL_ALL, accept=True
        )

    def at_work(self) -> str | None:
        """Return a worker in which AstroDrizzle runs."""
        for worker in ("worker-1", "worker-2"):
            found = self.bench.engine.docker(
                *("exec", self.state(worker)["Id"], "sh", "-c"),
                "ls -d /scratch/skymosaic-*-runs-*",
                accept=True,
            )
            if found.returncode == 0:
                return worker
        return None

    def wait_for(self, condition: Callable[[], Any], what: str) -> Any:
        """Return what `condition` gives as soon as it is true."""
        end = time.monotonic() + _LONGEST
        while not (found := condition()):
            if time.monotonic() > end:
                raise TrialError(f"waited in vain for {what}: {self.logs('campaign')[-1500:]}")
            time.sleep(0.5)
        return found

    def finished(self) -> bool:
        """Whether the campaign has ended; refuse one that gave up."""
        state = self.state("campaign")
        if state["State"]["Status"] != "exited":
            return False
        if state["State"]["ExitCode"]:
            raise TrialError(f"the campaign gave up: {self.logs('campaign')[-1500:]}")
        return True

    def table(self) -> bytes:
        """Return the table that is in the S3 server."""
        return self.result(self.played.table)

    def result(self, name: str) -> bytes:
        """Return a file of the comparison that is in the S3 server."""
        archive = self.bench.folder / "results.tar"
        command = (*self._command, "run", "--rm", "-T", "--no-deps", "results")
        with archive.open("wb") as file:
            subprocess.run(
                [str(word) for word in command],
                stdout=file,
                stderr=subprocess.PIPE,
                check=True,
                env={**os.environ, **self._environment},
            )
        with tarfile.open(archive) as tar:
            member = tar.extractfile(name)
            assert member is not None
            return member.read()

    def check_table(self) -> None:
        """Compare with a local run, byte for byte."""
        found, wanted = self.table(), expected_table(self.played)
        if found != wanted:
            raise TrialError(f"another table than the local run's: {found.decode()}")
        rows = list(csv.reader(wanted.decode().splitlines()))
        assert len(rows) > 2, "the local run made no table"


@contextmanager
def stack(bench: Bench, played: Played, **variables: str) -> Iterator[Stack]:
    """Yield the services, started with ``up --detach``, without their volumes afterwards."""
    services = Stack(bench, played, variables)
    services.compose("down", "--volumes", "--timeout", "5")
    try:
        services.compose("up", "--detach", "--no-build")
        yield services
    finally:
        services.compose("down", "--volumes", "--timeout", "5", "--remove-orphans")


def demo(bench: Bench) -> str:
    """One command brings all of it, to the table of a local run."""
    expected_table(_demo(bench))  # before the clock runs
    started = time.monotonic()
    with stack(bench, _demo(bench)) as it:
        it.wait_for(it.finished, "the campaign's end")
        seconds = time.monotonic() - started
        for service in (*_SERVICES, "campaign"):
            _check_hardened(it.state(service), service)
        for service in _SERVICES:
            if it.state(service)["State"]["Health"]["Status"] != "healthy":
                raise TrialError(f"{service} is not healthy")
        _check_secrets(it)
        it.check_table()
        again = it.compose("run", "--rm", "-T", "--no-deps", "campaign")
        if "nothing was run again" not in again.stderr:
            raise TrialError(f"a second run did work again: {again.stderr}")
    return f"the local run's table, byte for byte; {_demo(bench).setting}, {seconds:.0f} s"


def onepass(bench: Bench) -> str:
    """The engine onepass, whose blocks both workers sum: each is a host with a name of its own."""
    with stack(bench, _ONEPASS) as it:
        it.wait_for(it.finished, "the campaign's end")
        it.check_table()
        text = it.result(f"{_ONEPASS.name}/comparison/steps.ecsv").decode()
    steps = Table.read(text.splitlines(), format="ascii.ecsv")
    [hosts] = [str(row["host"]) for row in steps if str(row["step"]).startswith("blocks: ")]
    if len(hosts.split(", ")) != 2:
        raise TrialError(f"all blocks were summed by {hosts}")
    return f"the local run's table, byte for byte; blocks were summed by {hosts}"


def _check_hardened(state: dict[str, Any], service: str) -> None:
    host = state["HostConfig"]
    if not (
        host["ReadonlyRootfs"]
        and host["CapDrop"] == ["ALL"]
        and "no-new-privileges:true" in host["SecurityOpt"]
        and state["Config"]["User"].startswith("10001")
        and host["Memory"]
        and host["NanoCpus"]
        and not host["Privileged"]
        and not host["PortBindings"]
    ):
        raise TrialError(f"{service} is not confined")


def _check_secrets(it: Stack) -> None:
    """The key is made at the start, and nowhere but in its file."""
    key = it.compose(
        *("exec", "-T", "worker", "python", "-c"),
        "import boto3; c = boto3.Session().get_credentials(); print(c.access_key, c.secret_key)",
    ).stdout.split()
    assert len(key) == 2
    printed = it.logs() + json.dumps([it.state(s) for s in (*_SERVICES, "campaign", "credentials")])
    if any(secret in printed for secret in key):
        raise TrialError("the S3 server's key is in a log or a container's settings")
    refused = it.compose(
        *("exec", "-T", "worker", "python", "-c"),
        "import boto3; boto3.client('s3', aws_access_key_id='x', aws_secret_access_key='y')"
        ".list_objects_v2(Bucket='skymosaic')",
        accept=True,
    )
    if refused.returncode == 0:
        raise TrialError("the S3 server takes any key")


def worker_killed(bench: Bench) -> str:
    """A worker dies while AstroDrizzle runs in it."""
    with stack(bench, _TILES) as it:
        worker = it.wait_for(it.at_work, "AstroDrizzle")
        it.kill(worker)
        it.wait_for(it.finished, "the campaign's end")
        it.wait_for(lambda: _back(it, worker), f"{worker} to come back")
        it.check_table()
        tries = 1 + it.state("campaign")["RestartCount"]
    return f"its work went on, the engine started it again; same table ({tries} run of the driver)"


def _back(it: Stack, service: str) -> bool:
    state = it.state(service)
    return state["RestartCount"] > 0 and state["State"]["Health"]["Status"] == "healthy"


def scheduler_killed(bench: Bench) -> str:
    """The scheduler dies while AstroDrizzle runs."""
    with stack(bench, _TILES) as it:
        it.wait_for(it.at_work, "AstroDrizzle")
        it.kill("scheduler")
        it.wait_for(lambda: _back(it, "scheduler"), "the scheduler to come back")
        it.wait_for(it.finished, "the campaign's end")
        it.check_table()
        tries, said = 1 + it.state("campaign")["RestartCount"], it.logs("campaign")
    if tries > 1 and "the workers were lost" not in said:
        raise TrialError(f"the driver did not say why it ended: {said[-1500:]}")
    return f"workers and driver came back ({tries} runs of the driver); same table"


def memory_exceeded(bench: Bench) -> str:
    """Workers whose memory is too small for AstroDrizzle; `restart` with enough of it."""
    with stack(bench, _TILES, **_SMALL_MEMORY) as it:
        it.wait_for(lambda: it.state("campaign")["State"]["Status"] == "running", "a start")
        it.compose("stop", "--timeout", "5", "campaign")
        ended = it.compose("run", "--rm", "-T", "--no-deps", "campaign", accept=True)
        if ended.returncode == 0 or "memory" not in ended.stderr:
            raise TrialError(f"ended with {ended.returncode}: {ended.stderr[-1500:]}")
        it.variables.clear()
        it.compose("up", "--detach", "--no-build", "--wait", "worker")
        it.compose(
            *("run", "--rm", "-T", "--no-deps", "campaign"),
            *("skymosaic", "restart", "s3://skymosaic/tiles"),
        )
        it.check_table()
    [why] = [s for s in ended.stderr.splitlines() if "Error:" in s][-1:]
    return f"exit code {ended.returncode}, {why[:90]}...; with more, restart finished it"
