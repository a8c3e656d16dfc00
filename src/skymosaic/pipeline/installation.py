"""Whether this installation gives right answers.

AstroDrizzle's `match` fails silently where stsci.skypac and spherical_geometry do not fit together:
drizzlepac catches the error and computes `localmin` instead (see `skypac_polygons`).
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

from astropy.io import fits
from packaging.version import Version

from skymosaic.archive.simulated.exposures import Simulation, simulate_visit, visit_files
from skymosaic.drizzle import astrodrizzle
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.grid import output_grid
from skymosaic.errors import InstallationError, SkyError, SkymosaicError
from skymosaic.host import scratch
from skymosaic.hst.reading import read_exposure

OLDEST_SPHERICAL_GEOMETRY = "1.4"
SELF_TEST_OFFSET = 0.25
"""Sky that the self-test adds to one of its two exposures, electrons/s."""
SELF_TEST_TOLERANCE = 0.01
"""By how much `match` may miss it, electrons/s: five times the noise of the median."""


def require_match() -> None:
    """Refuse an installation in which `match` cannot work.

    spherical_geometry before 1.4 exchanges rows and columns of a chip's footprint: AstroDrizzle
    then misses overlaps of chips that are not square.

    Raises
    ------
    InstallationError
        spherical_geometry is older.
    """
    found = version("spherical_geometry")
    if Version(found) < Version(OLDEST_SPHERICAL_GEOMETRY):
        raise InstallationError(
            f"spherical_geometry {found} exchanges rows and columns of a chip's footprint, so that "
            "AstroDrizzle misses overlaps of chips that are not square. Install "
            f"'spherical_geometry>={OLDEST_SPHERICAL_GEOMETRY}' (requirements.lock has the right "
            "versions)"
        )


def self_test() -> float:
    """Let `match` find a known sky difference between two overlapping exposures.

    Returns
    -------
    float
        What it found, electrons/s; within `SELF_TEST_TOLERANCE` of `SELF_TEST_OFFSET`.

    Raises
    ------
    InstallationError
        It found something else, or did not run.
    """
    try:
        found = _difference_found()
    except SkymosaicError as error:
        raise InstallationError(
            f"the self-test of match failed: {error}. Install the versions of requirements.lock"
        ) from error
    if abs(found - SELF_TEST_OFFSET) > SELF_TEST_TOLERANCE:
        raise InstallationError(
            f"match found a sky difference of {found:.4f} electrons/s where it is "
            f"{SELF_TEST_OFFSET}: this installation of drizzlepac and stsci.skypac gives wrong "
            "answers; install the versions of requirements.lock"
        )
    return found


def _difference_found() -> float:
    """Return what `match` finds between two simulated exposures, less their own difference."""
    simulation = Simulation(seed=1, size="small", tiles=("54",))
    [(visit, rootnames)] = visit_files(simulation).items()
    with scratch.folder(None, "doctor") as folder:
        log = folder / "self-test.log"
        truth = {p.name: p for p in simulate_visit(simulation, visit, folder)}
        names = [f"{rootname}_flt.fits" for rootname in rootnames]
        _shift_sky(truth[names[1]])
        exposures = [read_exposure(folder / name) for name in names]
        parameters = pars.resolve({})
        grid, _ = output_grid(folder, log, names, pars.grid_choice(parameters))
        mosaic = astrodrizzle.drizzle(folder, log, exposures, "doctor", "match", grid, parameters)
        skies = _true_skies(truth, rootnames)
    first, second = (value.mdrizsky for value in mosaic.sky)
    if first is None or second is None:
        raise SkyError("match left the sky of two overlapping exposures undetermined")
    return (second - first) - (skies[1] - skies[0])


def _shift_sky(path: Path) -> None:
    with fits.open(path, mode="update") as hdus:
        hdus["SCI", 1].data += SELF_TEST_OFFSET


def _true_skies(truth: dict[str, Path], rootnames: list[str]) -> list[float]:
    return [
        float(json.loads(truth[f"{rootname}_truth.json"].read_text())["sky"])
        for rootname in rootnames
    ]
