"""Slurm's own commands, and what they say, in words for the user."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from skymosaic.errors import ComputeError

_PATIENCE = 120.0  # s for a command of Slurm; a busy controller answers late
_CAUSE = re.compile(r"slurmstepd: |srun: |\berror: |Traceback|Error\b|[Kk]illed|not found|No such")
_LONGEST = 300  # characters of a line that are shown
_REMEDIES = {
    "invalid partition": "correct compute.slurm.partition (`sinfo` lists them)",
    "invalid account": "correct compute.slurm.account, partition or qos (`sacctmgr show assoc`)",
    "invalid qos": "correct compute.slurm.qos",
    "time limit": "lower compute.slurm.walltime, or choose another partition",
    "node configuration": "ask for less: compute.slurm.cores, memory, nodes",
    "memory specification": "lower compute.slurm.memory",
    "more processors": "lower compute.slurm.cores",
    "invalid feature": "correct compute.slurm.directives",
    "unable to contact": "Slurm's controller is away: try again later, or ask who runs it",
    "unrecognized option": "correct compute.slurm.directives",
    "limit": "wait for your other jobs to end, or ask for less",
}
_MEANINGS = {
    "OUT_OF_MEMORY": "it took more memory than it asked for: raise compute.slurm.memory, or lower "
    "compute.slurm.cores",
    "TIMEOUT": "it reached its walltime: raise compute.slurm.walltime",
    "NODE_FAIL": "its node failed",
    "PREEMPTED": "another job took its place",
    "CANCELLED": "it was cancelled",
    "DEADLINE": "its deadline was over",
    "BOOT_FAIL": "its node did not start",
}
_NEVER = "it would wait for ever: ask for what the partition allows (compute.slurm)"
_HOPELESS = re.compile(
    r"Partition(Time|Node)Limit|PerJob|WallDuration|BadConstraints|Invalid(Account|QOS)"
    r"|DependencyNeverSatisfied|AccountNotAllowed|QOSNotAllowed|NodeConfiguration"
)
"""Reasons for which a job waits that do not pass by themselves."""


@dataclass(frozen=True)
class JobState:
    """What Slurm knows of a job."""

    id: str
    state: str
    """Slurm's word, such as RUNNING; UNKNOWN for a job that it has forgotten."""
    reason: str = ""
    """Why it waits or ended, in Slurm's word."""
    exit_code: str = ""
    """STATUS:SIGNAL."""

    @property
    def alive(self) -> bool:
        """Whether it runs, or can still."""
        return self.state in {
            *("PENDING", "RUNNING", "CONFIGURING", "SUSPENDED", "REQUEUED", "REQUEUE_HOLD"),
            *("REQUEUE_FED", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED", "SPECIAL_EXIT"),
            "COMPLETING",
        }

    @property
    def hopeless(self) -> bool:
        """Whether it waits for what will not come."""
        return self.state == "PENDING" and bool(_HOPELESS.search(self.reason))

    def __str__(self) -> str:
        reason = f" ({self.reason})" if self.reason not in ("", "None") else ""
        code = f", exit code {self.exit_code}" if self.exit_code not in ("", "0:0") else ""
        meaning = _MEANINGS.get(self.state, _NEVER if self.hopeless else "")
        return f"job {self.id} {self.state}{reason}{code}" + (f": {meaning}" if meaning else "")


def command(*words: str | Path, text: str | None = None) -> str:
    """Run a command of Slurm; return what it prints.

    Parameters
    ----------
    words
        The command.
    text
        Its standard input.

    Raises
    ------
    ComputeError
        There is no such command here, it does not answer, or it fails: in its own words, with
        what to do.
    """
    name = str(words[0])
    try:
        done = subprocess.run(
            [str(word) for word in words],
            input=text if text is not None else "",
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except FileNotFoundError:
        raise ComputeError(
            f"there is no {name} here: start skymosaic on a host from which jobs are submitted to "
            "Slurm, or choose another compute.backend"
        ) from None
    except OSError as error:
        raise ComputeError(f"{name} cannot be started here ({error.strerror})") from None
    except subprocess.TimeoutExpired:
        raise ComputeError(
            f"{name} did not answer within {_PATIENCE:.0f} s: try again later"
        ) from None
    if done.returncode:
        raise ComputeError(refusal(name, done.stderr or done.stdout))
    return done.stdout


def refusal(name: str, said: str) -> str:
    """Return what a command of Slurm said when it failed, with what to do."""
    words = "; ".join(line.strip() for line in said.strip().splitlines() if line.strip())
    known = (remedy for key, remedy in _REMEDIES.items() if key in words.lower())
    remedy = next(known, "correct compute.slurm, or ask who runs Slurm")
    return f"Slurm's {name} failed: {words or 'no message'}. Remedy: {remedy}"


def require_accepted(script: str) -> None:
    """Let Slurm check a batch script; nothing is submitted.

    Raises
    ------
    ComputeError
        Slurm would not take it.
    """
    command("sbatch", "--test-only", text=script)


def states_of(ids: Sequence[str]) -> Mapping[str, JobState]:
    """Return what Slurm knows of jobs, by id; a job that it has forgotten is UNKNOWN.

    Raises
    ------
    ComputeError
        Slurm does not answer.
    """
    rows = queued("%A|%T|%r", "--states=all")
    found = {identifier: JobState(identifier, state, reason) for identifier, state, reason in rows}
    return {i: found.get(i, JobState(i, "UNKNOWN")) for i in ids}


def queued(columns: str, *chosen: str) -> list[list[str]]:
    """Return what `squeue` lists of the user's jobs, a row each; other lines are left out.

    Parameters
    ----------
    columns : str
        Its format, with ``|`` between the columns.
    *chosen : str
        Options that choose jobs.

    Raises
    ------
    ComputeError
        Slurm does not answer.
    """
    bars = columns.count("|")
    listed = command("squeue", "--me", "--noheader", *chosen, f"--format={columns}")
    rows = [line.strip().split("|", bars) for line in listed.splitlines()]
    return [row for row in rows if len(row) == bars + 1]


def state_in_full(identifier: str) -> JobState:
    """Return all that Slurm still knows of a job."""
    try:
        answer = command("scontrol", "--oneliner", "show", "job", identifier)
    except ComputeError:  # the controller forgets jobs minutes after their end
        return _accounted(identifier)
    words = dict(word.split("=", 1) for word in answer.split() if "=" in word)
    return JobState(
        identifier,
        words.get("JobState", "UNKNOWN"),
        words.get("Reason", ""),
        words.get("ExitCode", ""),
    )


def _accounted(identifier: str) -> JobState:
    """Return what Slurm's accounting tells of a job, where there is any."""
    words = ("--noheader", "--allocations", "--parsable2", "--format=JobIDRaw,State,ExitCode")
    try:
        rows = command("sacct", *words, f"--jobs={identifier}").splitlines()
    except ComputeError:
        return JobState(identifier, "UNKNOWN")
    if not rows or rows[0].count("|") != 2:
        return JobState(identifier, "UNKNOWN")
    _, state, code = rows[0].split("|")
    return JobState(identifier, state.split(" ")[0], "", code)  # CANCELLED by UID


def remedy_of(words: str) -> str:
    """Return what to do about what logs say, as a sentence; empty where that is not known."""
    if re.search(r"memory limit|oom|out of memory", words, re.IGNORECASE):
        return ". Remedy: raise compute.slurm.memory, or lower compute.slurm.cores"
    return ""


def last_words(logs: Sequence[Path], most: int = 3) -> str:
    """Return the lines of jobs' logs that tell why they ended, in one line; empty without any."""
    kept: dict[str, None] = {}
    for log in logs:
        try:
            lines = log.read_text(errors="replace").splitlines()[-200:]
        except OSError:
            continue
        # Each job has its copy of the script: without its path they say the same.
        lines = [re.sub(r"(?<!\S)\S+/slurm_script: line \d+: ", "", line) for line in lines]
        found = [line.strip()[:_LONGEST] for line in lines if _CAUSE.search(line)]
        kept.update(dict.fromkeys(found[-most:]))
    return "; ".join(list(kept)[-most:])
