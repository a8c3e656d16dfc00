"""The cards of all chips as one text: the same bytes as if astropy had changed each card."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from skymosaic.drizzle.chip_cards import ProductHeader, read_header
from skymosaic.drizzle.image_rows import ImageRows
from skymosaic.errors import DamagedError

KINDS = {
    "VER": ("", "Drizzle, task version"),
    "DATA": ("ibxl54aaq_flt.fits[sci,1]", "Drizzle, input data image"),
    "OUDA": ("field_match_drz.fits", "Drizzle, output data image"),
    "OUWE": ("field_match_drz_wht.fits", "Drizzle, output weighting image"),
    "OUCO": ("", "Drizzle, output context image"),
    "EXPT": (702.9, "Drizzle, exposure time"),
}


def product(first: int, last: int, long: bool = False) -> fits.Header:
    """Return a header as drizzlepac writes it, of the chips of these numbers."""
    header = fits.PrimaryHDU(np.zeros((3, 4), np.float32)).header
    header["FILENAME"], header["ROOTNAME"] = "field_match_drz_sci.fits", "field_match_drz"
    header["NDRIZIM"], header["HISTLIKE"] = last - first + 1, "D001 no card of a chip"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # more than eight letters
        for number in range(first, last + 1):
            for kind, (value, comment) in KINDS.items():
                named = f"a/very/long/{'name/' * 12}{value}" if long and kind == "DATA" else value
                header[f"D{number:03d}{kind}"] = (named, comment)
    header["CRVAL1"] = 85.25
    header.add_history("written by AstroDrizzle")
    header["D001LAST"] = "beside the others"
    return header


def by_astropy(header: fits.Header, old: str, new: str, version: str) -> bytes:
    header = fits.Header.fromstring(header.tostring())
    for card in header.cards:
        name = card.keyword
        names = name in ("FILENAME", "ROOTNAME") or name[-4:] in ("OUDA", "OUWE", "OUCO")
        if names and str(card.value).startswith(old):
            header[name] = new + str(card.value).removeprefix(old)
        elif name.endswith("VER"):
            header[name] = version
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return header.tostring().encode("ascii")


@pytest.mark.parametrize(
    ("first", "last", "long"), [(1, 3, False), (998, 1003, False), (1, 2, True), (2, 1, False)]
)
def test_names_and_versions_are_changed_as_astropy_does(first, last, long) -> None:
    header = product(first, last, long)
    own = ProductHeader.of(header.tostring())
    assert own.as_bytes() == header.tostring().encode("ascii")
    assert len(own.chips) // 80 >= len(KINDS) * (last - first + 1)
    if first <= last:
        assert len(own.header) < len(header) - len(KINDS) + 2
    for new in ("other", f"a_{'long_' * 9}name"):
        found = own.with_names("field_match", new, "1.7.2 (of a day)").as_bytes()
        assert found == by_astropy(header, "field_match", new, "1.7.2 (of a day)")


def test_other_cards_change_as_in_a_whole_header() -> None:
    header = product(1, 4)
    own = ProductHeader.of(header.tostring()).copy()
    for one in (header, own.header):
        one["CRVAL1"] = 85.5
        one.append(("S_REGION", "POLYGON ICRS 1 2 3 4"))
        one.append(("NOISCORR", 0.5))
        one.add_history("and completed")
        del one["NDRIZIM"]
    assert own.as_bytes() == header.tostring().encode("ascii")


def test_rows_are_those_of_the_image(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).normal(size=(11, 7)).astype(np.float32)
    fits.writeto(tmp_path / "x.fits", pixels, product(1, 3))
    rows = ImageRows(tmp_path / "x.fits")
    assert rows.shape == (11, 7)
    for part in (slice(0, 4), slice(4, 11), slice(8, 99), slice(11, 12)):
        np.testing.assert_array_equal(rows[part], pixels[part])
    assert read_header(tmp_path / "x.fits").header["CRVAL1"] == 85.25
    with (tmp_path / "x.fits").open("r+b") as file:
        file.truncate(file.seek(0, 2) - 2880 + 4 * 7 * 9)  # within the tenth row
    np.testing.assert_array_equal(rows[0:9], pixels[0:9])
    with pytest.raises(DamagedError, match=r"x\.fits ends within its pixels, at row 8 or later"):
        rows[8:11]
