"""Where tasks run: each module gives a Dask client."""

from __future__ import annotations

import importlib
from contextlib import AbstractContextManager

from distributed import Client

from skymosaic.config import Compute


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
    backend = importlib.import_module(f"skymosaic.compute.{settings.backend}")
    made: AbstractContextManager[Client] = backend.client(settings, tasks, idlers)
    return made


def join(settings: Compute) -> None:
    """Take this process's part in a back end of many; only who drives the campaign returns.

    Parameters
    ----------
    settings : Compute
        The campaign's.
    """
    if settings.backend == "mpi":
        importlib.import_module("skymosaic.compute.mpi").join(settings)
