"""Headers are read as astropy reads them, but for the cards that nobody asked for."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from skymosaic.errors import InputError
from skymosaic.hst.headers import TruncatedError, read_headers
from skymosaic.hst.reading import read_exposure
from tests.unit.small_fits import write_exposure

WANTED = re.compile("LONG|NUMBER")


def _file(*shapes: tuple[int, ...], filler: int = 0) -> bytes:
    hdus = fits.HDUList([fits.PrimaryHDU()])
    for number, shape in enumerate(shapes):
        hdus.append(fits.ImageHDU(np.zeros(shape, "i2"), name="sci", ver=number + 1))
    hdus.append(fits.BinTableHDU.from_columns([fits.Column("a", "PJ()", array=[[1, 2], [3]])]))
    for number, hdu in enumerate(hdus):
        hdu.header["NUMBER"] = number + 0.5
        hdu.header["LONG"] = "a string that is continued on the next card " * 3
        hdu.header["OTHER"] = "not wanted"
        for card in range(filler):
            hdu.header[f"FILL{card}"] = card
    buffer = io.BytesIO()
    hdus.writeto(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("shapes", [(), ((3, 5),), ((3, 5), (2000,), (2, 3, 4))])
@pytest.mark.parametrize("filler", [0, 40])
def test_names_values_and_sizes_are_astropys(shapes, filler) -> None:
    content = _file(*shapes, filler=filler)
    units = read_headers(io.BytesIO(content), WANTED)
    with fits.open(io.BytesIO(content)) as hdus:
        assert len(units) == len(hdus)
        for unit, hdu in zip(units, hdus, strict=True):
            info = hdu.fileinfo()
            assert (unit.name, unit.ver) == (hdu.name, hdu.ver)
            assert unit.end == info["datLoc"] + info["datSpan"]
            assert unit.header["LONG"] == hdu.header["LONG"]
            assert unit.header["NUMBER"] == hdu.header["NUMBER"]
            assert "OTHER" not in unit.header
    assert units[-1].end == len(content)


def test_what_follows_the_last_extension_is_passed_over() -> None:
    content = _file((3, 5))
    assert len(read_headers(io.BytesIO(content + b"\0" * 5000), WANTED)) == 3


@pytest.mark.parametrize("length", [1, 5, 8, 100, 2879])
def test_a_header_that_is_cut_is_named(length) -> None:
    content = _file((3, 5))
    start = read_headers(io.BytesIO(content), WANTED)[1].end
    with pytest.raises(TruncatedError, match="header of extension 2"):
        read_headers(io.BytesIO(content[: start + length]), WANTED)


def test_a_header_without_the_size_of_its_data_is_refused() -> None:
    content = _file().replace(b"NAXIS ", b"NOAXIS", 1)
    with pytest.raises(OSError, match="lacks NAXIS"):
        read_headers(io.BytesIO(content), WANTED)


def _with_card(content: bytes, unit: int, keyword: str, value: str) -> bytes:
    """Return a file with another value of a card in the header that has this number."""
    start = read_headers(io.BytesIO(content), WANTED)[unit - 1].end if unit else 0
    at = content.index(keyword.ljust(8).encode() + b"=", start)
    return content[:at] + f"{keyword:<8}= {value}".ljust(80).encode() + content[at + 80 :]


@pytest.mark.parametrize("value", ["-5", "-9223372036854775808", "'16'", "1.5", "", "T"])
@pytest.mark.parametrize("keyword", ["NAXIS", "NAXIS1", "BITPIX"])
def test_a_size_that_data_cannot_have_is_refused(keyword, value) -> None:
    """A negative one led back to a header that had been read, for ever."""
    content = _with_card(_file((3, 5)), 1, keyword, value)
    with pytest.raises(OSError, match=rf"{keyword} of extension 1 is {value or 'blank'}"):
        read_headers(io.BytesIO(content), WANTED)


@pytest.mark.parametrize("value", [10**6, 2**62, 2**63 - 1, 2**63, 10**18])
def test_data_that_the_file_is_too_short_for(value) -> None:
    content = _with_card(_file((3, 5)), 1, "NAXIS1", str(value))
    with pytest.raises(TruncatedError, match=rf"{len(content)} bytes of at least \d{{7,}}"):
        read_headers(io.BytesIO(content), WANTED)


@pytest.mark.parametrize(
    ("value", "shown"), [("'one'", "'one'"), ("", "blank"), ("1.5", "1.5"), ("T", "True")]
)
def test_a_version_that_is_no_whole_number_is_refused(tmp_path, value, shown) -> None:
    path = write_exposure(tmp_path / "a_flt.fits")
    path.write_bytes(_with_card(path.read_bytes(), 1, "EXTVER", value))
    with pytest.raises(InputError, match=rf"a_flt\.fits .*EXTVER of a SCI extension is {shown}"):
        read_exposure(path)


def test_other_extensions_may_have_any_version(tmp_path) -> None:
    path = write_exposure(tmp_path / "a_flt.fits")
    with fits.open(path, mode="append") as hdus:
        hdus.append(fits.ImageHDU(np.zeros((2, 2)), name="WCSCORR"))
        hdus[-1].header["EXTVER"] = "one"
    assert [chip.extver for chip in read_exposure(path).chips] == [1]


@pytest.mark.parametrize("content", [b"", b"<html>Down</html>" * 300, b"XTENSION" + b" " * 3000])
def test_what_is_no_fits_is_refused(content) -> None:
    with pytest.raises(OSError, match="SIMPLE"):
        read_headers(io.BytesIO(content), WANTED)


def test_a_footprint_takes_the_lookup_tables_into_account(tmp_path) -> None:
    """As NPOL tables of ACS and WFC3/UVIS: they lie in extensions of their own."""
    path = write_exposure(tmp_path / "a_flc.fits")
    with fits.open(path) as hdus:
        plain = WCS(hdus["SCI"].header).calc_footprint(center=False)
        for axis in (1, 2):
            table = fits.ImageHDU(np.full((4, 4), 0.75 * axis, "f4"), name="WCSDVARR", ver=axis)
            table.header.update(CRPIX1=1.0, CRPIX2=1.0, CRVAL1=1.0, CRVAL2=1.0)
            table.header.update(CDELT1=40.0, CDELT2=40.0)
            hdus.append(table)
            header = hdus["SCI"].header
            header[f"CPDIS{axis}"] = "LOOKUP"
            header[f"CPERR{axis}"] = 1.0
            for name, value in (("EXTVER", axis), ("NAXES", 2), ("AXIS.1", 1), ("AXIS.2", 2)):
                header.append(fits.Card(f"DP{axis}.{name}", float(value)))
        hdus.writeto(path, overwrite=True)
    with fits.open(path) as hdus:
        expected = WCS(hdus["SCI"].header, hdus).calc_footprint(center=False)
    assert np.abs(expected - plain).max() > 1e-6
    assert np.array(read_exposure(path).chips[0].footprint) == pytest.approx(expected, abs=1e-12)
