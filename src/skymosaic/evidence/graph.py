"""What the graph of overlaps is made of: plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated

from pydantic import PlainSerializer

MOST_NAMED = 300
"""Exposures of a group of which both parts of a cut are named."""
MOST_LISTED = 5000
"""Overlaps that a graph lists."""


@dataclass(frozen=True)
class Overlap:
    """The overlap of two exposures."""

    a: str
    b: str
    pixels: int
    """Valid pixels in common."""
    error: float
    """Standard error of their measured difference, electron/s."""


@dataclass(frozen=True)
class Cut:
    """Few overlaps that alone hold two parts of a group together."""

    parts: tuple[tuple[str, ...], tuple[str, ...]]
    """Rootnames of the two parts, the smaller one first; the other is empty where it is the rest of
    a group of more than `MOST_NAMED`."""
    edges: tuple[Overlap, ...]
    """The overlaps between them."""
    pixels: int
    """Pixels of all these overlaps."""
    error: float
    """Standard error of the level of one part against the other, electron/s."""

    @property
    def is_bridge(self) -> bool:
        """Whether it is one single overlap."""
        return len(self.edges) == 1


_Cut = Annotated[Cut, PlainSerializer(lambda cut: {**asdict(cut), "is_bridge": cut.is_bridge})]


@dataclass(frozen=True)
class OverlapGraph:
    """How the exposures hang together."""

    components: tuple[tuple[str, ...], ...]
    """Rootnames of each group whose exposures are linked by measured overlaps, largest first."""
    edges: tuple[Overlap, ...]
    """The measured overlaps, the one with fewest pixels first: `MOST_LISTED` of them."""
    bridges: tuple[_Cut, ...]
    """Single overlaps without which a group would fall apart."""
    weakest: tuple[_Cut, ...]
    """For each group of two exposures or more, the cut that the least pixels hold together."""
    thin: tuple[str, ...]
    """Exposures that share few pixels with all others together."""
