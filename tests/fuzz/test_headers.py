"""Headers of FITS files, changed at random: each file is refused by name, or read as astropy does.

What is changed lies in the headers alone, and in how the file ends; each example is one file that
takes the way of a campaign's exposure, from the folder to the table of the inspection.
"""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skymosaic.archive.directory import Directory
from skymosaic.errors import InputError
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.health import Ignored
from skymosaic.hst.reading import read_exposure, with_health
from skymosaic.pipeline.exposure_table import inspection_table
from skymosaic.pipeline.rules import Rules, find_refusal
from skymosaic.steps.results import as_plain, from_plain
from tests.fuzz.limits import within
from tests.unit.small_fits import write_exposure

CARD, BLOCK = 80, 2880
NAME = "ibxl54aaq_flt.fits"
NAMES = (
    *("SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "EXTEND"),
    *("EXTNAME", "EXTVER", "TELESCOP", "ROOTNAME", "INSTRUME", "DETECTOR", "FILTER", "EXPTIME"),
    *("ASN_ID", "POSTARG1", "BUNIT", "IDCSCALE", "IDCV2REF", "WCSNAME", "WCSAXES", "CTYPE1"),
    *("CTYPE2", "CRVAL1", "CRVAL2", "CRPIX1", "CD1_1", "CD1_2", "CD2_2", "LONPOLE", "EQUINOX"),
    *("A_ORDER", "A_0_2", "CPDIS1", "D2IMDIS1", "AXISCORR", "BSCALE", "BZERO", "BLANK", "ZIMAGE"),
    *("END", "CONTINUE", "HISTORY"),
)
VALUES = st.one_of(
    st.sampled_from(
        (
            *("-1", "0", "1", "2", "3", "1.5", "1D5", "1E400", "-1E400", "1E-320", "NAN", "INF"),
            *("-2147483648", "4611686018427387904", "9223372036854775807", "9223372036854775808"),
            *("99999999999999999999999999", "T", "F", "(1,2)", "/"),
            *("'SCI'", "'DQ'", "'abc'", "''", "'a''b'"),
        )
    ),
    st.just(""),
    st.integers().map(str),
    st.floats().map(repr),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=70),
    st.binary(max_size=70).map(lambda content: content.decode("latin-1")),
)
"""Text after ``KEYWORD = ``."""
CHANGES = st.one_of(
    st.tuples(st.just("set"), st.integers(0, 3), st.sampled_from(NAMES), VALUES),
    st.tuples(st.just("remove"), st.integers(0, 3), st.sampled_from(NAMES), st.just("")),
    st.tuples(st.just("byte"), st.integers(0, 3), st.integers(0, BLOCK - 1), st.integers(0, 255)),
    st.tuples(st.just("cut"), st.just(0), st.floats(0.0, 1.0), st.just("")),
    st.tuples(st.just("more"), st.just(0), st.binary(min_size=1, max_size=3000), st.just("")),
)


@functools.cache
def _exposure() -> bytes:
    """An exposure of one chip: a primary header, SCI, ERR, DQ; each header takes one block."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_exposure(Path(folder) / NAME)
        with fits.open(path, mode="update") as hdus:
            random = np.random.default_rng(1)
            hdus["SCI"].data[:] = random.normal(1.0, 0.1, hdus["SCI"].shape)
            hdus["DQ"].data[:] = np.where(random.uniform(size=hdus["DQ"].shape) < 0.1, 4, 0)
        content = path.read_bytes()
    assert len(content) == 7 * BLOCK
    return content


def _changed(changes: list[tuple]) -> bytes:
    changed = bytearray(_exposure())
    starts = (0, BLOCK, 3 * BLOCK, 5 * BLOCK)
    for kind, unit, what, value in changes:
        start = starts[unit]
        if kind in ("set", "remove"):
            _set(changed, start, what, None if kind == "remove" else value)
        elif kind == "byte" and start + what < len(changed):
            changed[start + what] = value
        elif kind == "cut":
            del changed[int(len(changed) * what) :]
        elif kind == "more":
            changed += what
    return bytes(changed)


def _set(content: bytearray, start: int, keyword: str, value: str | None) -> None:
    """Replace a card, or add one in the place of a blank one after END, which moves down."""
    cards = range(start, min(start + BLOCK, len(content) - CARD), CARD)
    named = [at for at in cards if content[at : at + 8] == keyword.ljust(8).encode()]
    end = [at for at in cards if content[at : at + 8] == b"END     "]
    new = b"" if value is None else f"{keyword:<8}= {value}".encode("latin-1")[:CARD]
    if named:
        content[named[0] : named[0] + CARD] = new.ljust(CARD)
    elif value is not None and end and end[0] + 2 * CARD <= start + BLOCK:
        at = end[0]
        content[at : at + 2 * CARD] = new.ljust(CARD) + b"END".ljust(CARD)


def _take(path: Path) -> Exposure | None:
    """Take a file as a campaign does; None: it is refused, by name."""
    source = Directory(path.parent)
    try:
        [parcel] = source.parcels()
        taken = path.parent / "taken"
        taken.mkdir()
        source.fetch(parcel, taken, taken / "log")
        [copy] = taken.glob("*.fits")
        exposure = with_health(read_exposure(copy), copy, Ignored())
        if (refused := find_refusal([exposure], Rules())) is not None:
            raise refused
    except InputError as error:
        message = str(error)
        assert "_flt.fits" in message or path.parent.name in message
        return None
    assert len(inspection_table([exposure])) == 1
    assert from_plain(as_plain(exposure, Exposure), Exposure, "here") == exposure
    return exposure


def _require_right(exposure: Exposure, path: Path) -> None:
    """Compare the numbers with what astropy and numpy make of the same file."""
    with fits.open(path, memmap=False) as hdus:
        assert exposure.exptime == float(hdus[0].header["EXPTIME"])
        assert [chip.extver for chip in exposure.chips] == [
            hdu.ver for hdu in hdus if hdu.name == "SCI"
        ]
        for chip, health in zip(exposure.chips, exposure.health, strict=True):
            science, flags = hdus["SCI", chip.extver].data, hdus["DQ", chip.extver].data
            assert health.pixels == science.size == flags.size > 0
            assert health.good == np.count_nonzero(flags.astype(np.int64) & 0xFFFF == 0) > 0
            assert health.missing == 0
            values = science[(flags.astype(np.int64) & 0xFFFF == 0)]
            assert (health.lowest, health.highest) == (values.min(), values.max())
            assert np.isfinite(chip.footprint).all()
            assert np.isfinite(chip.orientation)
            assert chip.scale is None or 0 < chip.scale < np.inf


def _try(changes: list[tuple]) -> None:
    with tempfile.TemporaryDirectory() as folder, within(10):
        path = Path(folder) / NAME
        path.write_bytes(_changed(changes))
        exposure = _take(path)
        if exposure is not None:
            _require_right(exposure, path)


def test_the_exposure_itself_is_taken(tmp_path) -> None:
    path = tmp_path / NAME
    path.write_bytes(_exposure())
    exposure = _take(path)
    assert exposure is not None
    _require_right(exposure, path)


_SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@settings(_SETTINGS, max_examples=300)
@given(changes=st.lists(CHANGES, min_size=1, max_size=3))
def test_a_changed_header_is_refused_or_read_right(changes) -> None:
    _try(changes)


@pytest.mark.slow
@settings(_SETTINGS, max_examples=5_000)
@given(changes=st.lists(CHANGES, min_size=1, max_size=6))
def test_many_changed_headers(changes) -> None:
    _try(changes)
