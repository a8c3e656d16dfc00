"""The criteria that an aligned tile must meet, by name, and how many tiles meet each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from skymosaic.config import Gates
from skymosaic.host.counting import counted

Measured = Annotated[
    float,
    BeforeValidator(lambda value: math.nan if value is None else value),
    PlainSerializer(lambda value: None if math.isnan(value) else value),
]
"""NaN where nothing was measured; records have None there."""


@dataclass(frozen=True)
class TileFit:
    """What was fitted of one drizzled image."""

    tile: str
    """Rootname of the drizzled image."""
    place: int
    """Position in the order that TweakReg in fact used, 0 for the reference; -1 if never fitted.

    Where all are fitted together: 1, and 0 for an image that stays where it is."""
    sources: int
    """Sources found in it."""
    dx: Measured
    """Shift in x, pixels of the reference frame; fitted together: of the image's own."""
    dy: Measured
    """Shift in y, as of x."""
    rotation: Measured
    """Rotation, degrees, within -180 and 180."""
    scale: Measured
    """Scale ratio."""
    matches: int
    """Sources matched and kept in the fit."""
    rms_ra: Measured
    """Rms residual in RA, mas."""
    rms_dec: Measured
    """Rms residual in Dec, mas."""
    shift: Measured
    """Length of the shift, arcsec."""
    chance: Measured = math.nan
    """Fits as good as this one that are expected by chance; NaN where none was counted."""

    @property
    def reference(self) -> bool:
        """Whether this is the tile that all others were aligned to."""
        return self.place == 0


@dataclass(frozen=True)
class Criterion:
    """One gate: what it asks, and which tiles fail it."""

    name: str
    asks: str
    passed: int
    failed: tuple[str, ...]


def check_gates(fits: Sequence[TileFit], gates: Gates, min_sources: int) -> list[Criterion]:
    """Return every criterion, in the order of the checks, with the tiles that fail it.

    The reference must have sources; it has no fit of its own for the rest to look at.
    """
    checks: list[tuple[str, str, Any]] = [
        (
            "sources",
            f"at least {counted(min_sources, 'source')} found",
            lambda fit: fit.sources >= min_sources,
        ),
        (
            "fitted",
            "the fit gave a solution without NaN",
            lambda fit: fit.reference or (fit.place > 0 and all(map(math.isfinite, _numbers(fit)))),
        ),
        (
            "matches",
            f"at least {counted(gates.min_matches, 'source')} matched",
            lambda fit: fit.reference or fit.matches >= gates.min_matches,
        ),
        (
            "rms",
            f"rms residual at most {gates.max_rms_mas:g} mas in RA and in Dec",
            lambda fit: fit.reference or max(fit.rms_ra, fit.rms_dec) <= gates.max_rms_mas,
        ),
        (
            "chance",
            f"at most {gates.max_chance:g} such fits expected by chance",
            # NaN: the reference, or sources of a catalogue of the user's, whose density is unknown.
            lambda fit: fit.reference or not fit.chance > gates.max_chance,
        ),
        (
            "shift",
            f"shift at most {gates.max_shift_arcsec:g} arcsec",
            lambda fit: fit.reference or fit.shift <= gates.max_shift_arcsec,
        ),
        (
            "rotation",
            f"rotation at most {gates.max_rotation_deg:g} degrees",
            lambda fit: fit.reference or abs(fit.rotation) <= gates.max_rotation_deg,
        ),
        (
            "scale",
            f"scale change at most {gates.max_scale_change:g}",
            lambda fit: fit.reference or abs(fit.scale - 1) <= gates.max_scale_change,
        ),
    ]
    table = []
    for name, asks, holds in checks:
        failed = tuple(fit.tile for fit in fits if not holds(fit))
        table.append(Criterion(name, asks, len(fits) - len(failed), failed))
    return table


def _numbers(fit: TileFit) -> tuple[float, ...]:
    return fit.dx, fit.dy, fit.rotation, fit.scale, fit.rms_ra, fit.rms_dec
