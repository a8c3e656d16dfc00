"""What a sky method subtracted, as the other parts of the project speak of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class SkyValue:
    """The sky that one run subtracted from one chip.

    Parameters
    ----------
    rootname : str
        Rootname of the exposure.
    chip : int
        EXTVER of the SCI extension.
    mdrizsky : float or None
        Sky in the exposure's data units (electron/s, or electron for data in counts); None where
        the method could not determine it: an exposure that overlaps no other, under ``match``, or
        a chip without a pixel to measure, under ``localmin``.
    brightness_factor : float
        ``mdrizsky * brightness_factor`` is in electron/s/arcsec^2: 1/IDCSCALE^2, and /EXPTIME for
        data in counts, as stsci.skypac compares skies.
    error : float or None
        Standard error of ``mdrizsky`` against the mean of the exposures that overlaps link, in the
        same units; None where the method tells none.
    seconds : float
        EXPTIME for data in counts, by which MDRIZSKY is a rate; 1 for data that are rates.
    """

    rootname: str
    chip: int
    mdrizsky: float | None
    brightness_factor: float
    error: float | None = None
    seconds: float = 1.0

    @property
    def rate(self) -> float | None:
        """Sky in electron/s in a pixel of the exposure, None where undetermined."""
        # For rates the number of the header itself, digit by digit.
        return None if self.mdrizsky is None else self.mdrizsky / self.seconds

    @property
    def brightness(self) -> float | None:
        """Sky in electron/s/arcsec^2, None where undetermined."""
        return None if self.mdrizsky is None else float(self.mdrizsky) * self.brightness_factor


def mean_of_chips(skies: Sequence[float | None]) -> float | None:
    """Return the mean of the skies of an exposure's chips; None where none of them has one."""
    known = [sky for sky in skies if sky is not None]
    if not known:
        return None
    same = len(set(known)) == 1  # and no mean that rounding moves
    return known[0] if same else sum(known) / len(known)


def without_sky(chips: Sequence[str]) -> str:
    """Return what to say of chips in which a method that needs the sky of all found no pixel."""
    return (
        f"no sky can be measured in {', '.join(sorted(chips))}: every pixel is flagged in DQ, "
        "taken by the static mask, or outside of skylower and skyupper; ignore more flags "
        "(sky_bits), widen these limits, or leave the exposure out"
    )


def rate_unit(unit: str) -> str:
    """Return the unit of the rate of what is in `unit`, counts or already a rate."""
    return unit if unit.endswith("/ s") else f"{unit} / s"
