"""The suite of all back ends in the driver of `mpirun -np 4 python -m tests.mpi_conformance`."""

from __future__ import annotations

import sys

import pytest
from distributed import Client

pytest.register_assert_rewrite("tests.conformance.compute")

from skymosaic import clusters  # noqa: E402
from skymosaic.config import Compute  # noqa: E402
from tests.conformance.compute import Backend, ComputeConformance  # noqa: E402


class Mpi(Backend):
    """Processes that mpirun started."""

    def settings(self, workers: int) -> Compute:
        return Compute(backend="mpi", mpi={"interface": "lo"})

    def left_behind(self) -> list[str]:
        """All processes are there until mpirun ends; our tasks must be gone."""
        with clusters.client(self.settings(1), 1) as client:
            return _busy(client)


def _busy(client: Client) -> list[str]:
    workers = client.scheduler_info(-1)["workers"]
    return [name for name, worker in workers.items() if worker["metrics"].get("executing")]


class TestMpi(ComputeConformance):
    @pytest.fixture
    def backend(self) -> Backend:
        return Mpi()

    @pytest.mark.skip(reason="MPI ends all processes when one is lost (tests/mpi_trials.py)")
    def test_a_lost_worker_does_not_matter(self) -> None: ...


if __name__ == "__main__":
    clusters.join(Compute(backend="mpi", mpi={"interface": "lo"}))
    sys.exit(pytest.main([__file__, "-q", "-n", "0", "-p", "no:cacheprovider"]))
