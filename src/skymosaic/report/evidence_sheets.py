"""Tables of what the overlaps of the exposures say of the methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from astropy.table import Table

from skymosaic.methods import column
from skymosaic.report.sheet import Columns, sheet

if TYPE_CHECKING:
    from skymosaic.evidence.evidence import Evidence

_PAIR: Columns = {
    "first": (str, None, "rootname of an exposure"),
    "second": (str, None, "rootname of an exposure that overlaps it"),
    "area": (float, "arcsec2", "area on the sky that both footprints cover"),
}
_MEASURED: Columns = {
    "pixels": (int, None, "valid pixels of an exposure that were compared, the mean of both"),
    "difference": (
        float,
        "electron / s",
        "level of first minus level of second, before any sky is subtracted",
    ),
    "error": (float, "electron / s", "standard error of difference"),
}
_LEFT = "level of first minus level of second, once the sky of {} is subtracted"
_SEAMS: Columns = {
    "method": (str, None, "sky method"),
    "exposure": (str, None, "exposure whose edge it is"),
    "others": (str, None, "exposures that contribute on both sides"),
    "step": (float, "electron / s", "mosaic inside the edge minus mosaic outside"),
    "error": (float, "electron / s", "standard error of step"),
    "expected": (float, "electron / s", "step that the residuals of the exposures call for"),
    "cells": (int, None, "pairs of cells across the edge"),
    "ra": (float, "deg", "right ascension of the middle of the edge"),
    "dec": (float, "deg", "declination of the middle of the edge"),
}
_MOST_OTHERS = 12
_QUALITY: Columns = {
    "method": (str, None, "sky method"),
    "estimated_error": (
        float,
        "electron / s",
        "rms over exposures of what was subtracted minus the skies that the data call for",
    ),
    "estimated_error_error": (float, "electron / s", "standard error of estimated_error"),
    "residual_rms": (float, "electron / s", "rms of the residuals of all pairs, by pixels"),
    "residual_rms_error": (float, "electron / s", "what noise alone makes of residual_rms"),
    "seam_rms": (float, "electron / s", "rms of the steps across seams of the mosaic"),
    "flatness": (float, "electron / s", "spread of the empty sky's level beyond noise"),
    "background": (float, "electron / s", "level of the darkest empty sky of the mosaic"),
    "negative_share": (float, None, "share of the source-free sky below zero by over 3 errors"),
    "subtracted": (float, "electron / s", "mean over the mosaic of what was subtracted"),
    "imposed": (
        float,
        "electron / s",
        "false structure: variation of the subtracted sky that the overlaps do not justify",
    ),
}


def pair_sheet(areas: Mapping[tuple[str, str], float], evidence: Evidence | None) -> Table:
    """Return the pairs of exposures that overlap, and what each method leaves between them.

    Parameters
    ----------
    areas : mapping of (str, str) to float
        Area that two exposures share, arcsec^2.
    evidence : Evidence or None
        What was measured in the overlaps.
    """
    columns = dict(_PAIR)
    rows = {frozenset(pair): [*pair, area] for pair, area in areas.items()}
    if evidence is not None:
        left = {
            method: {(one.a, one.b): one.residual for one in residuals}
            for method, residuals in evidence.residuals.items()
        }
        columns |= _MEASURED
        columns |= {column(m): (float, evidence.unit, _LEFT.format(m)) for m in left}
        unmeasured = [None] * (len(columns) - len(_PAIR))
        measured = {frozenset((one.a, one.b)): one for one in evidence.differences}
        for pair, row in rows.items():
            one = measured.get(pair)
            if one is None:
                row += unmeasured
                continue
            row[:2] = one.a, one.b
            row += [one.pixels, one.difference, one.error]
            row += [values.get((one.a, one.b)) for values in left.values()]
    return sheet(
        "Pairs of exposures that overlap, and what each method leaves between them"
        if evidence is not None
        else "Pairs of exposures that overlap",
        columns,
        rows.values(),
    )


def seam_sheet(evidence: Evidence) -> Table:
    """Return the steps in the mosaics where an exposure begins to contribute."""
    return sheet(
        "Steps in the mosaics at the edges of exposures",
        _SEAMS,
        [
            [_named(seam.others) if name == "others" else getattr(seam, name) for name in _SEAMS]
            for seams in evidence.seams.values()
            for seam in seams
        ],
    )


def _named(others: Sequence[str]) -> str:
    """Return the exposures, the first of them where there are many: seams.ecsv has all."""
    more = len(others) - _MOST_OTHERS
    return ", ".join(others[:_MOST_OTHERS]) + (f" and {more} more" if more > 0 else "")


def quality_sheet(evidence: Evidence) -> Table:
    """Return how good each method's mosaic is, in numbers."""
    return sheet(
        "How flat the mosaic of each method is",
        _QUALITY,
        [[getattr(one, name) for name in _QUALITY] for one in evidence.quality.values()],
    )
