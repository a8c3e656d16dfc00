"""A sky for each chip, where the chips of one exposure do not have the same.

Flat fields, bias levels and the amplifiers of two chips are known to some per mille or per cent
only: under a bright sky that makes a step at the gap. Here the unknowns of the patches' equations
are chips, and three models of their skies are compared, each a part of the next:

- ``exposures``: one sky an exposure, ``d_e``;
- ``step``: chip k of all exposures exceeds the first one by ``t_k + s_k (d_e - mean d)``. With
  ``s = 0`` that is a level of its own, with ``t = s (mean sky)`` an error of the flat field; the
  differences tell both without the level of the sky itself, which they do not know;
- ``chips``: each chip of each exposure has a sky of its own.

A model is taken where it explains more than noise does, by the F test. Chips of one exposure are
related through other exposures alone: where no dither crosses the gap, and no other roll does, the
equations of first chips and of second ones fall apart, and the step is not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skymosaic.sky.chip_fit import FittedModels, spread
from skymosaic.sky.chip_models import Model, PerChip
from skymosaic.sky.chip_steps import SUSPECT, ChipSteps
from skymosaic.sky.difference_fit import Groups, MatchedSkies, match_differences, match_with_sums
from skymosaic.sky.patches import Patch

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
MOST = 2000
"""Chips of which models are compared: the equations are solved as full matrices."""


@dataclass(frozen=True)
class ChipSkies:
    """Skies of all chips.

    Parameters
    ----------
    matched : MatchedSkies
        Of chips, by the model that was `used`.
    used : {"exposures", "step", "chips"}
        Which.
    found : ChipSteps or None
        What the differences tell of the skies of chips; None where there are too many to ask.
    """

    matched: MatchedSkies
    used: Model
    found: ChipSteps | None


def match_chips(
    owners: Sequence[int],
    patches: Sequence[Patch],
    known: Floats,
    per_chip: PerChip,
    *,
    kinds: Sequence[int] | None = None,
) -> ChipSkies:
    """Return the skies of chips that fit their differences best.

    Parameters
    ----------
    owners : sequence of int
        The exposure of each chip, in ascending order.
    patches : sequence of Patch
        Of the whole grid; their unknowns are chips.
    known : array, shape (chips,)
        The offsets that the patches' equations correct.
    per_chip : bool or "auto"
        Whether each chip has a sky of its own; "auto": by the simplest model that the differences
        do not reject.
    kinds : sequence of int or None
        Which chip of the detector each is; None: the first of its exposure, the second, ...
    """
    owner = np.asarray(owners, dtype=np.intp)
    kind = _places(owner) if kinds is None else np.unique(kinds, return_inverse=True)[1]
    first = np.array([known[owner == e].mean() for e in range(owner[-1] + 1)])
    compared = len(owner) <= MOST or per_chip is True
    as_one = match_differences(
        len(first),
        [patch.joined(owner, first[owner] - known) for patch in patches],
        first,
        covariance=compared,
    )
    plain = spread(as_one, owner)
    if not compared:
        return ChipSkies(plain, "exposures", None)
    # Corrections to one sky an exposure, of which the models speak.
    whole = np.arange(len(owner))
    patches = [patch.joined(whole, first[owner] - known) for patch in patches]
    each, sums = match_with_sums(len(owner), patches, first[owner])
    problem = FittedModels(owner, kind, first[owner], as_one, each, sums)
    found = problem.compared()
    used: Model = found.model if per_chip == "auto" else "chips" if per_chip else "exposures"
    if used == "exposures":
        matched = plain
        if per_chip == "auto" and not found.known:
            matched = problem.unrelated()
        elif per_chip == "auto":
            matched = problem.as_one_at_risk(found.chance_step < SUSPECT)
    elif used == "step":
        matched = problem.stepped()
    else:
        matched = problem.joined()
    return ChipSkies(matched, used, found)


def exposure_groups(groups: Groups, owners: Sequence[int]) -> Groups:
    """Return groups of chips as groups of their exposures."""
    return tuple(tuple(sorted({int(owners[chip]) for chip in group})) for group in groups)


def _places(owner: Indices) -> Indices:
    """Return for each chip which of its exposure it is."""
    starts = np.searchsorted(owner, owner)
    return np.arange(len(owner)) - starts
