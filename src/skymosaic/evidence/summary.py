"""What of the evidence the comparison records, and ``advice.json`` holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from skymosaic.evidence.advice import Advice
from skymosaic.evidence.graph import OverlapGraph
from skymosaic.evidence.residuals import MethodQuality


@dataclass(frozen=True)
class EvidenceSummary:
    """The evidence without what has tables of its own; see `evidence.Evidence`."""

    unit: str
    """Of all levels; those of mosaics too are in a pixel of `pixel_scale`."""
    pixel_scale: float
    """Arcsec: side of the pixel that levels refer to."""
    cell: float
    """Arcsec: side of the cells of sky that were compared."""
    quality: Mapping[str, MethodQuality]
    """By method."""
    graph: OverlapGraph
    advice: Advice

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON has them."""
        plain: dict[str, Any] = _ADAPTER.dump_python(self, by_alias=True)
        return plain


_ADAPTER = TypeAdapter(EvidenceSummary)
