"""The Cramer-Rao limit of the skies of exposures that overlap, from the light without noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from accuracy_fields import Truth

from skymosaic.archive.simulated.detector import DARK, READ_NOISE
from skymosaic.archive.simulated.headers import distorted_wcs
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass.sums import CutOut, Load

CELL = 16  # pixels of the grid: within it an exposure's noise is taken for one


def cramer_rao(
    truths: Sequence[Truth], grid: Grid, cut_outs: Sequence[CutOut], load: Load
) -> np.ndarray:
    """Return the smallest standard error of each exposure's sky against the mean of its group.

    With an unknown scene in every pixel p, the information on the skies is A_ii = sum_p u_i (1 -
    u_i / U), A_ij = -sum_p u_i u_j / U, where u is the inverse variance that an exposure's good
    pixels have there: the area of them that falls on p (from the weights of drizzling) over the
    variance of one, Poisson's of light and dark current, and the read noise.

    Returns
    -------
    array, shape (exposures,)
        e-/s.
    """
    columns, rows = grid.shape
    shape = (rows, columns)
    cells = (-(-rows // CELL), -(-columns // CELL))
    information = np.zeros((len(truths), len(truths)))
    inverse = []
    wcs = grid.wcs()
    for truth in truths:
        time = truth.exposure.exptime
        variance = ((truth.light + DARK) * time + READ_NOISE**2) / time**2
        y, x = np.indices(truth.light.shape).reshape(2, -1).astype(float)
        world = distorted_wcs(truth.exposure.header_wcs).all_pix2world(x, y, 0)
        at = np.rint(wcs.wcs_world2pix(*world, 0)).astype(int) // CELL
        at = np.clip(at, 0, np.array([[cells[1] - 1], [cells[0] - 1]]))
        cell = at[1] * cells[1] + at[0]
        count = np.bincount(cell, minlength=cells[0] * cells[1])
        total = np.bincount(cell, 1.0 / variance.ravel(), minlength=cells[0] * cells[1])
        inverse.append((total / np.maximum(count, 1)).reshape(cells))
    for first in range(0, rows, CELL):
        last = min(first + CELL, rows)
        met = [c for c in cut_outs if c.meets(first, last)]
        if not met:
            continue
        u = np.zeros((len(met), last - first, shape[1]))
        for place, chip in enumerate(met):
            top, bottom = max(first, chip.y), min(last, chip.y + chip.rows)
            weight = np.asarray(load(chip)[1][top - chip.y : bottom - chip.y], dtype=np.float64)
            known = np.repeat(inverse[chip.number][first // CELL], CELL)[: shape[1]]
            own = slice(chip.x, chip.x + chip.columns)
            area = weight / truths[chip.number].exposure.exptime * chip.factor
            u[place, top - first : bottom - first, own] = area * known[own]
        flat = u.reshape(len(met), -1)
        total = flat.sum(axis=0)
        part = np.divide(flat, total, out=np.zeros_like(flat), where=total > 0)
        numbers = [chip.number for chip in met]
        information[np.ix_(numbers, numbers)] += np.diag(flat.sum(axis=1)) - part @ flat.T
    return np.sqrt(np.diag(np.linalg.pinv(information, rcond=1e-9, hermitian=True)))
