"""What the figures of a report show: each looks at a part of it alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from astropy.table import Table

from skymosaic.evidence.reduction import Floats
from skymosaic.report import parts
from skymosaic.report.contents import Polygons, Report

if TYPE_CHECKING:
    from skymosaic.evidence.evidence import OverlapEvidence


@dataclass(frozen=True)
class FigureInput:
    """What figures show; what is missing, none does.

    Parameters
    ----------
    mdrizsky, polygons, groups, pairs, images, image_unit
        As of `contents.Report`.
    evidence : OverlapEvidence or None
        What was found of the overlaps.
    vectors : Table or None
        Residuals of the sources that the alignment matched.
    """

    mdrizsky: Table | None = None
    polygons: Polygons = field(default_factory=dict)
    groups: Sequence[Sequence[str]] = ()
    pairs: Mapping[tuple[str, str], float] = field(default_factory=dict)
    images: Mapping[str, Floats] = field(default_factory=dict)
    image_unit: str = "electron / s"
    evidence: OverlapEvidence | None = None
    vectors: Table | None = None

    @classmethod
    def of(cls, report: Report) -> FigureInput:
        """Return what the figures of a report show."""
        return cls(
            report.mdrizsky,
            report.polygons,
            report.groups,
            report.pairs,
            report.images,
            report.image_unit,
            report.evidence,
            report.run.table(parts.VECTORS),
        )
