"""The output grid of exposures whose WCS has tables in other extensions (D2IM, NPOL)."""

from __future__ import annotations

import shutil
from importlib.metadata import files
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from stwcs.distortion.utils import output_wcs
from stwcs.wcsutil import HSTWCS

from skymosaic.drizzle.grid import Grid
from skymosaic.drizzlepac_calls import process
from skymosaic.hst.files import write_frame
from skymosaic.hst.reading import read_exposure


@pytest.fixture(params=["sample_svm_flc.fits", "sample_ipppssoot_flc.fits"])
def flc(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A UVIS exposure of two chips with real tables, which drizzlepac installs for its tests."""
    found = [path for path in files("drizzlepac") or () if path.name == request.param]
    if not found or not Path(str(found[0].locate())).exists():
        pytest.skip(f"this drizzlepac came without {request.param}")
    return Path(shutil.copy(str(found[0].locate()), tmp_path / request.param))


def _grid(folder: Path, name: str, log: Path) -> Grid:
    call = process.call("output_grid", folder, {"files": [name], "final": {}}, log)
    return Grid.from_call(call.value)


def test_the_grid_is_that_of_the_whole_file(flc: Path, tmp_path: Path) -> None:
    with fits.open(flc) as hdus:
        assert {hdu.name for hdu in hdus} >= {"D2IMARR", "WCSDVARR"}
        expected = output_wcs([HSTWCS(hdus, ext=("SCI", chip)) for chip in (1, 2)])
    frame = tmp_path / "frame"
    frame.mkdir()
    write_frame(flc, frame / flc.name)
    for folder in (tmp_path, frame):
        grid = _grid(folder, flc.name, tmp_path / "log")
        assert grid.shape == tuple(expected.pixel_shape)
        corners = np.array([[1.0, 1.0], grid.shape, [1.0, grid.shape[1]]])
        apart = grid.wcs().wcs_world2pix(expected.wcs_pix2world(corners, 1), 1) - corners
        assert np.abs(apart).max() < 1e-6  # pixels


def test_the_tables_matter(flc: Path, tmp_path: Path) -> None:
    """Without them the same exposure lies elsewhere: a grid that leaves them out is another."""
    with fits.open(flc) as hdus:
        with_tables = HSTWCS(hdus, ext=("SCI", 1)).all_pix2world([[1.0, 1.0]], 1)
        header = hdus["SCI", 1].header
        for card in [c for c in header if c.startswith(("CPDIS", "DP1", "DP2", "D2IM"))]:
            header.remove(card, ignore_missing=True)
        without = HSTWCS(hdus, ext=("SCI", 1)).all_pix2world([[1.0, 1.0]], 1)
    assert np.abs(with_tables - without).max() * 3600.0 > 1e-4  # arcsec


def test_a_frame_holds_no_pixels(flc: Path, tmp_path: Path) -> None:
    frame = tmp_path / "frame.fits"
    write_frame(flc, frame)
    with fits.open(frame) as hdus, fits.open(flc) as whole:
        assert [hdu.shape for hdu in hdus if hdu.name == "SCI"] == [(), ()]
        size = (hdus["SCI", 2].header["NPIX2"], hdus["SCI", 2].header["NPIX1"])
        assert size == whole["SCI", 2].shape
    assert len(read_exposure(flc).chips) == 2
