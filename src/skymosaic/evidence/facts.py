"""What the rules of the advice look at: measured numbers, and what counts among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.special import ndtr, ndtri

from skymosaic.evidence.background import NEGLIGIBLE
from skymosaic.evidence.chips_summary import ChipsSummary
from skymosaic.evidence.estimate import MethodComparison
from skymosaic.evidence.graph import OverlapGraph
from skymosaic.evidence.residuals import MethodQuality, PairDifference, Residual, Seam

SIGMAS = 3.0
"""Standard errors from which on a difference counts."""
SMALL_SHARE = 0.03
"""Share of the mosaic that must be as dark as its darkest parts, to be called empty sky."""


@dataclass(frozen=True)
class Facts:
    """What the rules look at.

    Parameters
    ----------
    quality : mapping of str to MethodQuality
        Of each method that was run.
    against_best : mapping of str to Comparison
        Each method's estimated error against the smallest one; empty where nothing could be
        estimated.
    residuals : mapping of str to sequence of Residual
        Of each method.
    seams : mapping of str to sequence of Seam
        Of each method.
    differences : sequence of PairDifference
        What was measured with nothing subtracted.
    misfit : float
        See `levels.Levels`.
    graph : OverlapGraph
        Of the overlaps.
    empty_share : float or None
        Share of the mosaic that is as dark as its darkest parts.
    noise : float
        Of one pixel, e-/s.
    unseen : sequence of str
        Exposures without a valid pixel.
    chips : ChipsSummary or None
        What the differences tell of the skies of chips; None where exposures have one chip.
    left_out : int
        Pairs of exposures near one another that were not measured, because there are very many.
    dense : bool
        Whether seams are those of `rims`: edges of others lie beside those of each exposure.
    """

    quality: Mapping[str, MethodQuality]
    against_best: Mapping[str, MethodComparison]
    residuals: Mapping[str, Sequence[Residual]]
    seams: Mapping[str, Sequence[Seam]]
    differences: Sequence[PairDifference]
    misfit: float
    graph: OverlapGraph
    empty_share: float | None
    noise: float
    unseen: Sequence[str] = ()
    chips: ChipsSummary | None = None
    left_out: int = 0
    dense: bool = False

    @property
    def negligible(self) -> float:
        """What no difference counts below, e-/s."""
        return NEGLIGIBLE * self.noise

    @property
    def matching(self) -> list[str]:
        """The methods that were run and compare a statistic of each exposure in the overlaps."""
        return [method for method in ("match", "globalmin+match") if method in self.quality]

    def limit(self, tests: int) -> float:
        """Return the standard errors from which on one of many numbers counts.

        The chance that any of them exceeds it by noise alone is that of one number exceeding
        `SIGMAS` (Bonferroni's correction).
        """
        return float(-ndtri(ndtr(-SIGMAS) / max(tests, 1)))
