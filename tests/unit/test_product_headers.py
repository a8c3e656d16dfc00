"""What a mosaic's files say of themselves, read back by astropy and its fitscheck."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.product_headers import MosaicOrigin, complete, outline_of
from skymosaic.versions import versions

GRID = Grid((85.25, -2.45), (40.5, 30.5), 0.1283, 30.0, (80, 60))
LONG = (
    "It was drizzled by AstroDrizzle, and nothing else was done to it but what is said here. " * 2
)


def write(path: Path, seed: int = 0) -> Path:
    """Write a mosaic like AstroDrizzle's: an image with a long name, HISTORY, and a table."""
    random = np.random.default_rng(seed)
    image = random.normal(size=(60, 80)).astype(np.float32)
    image[:5] = np.nan
    header = GRID.wcs().to_header()
    header["EXTNAME"] = "SCI"
    header["D001OUDA"] = (
        "a/very/long/name/of/a/product/that/does/not/fit/on/one/card/with/more.fits"
    )
    header["S_REGION"] = "POLYGON ICRS 1 2 3 4 5 6 1 2"  # of an exposure
    header.add_history("written by AstroDrizzle")
    columns = [
        fits.Column("ROOTNAME", "9A", array=["ibxl01aaq", "ibxl02aaq"]),
        fits.Column("MDRIZSKY", "D", array=[0.5, np.nan]),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="HDRTAB")
    fits.HDUList([fits.PrimaryHDU(image, header), table]).writeto(path)
    return path


def origin() -> MosaicOrigin:
    history = ("one paragraph", LONG)
    return MosaicOrigin("globalmin+match", "program/target/f160w", "0f" * 32, history)


def fitscheck(*paths: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("fitscheck"), "-v", *paths], capture_output=True, text=True
    )


@pytest.mark.parametrize("seed", range(4))
def test_fitscheck_finds_nothing_and_astropy_sees_all(tmp_path: Path, seed: int) -> None:
    path = write(tmp_path / "x_sci.fits", seed)
    assert fitscheck(path).returncode != 0  # no checksums
    complete(path, origin(), outline_of(path))
    checked = fitscheck(path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    with fits.open(path, checksum=True) as hdus:
        header = hdus[0].header
        assert header["SKYMETH"] == "globalmin+match"
        assert header["CAMPAIGN"] == "program/target/f160w"
        assert header["STEPKEY"] == "0f" * 32
        assert header["SKYMVER"] == versions()["skymosaic"]
        assert header["DRZPVER"] == versions()["drizzlepac"]
        assert header.count("S_REGION") == 1
        assert header["S_REGION"] == outline_of(path).s_region()
        assert header["D001OUDA"].endswith("/with/more.fits")
        history = " ".join(header["HISTORY"])
        assert history.startswith("written by AstroDrizzle one paragraph")
        assert " ".join(history.split()).endswith(LONG.strip())
        assert all("DATASUM" in hdu.header for hdu in hdus)


def test_one_wrong_byte_is_found(tmp_path: Path) -> None:
    path = write(tmp_path / "x_sci.fits")
    complete(path, origin())
    with path.open("r+b") as file, fits.open(path) as hdus:
        file.seek(hdus[0].fileinfo()["datLoc"] + 10_001)
        file.write(b"\x55")
    checked = fitscheck(path)
    assert checked.returncode != 0
    assert "BAD" in checked.stdout + checked.stderr


def test_pixels_tables_and_other_keywords_stay(tmp_path: Path) -> None:
    path, plain = write(tmp_path / "x_sci.fits"), write(tmp_path / "plain.fits")
    complete(path, origin(), outline_of(path))
    with fits.open(path) as new, fits.open(plain) as old:
        assert [hdu.name for hdu in new] == [hdu.name for hdu in old]
        for one, other in zip(new, old, strict=True):
            assert one.data.tobytes() == other.data.tobytes()
            kept = [card.image for card in other.header.cards if card.keyword != "S_REGION"]
            written = [card.image for card in one.header.cards]
            assert [image for image in written if image in kept] == kept


def test_the_same_file_becomes_the_same_bytes_again_and_again(tmp_path: Path) -> None:
    one, other = write(tmp_path / "x_sci.fits"), write(tmp_path / "y_sci.fits")
    for path in (one, other):
        complete(path, origin(), outline_of(path))
    assert one.read_bytes() == other.read_bytes()
    complete(one, None, outline_of(one))
    assert one.stat().st_size == other.stat().st_size
    assert fitscheck(one).returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x_sci.fits", "y_sci.fits"]


def test_a_file_without_an_origin_gets_checksums_alone(tmp_path: Path) -> None:
    path = tmp_path / "preview.fits"
    fits.writeto(path, np.ones((10, 12), dtype=np.float32))
    complete(path)
    assert fitscheck(path).returncode == 0
    assert "SKYMETH" not in fits.getheader(path)


def test_compressed_images_stay_compressed(tmp_path: Path) -> None:
    path = tmp_path / "masks.fits"
    masks = (np.random.default_rng(2).uniform(size=(70, 90)) < 0.1).astype(np.uint8)
    compressed = fits.CompImageHDU(masks, compression_type="PLIO_1")
    fits.HDUList([fits.PrimaryHDU(), compressed]).writeto(path)
    size = path.stat().st_size
    complete(path)
    assert path.stat().st_size <= size + 2 * 2880
    np.testing.assert_array_equal(fits.getdata(path, 1), masks)
    with fits.open(path, checksum=True, disable_image_compression=True) as hdus:
        assert "CHECKSUM" in hdus[1].header


def test_a_mosaic_without_data_keeps_no_outline_of_an_exposure(tmp_path: Path) -> None:
    path = write(tmp_path / "a_wht.fits")
    with fits.open(path, mode="update") as hdus:
        hdus[0].header["S_REGION"] = "POLYGON ICRS 1 2 3 4 5 6"
        hdus[0].data = np.zeros_like(hdus[0].data)
    complete(path, origin(), outline_of(path))
    assert "S_REGION" not in fits.getheader(path)
