"""Files of one exposure with and without correction of the CCD's charge transfer (CTE)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

Kind = Literal["FLT", "FLC", "DRZ", "DRC", "DRW"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""Kinds of files, as the archive names them."""
_CORRECTED = {"_flt.fits": "_flc.fits", "_drz.fits": "_drc.fits"}


def uncorrected_twins(names: Iterable[str]) -> set[str]:
    """Return the names of files that are there corrected, too: the same photons twice.

    Parameters
    ----------
    names : iterable of str
        File names, such as ``j8c0a1011_flt.fits``, of which ``j8c0a1011_flc.fits`` is corrected.
    """
    there = set(names)
    return {
        name
        for name in there
        for plain, corrected in _CORRECTED.items()
        if name.endswith(plain) and name.removesuffix(plain) + corrected in there
    }
