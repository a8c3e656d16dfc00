"""Workers of other hosts that import drizzlepac while they retrieve, not when they first need it.

A host that still imports it leaves its tasks to others, which then fetch exposures of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import uuid4

from distributed import Client, Worker, WorkerPlugin

from skymosaic.drizzlepac_calls import process


class _Warm(WorkerPlugin):
    """Starts drizzlepac's server as soon as a worker is there."""

    def setup(self, worker: Worker) -> None:
        """Begin to import it, beside what the worker does."""
        process.warm()


@contextmanager
def warm_workers(client: Client) -> Iterator[None]:
    """Let the workers of a client, and those that come, import drizzlepac at once.

    Where the scheduler is not ours it knows nothing of it afterwards.
    """
    name = f"skymosaic-drizzlepac-{uuid4().hex}"
    client.register_plugin(_Warm(), name=name)
    try:
        yield
    finally:
        with suppress(Exception):  # the scheduler may be lost, which others tell
            client.unregister_worker_plugin(name)
