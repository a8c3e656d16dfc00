"""The memory of a job: what its workers need together, unless the campaign file says another."""

from __future__ import annotations

from skymosaic.config import Campaign, Compute
from skymosaic.drizzle.expected import Expected, of_campaign


def job_memory(campaign: Campaign, expected: Expected) -> int:
    """Return what a job on a node needs, bytes: its workers at the same time.

    Parameters
    ----------
    campaign : Campaign
        It names the cores of a job, which are its workers.
    expected : Expected
        What they need.
    """
    return expected.together(campaign.compute.slurm.cores)


def sized(campaign: Campaign) -> Compute:
    """Return what a campaign asks for of its cluster, the memory of jobs in numbers.

    A worker's own process may then take all that its drizzle needs; what a job's workers take
    together Slurm watches.
    """
    compute = campaign.compute
    if compute.slurm.memory != "auto":
        return compute
    expected = of_campaign(campaign)
    memory = f"{job_memory(campaign, expected)}B"
    limit = compute.memory_limit
    return compute.model_copy(
        update={
            "slurm": compute.slurm.model_copy(update={"memory": memory}),
            "memory_limit": f"{expected.needs.memory}B" if limit == "auto" else limit,
        }
    )
