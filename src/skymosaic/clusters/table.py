"""The back ends by name: the modules with their two faces, imported when they are asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from skymosaic.clusters.base import HandOver, Workers
from skymosaic.errors import CampaignError

_WORKERS = {
    "local": "local",
    "mpi": "mpi",
    "scheduler": "scheduler.workers",
    "slurm": "slurm.workers",
    "kubernetes": "kubernetes.workers",
}
_HAND_OVER = {
    "scheduler": "scheduler.submit",
    "slurm": "slurm.submit",
    "kubernetes": "kubernetes.submit",
}

HAND_OVERS = tuple(_HAND_OVER)
"""The back ends that drive campaigns by themselves."""

if TYPE_CHECKING:  # each module against its protocol
    from skymosaic.clusters import local, mpi
    from skymosaic.clusters.kubernetes import submit as to_kubernetes
    from skymosaic.clusters.kubernetes import workers as on_kubernetes
    from skymosaic.clusters.scheduler import submit as to_scheduler
    from skymosaic.clusters.scheduler import workers as on_scheduler
    from skymosaic.clusters.slurm import submit as to_slurm
    from skymosaic.clusters.slurm import workers as on_slurm

    _: tuple[Workers, ...] = (local, mpi, on_scheduler, on_slurm, on_kubernetes)
    __: tuple[HandOver, ...] = (to_scheduler, to_slurm, to_kubernetes)


def workers_of(backend: str) -> Workers:
    """Return what gives a campaign its workers.

    Parameters
    ----------
    backend : str
        As the campaign file names it.
    """
    return cast(Workers, importlib.import_module(f"skymosaic.clusters.{_WORKERS[backend]}"))


def hand_over_of(backend: str) -> HandOver:
    """Return what a campaign is handed over to.

    Parameters
    ----------
    backend : str
        As the campaign file names it.

    Raises
    ------
    CampaignError
        It drives no campaigns.
    """
    if backend not in _HAND_OVER:
        raise CampaignError(
            f"compute.backend {backend} cannot be submitted to; use `skymosaic run` in it"
        )
    return cast(HandOver, importlib.import_module(f"skymosaic.clusters.{_HAND_OVER[backend]}"))
