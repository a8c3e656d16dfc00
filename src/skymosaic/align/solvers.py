"""The solver that a campaign asks for."""

from __future__ import annotations

from skymosaic.align.in_order import solve_in_order
from skymosaic.align.records import Solver
from skymosaic.align.together import solve_together
from skymosaic.config import Align


def solver_of(settings: Align) -> Solver:
    """Return what finds where the images of a campaign lie."""
    return solve_together if settings.solve == "together" else solve_in_order
