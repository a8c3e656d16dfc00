"""Exposures without their pixels: all headers as they are, some thousand bytes a file.

drizzlepac makes the headers of a mosaic from those of all exposures. With holes in place of the
pixels, which take no room on a disk, it finds the same headers as in the whole files.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Container
from pathlib import Path

from astropy.io import fits

_TABLES = ("D2IMARR", "WCSDVARR")
"""Images that belong to the WCS, and are kept."""
_BLOCK, _CARD = 2880, 80  # bytes
_SIZES = struct.Struct("<QQ")  # bytes of a header; of its data, that are kept or left out
_KEPT = 1 << 63


def write_skeleton(exposure: Path, target: Path, only: Container[str] | None = None) -> None:
    """Write the headers of an exposure, and what else its WCS is made of.

    Parameters
    ----------
    exposure : Path
        A FITS file.
    target : Path
        The new file, which `restore_skeleton` reads.
    only : container of str or None
        Names of the extensions that are written after the first header; None: all.
    """
    parts = []
    with fits.open(exposure, memmap=False) as hdus, exposure.open("rb") as file:
        for hdu in hdus:
            if only is not None and hdu is not hdus[0] and hdu.name not in only:
                continue
            place = hdu.fileinfo()
            file.seek(place["hdrLoc"])
            header = file.read(place["datLoc"] - place["hdrLoc"])
            kept = hdu.name in _TABLES
            size = place["datSpan"]
            parts += [_SIZES.pack(len(header), size | _KEPT if kept else size), header]
            parts += [file.read(size)] if kept else []
    target.write_bytes(zlib.compress(b"".join(parts), 1))


def restore_skeleton(skeleton: bytes, target: Path, spare: int = 0) -> None:
    """Write an exposure from its headers, with holes for its pixels.

    Parameters
    ----------
    skeleton : bytes
        What `write_skeleton` wrote.
    target : Path
        The new file.
    spare : int
        Blank cards at the end of each header (count): so many can be added in place. Without them
        a header that grows lets astropy write the file anew, with zeros for the holes.
    """
    whole, at, end = zlib.decompress(skeleton), 0, 0
    with target.open("wb") as file:
        while at < len(whole):
            header, size = _SIZES.unpack_from(whole, at)
            at += _SIZES.size
            kept, size = bool(size & _KEPT), size & ~_KEPT
            cards = _with_spare(whole[at : at + header], spare)
            at += header
            file.seek(end)
            file.write(cards)
            if kept:
                file.write(whole[at : at + size])
                at += size
            end += len(cards) + size
        file.truncate(end)


def _with_spare(header: bytes, spare: int) -> bytes:
    """Return a header, whole blocks, with blank cards before its end."""
    if not spare:
        return header
    cards = header.rstrip(b" ").removesuffix(b"END") + b" " * _CARD * spare + b"END"
    return cards + b" " * (-len(cards) % _BLOCK)
