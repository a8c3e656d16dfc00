"""What a back end offers: workers for a run that is driven here, and campaigns handed over.

A back end is a folder or a module of this room. Its functions are held against the two protocols
by mypy (`table.py`), so one that lacks a function is found before it is tried.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from skymosaic.config import Campaign, Compute
from skymosaic.journal.submission import Submission

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True)
class Job:
    """A campaign to be driven in a cluster."""

    campaign: Campaign
    text: str
    """The resolved campaign file; YAML."""
    drive: Callable[[str, str], int]
    """Drives a campaign from a worker; takes the file's text and the submission's id."""
    submission: Submission | None = None
    """What the store tells of it; None while nothing is handed over, only shown."""
    address: str = ""
    """``STORE/CAMPAIGN``, as commands name it."""


@dataclass(frozen=True)
class Submitted:
    """What was handed over."""

    what: str
    """Such as ``Slurm job 17``."""
    follow: str
    """The command that tells how it goes."""


@dataclass(frozen=True)
class Fate:
    """What a cluster knows of a campaign that was handed over to it."""

    state: Literal["alive", "ended", "unknown", "silent"]
    """Whether it waits or is at work there, has ended, is not known (any more), or the cluster
    cannot be asked from here."""
    message: str = ""
    """What it waits for or why it ended, in the cluster's words; empty where nobody knows."""


@dataclass(frozen=True)
class Found:
    """What a cluster holds of a campaign of which the store has no record."""

    what: str
    """Such as ``Slurm job 17``."""
    since: str
    """When it came there."""
    fate: Fate
    remove: Callable[[], str]
    """Takes it away; returns what that was, by name, where the cluster tells."""


class Workers(Protocol):
    """Workers for a campaign that is driven by this process."""

    def client(
        self, settings: Compute, tasks: int, idlers: int = 0
    ) -> AbstractContextManager[Client]:
        """Return a client of the workers; `skymosaic.clusters.client` has the parameters."""

    def alive(self, settings: Compute) -> list[str]:
        """Return what the back end says of itself, a line each.

        Raises
        ------
        ComputeError
            It does not answer.
        """


class HandOver(Protocol):
    """A cluster that drives a campaign by itself."""

    def documents(self, job: Job) -> dict[str, str]:
        """Return what would be handed over, by file name.

        Raises
        ------
        CampaignError
            The campaign needs what the cluster does not have.
        """

    def submit(self, job: Job) -> Submitted:
        """Hand a campaign over; return as soon as the cluster has it.

        Raises
        ------
        SkymosaicError
            The cluster did not take it.
        """

    def cancel(self, job: Job) -> str:
        """Take a campaign back, whether its run has begun or not, or has ended.

        Returns
        -------
        str
            What was there of it and was removed, by name; empty where the cluster does not tell.
        """

    def find(self, store: str, campaign: str) -> Found | None:
        """Return what the cluster that is used from here holds of a campaign, asked by its names.

        Raises
        ------
        SkymosaicError
            It cannot be asked from here.
        """

    def fate(self, submission: Submission) -> Fate:
        """Return what the cluster knows of a submission.

        Raises
        ------
        SkymosaicError
            It cannot be asked from here.
        """
