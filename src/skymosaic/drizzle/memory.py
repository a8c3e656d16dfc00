"""How much memory and disk a drizzle takes, by engine: one projection for all who ask.

What is asked of a cluster for a worker, what `prepare` tells, and what the one-pass engine refuses
to begin without are this number. In bytes, with P the pixels of all input chips and Q those of the
output: AstroDrizzle holds the planes of its output and what it keeps of every input chip,

    memory = BASELINE + INPUT P + 4 (2 + C) Q,

with a science and a weight plane (float32) and C context planes (int32): one for every 32 chips
with ``context``, and one without (drizzlepac/adrizzle.py, run_driz). Steps against cosmic rays have
one more image of three planes.

The one-pass engine holds chips one at a time, and mosaics some rows at a time,

    memory = ONEPASS_BASELINE + pixels + max(cosmic rays, drizzling, sums),

see `_onepass`. The steps against cosmic rays take an exposure or a block at a time. Most
constants are from ``python benchmarks/memory.py``, which measures a worker's processes on simulated
exposures and prints these projections beside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from skymosaic.errors import OutOfMemoryError

Engine = Literal["astrodrizzle", "onepass"]

BASELINE = 380e6
"""Bytes of a worker, the drizzlepac process and AstroDrizzle's child, everything imported."""
ONEPASS_BASELINE = 320e6
"""The same of the one-pass engine, whose child is smaller."""
INPUT = 10.5
"""Bytes that AstroDrizzle keeps of each input pixel: measured."""
MARGIN = 1.3
"""What a worker gets is this times what is projected: transfers, and what no benchmark saw."""
HELD = 400_000_000
"""Bytes of pixels that the one-pass engine keeps from the first reading for the second one."""
ROWS = 64
"""Rows of the mosaics that the one-pass engine sums at a time: the processor's cache has them."""
CHIPS_A_PLANE = 32
"""Chips of a plane of AstroDrizzle's context image, a bit each."""
LEAST = 1.5e9
"""Bytes of a worker's memory at least: alignment and comparison need about a third of it."""
_PLANE = 4  # bytes per pixel, float32 or int32
_CHILD = 40e6  # bytes of each further drizzlepac process that one server forked
_KEPT = 6  # bytes per pixel of what is kept: image and flags
_LOOKED_AT = 62  # bytes per pixel of a chip: the exposure at hand as read and as used, its masks
_CHIP = 24  # bytes per pixel of a chip that is drizzled alone
_CUT_OUT = 12  # bytes per pixel of its cut-out
_VARIANCES = 20  # bytes per pixel of a chip whose variances are drizzled, beside its rows
_ERROR_SUMS = 28  # bytes per pixel of the error plane while it is summed
_COMPARED = 100  # bytes per pixel of a chip that is compared with the median; what is before: 78

_FILE = 16.0  # bytes per pixel of a WFC3/IR FLT: SCI, ERR, TIME, DQ, SAMP; CCDs have less
_DRIZZLED = 12.0  # bytes per pixel of a DRZ: SCI, WHT, CTX
_LEAST_DISK = 2e9


@dataclass(frozen=True)
class Work:
    """What is drizzled in one go."""

    chips: int
    """Of all exposures (count)."""
    input_pixels: int
    """Of all chips (count)."""
    output_pixels: int
    """Of the mosaic (count)."""
    largest_chip: int = 0
    """Pixels of the largest chip (count)."""
    columns: int = 0
    """Of the mosaic (count)."""
    mosaics: int = 1
    """Mosaics that are made in one go (count)."""
    processes: int = 1
    """Drizzles at once (count)."""
    scale_ratio: float = 1.0
    """Input to output scale, where that is largest: a cut-out has that squared times the pixels."""
    context: bool = False
    """Whether a context image is made."""
    cosmic_rays: bool = False
    """Whether cosmic rays are looked for, by AstroDrizzle with a third drizzled image."""
    errors: bool = False
    """Whether mosaics get an error plane."""
    known_by: str = ""
    """How the numbers are known, for people."""


@dataclass(frozen=True)
class Memory:
    """Bytes that a drizzle is projected to take, without a margin."""

    engine: Engine
    peak: float
    parts: Mapping[str, float]
    """What of it is for what; not all of it at the same time."""


