"""What the pixels of an exposure are like: whether a sky can be measured in them.

AstroDrizzle does not ask. The sky of a chip without a usable pixel is 0 to it, that of a chip of
zeros too, and one value that is no number takes a chip out of the search for the lowest sky.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from skymosaic.errors import InputError
from skymosaic.host.counting import counted

_BAD_PIXEL = (4, 1, 2, 8, 16, 32, 128, 256, 512)
"""Flags of DQ that a user may set: the first stands for a bad pixel with all of HST's imagers."""


@dataclass(frozen=True)
class Ignored:
    """Flags of DQ that do not make a pixel bad: their sums; None: DQ is not used."""

    sky: int | None = 0
    """Where the sky is measured."""
    mosaic: int | None = 0
    """In the mosaic."""


@dataclass(frozen=True)
class ChipHealth:
    """What was seen in the pixels of one chip."""

    extver: int
    """EXTVER of the SCI extension."""
    ignored: Ignored
    """Flags that did not make a pixel bad."""
    pixels: int
    good: int
    """Pixels that DQ does not take from the sky."""
    missing: int
    """Pixels that are no number (NaN, or infinite), and that the sky or the mosaic would use."""
    flagged_missing: int
    """Pixels that are no number, and that DQ takes from both."""
    lowest: float | None
    """Of the good pixels, in the units of the file; None where there is none."""
    highest: float | None


def measure_chips(path: Path, extvers: Sequence[int], ignored: Ignored) -> list[ChipHealth]:
    """Look at the pixels of an exposure.

    Parameters
    ----------
    path : Path
        An exposure, whose headers have been looked at.
    extvers : sequence of int
        EXTVER of its chips.
    ignored : Ignored
        Flags of DQ that do not make a pixel bad.

    Raises
    ------
    InputError
        SCI holds no numbers, or DQ no whole numbers of the same shape.
    """
    found = []
    try:
        with fits.open(path, memmap=False) as hdus:
            for extver in extvers:
                science, flags = hdus["SCI", extver].data, hdus["DQ", extver].data
                found.append(
                    _measure(f"{path.name}[SCI,{extver}]", extver, science, flags, ignored)
                )
    except (InputError, MemoryError):
        raise
    except Exception as error:  # astropy raises many kinds for broken headers
        raise InputError(f"{path}: its pixels cannot be read ({error}); fetch it again") from None
    return found


def _measure(
    name: str,
    extver: int,
    science: np.ndarray | None,
    flags: np.ndarray | None,
    ignored: Ignored,
) -> ChipHealth:
    if science is None or science.ndim != 2 or science.dtype.kind not in "fiu":
        raise InputError(f"{name} holds no image; fetch the file again")
    if flags is None or flags.shape != science.shape or flags.dtype.kind not in "iu":
        raise InputError(
            f"{name}: its DQ is no array of whole numbers of the same shape; fetch the file again"
        )
    good = usable(flags, ignored.sky)
    finite = np.isfinite(science)
    values = science[good & finite]
    missing = ~finite
    used = missing & (good | usable(flags, ignored.mosaic)) if missing.any() else missing
    return ChipHealth(
        extver=extver,
        ignored=ignored,
        pixels=science.size,
        good=int(np.count_nonzero(good)),
        missing=int(np.count_nonzero(used)),
        flagged_missing=int(np.count_nonzero(missing & ~used)),
        lowest=float(values.min()) if values.size else None,
        highest=float(values.max()) if values.size else None,
    )


def usable(flags: np.ndarray, ignored: int | None) -> np.ndarray:
    """Return where DQ has no flag but those that are ignored; None: everywhere."""
    if ignored is None:
        return np.ones(flags.shape, dtype=bool)
    return np.asarray((flags.astype(np.int64, copy=False) & 0xFFFF & ~ignored) == 0)


def why_unmeasurable(chips: Sequence[ChipHealth], name: str) -> str | None:
    """Return why no sky can be measured in an exposure, and what to do; None: it can.

    Parameters
    ----------
    chips : sequence of ChipHealth
        What was seen of its chips; none where nobody looked.
    name : str
        What to call it.
    """
    for chip in chips:
        extension = f"{name}[SCI,{chip.extver}]"
        if not chip.good:
            return (
                f"{extension}: DQ flags every pixel, so there is no sky to measure; leave the "
                "file out, fetch it again, or set sky_bits to the flags that do not matter"
            )
        if chip.missing:
            no_number = "is not a number" if chip.missing == 1 else "are not numbers"
            return (
                f"{extension}: {counted(chip.missing, 'pixel')} that DQ does not mask {no_number} "
                f"(NaN or infinite), and would spread into the mosaic; {_flag_them(chip.ignored)}, "
                "fetch the file again, or leave it out"
            )
        if chip.lowest == chip.highest:
            return (
                f"{extension}: every good pixel is {chip.lowest:g}, so this is not an exposure of "
                "the sky; fetch the file again, or leave it out"
            )
    return None


def _flag_them(ignored: Ignored) -> str:
    """Return how to keep pixels without a number out; what cannot be flagged is ignored."""
    if ignored.sky is None or ignored.mosaic is None:
        return "set sky_bits and final_bits to flags, which are not used now"
    taken = ignored.sky | ignored.mosaic
    flag = next((flag for flag in _BAD_PIXEL if not flag & taken), None)
    if flag is None:
        return f"ignore fewer flags of DQ than {taken} (sky_bits, final_bits, resetbits)"
    return f"add flag {flag} to DQ where SCI is not finite"
