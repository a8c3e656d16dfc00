"""What a sky method subtracted, as the other parts of the project speak of it."""

from __future__ import annotations

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
        the method could not determine it: an exposure that overlaps no other, under ``match``.
    brightness_factor : float
        ``mdrizsky * brightness_factor`` is in electron/s/arcsec^2: 1/IDCSCALE^2, and /EXPTIME for
        data in counts, as stsci.skypac compares skies.
    error : float or None
        Standard error of ``mdrizsky`` against the mean of the exposures that overlaps link, in the
        same units; None where the method tells none.
    """

    rootname: str
    chip: int
    mdrizsky: float | None
    brightness_factor: float
    error: float | None = None

    @property
    def brightness(self) -> float | None:
        """Sky in electron/s/arcsec^2, None where undetermined."""
        return None if self.mdrizsky is None else float(self.mdrizsky) * self.brightness_factor