@dataclass(frozen=True)
class Needs:
    """What a worker must have."""

    memory: int
    """Bytes, with a margin."""
    disk: int
    """Bytes of scratch."""


def memory_of(engine: Engine, work: Work) -> Memory:
    """Return what a drizzle is projected to take, without a margin.

    Parameters
    ----------
    engine : {'astrodrizzle', 'onepass'}
        Which.
    work : Work
        What it drizzles.
    """
    return _onepass(work) if engine == "onepass" else _astrodrizzle(work)


def needs(engine: Engine, work: Work) -> Needs:
    """Return what a worker must have for a drizzle."""
    memory = max(LEAST, MARGIN * memory_of(engine, work).peak)
    return Needs(memory=round(memory), disk=_disk(engine, work))


def mosaic_memory(pixels: int) -> float:
    """Return what AstroDrizzle holds of a mosaic of so many pixels, bytes."""
    return memory_of("astrodrizzle", Work(0, 0, pixels)).parts["mosaic"]


def require_memory(projected: Memory, available: float) -> None:
    """Refuse a drizzle that will not fit.

    Raises
    ------
    OutOfMemoryError
        With both numbers, and what to change.
    """
    if projected.peak > available:
        parts = ", ".join(f"{name} {size / 1e9:.2f}" for name, size in projected.parts.items())
        raise OutOfMemoryError(
            f"{projected.engine} would take {projected.peak / 1e9:.2f} GB ({parts}), and there are "
            f"{available / 1e9:.2f} GB: use fewer workers (compute.workers), a larger final_scale, "
            "context: false, fewer sky.variants, or a host with more memory"
        )


def planes_of(chips: int) -> int:
    """Return the number of context planes of AstroDrizzle: one for 32 chips."""
    return max(chips - 1, 0) // CHIPS_A_PLANE + 1


def _astrodrizzle(work: Work) -> Memory:
    planes = 2 + (planes_of(work.chips) if work.context else 1) + (3 if work.cosmic_rays else 0)
    parts = {
        "exposures": INPUT * work.input_pixels,
        "mosaic": _PLANE * planes * work.output_pixels,
    }
    return Memory("astrodrizzle", BASELINE + sum(parts.values()), parts)


def _onepass(work: Work) -> Memory:
    # Weights, data and a sum for each mosaic in double precision, with temporaries; the mosaics.
    a_pixel = 8 * (3 + work.mosaics) + _PLANE * (work.mosaics + 1)
    if work.context:
        a_pixel += _PLANE * planes_of(work.chips)
    if work.errors:
        a_pixel += _ERROR_SUMS
    # A turned square covers half of the square around it.
    cut_out = 2.0 * work.largest_chip * work.scale_ratio**2
    a_process = _CHIP * work.largest_chip + _CUT_OUT * cut_out
    if work.errors:
        a_process += _VARIANCES * work.largest_chip + _CUT_OUT * cut_out
    pixels = min(_KEPT * work.input_pixels, HELD) + _LOOKED_AT * work.largest_chip
    steps = {
        "cosmic rays": float(_COMPARED * work.largest_chip if work.cosmic_rays else 0),
        "drizzling": work.processes * a_process + (work.processes - 1) * _CHILD,
        "summing": float(ROWS * work.columns * a_pixel),
    }
    peak = ONEPASS_BASELINE + pixels + max(steps.values())
    return Memory("onepass", peak, {"pixels": pixels, **steps})


def _disk(engine: Engine, work: Work) -> int:
    """Return what the scratch folder of one worker is projected to hold at most, bytes.

    A private copy of every exposure and drizzled image, the same once more in the host's cache, and
    the mosaics' science, weight and error planes, staged and cached. The one-pass engine has
    cut-outs of all chips beside.
    """
    inputs = 2 * (_FILE + _DRIZZLED) * work.input_pixels
    a_mosaic = 3 if work.errors else 2
    planes = a_mosaic * (work.mosaics if engine == "onepass" else 1)
    planes += 2 if work.cosmic_rays else 0
    cut_outs = 0.0
    if engine == "onepass":
        cut_outs = a_mosaic * _PLANE * 2.0 * work.input_pixels * work.scale_ratio**2
    mosaics = 2 * planes * _PLANE * work.output_pixels
    return round(max(_LEAST_DISK, 1.2 * (inputs + cut_outs + mosaics)))
