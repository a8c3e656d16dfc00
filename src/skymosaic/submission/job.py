"""What is handed over to a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from skymosaic.config import Campaign


@dataclass(frozen=True)
class Job:
    """A campaign to be driven in a cluster."""

    campaign: Campaign
    text: str
    """The resolved campaign file; YAML."""


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

    state: Literal["alive", "ended", "unknown"]
    """Whether it waits or is at work there, has ended, or is not known (any more)."""
    told: str = ""
    """What it waits for or why it ended, in the cluster's words; empty where nobody knows."""
