"""The headers of a FITS file, of which only the cards that are asked for are parsed.

astropy parses all of them, which takes longer than to fetch a small file.
"""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from astropy.io import fits
from astropy.io.fits.card import Undefined

_BLOCK = 2880  # bytes
_CARD = 80  # bytes
_END = "END".ljust(_CARD)
_FIRST, _LATER = b"SIMPLE  =", b"XTENSION"  # how the first header begins, and all others
_SIZE = re.compile(r"(BITPIX|NAXIS\d*|PCOUNT|GCOUNT) *= *([^/]*)")
_INTEGER = re.compile(r"[+-]?\d{1,19}")
_BITPIX = (8, 16, 32, 64, -32, -64)
_MOST_AXES = 999
_NAME = re.compile(r"SIMPLE|EXTNAME|EXTVER")


class TruncatedError(OSError):
    """A file ends within a header, or before its data end."""


@dataclass(frozen=True)
class HeaderUnit:
    """A header, and where its data end."""

    header: fits.Header
    """The cards that were asked for, and those that tell the name."""
    end: int
    """Byte after the data, as the header tells it."""
    start: int = 0
    """First byte of the data."""

    @property
    def name(self) -> str:
        """EXTNAME in capitals; ``PRIMARY`` for the first header, empty for others without."""
        default = "PRIMARY" if "SIMPLE" in self.header else ""
        return str(self.header.get("EXTNAME", default)).strip().upper()

    @property
    def ver(self) -> int:
        """EXTVER; 1 where there is none.

        Raises
        ------
        OSError
            It is no whole number.
        """
        value = self.header.get("EXTVER", 1)
        if isinstance(value, bool) or not isinstance(value, int):
            shown = "blank" if value is None or isinstance(value, Undefined) else f"{value!r}"
            raise OSError(f"EXTVER of a {self.name} extension is {shown}, not a whole number")
        return value


class HeaderText(NamedTuple):
    """The whole header of an HDU as it stands in its file, and where its data are."""

    text: str
    """All cards, and what fills the last block."""
    start: int
    """Byte of the file with which the data begin."""
    end: int
    """Byte after the data, whole blocks."""


def read_headers(file: BinaryIO, wanted: re.Pattern[str]) -> list[HeaderUnit]:
    """Read the headers of a FITS file; errors as of `read_texts`.

    Parameters
    ----------
    file : binary file
        At its beginning.
    wanted : compiled pattern
        Keywords of which the cards are wanted.

    Returns
    -------
    list of HeaderUnit
        In the file's order.
    """
    return [
        HeaderUnit(fits.Header.fromstring(choose_cards(unit.text, wanted)), unit.end, unit.start)
        for unit in read_texts(file)
    ]


def read_texts(file: BinaryIO) -> list[HeaderText]:
    """Read the headers of a FITS file, and parse none.

    Parameters
    ----------
    file : binary file
        At its beginning.

    Returns
    -------
    list of HeaderText
        In the file's order. What follows the last data and is no extension is passed over, as FITS
        asks for.

    Raises
    ------
    OSError
        This is no FITS file, or a header tells of no size that data can have.
    TruncatedError
        The file ends within a header, or before its data end.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    units: list[HeaderText] = []
    while (text := _read_text(file, len(units))) is not None:
        start = file.tell()
        units.append(HeaderText(text, start, start + _data_size(text, len(units))))
        if units[-1].end > size:  # a seek there can fail, or find nothing
            raise TruncatedError(f"truncated: {size} bytes of at least {units[-1].end}")
        file.seek(units[-1].end)
    return units


def _read_text(file: BinaryIO, number: int) -> str | None:
    """Return the cards of the next header, which has this number; None where there is no other."""
    blocks: list[str] = []
    while True:
        block = file.read(_BLOCK)
        if not blocks:
            if number and not (block and (block.startswith(_LATER) or _LATER.startswith(block))):
                return None
            if not number and not block.startswith(_FIRST):
                raise OSError("it does not begin with SIMPLE")
        if len(block) < _BLOCK:
            # astropy passes over such an extension: a chip would be lost without a word.
            raise TruncatedError(f"truncated in the header of extension {number}")
        blocks.append(block.decode("latin-1"))
        if any(blocks[-1].startswith(_END, at) for at in range(0, _BLOCK, _CARD)):
            return "".join(blocks)


def choose_cards(text: str, wanted: re.Pattern[str]) -> str:
    """Return the wanted cards of a header's text, each with what continues it."""
    chosen: list[str] = []
    chose = False
    for at in range(0, len(text), _CARD):
        keyword = text[at : at + 8].rstrip()
        if keyword == "END":
            break
        if keyword != "CONTINUE":
            chose = bool(_NAME.fullmatch(keyword) or wanted.fullmatch(keyword))
        if chose:
            chosen.append(text[at : at + _CARD])
    return "".join(chosen)


def _data_size(text: str, number: int) -> int:
    """Return the bytes of the data in whole blocks (FITS standard 4.0, equations 1 and 2)."""
    cards = map(_SIZE.match, (text[at : at + _CARD] for at in range(0, len(text), _CARD)))
    given: dict[str, int] = {}
    for card in cards:
        if card and card[1] not in given:  # astropy takes the first, too
            given[card[1]] = _size(card[1], card[2].strip(), number)
    try:
        if given["NAXIS"] > _MOST_AXES:
            raise OSError(f"NAXIS of extension {number} is {given['NAXIS']}")
        axes = [given[f"NAXIS{axis + 1}"] for axis in range(given["NAXIS"])]
        bits = abs(given["BITPIX"]) * given.get("GCOUNT", 1)
    except KeyError as error:
        raise OSError(f"the header of extension {number} lacks {error.args[0]}") from None
    bits *= given.get("PCOUNT", 0) + math.prod(axes) if axes else 0
    return -(-bits // (8 * _BLOCK)) * _BLOCK  # in whole numbers, however large


def _size(keyword: str, text: str, number: int) -> int:
    """Return a number that tells of the size of data, which has a sign in BITPIX alone."""
    value = int(text) if _INTEGER.fullmatch(text) else None
    if value is None or (value not in _BITPIX if keyword == "BITPIX" else value < 0):
        raise OSError(f"{keyword} of extension {number} is {text or 'blank'}")
    return value
