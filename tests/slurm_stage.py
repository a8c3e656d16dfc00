"""A campaign on a real Slurm and a real S3 server, and what is checked of it, for the trials."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from skymosaic.clusters.slurm.commands import JobState
from tests.conftest import Ended, command_line
from tests.local_tables import local_table
from tests.s3_server import BUCKET, S3Server, s3_server
from tests.slurm_server import SlurmServer, slurm_server
from tests.trials import TrialError

_LONGEST = 1200.0  # s that a run may take, on a busy machine
TILES = {
    "source": {"kind": "simulated", "size": "small", "tiles": ["54", "51", "55"]},
    "align": {"order": ["54"]},
}
_SECRET = "testSecretOfSkymosaic"


@dataclass
class Stage:
    """Where the trials take place."""

    folder: Path
    s3: S3Server
    slurm: SlurmServer
    size: str = "small"
    """Of the demo's frames."""
    attempt: int = 1
    """A second one has folders and a prefix of its own."""
    local: set[str] = field(default_factory=set)
    """Campaigns that the local back end ran in this S3 server, for their mosaics."""

    def clear(self) -> None:
        """End what a failed trial left: its commands, which would ask for jobs anew, and jobs."""
        for process in psutil.process_iter(["environ"]):
            folder = (process.info["environ"] or {}).get("TMPDIR", "")
            if Path(folder).is_relative_to(self.folder):
                with suppress(psutil.Error):
                    process.kill()
        end = time.monotonic() + 60
        while self.slurm.command("squeue", "--noheader").strip() and time.monotonic() < end:
            self.slurm.command("scancel", "--me", check=False)
            time.sleep(1)

    def run_here(self, name: str, sections: dict[str, Any]) -> None:
        """Run a campaign by the local back end, in the same S3 server; once."""
        if name not in self.local:
            trial = Trial(self, f"local-{name}", name, sections, backend="local")
            trial.must_end(trial.run("--workers", "2"), 0)
            self.local.add(name)


