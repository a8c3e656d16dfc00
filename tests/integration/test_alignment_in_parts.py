"""The parts of an alignment, against TweakReg in one call on whole images."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from skymosaic.align.alignment import Alignment
from skymosaic.align.gates import TileFit
from skymosaic.align.proof import grid, read_wcs, separation
from skymosaic.align.tweakreg import DEFAULTS
from skymosaic.align.tweakreg_files import read_shifts
from skymosaic.align.vectors import read_vectors
from skymosaic.archive.simulated.exposures import Simulation
from skymosaic.config import Align
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.reading import read_exposure
from skymosaic.pipeline import sources
from tests.serial_alignment import align

ROOT = Path(__file__).parents[2]
LINEAR = ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CD1_1", "CD1_2", "CD2_1", "CD2_2")


def whole(folder: Path, done: Alignment, images: dict[str, Exposure]) -> dict[str, list[float]]:
    """Align the files in a folder by one call of TweakReg; return its shifts by rootname."""
    files = {tile: images[tile].name for tile in done.order}
    assert done.finding is not None
    parameters: dict[str, Any] = {
        **DEFAULTS,
        "minobj": Align().gates.min_matches,
        **done.finding.tweakreg,
        **{"updatehdr": True, "reusename": False, "wcsname": "TWEAK", "interactive": False},
        **{"shiftfile": True, "outshifts": "shifts.txt", "outwcs": "shifts_wcs.fits"},
        **{"see2dplot": False, "residplot": "No plot", "writecat": True, "clean": False},
    }
    members = {
        files[tile]: [images[name].name for name in its] for tile, its in done.members.items()
    }
    call = {
        "files": list(files.values()),
        "parameters": parameters,
        "imagefind": done.finding.parameters,
        "members": members,
    }
    (folder / "call.json").write_text(json.dumps(call))
    subprocess.run(
        [sys.executable, "-m", "tests.tweakreg_whole", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    shifts = read_shifts((folder / "shifts.txt").read_text())
    return {tile: shifts[name] for tile, name in files.items()}


def same_fit(fit: TileFit, shifts: list[float], tweaked: Path) -> None:
    dx, dy, rotation, scale, *_ = shifts
    assert (fit.dx, fit.dy, fit.scale) == (dx, dy, scale)
    assert fit.rotation == pytest.approx((rotation + 180.0) % 360.0 - 180.0, abs=1e-12)
    header = fits.getheader(tweaked, "SCI")
    assert fit.matches == header["NMATCH"]
    assert fit.rms_ra == header["RMS_RA"] * 3.6e6
    assert fit.rms_dec == header["RMS_DEC"] * 3.6e6


def same_wcs(path: Path, other: Path) -> None:
    """All chips: the same WCS to the last bit, and places on the sky within 0.1 mas."""
    ours, theirs = read_wcs(path), read_wcs(other)
    assert ours.keys() == theirs.keys()
    for extver, wcs in ours.items():
        header, wanted = (fits.getheader(one, ("SCI", extver)) for one in (path, other))
        assert [header[name] for name in LINEAR] == [wanted[name] for name in LINEAR]
        pixels = np.stack(grid(wcs), axis=1)
        sky, expected = wcs.all_pix2world(pixels, 0), theirs[extver].all_pix2world(pixels, 0)
        assert separation(sky, expected).max() < 0.1


def compare(folder: Path, simulation: Simulation) -> tuple[Alignment, Table]:
    """Align a field in parts and as a whole; return what the parts gave."""
    (folder / "parts").mkdir()
    sources.simulate(folder / "parts", simulation, lambda _: None)
    shutil.copytree(folder / "parts", folder / "whole")
    paths = sorted((folder / "parts").glob("*_[fd][lr][tcz].fits"))
    images = {image.rootname: image for image in map(read_exposure, paths)}
    exposures = [image for image in images.values() if not image.drizzled]
    drizzled = [image for image in images.values() if image.drizzled]
    done, vectors = align(folder / "parts", exposures, drizzled, Align())
    shifts = whole(folder / "whole", done, images)
    fitted = [fit for fit in done.fits if not fit.reference]
    assert len(fitted) == len(drizzled) - 1
    for fit in fitted:
        same_fit(fit, shifts[fit.tile], folder / "whole" / images[fit.tile].name)
    for exposure in exposures:
        same_wcs(folder / "parts" / exposure.name, folder / "whole" / exposure.name)
    residuals = read_vectors(folder / "whole", done.order, "shifts_wcs.fits")
    assert len(residuals) > 20
    for name in ("tile", "ra", "dec", "east", "north"):
        assert vectors[name].tolist() == residuals[name].tolist()
    return done, vectors


def test_the_parts_give_what_tweakreg_gives_on_whole_images(tmp_path: Path) -> None:
    simulation = Simulation(seed=3, size="small", tiles=("54", "51", "57"))
    done, vectors = compare(tmp_path, simulation)
    for fit in done.fits:
        its = vectors[vectors["tile"] == fit.tile]
        assert len(its) == fit.matches
        for name in () if fit.reference else done.members[fit.tile]:
            header = fits.getheader(tmp_path / "parts" / f"{name}_flt.fits", "SCI")
            assert header["RMS_RA"] == pytest.approx(fit.rms_ra)
            assert header["NMATCHES"] == fit.matches
            assert header["CATALOG"] == done.order[0]
            assert header["FITGEOM"] == "rscale"


@pytest.mark.slow
def test_the_parts_give_the_same_for_both_chips_of_a_ccd(tmp_path: Path) -> None:
    compare(tmp_path, Simulation(seed=4, size="small", instrument="acs-wfc"))
