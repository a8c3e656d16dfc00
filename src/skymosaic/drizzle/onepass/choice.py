"""Where the sky of a mosaic comes from, as a campaign file says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skymosaic.config import Sky


@dataclass(frozen=True)
class SkyChoice:
    """Where the sky of one mosaic comes from.

    Parameters
    ----------
    method : str or None
        The name of the method; None: the sky is given.
    parameters : mapping
        AstroDrizzle's parameters of the sky step that differ from the run's.
    values : mapping of str to float
        With no method: the sky of each exposure by rootname, in its data units, the same for all
        of its chips.
    """

    method: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)


def choices_of(sky: Sky) -> dict[str, SkyChoice]:
    """Return the skies that a campaign asks for: its methods, then its variants, by name."""
    choices: dict[str, SkyChoice] = {method: SkyChoice(method) for method in sky.methods}
    for name, variant in sky.variants.items():
        choices[f"variant:{name}"] = SkyChoice(
            variant.method, dict(variant.parameters), dict(variant.values)
        )
    return choices
