"""Jobs of a real Slurm pass the suite of all back ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import Client

pytest.register_assert_rewrite("tests.conformance.compute")

from skymosaic.config import Compute  # noqa: E402
from tests.conformance.compute import Backend, ComputeConformance  # noqa: E402
from tests.slurm_server import SlurmServer, slurm_server  # noqa: E402

pytestmark = pytest.mark.slurm


class Slurm(Backend):
    """Worker jobs."""

    def __init__(self, server: SlurmServer, folder: Path) -> None:
        self.server, self.folder = server, folder

    def settings(self, workers: int) -> Compute:
        own = {"cores": 1, "memory": "2GB", "interface": "lo", "logs": self.folder / "logs"}
        return Compute(backend="slurm", workers=workers, slurm=own)

    def add_worker(self, client: Client) -> None:
        client.cluster.scale(jobs=len(client.cluster.worker_spec) + 1)

    def settings_without_workers(self) -> Compute:
        given = self.settings(1).model_dump()
        # Both nodes' cores are taken: its job waits.
        self.server.command("sbatch", "--nodes=2", "--exclusive", "--wrap=sleep 20", "-o/dev/null")
        given["slurm"]["patience"] = 8
        return Compute.model_validate(given)

    def left_behind(self) -> list[str]:
        jobs = self.server.command("squeue", "--noheader", "--name=skymosaic-workers").split("\n")
        return [*super().left_behind(), *filter(None, jobs)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmServer]:
    folder = tmp_path_factory.mktemp("slurm")
    folder.chmod(0o755)
    for parent in folder.parents[:2]:  # munge insists that others may pass
        parent.chmod(parent.stat().st_mode | 0o011)
    with slurm_server(folder / "server") as server:
        yield server


class TestSlurm(ComputeConformance):
    @pytest.fixture
    def backend(self, server: SlurmServer, tmp_path: Path) -> Backend:
        return Slurm(server, tmp_path)
