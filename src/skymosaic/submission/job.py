"""What is handed over to a cluster."""

from __future__ import annotations

from dataclasses import dataclass

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
