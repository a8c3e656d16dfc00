"""The section of a campaign file that says who does the work."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from skymosaic.config.fields import Host, Memory, Port, SchedulerAddress, Share, Size, Workers
from skymosaic.config.kubernetes import Kubernetes
from skymosaic.config.mpi import Mpi
from skymosaic.config.sections import OptionalSection
from skymosaic.config.slurm import Slurm


class Compute(OptionalSection):
    """Who does the work, and within which bounds."""

    backend: Literal["local", "scheduler", "slurm", "mpi", "kubernetes"] = Field(
        default="local",
        description=(
            "local: this machine; scheduler: a Dask scheduler that is running already; slurm: jobs "
            "of Slurm; mpi: the processes that mpirun started; kubernetes: pods of a cluster, by "
            "`skymosaic submit`."
        ),
    )
    address: SchedulerAddress | None = Field(
        default=None, description="Address of that scheduler, such as tcp://127.0.0.1:8786."
    )
    workers: Workers = Field(
        default="auto", description="Worker processes (count), or auto: as many as fit."
    )
    memory_limit: Memory | None = Field(
        default="auto",
        description=(
            "Memory of one worker process such as 4GB, without that of the drizzlepac process "
            "that works for it; auto: its share of the machine; null: no limit."
        ),
    )
    scratch: Path | None = Field(
        default=None,
        description=(
            "Folder for temporary files; relative to the folder of the campaign file. "
            "null: the system's temporary folder."
        ),
    )
    cache: Path | None = Field(
        default=None,
        description=(
            "S3: folder on each host that keeps what was fetched, for later runs as well; null: "
            "in the scratch folder, for as long as a run lasts."
        ),
    )
    cache_limit: Size = Field(
        default="20GB", description="S3: largest size of the cache on a host."
    )
    dashboard: bool = Field(
        default=False,
        description=(
            "local: serve Dask's dashboard on 127.0.0.1, where every user of this host can read it."
        ),
    )
    share: Share | None = Field(
        default=None,
        description=(
            "K/N: of a program's groups, run every N-th one from the K-th on; null: all of them."
        ),
    )
    slurm: Slurm = Field(default_factory=Slurm, description="backend slurm: what to ask Slurm for.")
    mpi: Mpi = Field(default_factory=Mpi, description="backend mpi: how its processes talk.")

    insecure: bool = Field(
        default=False,
        description=(
            "Allow a scheduler on another host without TLS: anyone who can reach it can run any "
            "code on its workers."
        ),
    )
    metrics_port: Port | None = Field(
        default=None,
        description="Port where Prometheus can read the metrics of a run; null: none.",
    )
    metrics_host: Host = Field(
        default="127.0.0.1", description="Address of this host where the metrics can be read."
    )
    kubernetes: Kubernetes = Field(
        default_factory=Kubernetes, description="backend kubernetes: what to ask Kubernetes for."
    )

    @model_validator(mode="after")
    def _address_goes_with_scheduler(self) -> Self:
        if (self.backend == "scheduler") != (self.address is not None):
            raise ValueError("address is needed with backend: scheduler, and allowed only there")
        return self
