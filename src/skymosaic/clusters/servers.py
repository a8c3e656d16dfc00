"""Dask's scheduler and workers without their HTTP servers.

Each of them serves pages, JSON and metrics over HTTP in the clear, to whoever reaches the port,
even where no dashboard is wanted, and Dask has no setting that leaves the server out. What these
pages show (names of files and hosts, lines of code) is for the user of the run only.
"""

from __future__ import annotations

from typing import Any

import distributed
from distributed.http.routing import RoutingApplication


class Scheduler(distributed.Scheduler):
    """A scheduler that listens for nothing but its workers and clients."""

    def start_http_server(self, *_arguments: Any, **_options: Any) -> None:
        """Start none; what would be served is nothing."""
        self.http_application = RoutingApplication([])


class Worker(distributed.Worker):
    """A worker that listens for nothing but its scheduler and other workers."""

    def start_http_server(self, *_arguments: Any, **_options: Any) -> None:
        """Start none; what would be served is nothing."""
        self.http_application = RoutingApplication([])


WORKER = f"{Worker.__module__}.{Worker.__qualname__}"
SCHEDULER = f"{Scheduler.__module__}.{Scheduler.__qualname__}"
"""Their names, for programs that import them by name."""
