"""Alignment with the defaults, against the truth: chips of CCDs with tables, and small fields."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from skymosaic.align.alignment import Alignment
from skymosaic.archive.simulated.exposures import Simulation
from skymosaic.archive.simulated.headers import distorted_wcs
from skymosaic.archive.simulated.pointing import plan_exposure, visits_of
from skymosaic.archive.simulated.residuals import alignment_residuals
from skymosaic.archive.simulated.scene import stars_near
from skymosaic.config import load_campaign
from skymosaic.errors import AlignmentError
from skymosaic.hst.reading import read_exposure
from skymosaic.pipeline import sources
from tests.serial_alignment import align

FIVE_LINES = """\
campaign:
  name: field
source:
  kind: directory
  path: .
"""


def aligned_by_default(folder: Path, simulation: Simulation) -> Alignment:
    """Simulate a field, and align it as a campaign file with a name and a source alone does."""
    sources.simulate(folder, simulation, lambda _: None)
    file = folder / "field.yaml"
    file.write_text(FIVE_LINES)
    images = [read_exposure(p) for p in sorted(folder.glob("*.fits")) if p.stem[-4:-1] in LIKE]
    done, _ = align(
        folder,
        [image for image in images if not image.drizzled],
        [image for image in images if image.drizzled],
        load_campaign(file).align,
    )
    return done


LIKE = ("_fl", "_dr")


@pytest.mark.campaign
@pytest.mark.parametrize(
    "instrument", ["acs-wfc", pytest.param("wfc3-uvis", marks=pytest.mark.slow)]
)
def test_both_chips_of_ccds_are_aligned_within_3_mas(instrument: str, tmp_path: Path) -> None:
    done = aligned_by_default(tmp_path, Simulation(seed=4, size="small", instrument=instrument))
    reference, moved = done.order
    assert reference.endswith("01030")  # the visit without a pointing error
    assert len(done.members[moved]) == 3
    for name in done.members[moved]:
        [file] = tmp_path.glob(f"{name}_flc.fits")
        with fits.open(file) as hdus:
            kinds = {hdu.name for hdu in hdus}
        assert {"D2IMARR", "WCSDVARR"} <= kinds
        offsets = alignment_residuals(file, tmp_path / f"{name}_truth.json")
        assert list(offsets) == [1, 2]
        for chip in offsets.values():
            assert np.hypot(*chip.T).max() < 3.0
        assert done.unlike_motion[name] < 1.0


def test_a_field_with_few_stars_is_aligned_by_default(tmp_path: Path) -> None:
    """Ten stars or fewer in an overlap: a shift is fitted alone."""
    simulation = Simulation(seed=3, size="small", scene="sparse", tiles=("54", "51", "57"))
    done = aligned_by_default(tmp_path, simulation)
    assert done.order[0] == "ibxl54030"
    assert done.finding.tweakreg == {"fitgeometry": "shift"}
    assert all(fit.chance < 1e-4 for fit in done.fits if not fit.reference)
    for name in (*done.members["ibxl51030"], *done.members["ibxl57030"]):
        [offsets] = alignment_residuals(
            tmp_path / f"{name}_flt.fits", tmp_path / f"{name}_truth.json"
        ).values()
        # Pointing errors are up to 500 mas; the roll, which stays, is up to 0.03 degrees: 12 mas
        # in the corners.
        assert np.hypot(*offsets.mean(axis=0)) < 15.0
        assert np.hypot(*offsets.T).max() < 30.0


def test_values_to_set_are_told_where_a_tile_cannot_be_aligned(tmp_path: Path) -> None:
    simulation = Simulation(
        seed=3, size="small", tiles=("54", "51"), displace={"51": (0.0, -8.0)}, scene="sparse"
    )
    with pytest.raises(AlignmentError, match=r"gates of the alignment failed") as raised:
        aligned_by_default(tmp_path, simulation)
    message = str(raised.value)
    assert "has, by threshold: " in message
    assert "Set align.tweakreg: {searchrad: 3, fitgeometry: shift}" in message


@pytest.mark.parametrize(
    "tiles", [pytest.param(("54", "51"), marks=pytest.mark.slow), ("54",)], ids=len
)
def test_every_tile_is_fitted_to_a_catalogue_of_the_users(
    tiles: tuple[str, ...], tmp_path: Path
) -> None:
    """The first one, too, which has a pointing error as all have; and one that is alone."""
    simulation = Simulation(size="small", tiles=tiles, filter="F110W")
    sources.simulate(tmp_path, simulation, lambda _: None)
    wcs = [
        distorted_wcs(plan_exposure(simulation, visit, 0).true_wcs)
        for visit in visits_of(simulation)
    ]
    stars = [stars_near(simulation, each) for each in wcs]
    places = np.unique(np.concatenate([np.stack([s.ra, s.dec], axis=1) for s in stars]), axis=0)
    np.savetxt(tmp_path / "stars.cat", places, fmt="%.9f")
    file = tmp_path / "field.yaml"
    tweakreg = "{refcat: stars.cat, refxcol: 1, refycol: 2, refxyunits: degrees}"
    file.write_text(f"{FIVE_LINES}align: {{tweakreg: {tweakreg}}}\n")
    images = [read_exposure(p) for p in sorted(tmp_path.glob("*.fits")) if p.stem[-4:-1] in LIKE]
    done, _ = align(
        tmp_path,
        [image for image in images if not image.drizzled],
        [image for image in images if image.drizzled],
        load_campaign(file).align,
    )
    assert not any(fit.reference for fit in done.fits)
    assert sorted(fit.place for fit in done.fits) == list(range(1, len(tiles) + 1))
    assert all(fit.shift > 0.1 for fit in done.fits)  # arcsec
    for path in tmp_path.glob("*_flt.fits"):
        truth = path.with_name(path.name.replace("_flt.fits", "_truth.json"))
        [offsets] = alignment_residuals(path, truth).values()
        assert np.hypot(*offsets.T).max() < 10  # mas
