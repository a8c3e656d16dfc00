"""What is left of the differences between exposures once a method's sky is subtracted.

Levels are in electron/s in a pixel of one size, the IDCSCALE of the first chip, so that exposures
of different times and detectors compare: a brightness as stsci.skypac uses it, times that pixel's
area.
"""

from __future__ import annotations

from dataclasses import dataclass

LEAST_STENCILS = 12
"""Places across an edge at which its step is measured, at least."""


def _in_errors(value: float, error: float) -> float:
    """Return the size of a value in standard errors; 0 of 0."""
    if error > 0:
        return abs(value) / error
    return float("inf") if value else 0.0


@dataclass(frozen=True, slots=True)
class PairDifference:
    """The measured difference of two exposures in their overlap, with no sky subtracted."""

    a: str
    b: str
    """Rootnames."""
    difference: float
    """Level of `a` minus level of `b`, electron/s: clipped median over cells of the sky."""
    error: float
    """Standard error of `difference`, electron/s."""
    mad: float
    """Scatter between cells, electron/s: 1.4826 times the median absolute deviation."""
    noise: float
    """Noise of one pixel of either exposure in the overlap, electron/s."""
    unevenness: float
    """How much the difference varies across the overlap beyond its noise, electron/s rms."""
    cells: int
    """Cells compared."""
    pixels: int
    """Valid pixels of an exposure in these cells, the mean of both."""


@dataclass(frozen=True, slots=True)
class Residual:
    """What one method leaves of the difference of two exposures."""

    method: str
    a: str
    b: str
    residual: float
    """Level of `a` minus level of `b` after subtraction, electron/s."""
    error: float
    """Standard error of `residual`, electron/s."""
    of_noise: float
    """`residual` as a fraction of the noise of one pixel."""

    @property
    def significance(self) -> float:
        """Size of the residual in standard errors."""
        return _in_errors(self.residual, self.error)


@dataclass(frozen=True)
class Seam:
    """The step in a method's mosaic where one more exposure begins to contribute."""

    method: str
    exposure: str
    """Whose edge it is."""
    others: tuple[str, ...]
    """Exposures that contribute on both sides."""
    step: float
    """Mosaic inside the edge minus mosaic outside, electron/s in a pixel of the exposures."""
    error: float
    """Standard error of `step`, electron/s."""
    expected: float | None
    """The step that the residuals of the exposures call for, electron/s; None where unknown."""
    cells: int
    """Pairs of cells across the edge."""
    ra: float
    dec: float
    """Middle of the edge, degrees."""

    @property
    def significance(self) -> float:
        """Size of the step in standard errors."""
        return _in_errors(self.step, self.error)


@dataclass(frozen=True)
class TruthError:
    """Error of a method's sky values against the skies that are known: simulated data."""

    rms: float
    """Over exposures, of what was subtracted minus the true sky, electron/s."""
    level: float
    """Mean over exposures, electron/s; positive where too much was subtracted."""
    spread: float
    """Largest minus smallest, electron/s."""
    worst_exposure: str
    worst: float
    """Error of that exposure, electron/s."""


@dataclass(frozen=True)
class MethodQuality:
    """How flat the mosaic of one method is, and where it is not; levels in electron/s."""

    method: str
    residual_rms: float | None
    """Of the residuals of all pairs, weighted by their pixels; None without overlaps."""
    residual_rms_error: float | None
    """What noise alone would make of `residual_rms`."""
    largest: Residual | None
    """The pair with the largest residual."""
    worst_exposure: str | None
    """The exposure that is farthest from those it overlaps."""
    worst_exposure_residual: float | None
    """Its mean residual, weighted by pixels."""
    largest_seam: Seam | None
    """The most significant of the seams, by its step."""
    seam_rms: float | None
    """Of the steps across seams, weighted by their cells; None without seams."""
    flatness: float | None
    """Spread of the empty sky's level over the mosaic beyond noise: standard deviation."""
    background: float | None
    """Level of the darkest empty sky of the mosaic; below zero: over-subtracted."""
    background_error: float | None
    """Standard error of `background`."""
    negative_share: float | None
    """Share of the source-free sky that lies below zero by more than 3 standard errors."""
    subtracted: float
    """Mean over the mosaic of what was subtracted."""
    imposed: float | None
    """Largest difference over the mosaic of what was subtracted and what the overlaps call for:
    a structure that the method, not the sky, puts into extended emission."""
    estimated_error: float | None
    """Rms over exposures of what was subtracted minus the skies that the data call for."""
    estimated_error_error: float | None
    """Standard error of `estimated_error`."""
    undetermined: tuple[str, ...]
    """Exposures whose sky the method could not determine."""
    truth: TruthError | None = None
    """Where the true skies are known."""
    estimated_level: float | None = None
    """Mean over exposures of what was subtracted minus the skies that the data call for."""
