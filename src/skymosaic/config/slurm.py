"""What a campaign file says about Slurm.

These values become words of batch scripts. Each is held to characters that mean nothing to a shell
or to sbatch, so that none can leave its place; the exception is `prologue`, which is commands.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from skymosaic.config.fields import Count, Memory, Seconds, Text
from skymosaic.config.sections import OptionalSection

_WORD = r"[A-Za-z0-9_][A-Za-z0-9_.,+@-]*"
_WALLTIME = r"(?:([0-9]{1,3})-)?([0-9]{1,3}):([0-5][0-9]):([0-5][0-9])"
_DIRECTIVE = r"--[a-z][a-z0-9-]*(=[A-Za-z0-9_.,:@%+=/*()|&\[\]-]+)?"
_PATH = r"[A-Za-z0-9_./+@=,:-]+"
_VARIABLE = r"\$([A-Za-z_][A-Za-z0-9_]*+|\{[A-Za-z_][A-Za-z0-9_]*\})"
_OURS = frozenset(
    {
        *("array", "cpus-per-task", "error", "job-name", "mem", "mem-per-cpu", "nodes", "ntasks"),
        *("ntasks-per-node", "open-mode", "output", "parsable", "requeue", "no-requeue", "signal"),
        *("time", "wrap", "partition", "account", "qos", "chdir", "dependency", "no-kill", "wait"),
    }
)
_LONGEST = 200  # characters


def _word(text: str) -> str:
    if not re.fullmatch(_WORD, text) or len(text) > _LONGEST:
        raise ValueError(
            f"must be letters, digits, '_', '.', ',', '+', '@' and '-', at most {_LONGEST}, not "
            f"{_short(text)}"
        )
    return text


def _walltime(text: str) -> str:
    if not re.fullmatch(_WALLTIME, text):
        raise ValueError(f"must be HH:MM:SS or D-HH:MM:SS, such as 04:00:00, not {_short(text)}")
    return text


def _directive(text: str) -> str:
    if not re.fullmatch(_DIRECTIVE, text) or len(text) > _LONGEST:
        raise ValueError(
            "must be a long option of sbatch such as --constraint=haswell, without spaces and "
            f"quotes, at most {_LONGEST} characters, not {_short(text)}"
        )
    name = text[2:].split("=")[0]
    # sbatch takes unambiguous beginnings of its options as well.
    ours = [option for option in sorted(_OURS) if option.startswith(name) and len(name) > 2]
    if ours:
        raise ValueError(f"--{name} is set by other keys of compute.slurm, or by skymosaic itself")
    return text


def _line(text: str) -> str:
    if len(text.splitlines()) != 1 or not text.isprintable():
        raise ValueError(f"must be one line of printable text, not {_short(text)}")
    return text


def _node_path(text: str) -> str:
    if not re.fullmatch(rf"({_VARIABLE}|/)({_PATH})?", text) or ".." in text.split("/"):
        raise ValueError(
            "must be an absolute path, or begin with a variable that Slurm sets such as "
            "$SLURM_TMPDIR, of letters, digits and _ . / + @ = , : - without .., not "
            f"{_short(text)}"
        )
    if len(text) > _LONGEST:
        raise ValueError(f"must have at most {_LONGEST} characters, not {len(text)}")
    return text


def _shared_path(path: Path) -> Path:
    if not re.fullmatch(_PATH, str(path)) or ".." in path.parts:
        raise ValueError(
            "must be of letters, digits and _ . / + @ = , : - only, without .., because Slurm "
            f"reads it from a script, not {_short(str(path))}"
        )
    return path


def _short(text: str) -> str:
    return repr(text) if len(text) <= 60 else f"{text[:60]!r}..."


Word = Annotated[Text, AfterValidator(_word)]
Walltime = Annotated[Text, AfterValidator(_walltime)]
Directive = Annotated[Text, AfterValidator(_directive)]
Line = Annotated[Text, AfterValidator(_line)]
NodePath = Annotated[Text, AfterValidator(_node_path)]
SharedPath = Annotated[Path, AfterValidator(_shared_path)]


class Slurm(OptionalSection):
    """How Slurm is asked for workers."""

    partition: Word | None = Field(default=None, description="Partition; null: Slurm's default.")
    account: Word | None = Field(default=None, description="Account; null: the user's default.")
    qos: Word | None = Field(default=None, description="Quality of service; null: the default.")
    walltime: Walltime = Field(
        default="04:00:00", description="Longest time of a job, HH:MM:SS or D-HH:MM:SS."
    )
    memory: Memory = Field(
        default="auto",
        description=(
            "Memory of a job on a node, such as 16GB: that of its workers and of the drizzlepac "
            "processes that work for them; auto: as projected."
        ),
    )
    cores: Count = Field(
        default=4, description="Workers of a job on a node, each with a core (count)."
    )
    jobs: Count = Field(
        default=4,
        description="skymosaic run: worker jobs at most, where compute.workers is auto (count).",
    )
    nodes: Count = Field(default=1, description="skymosaic submit: nodes of the one job (count).")
    array: Count | None = Field(
        default=None,
        description=(
            "skymosaic submit of a program (groups): its groups are distributed to this number "
            "of tasks of a job array, each with its own nodes (count); null: one job for all."
        ),
    )
    array_at_once: Count | None = Field(
        default=None,
        description="Most tasks of the array that run at the same time (count); null: no limit.",
    )
    interface: Word | None = Field(
        default=None,
        description="Network interface that workers and scheduler talk by, such as ib0.",
    )
    directives: tuple[Directive, ...] = Field(
        default=(), description="Further options of sbatch, such as --constraint=haswell."
    )
    prologue: tuple[Line, ...] = Field(
        default=(),
        description="Shell commands that each job begins with, such as module load python/3.11.",
    )
    command: tuple[Line, ...] = Field(
        default=(),
        description=(
            "Words put before every command of a job, such as [ch-run, /images/skymosaic, "
            "--]: a container."
        ),
    )
    python: Line | None = Field(
        default=None,
        description="Python of the jobs that has skymosaic; null: the one that submits them.",
    )
    scratch: NodePath | None = Field(
        default=None,
        description=(
            "Folder on each node's own disk for temporary files, such as $SLURM_TMPDIR or "
            "/scratch; null: what compute.scratch or TMPDIR says."
        ),
    )
    logs: SharedPath | None = Field(
        default=None,
        description=(
            "Folder for logs, a folder a run, which all nodes see; null: slurm-logs in the current "
            "folder."
        ),
    )
    grace: Seconds = Field(
        default=300,
        description=(
            "How long before its walltime a job is told to end, so that it can hand over its "
            "work (s)."
        ),
    )
    requeue: bool = Field(
        default=True,
        description="Whether Slurm restarts a job that lost its node or was preempted.",
    )
    patience: Seconds = Field(
        default=86400, description="How long to wait in the queue for the first worker (s)."
    )
    encrypted: bool = Field(
        default=True,
        description="Whether scheduler and workers talk by TLS, with certificates of the run.",
    )

    @property
    def walltime_seconds(self) -> int:
        """The walltime, s."""
        found = re.fullmatch(_WALLTIME, self.walltime)
        assert found is not None
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds

    @model_validator(mode="after")
    def _grace_fits(self) -> Self:
        if 2 * self.grace > self.walltime_seconds:
            raise ValueError(
                f"grace ({self.grace:g} s) is more than half the walltime ({self.walltime}): set "
                "a longer walltime, or a shorter grace"
            )
        if self.array_at_once is not None and self.array is None:
            raise ValueError("array_at_once needs an array")
        if self.array is not None and (self.array_at_once or 1) > self.array:
            raise ValueError(
                f"array_at_once ({self.array_at_once}) is more than the array has tasks "
                f"({self.array})"
            )
        return self
