"""Worker jobs, kept alive: one that Slurm ended is replaced, unless they end again and again."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dask_jobqueue import SLURMCluster
from dask_jobqueue.slurm import SLURMJob
from distributed import Client, Future
from distributed.security import Security

from skymosaic.clusters import servers
from skymosaic.clusters.slurm.commands import (
    JobState,
    last_words,
    refusal,
    state_in_full,
    states_of,
)
from skymosaic.errors import ComputeError

log = logging.getLogger(__name__)

_PAUSE = 5.0  # s between two questions to Slurm
_REPLACEMENTS = 3  # how often each job may be replaced that did not end by itself
_SHOWN = 4  # jobs that a message tells of


class WorkerJob(SLURMJob):
    """A job of workers; what sbatch says against it is kept for the user."""

    refused: str = ""

    async def start(self) -> None:
        """Submit the job."""
        try:
            await super().start()
        except (RuntimeError, ValueError, OSError) as error:
            _, _, said = str(error).partition("stderr:\n")
            type(self).refused = refusal("sbatch", said or str(error))
            raise


@contextmanager
def cluster_of(words: dict[str, Any], security: Security | None, logs: Path) -> Iterator[Any]:
    """Yield a cluster without jobs, whose scheduler is in this process; its jobs end with it.

    Raises
    ------
    ComputeError
        The scheduler does not start.
    """

    class Job(WorkerJob):
        """Of this cluster only: it holds what was said of its jobs."""

    interface = words["interface"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cluster = SLURMCluster(
                job_cls=Job,
                security=security,
                shared_temp_directory=str(logs),
                scheduler_cls=servers.Scheduler,
                scheduler_options={
                    "dashboard": False,
                    "dashboard_address": None,
                    **({"interface": interface} if interface else {}),
                },
                silence_logs="critical",
                **words,
            )
    except (OSError, RuntimeError, ValueError) as error:
        raise ComputeError(
            f"the Dask scheduler for Slurm's workers did not start ({error}); is "
            f"compute.slurm.interface ({interface}) one of this host's?"
        ) from None
    with cluster:
        yield cluster


class Keeper:
    """Asks for jobs, looks after them, and replaces those that ended.

    Parameters
    ----------
    cluster
        Where the jobs belong to.
    client
        Of that cluster; its tasks are cancelled when there is no hope.
    jobs
        How many there shall be.
    logs
        Folder of their logs.
    """

    def __init__(self, cluster: Any, client: Client, jobs: int, logs: Path) -> None:
        self._cluster, self._client, self._jobs, self._logs = cluster, client, jobs, logs
        self._states: dict[str, JobState] = {}
        self._ended: list[JobState] = []
        self._seen: set[str] = set()
        """Names of jobs whose workers came."""
        self._over = threading.Event()
        self._failures = 0
        self.problem = ""
        """Why there is no hope; empty while there is."""
        self._thread = threading.Thread(target=self._keep, daemon=True, name="slurm-jobs")

    def __enter__(self) -> Self:
        self._cluster.scale(jobs=self._jobs)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def require_hope(self) -> None:
        """Raise if the jobs end again and again, or Slurm takes none.

        Raises
        ------
        ComputeError
            Tells why.
        """
        if self.problem:
            raise ComputeError(f"{self.problem}. Logs: {self._logs}")

    def starting(self) -> bool:
        """Whether a job has begun whose workers are not all there yet."""
        return any(
            state.state in ("RUNNING", "CONFIGURING") and not self._has_workers(name, every=True)
            for name, state in self._by_name().items()
        )

    def summary(self) -> str:
        """Return what Slurm says of the jobs there are."""
        return "; ".join(map(str, list(self._states.values())[:_SHOWN])) or "nothing yet"

    def history(self) -> str:
        """Return what Slurm said of the last jobs that ended."""
        return "; ".join(map(str, self._ended[-_SHOWN:]))

    def _keep(self) -> None:
        said = ""
        while not self._over.wait(_PAUSE if self._states else 0.5):
            try:
                if self.problem:
                    self._cancel_all()
                else:
                    self._look()
            except Exception as error:  # Slurm may answer again; the run goes on meanwhile
                if str(error) != said:
                    said = str(error)
                    log.warning("looking after Slurm's jobs: %s: %s", type(error).__name__, said)

    def _by_name(self) -> dict[str, JobState]:
        return {
            name: self._states[job.job_id]
            for name, job in dict(self._cluster.workers).items()
            if job.job_id in self._states
        }

    def _look(self) -> None:
        jobs = {name: job.job_id for name, job in dict(self._cluster.workers).items() if job.job_id}
        refused = self._cluster.job_cls.refused
        if refused and not jobs:
            self._give_up(refused)
            return
        self._states = dict(states_of(list(jobs.values()))) if jobs else {}
        if hopeless := [state for state in self._states.values() if state.hopeless]:
            self._give_up(f"Slurm cannot start a worker job: {hopeless[0]}")
            return
        self._seen |= {name for name in jobs if self._has_workers(name)}
        dead = [name for name, i in jobs.items() if not self._states[i].alive]
        for name in dead:
            self._take_down(name, state_in_full(jobs[name]))
        if dead and self._failures > _REPLACEMENTS * self._jobs:
            words = last_words([self._logs / f"worker-{job.id}.log" for job in self._ended[-3:]])
            self._give_up(
                f"worker jobs of Slurm end repeatedly: {self.history()}"
                + (f". Their logs say: {words}" if words else "")
            )
            return
        # Somebody may have asked the cluster for more.
        wanted = max(self._jobs, len(self._cluster.worker_spec))
        if dead:
            self._cluster.sync(self._cluster.scale_down, dead)
        # What distributed gave up by itself is asked for anew here, too.
        self._cluster.scale(jobs=wanted)

    def _take_down(self, name: str, ended: JobState) -> None:
        """Note how a job ended; who came to the end of a worker's lifetime did not fail."""
        self._ended.append(ended)
        if ended.state != "COMPLETED" or name not in self._seen:
            self._failures += ended.state != "PREEMPTED"
            log.warning("Slurm ended a worker job: %s; another is asked for", ended)

    def _has_workers(self, name: str, *, every: bool = False) -> bool:
        """Whether workers of a job are with the scheduler."""
        known = {str(w["name"]) for w in self._cluster.scheduler_info["workers"].values()}
        spec = self._cluster.worker_spec.get(name, {})
        own = [f"{name}{suffix}" for suffix in spec.get("group", [""])]
        return (all if every else any)(n in known for n in own)

    def _give_up(self, why: str) -> None:
        self.problem = why
        self._cluster.scale(jobs=0)
        self._cancel_all()

    def _cancel_all(self) -> None:
        """Tell who waits for a task that it will not come."""
        futures = [Future(key, self._client) for key in list(self._client.futures)]
        self._client.cancel(futures, force=True)
