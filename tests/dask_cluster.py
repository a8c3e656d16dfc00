"""A real Dask scheduler with real workers on 127.0.0.1, each a process, for tests and scripts."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from distributed import Client

_PATIENCE = 60.0  # s


class DaskCluster:
    """A scheduler, and workers of one thread under nannies.

    Parameters
    ----------
    folder : Path
        Where logs and the workers' files go.
    environment : mapping, optional
        Variables of all processes.
    options : sequence of str
        Options of scheduler and workers alike, such as those of TLS.
    protocol : str
        ``tcp`` or ``tls``.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
        protocol: str = "tcp",
    ) -> None:
        self.folder = folder
        self.port = _free_port()
        self.address = f"{protocol}://127.0.0.1:{self.port}"
        self._environment = {
            **os.environ,
            # Stopped and lost workers are told apart soon.
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "3",
            **(environment or {}),
        }
        self._options = list(options)
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []
        self._count = 0

    def start(self) -> None:
        """Start the scheduler, and wait until it listens."""
        self.scheduler = self._start(
            "scheduler",
            *("--host", "127.0.0.1", "--port", str(self.port)),
            *("--dashboard-address", "127.0.0.1:0", "--no-show"),
        )
        self._wait(self._listens, "the scheduler")

    def add_worker(self, host: str = "127.0.0.1") -> subprocess.Popen[bytes]:
        """Start one worker at an address of this host; it joins when it is ready."""
        worker = self._start(
            *("worker", self.address, "--nthreads", "1", "--nworkers", "1"),
            *("--host", host, "--no-dashboard", "--memory-limit", "0"),
            *("--local-directory", str(self.folder)),
        )
        self.workers.append(worker)
        return worker

    def alive(self) -> int:
        """Return how many workers were started and have not ended."""
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        return len(self.workers)

    def scale(self, workers: int, client: Client | None = None) -> None:
        """Have so many workers, and wait until the scheduler knows it."""
        self.alive()
        while len(self.workers) > workers:
            stop(self.workers.pop())
        while len(self.workers) < workers:
            self.add_worker()
        with Client(self.address) if client is None else _borrowed(client) as connected:
            self._wait(
                lambda: len(connected.scheduler_info(-1)["workers"]) == workers,
                f"{workers} workers",
            )

    def stop(self) -> None:
        """Stop all of it."""
        for process in (*self.workers, *([self.scheduler] if self.scheduler else ())):
            stop(process)
        self.workers, self.scheduler = [], None

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        self._count += 1
        with (self.folder / f"{arguments[0]}-{self._count}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments, *self._options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _wait(self, condition, what: str) -> None:
        end = time.monotonic() + _PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise RuntimeError(f"waited in vain for {what}; see {self.folder}")
            time.sleep(0.05)


@contextmanager
def dask_cluster(folder: Path, **options) -> Iterator[DaskCluster]:
    """Yield a running scheduler without workers, stopped at the end with what joined it."""
    cluster = DaskCluster(folder, **options)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@contextmanager
def _borrowed(client: Client) -> Iterator[Client]:
    yield client


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started."""
    family = [process]
    with suppress(psutil.NoSuchProcess):
        family = [*psutil.Process(process.pid).children(recursive=True), process]
    process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(15)
    for member in family:
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            member.send_signal(signal.SIGKILL)
    process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
