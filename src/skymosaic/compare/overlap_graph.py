"""The graph of overlaps: what holds the exposures together, and where it is weak."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Edge:
    """The overlap of two exposures."""

    a: str
    b: str
    pixels: int
    """Valid pixels in common."""
    error: float
    """Standard error of their measured difference, electron/s."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Cut:
    """Few overlaps that alone hold two parts of a group together."""

    parts: tuple[tuple[str, ...], tuple[str, ...]]
    """Rootnames of the two parts, the smaller one first."""
    edges: tuple[Edge, ...]
    """The overlaps between them."""
    pixels: int
    """Pixels of all these overlaps."""
    error: float
    """Standard error of the level of one part against the other, electron/s."""

    @property
    def is_bridge(self) -> bool:
        """Whether it is one single overlap."""
        return len(self.edges) == 1

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "is_bridge": self.is_bridge}


@dataclass(frozen=True)
class OverlapGraph:
    """How the exposures hang together."""

    components: tuple[tuple[str, ...], ...]
    """Rootnames of each group whose exposures are linked by measured overlaps, largest first."""
    edges: tuple[Edge, ...]
    """All measured overlaps, the one with fewest pixels first."""
    bridges: tuple[Cut, ...]
    """Single overlaps without which a group would fall apart."""
    weakest: tuple[Cut, ...]
    """For each group of two exposures or more, the cut that the least pixels hold together."""
    thin: tuple[str, ...]
    """Exposures that share few pixels with all others together."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "components": [list(component) for component in self.components],
            "edges": [edge.to_dict() for edge in self.edges],
            "bridges": [cut.to_dict() for cut in self.bridges],
            "weakest": [cut.to_dict() for cut in self.weakest],
            "thin": list(self.thin),
        }