class Trial:
    """One campaign, with a prefix of the bucket and a folder of its own."""

    def __init__(
        self,
        stage: Stage,
        title: str,
        name: str,
        sections: dict[str, Any],
        backend: str = "slurm",
        **slurm: Any,
    ) -> None:
        self.stage, self.name, self.sections = stage, name, sections
        again = f"-{stage.attempt}" if stage.attempt > 1 else ""
        self.id = re.sub(r"[^a-z0-9]+", "-", title.lower()) + again
        self.folder = stage.folder / self.id
        self.scratch = self.folder / "scratch"
        self.scratch.mkdir(parents=True)
        self.options = {
            "interface": "lo",
            "cores": 2,
            "jobs": 2,
            "memory": "6GB",
            "walltime": "00:30:00",
            "grace": 60,
            "logs": str(self.folder / "logs"),
            **slurm,
        }
        self.backend = backend
        self.more_environment: dict[str, str] = {}
        self.file = self.write()

    def write(self, **slurm: Any) -> Path:
        """Write the campaign file, with other options of Slurm."""
        compute = {"backend": self.backend, "scratch": str(self.scratch)}
        if self.backend == "slurm":
            compute["slurm"] = {**self.options, **slurm}
        file = self.folder / f"{self.name}.yaml"
        file.write_text(
            yaml.safe_dump({"campaign": {"name": self.name}, **self.sections, "compute": compute})
        )
        return file

    @property
    def store(self) -> str:
        """The URI of the store."""
        return f"s3://{BUCKET}/{self.id}"

    @property
    def environment(self) -> dict[str, str]:
        """That of every command and job."""
        own = {"TMPDIR": str(self.scratch), **self.more_environment}
        return {**os.environ, **self.stage.s3.environment, **own}

    def start(self, *words: str, command: str = "run") -> subprocess.Popen[str]:
        """Start `skymosaic run`, or another command."""
        return self._start(command, str(self.file), "--store", self.store, *words)

    def _start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command_line(*words),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
            cwd=self.folder,
        )

    def run(self, *words: str) -> Ended:
        """Run the campaign to its end."""
        return self.end(self.start(*words))

    def restart(self) -> None:
        """Go on with `skymosaic restart`, which must end well."""
        words = ("restart", f"{self.store}/{self.name}", "--wait")
        self.must_end(self.end(self._start(*words)), 0)

    def end(self, process: subprocess.Popen[str]) -> Ended:
        """Wait for the end of a process."""
        try:
            out, _ = process.communicate(timeout=_LONGEST)
        except subprocess.TimeoutExpired:
            process.kill()
            out, _ = process.communicate()
            raise TrialError(f"did not end within {_LONGEST:.0f} s:\n{out}") from None
        return Ended(process.returncode, out, "")

    def status_must_be(self, codes: int | set[int], *expected: str) -> None:
        """Check what `skymosaic status` says, and its exit code."""
        self.must_end(
            self.end(self._start("status", f"{self.store}/{self.name}")), codes, *expected
        )

    def cancel(self) -> Ended:
        """Return how `skymosaic cancel` ended."""
        return self.end(self._start("cancel", f"{self.store}/{self.name}"))

    def submit(self) -> str:
        """Submit the campaign; return the number of its job."""
        ended = self.end(self.start(command="submit"))
        self.must_end(ended, 0)
        return re.findall(r"Slurm job ([0-9]+)", ended.out)[0]

    def job_end(self, job: str) -> Ended:
        """Wait for the end of a job; return its exit code and its log."""
        state = self.wait_for(
            lambda: not JobState(job, (s := self.job(job))["JobState"]).alive and s,
            f"the end of job {job}",
        )
        code, number = map(int, state["ExitCode"].split(":"))
        logs = sorted((self.folder / "logs").glob(f"*-{job}.log"))
        text = "".join(log.read_text() for log in logs)
        return Ended(128 + number if number else code, f"{state['JobState']}\n{text}", "")

    def job(self, job: str) -> dict[str, str]:
        """Return what Slurm says of a job."""
        shown = self.stage.slurm.command("scontrol", "--oneliner", "show", "job", job)
        return dict(word.split("=", 1) for word in shown.split() if "=" in word)

    def worker_jobs(self) -> list[str]:
        """Return the numbers of the worker jobs that run."""
        listed = self.stage.slurm.command(
            "squeue", "--noheader", "--states=RUNNING", "--name=skymosaic-workers", "--format=%A"
        )
        return listed.split()

    def drizzling(self, process: subprocess.Popen[str] | None = None) -> Path:
        """Wait until a drizzle step is at work; return its scratch folder."""
        pattern = f"skymosaic-{os.getuid()}-runs-*/.lock"
        return self.wait_for(
            lambda: next((p.parent for p in self.scratch.glob(pattern)), None),
            "a drizzle step",
            process,
        )

    def wait_for(
        self,
        condition: Callable[[], Any],
        what: str,
        process: subprocess.Popen[str] | None = None,
        seconds: float = _LONGEST,
    ) -> Any:
        """Return what `condition` gives as soon as it is true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := condition():
                return found
            if process and process.poll() is not None:
                raise TrialError(f"the run ended before {what}:\n{process.stdout.read()}")
            time.sleep(0.1)
        raise TrialError(f"waited in vain for {what}")

    def must_end(self, ended: Ended, codes: int | set[int], *expected: str) -> str:
        """Check an exit code, and what must be told; return the line that tells the error."""
        allowed = {codes} if isinstance(codes, int) else codes
        folded = " ".join(ended.out.split())  # `status` folds long lines
        missing = [words for words in expected if words not in ended.out and words not in folded]
        if ended.code not in allowed or missing:
            raise TrialError(
                f"ended with {ended.code}, not {codes}; not told: {missing}:\n{ended.out[-3000:]}"
            )
        if _SECRET in ended.out:
            raise TrialError("a credential was told")
        lines = [line for line in ended.out.splitlines() if re.match(r"\w+Error: ", line)]
        return lines[-1] if lines else ""

    def table(self, group: str = "") -> bytes:
        """Return the table of sky values, of the campaign or of a group of it."""
        key = f"{self.id}/{self.name}/{group}comparison/mdrizsky.csv"
        return self.stage.s3.client().get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def check_end(self) -> None:
        """Check all that must be so after the last run: the table, no jobs, processes, secrets."""
        if self.table() != local_table(self.sections):
            raise TrialError("the table is not that of the local back end")
        self.check_nothing_left()

    def check_mosaics(self) -> None:
        """Compare all mosaics with those of the local back end, byte for byte."""
        self.stage.run_here(self.name, self.sections)
        mine, theirs = (
            {
                product["key"].partition("/")[2]: product["sha256"]
                for name, manifest in manifests.items()
                if name.startswith("runs/")
                for product in manifest["products"].values()
                if product["key"].endswith(".fits")
            }
            for manifests in (self.manifests(), self.manifests(f"local-{self.name}"))
        )
        if not theirs or mine != theirs:
            raise TrialError("the mosaics are not those of the local back end")

    def nodes_of(self, kind: str) -> Counter[str]:
        """Return how many steps of a kind each node made, by the manifests."""
        return Counter(
            manifest["host"]
            for name, manifest in self.manifests().items()
            if name.startswith(f"{kind}/")
        )

    def manifests(self, of: str = "") -> dict[str, dict[str, Any]]:
        """Return the manifests of the finished steps, by step; `of`: those of another trial."""
        client, prefix = self.stage.s3.client(), f"{of or self.id}/{self.name}/manifests/"
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        return {
            key.removeprefix(prefix).removesuffix(".json"): json.loads(
                client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            )
            for key in keys
        }

    def check_nothing_left(self) -> None:
        """Check that no jobs and processes are left, and no secrets in logs."""
        self.wait_for(
            lambda: not self.stage.slurm.command("squeue", "--noheader").strip(),
            "the end of all jobs",
            seconds=120,
        )
        self.wait_for(lambda: not self.processes(), "the end of all processes", seconds=60)
        for log in (self.folder / "logs").rglob("*"):
            if log.is_file() and _SECRET in log.read_text(errors="replace"):
                raise TrialError(f"a credential is in {log}")

    def processes(self) -> list[psutil.Process]:
        """Return the processes that work for this trial."""
        found = []
        for process in psutil.process_iter(["pid"]):
            try:
                of_trial = process.environ().get("TMPDIR") == str(self.scratch)
                if of_trial and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def pid_of(self, words: str) -> psutil.Process:
        """Return the process of this trial whose command holds some words."""
        return self.wait_for(
            lambda: next((p for p in self.processes() if words in " ".join(p.cmdline())), None),
            words,
        )


@contextmanager
def stage() -> Iterator[Stage]:
    """Yield a running Slurm and a running S3 server."""
    with tempfile.TemporaryDirectory(prefix="slurm-trials-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # munge insists
        with s3_server(folder / "s3") as s3, slurm_server(folder / "slurm") as slurm:
            yield Stage(folder, s3, slurm)
