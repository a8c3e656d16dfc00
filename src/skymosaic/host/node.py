"""The name of the host that this runs on."""

from __future__ import annotations

import os
import platform


def node_name() -> str:
    """Return what people call this host; on a node of Slurm, Slurm's name of it."""
    return os.environ.get("SLURMD_NODENAME") or platform.node()
