"""What the files of a mosaic say of themselves: where they come from, what they cover, checksums.

Both engines' files pass here before they are published. Their pixels are copied byte by byte, some
at a time: of a mosaic that was mapped or read whole, the pages would count as a worker's memory.
That is also why the checksums are computed here, and not by astropy, which needs all pixels.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from skymosaic.drizzle.chip_cards import ProductHeader
from skymosaic.drizzle.image_rows import ImageRows
from skymosaic.drizzle.memory import ROWS
from skymosaic.hst.headers import HeaderText, read_texts
from skymosaic.sky.outline import Outline, any_in_blocks, trace
from skymosaic.versions import versions

_BLOCK = 2880
_CHUNK = 1000 * _BLOCK
_HISTORY = 72  # characters of a card
_SIDE = 2048  # of the mask that an outline is traced on, pixels
_ZEROS = "0" * 16
_CHECKSUMS = ("CHECKSUM", "DATASUM")
# Characters between the digits and the letters of ASCII, which no CHECKSUM has.
_EXCLUDED = frozenset((*range(0x3A, 0x41), *range(0x5B, 0x61)))


@dataclass(frozen=True)
class MosaicOrigin:
    """Where a mosaic comes from.

    Parameters
    ----------
    method : str
        The sky method.
    campaign : str
        Name of the campaign; of a group with its program's.
    key : str
        Key of the step that made it: the SHA-256 of all that it depends on.
    history : sequence of str
        What was done, in plain words: a paragraph each.
    cards : sequence of (str, value, str)
        Keywords beside, with their comments.
    """

    method: str
    campaign: str
    key: str
    history: Sequence[str] = ()
    cards: Sequence[tuple[str, str | float, str]] = ()


def outline_of(weight: Path) -> Outline:
    """Return the outline of the pixels that have weight.

    Parameters
    ----------
    weight : Path
        The weight map, with its WCS; read some rows at a time.
    """
    image = ImageRows(weight)
    rows, columns = image.shape
    block = -(-max(rows, columns) // _SIDE)
    strip = block * max(ROWS // block, 1)
    mask = any_in_blocks(
        (image[first : first + strip] > 0 for first in range(0, rows, strip)), block
    )
    return trace(mask, WCS(image.header), block)


def complete(
    path: Path, origin: MosaicOrigin | None = None, outline: Outline | None = None
) -> None:
    """Write into a file where it comes from and what it covers, and checksums of all its HDUs.

    Its pixels and its other keywords stay as they are, and the same file with the same origin
    becomes the same bytes: no time is written.

    Parameters
    ----------
    path : Path
        A FITS file; it is replaced.
    origin : MosaicOrigin or None
        For its primary header; None: nothing is said of it.
    outline : Outline or None
        For S_REGION of its primary header; None: none.
    """
    # A compressed image is a table in the file, which is what its checksums are of.
    with path.open("rb") as old:
        units = read_texts(old)
        headers = [ProductHeader.of(unit.text) for unit in units]
        first = headers[0].header
        if origin is not None:
            _add_origin(first, origin)
        if outline is not None:
            # That of an exposure, which AstroDrizzle took over, is wrong of a mosaic without data.
            first.remove("S_REGION", ignore_missing=True, remove_all=True)
            if outline.outer:
                first.append(("S_REGION", outline.s_region()))
        whole = path.with_name(path.name + ".complete")
        with whole.open("wb") as new:
            for header, unit in zip(headers, units, strict=True):
                _write_unit(header, old, unit, new)
    whole.replace(path)


def _add_origin(header: fits.Header, origin: MosaicOrigin) -> None:
    known = versions()
    for name, value, comment in (
        ("SKYMETH", origin.method, "sky method of this mosaic"),
        ("CAMPAIGN", origin.campaign, "skymosaic's campaign"),
        ("STEPKEY", origin.key, ""),
        ("SKYMVER", known["skymosaic"], "version of skymosaic"),
        ("DRZPVER", known["drizzlepac"], "version of drizzlepac"),
    ):
        header.remove(name, ignore_missing=True, remove_all=True)
        header.append((name, value, comment) if comment else (name, value))
    for card in origin.cards:
        header.remove(card[0], ignore_missing=True, remove_all=True)
        header.append(card)
    for paragraph in origin.history:
        for line in textwrap.wrap(paragraph, _HISTORY):
            header.add_history(line)


def _write_unit(header: ProductHeader, old: BinaryIO, place: HeaderText, new: BinaryIO) -> None:
    """Write an HDU with its checksums, its data copied from another file."""
    cards = header.header
    for name in _CHECKSUMS:
        cards.remove(name, ignore_missing=True, remove_all=True)
    cards.append(("CHECKSUM", _ZEROS, "HDU checksum"))
    cards.append(("DATASUM", "0", "data unit checksum"))
    begin = new.tell()
    new.write(header.as_bytes())
    data, size = 0, place.end - place.start
    old.seek(place.start)
    while size:
        chunk = old.read(min(size, _CHUNK))
        data, size = _sum(chunk, data), size - len(chunk)
        new.write(chunk)
    end = new.tell()
    cards["DATASUM"] = str(data)
    cards["CHECKSUM"] = _encoded(_sum(header.as_bytes(), data))
    new.seek(begin)
    new.write(header.as_bytes())
    new.seek(end)


def _sum(data: bytes, total: int = 0) -> int:
    """Return the sum of 32-bit words in ones' complement, after another one."""
    total += int(np.frombuffer(data, dtype=">u4").sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def _encoded(total: int) -> str:
    """Return CHECKSUM of an HDU whose sum it was with zeros in its place.

    FITS Standard 4.0, appendix J: the complement of each byte as four characters whose sum it is,
    none of them between the digits and the letters, turned by one place.
    """
    found = [""] * 16
    for place, byte in enumerate((~total & 0xFFFFFFFF).to_bytes(4, "big")):
        quarter, rest = divmod(byte, 4)
        four = [quarter + rest + 0x30, *(quarter + 0x30,) * 3]
        while _EXCLUDED.intersection(four):
            for one in (0, 2):
                if _EXCLUDED.intersection(four[one : one + 2]):
                    four[one] += 1
                    four[one + 1] -= 1
        for one, character in enumerate(four):
            found[4 * one + place] = chr(character)
    return "".join([found[-1], *found[:-1]])
