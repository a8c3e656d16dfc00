"""The back ends of one machine pass the suite of all back ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import Client, LocalCluster

pytest.register_assert_rewrite("tests.conformance.compute")

from skymosaic.clusters.scheduler import workers as scheduler  # noqa: E402
from skymosaic.config import Compute  # noqa: E402
from tests.conformance.compute import Backend, ComputeConformance  # noqa: E402
from tests.dask_cluster import DaskCluster, dask_cluster  # noqa: E402


class Local(Backend):
    """Processes of this machine."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch

    def settings(self, workers: int) -> Compute:
        return Compute(workers=workers, scratch=self.scratch, memory_limit=None)

    def add_worker(self, client: Client) -> None:
        cluster: LocalCluster = client.cluster
        cluster.scale(len(cluster.workers) + 1)

    def left_behind(self) -> list[str]:
        return [*super().left_behind(), *(path.name for path in self.scratch.iterdir())]


class Running(Backend):
    """A scheduler and workers that somebody started."""

    def __init__(self, cluster: DaskCluster) -> None:
        self.cluster = cluster

    def settings(self, workers: int) -> Compute:
        self.cluster.scale(max(workers, self.cluster.alive()))
        return Compute(backend="scheduler", address=self.cluster.address)

    def add_worker(self, client: Client) -> None:
        self.cluster.add_worker()

    def settings_without_workers(self) -> Compute:
        self.cluster.scale(0)
        return Compute(backend="scheduler", address=self.cluster.address)

    def left_behind(self) -> list[str]:
        """Scheduler and workers belong to others; our tasks must be gone."""
        with Client(self.cluster.address) as client:
            workers = client.scheduler_info(-1)["workers"]
            busy = [name for name, worker in workers.items() if worker["metrics"].get("executing")]
            return [*busy, *(str(key) for keys in client.who_has().values() for key in keys)]


class TestLocal(ComputeConformance):
    @pytest.fixture
    def backend(self, tmp_path: Path) -> Backend:
        (tmp_path / "scratch").mkdir()
        return Local(tmp_path / "scratch")

    # Each starts workers of its own: the default run tries these on a scheduler only.
    @pytest.mark.slow
    def test_events_and_logs_of_workers_arrive_and_are_kept(
        self, backend: Backend, tmp_path: Path
    ) -> None:
        super().test_events_and_logs_of_workers_arrive_and_are_kept(backend, tmp_path)

    @pytest.mark.slow
    def test_what_is_cancelled_gives_its_worker_free(
        self, backend: Backend, tmp_path: Path
    ) -> None:
        super().test_what_is_cancelled_gives_its_worker_free(backend, tmp_path)

    @pytest.mark.slow
    def test_workers_that_join_are_used(self, backend: Backend) -> None:
        super().test_workers_that_join_are_used(backend)

    @pytest.mark.slow
    def test_slots_fill_a_host_and_do_not_overfill_it(
        self, backend: Backend, tmp_path: Path
    ) -> None:
        super().test_slots_fill_a_host_and_do_not_overfill_it(backend, tmp_path)


class TestScheduler(ComputeConformance):
    @pytest.fixture(scope="class")
    def cluster(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
        with dask_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
            yield cluster

    @pytest.fixture
    def backend(self, cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch) -> Backend:
        monkeypatch.setattr(scheduler, "_PATIENCE", 4)
        return Running(cluster)
