"""A worker leaves in order: takes no more tasks, ends the one it has, hands over its results.

``python -m skymosaic.clusters.kubernetes.retirement SECONDS`` is for the worker's own host, before
it is ended there: as a pod's preStop hook, or a batch system's warning. `dask worker` itself ends
at once on SIGTERM, and what it computes is then computed again elsewhere.
"""

from __future__ import annotations

import os
import sys
import time

from distributed import Client

from skymosaic.clusters.kubernetes.workers import scheduler_address
from skymosaic.errors import ComputeError
from skymosaic.host.shown import shown

WORKER_NAME = "DASK_WORKER_NAME"
"""Environment variable with the worker's name; dask-kubernetes' operator sets it, too."""
SPARE = 60
"""Seconds that a worker needs to leave, besides those for its task."""
_PATIENCE = 15.0  # s for the scheduler to answer; it may be what ended
_LOOK = 0.5  # s between two looks at the worker


def retire(client: Client, name: str, seconds: float) -> bool:
    """Let a worker leave in order; tell whether its task had ended by then.

    Parameters
    ----------
    client : Client
        A client of its scheduler.
    name : str
        The worker's name.
    seconds : float
        How long its task may take to end.

    Raises
    ------
    ComputeError
        The scheduler knows no such worker: it has left already.
    """
    workers = client.scheduler_info(n_workers=-1)["workers"]
    found = [address for address, worker in workers.items() if str(worker["name"]) == name]
    if not found:
        raise ComputeError(f"the scheduler knows no worker {name}: it has left already")
    # From here on it gets no new tasks.
    client.retire_workers(found, close_workers=False, remove=False)
    end = time.monotonic() + seconds
    while (busy := _computes(client, found[0])) and time.monotonic() < end:
        time.sleep(_LOOK)
    client.retire_workers(found, close_workers=True, remove=True)
    return not busy


def _computes(client: Client, address: str) -> bool:
    """Whether a worker is computing a task now; those that wait on it go elsewhere."""
    counts = client.run(_executing, workers=[address])
    return any(counts.values())


def _executing(dask_worker: object) -> int:
    state = dask_worker.state  # type: ignore[attr-defined]
    return int(state.executing_count)


def main() -> None:
    """Let this pod's worker leave."""
    seconds = float(sys.argv[1])
    try:
        with Client(scheduler_address(), timeout=_PATIENCE) as client:
            ended = retire(client, os.environ[WORKER_NAME], seconds)
    except (ComputeError, OSError, ValueError) as error:
        # There is nobody to hand anything over to.
        sys.stderr.write(f"the worker leaves as it is: {shown(str(error))}\n")
        return
    sys.stderr.write(
        "the worker has left in order\n"
        if ended
        else f"its task took longer than {seconds:g} s: it starts again elsewhere\n"
    )


if __name__ == "__main__":
    main()
