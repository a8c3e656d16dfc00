"""Where tasks run, and which clusters drive campaigns: a module or a folder for each back end."""

from __future__ import annotations

import multiprocessing
from contextlib import AbstractContextManager
from multiprocessing import forkserver, resource_tracker
from typing import TYPE_CHECKING

from skymosaic.clusters.table import workers_of
from skymosaic.config import Campaign, Compute
from skymosaic.host.signals import held_back
from skymosaic.host.temporary import below_scratch

if TYPE_CHECKING:
    from distributed import Client

# A worker imports the main module of the driver as well, which is the command line as a rule.
_PRELOAD = [
    "skymosaic.cli.main",
    "skymosaic.pipeline.graph",
    "distributed.nanny",
    "skymosaic.clusters.servers",
]


def warm(settings: Compute) -> None:
    """Start the process that local workers are forked from: it imports what they need, once.

    That takes a second, so who knows that workers will be wanted says it before all else.
    """
    if settings.backend == "local":
        multiprocessing.set_forkserver_preload(_PRELOAD)
        # Started first: as it starts it lets Ctrl-C through, which it ignores, but not the end of
        # the terminal.
        with held_back():
            resource_tracker.ensure_running()
        with held_back(), below_scratch():
            forkserver.ensure_running()


def settings_of(campaign: Campaign) -> Compute:
    """Return what a campaign asks of its workers, what its file leaves open decided.

    Parameters
    ----------
    campaign : Campaign
        What is run.
    """
    if campaign.compute.backend == "slurm":
        from skymosaic.clusters.slurm.memory import sized

        return sized(campaign)
    return campaign.compute


def client(settings: Compute, tasks: int, idlers: int = 0) -> AbstractContextManager[Client]:
    """Return a client of the workers that the campaign asks for, ended with the context.

    Parameters
    ----------
    settings : Compute
        The campaign's; its `backend` names the module.
    tasks : int
        How many tasks can run at once at most.
    idlers : int
        How many tasks that wait more than they work can run at once.
    """
    return workers_of(settings.backend).client(settings, tasks, idlers)


def join(settings: Compute) -> None:
    """Take this process's part in a back end of many; only who drives the campaign returns.

    Parameters
    ----------
    settings : Compute
        The campaign's.
    """
    if settings.backend == "mpi":
        from skymosaic.clusters import mpi  # needs mpi4py

        mpi.join(settings)
