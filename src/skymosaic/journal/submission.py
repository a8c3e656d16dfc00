"""What a campaign's store tells of its last submission, before and after a run of it began."""

from __future__ import annotations

import getpass
import platform
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from uuid import uuid4

from pydantic import TypeAdapter

from skymosaic.journal.runs import last_number
from skymosaic.steps.place import Place
from skymosaic.store import shapes
from skymosaic.store.shapes import ErrorRecord

NAME = "submission.json"
_LOGS = "logs"


@dataclass(frozen=True)
class Submission:
    """A campaign that was handed over to a cluster."""

    id: str
    """Tells it from all others."""
    backend: str
    after: int
    """Number of the last run before it: a run of a higher number is its run."""
    submitted: str
    """When; ISO 8601."""
    by: str
    """Who, and from which host."""
    text: str
    """The resolved campaign file as it was handed over; YAML."""
    what: str = ""
    """What it is in the cluster, such as ``Slurm job 17``; empty while it is handed over."""
    error: ErrorRecord | None = None
    """Why its driver ended before a run began."""

    @classmethod
    def of(cls, place: Place, backend: str, text: str) -> Submission:
        """Return a new submission by this user."""
        return cls(
            id=uuid4().hex[:12],
            backend=backend,
            after=last_number(place),
            submitted=datetime.now(UTC).isoformat(timespec="seconds"),
            by=f"{_user()}@{platform.node()}",
            text=text,
        )

    def is_pending(self, place: Place) -> bool:
        """Whether no run of it has begun, and none was seen to fail before."""
        return self.error is None and last_number(place) <= self.after

    def write(self, place: Place) -> None:
        """Keep it in the campaign's store."""
        place.store.write_json(place.key(NAME), shapes.sealed(asdict(self)))

    def failed(self, place: Place, error: ErrorRecord) -> None:
        """Note why its driver ended before a run began."""
        replace(self, error=error).write(place)


def read(place: Place) -> Submission | None:
    """Return the last submission of a campaign, None where there is none.

    Raises
    ------
    DamagedError
        Its record is not what was written.
    """
    return shapes.read(place.store, place.key(NAME), TypeAdapter(Submission))


def forget(place: Place) -> None:
    """Forget the last submission."""
    place.store.delete(place.key(NAME))


def log_key(place: Place, submission: str) -> str:
    """Return the key of what a submission's driver wrote."""
    return place.key(_LOGS, f"submission-{submission}.log")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number without a name
        return "unknown"
