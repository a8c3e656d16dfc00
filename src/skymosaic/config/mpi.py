"""What a campaign file says about MPI."""

from __future__ import annotations

from pydantic import Field

from skymosaic.config.sections import OptionalSection
from skymosaic.config.slurm import Word


class Mpi(OptionalSection):
    """How the processes that mpirun started work together."""

    interface: Word | None = Field(
        default=None,
        description="Network interface that workers and scheduler talk by, such as ib0.",
    )
