"""Other ways to match skies, on the very same drizzled images: Montage's and reproject's.

Neither drizzles again: what is compared is how they find the skies from images on one grid.
"""

from __future__ import annotations

import shutil
import subprocess
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.onepass.sums import CutOut, Load


def montage(folder: Path, grid: Grid, cut_outs: Sequence[CutOut], load: Load) -> np.ndarray | None:
    """Return the skies by Montage's background fit, one level an image; None without Montage.

    mImgtbl, mOverlaps, mDiffExec, mFitExec and mBgModel; the last two with one level an image.
    """
    if shutil.which("mBgModel") is None:
        return None
    work = folder / "montage"
    (work / "images").mkdir(parents=True)
    (work / "differences").mkdir()
    header = fits.Header()
    keywords = {"SIMPLE": True, "BITPIX": -64, "NAXIS": 2, **grid.header_keywords()}
    for name, value in {**keywords, "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"}.items():
        header[name] = value
    text = "\n".join(str(card).rstrip() for card in header.cards)
    (work / "template.hdr").write_text(text + "\nEND\n")
    for chip in cut_outs:
        science, weight = load(chip)
        own = header.copy()
        own["NAXIS1"], own["NAXIS2"] = chip.columns, chip.rows
        own["CRPIX1"] -= chip.x
        own["CRPIX2"] -= chip.y
        data = np.where(np.asarray(weight) > 0, science, np.nan).astype(np.float64)
        fits.writeto(work / "images" / f"i{chip.number:04d}.fits", data, own)
    for command in (
        "mImgtbl images images.tbl",
        "mOverlaps images.tbl diffs.tbl",
        "mDiffExec -n -p images diffs.tbl template.hdr differences",
        "mFitExec -l diffs.tbl fits.tbl differences",
        "mBgModel -l -i 10000 images.tbl fits.tbl corrections.tbl",
    ):
        done = subprocess.run(
            command.split(), cwd=work, capture_output=True, text=True, check=False
        )
        if done.returncode or 'stat="ERROR"' in done.stdout:
            raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")
    table = Table.read(work / "corrections.tbl", format="ascii.ipac")
    images = Table.read(work / "images.tbl", format="ascii.ipac")
    files = {int(row["cntr"]): Path(str(row["fname"])).stem for row in images}
    skies = np.full(len(cut_outs), np.nan)
    for row in table:
        skies[int(files[int(row["id"])][1:])] = float(row["c"])
    shutil.rmtree(work)
    return skies


def reproject(grid: Grid, cut_outs: Sequence[CutOut], load: Load) -> np.ndarray | None:
    """Return the skies by what reproject's match_background does; None without reproject."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from reproject.mosaicking.background import (
                determine_offset_matrix,
                solve_corrections_sgd,
            )
            from reproject.mosaicking.subset_array import ReprojectedArraySubset
    except ImportError:
        return None
    arrays = []
    for chip in cut_outs:
        science, weight = map(np.asarray, load(chip))
        bounds = ((chip.y, chip.y + chip.rows), (chip.x, chip.x + chip.columns))
        arrays.append(ReprojectedArraySubset(science, (weight > 0).astype(float), bounds))
    np.random.seed(1)  # its descent draws from the global generator
    return np.asarray(solve_corrections_sgd(determine_offset_matrix(arrays)))
