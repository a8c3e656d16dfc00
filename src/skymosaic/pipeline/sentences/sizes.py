"""How large a campaign will be, as far as its file tells: grid, mosaic, memory of a worker."""

from __future__ import annotations

from dask.utils import format_bytes

from skymosaic.config import Campaign
from skymosaic.drizzle.expected import Expected, of_campaign
from skymosaic.host.counting import counted
from skymosaic.pipeline.sentences.grid import grid_lines


def size_lines(campaign: Campaign) -> list[str]:
    """Return the output grid, and the memory that a worker needs for it, a line each.

    Raises
    ------
    CampaignError, InputError, StoreError
        As `given_grid.reference_of`.
    """
    return [*grid_lines(campaign), memory_line(of_campaign(campaign))]


def memory_line(expected: Expected) -> str:
    """Return the memory that a worker needs, and how it is known."""
    work = expected.work
    megapixels = work.input_pixels / 1e6
    pixels = f"{megapixels:.{0 if megapixels >= 1 else 1}f} megapixels"
    return (
        f"memory: {format_bytes(int(expected.needs.memory))} a worker, as projected for "
        f"{expected.engine} and {counted(work.chips, 'chip')}, {pixels} ({work.known_by})"
    )
