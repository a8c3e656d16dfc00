"""All that was measured to compare the methods, in one object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from skymosaic.compare.advice import Advice
from skymosaic.compare.overlap_graph import OverlapGraph
from skymosaic.compare.residuals import MethodQuality, PairDifference, Residual, Seam, plain


@dataclass(frozen=True)
class Evidence:
    """What `measure_evidence` found."""

    unit: str
    """Of all levels; those of mosaics too are in a pixel of `pixel_scale`."""
    pixel_scale: float
    """Arcsec: side of the pixel that levels refer to."""
    cell: float
    """Arcsec: side of the cells of sky that were compared."""
    differences: Sequence[PairDifference]
    residuals: Mapping[str, Sequence[Residual]]
    """By method, in the order of `differences`; none of exposures that it left undetermined."""
    seams: Mapping[str, Sequence[Seam]]
    """By method."""
    quality: Mapping[str, MethodQuality]
    """By method."""
    graph: OverlapGraph
    advice: Advice

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as ``advice.json`` and the step's result hold them."""
        return {
            "unit": self.unit,
            "pixel_scale": self.pixel_scale,
            "cell": self.cell,
            "quality": plain(self.quality),
            "graph": self.graph.to_dict(),
            "advice": self.advice.to_dict(),
        }
