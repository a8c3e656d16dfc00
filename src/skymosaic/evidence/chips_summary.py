"""What the differences say of the skies of chips, as steps record it and as the advice reads it."""

from __future__ import annotations

from dataclasses import dataclass, field

from skymosaic.sky.chip_models import Model, PerChip


@dataclass(frozen=True)
class ChipsSummary:
    """What `sky.chips` found, by rootname and EXTVER; levels in e-/s in a pixel of the exposure."""

    used: Model
    """The model that the skies were subtracted by."""
    model: Model | None
    """The one that the differences call for; None where no models were compared."""
    chance_step: float | None = None
    """Of noise alone to make a step fit so much better than one sky an exposure."""
    chance_chips: float | None = None
    """Likewise for a sky of each chip against the step."""
    known: bool = False
    """Whether the step that all exposures share is known."""
    undetermined: list[str] = field(default_factory=list)
    """Exposures of which no overlap relates the chips."""
    relative: list[tuple[float | None, float | None]] = field(default_factory=list)
    """For each chip but the first, by how much of a further sky its sky exceeds the first's; and
    the standard error."""
    mean: list[tuple[int, float, float]] = field(default_factory=list)
    """For each chip but the first: EXTVER, its mean step above the first, and the error."""
    steps: dict[str, list[tuple[int, float, float]]] = field(default_factory=dict)
    """The same of each exposure."""
    per_chip: PerChip | None = None
    """What `sky.per_chip` asked for; None where nothing was subtracted."""
