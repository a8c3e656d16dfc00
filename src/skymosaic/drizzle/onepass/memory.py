"""How much memory a one-pass run will take, told before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from skymosaic.drizzle.grid import BYTES_PER_PIXEL, Grid
from skymosaic.drizzle.onepass.sky import HELD
from skymosaic.drizzle.onepass.sums import planes_of
from skymosaic.errors import OutOfMemoryError

_PROGRAM = 260e6  # bytes: a forked drizzlepac process, and as much for the driver's own libraries
_MOSAIC_ROWS = 64
_SOUGHT = 64  # bytes a pixel: mosaic, weights, background and its copies, segments


@dataclass(frozen=True)
class Projection:
    """Bytes that a one-pass run takes at its peak."""

    summing: float
    """One band of all mosaics."""
    sky: float
    """The pixels that the sky engine holds, and the mosaic in which sources are sought."""
    drizzling: float
    """All chips that are drizzled at once."""
    cosmic_rays: float = 0.0
    """AstroDrizzle's steps that look for cosmic rays, on the whole grid."""

    @property
    def peak(self) -> float:
        """What the run takes: cosmic rays are looked for first, and the sums come last."""
        return 2 * _PROGRAM + max(self.cosmic_rays, self.sky + self.drizzling, self.summing)


def project(
    grid: Grid,
    chip_pixels: Sequence[int],
    mosaics: int,
    *,
    processes: int,
    scale_ratio: float = 1.0,
    context: bool = False,
    mask_sources: bool = False,
    cosmic_rays: bool = False,
) -> Projection:
    """Project the memory of a one-pass run.

    Parameters
    ----------
    grid : Grid
        The output grid.
    chip_pixels : sequence of int
        Pixels of each chip.
    mosaics : int
        How many methods and variants.
    processes : int
        How many chips are drizzled at once.
    scale_ratio : float
        Input to output scale: a chip's cut-out has that squared times more pixels than it.
    context : bool
        Whether the context is asked for.
    mask_sources : bool
        Whether sources are looked for on the whole mosaic.
    cosmic_rays : bool
        Whether they are looked for.
    """
    largest = max(chip_pixels, default=0)
    rows = min(_MOSAIC_ROWS, grid.shape[1])
    # Weights, data and a sum for each mosaic in double precision, with temporaries; the mosaics.
    a_pixel = 8 * (3 + mosaics) + 4 * (mosaics + 1)
    if context:
        a_pixel += 4 * planes_of(len(chip_pixels))
    # A turned square covers half of the square around it.
    cut_out = 2.0 * largest * scale_ratio**2
    return Projection(
        summing=rows * grid.shape[0] * a_pixel,
        # Image, flags, good pixels, their index and bins: 22 bytes a pixel of one chip.
        sky=min(sum(chip_pixels) * 6, HELD)
        + 22 * largest
        + (_SOUGHT * grid.shape[0] * grid.shape[1] if mask_sources else 0.0),
        drizzling=processes * (_PROGRAM + largest * 24 + cut_out * 12),
        cosmic_rays=BYTES_PER_PIXEL * grid.shape[0] * grid.shape[1] if cosmic_rays else 0.0,
    )


def require_memory(projection: Projection, available: float) -> None:
    """Refuse a run that will not fit.

    Raises
    ------
    OutOfMemoryError
        With both numbers, and what to change.
    """
    if projection.peak > available:
        raise OutOfMemoryError(
            f"onepass would take {projection.peak / 1e9:.2f} GB "
            f"(sky {projection.sky / 1e9:.2f}, drizzling {projection.drizzling / 1e9:.2f}, "
            f"cosmic rays {projection.cosmic_rays / 1e9:.2f}, "
            f"summing {projection.summing / 1e9:.2f}), and there are {available / 1e9:.2f} GB: use "
            "fewer workers (compute.workers), a larger final_scale, context: false, fewer "
            "sky.variants, or a host with more memory"
        )
