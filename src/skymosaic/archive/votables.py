"""VOTables of others, read without what they point to."""

from __future__ import annotations

import gzip
from typing import IO
from xml.parsers import expat

_GZIP = b"\x1f\x8b"
_SIGNS = (b"href", b"ENTITY")
"""One of them is in each document that points elsewhere, if only by an entity of its own."""


def own_data(file: IO[bytes]) -> bytes:
    """Return a document whose data are in it.

    The standard allows ``STREAM href=...``, and astropy opens that: any file of this host, and any
    address that it reaches.

    Parameters
    ----------
    file : binary file
        A VOTable, or one packed by gzip.

    Raises
    ------
    ValueError
        Its data are elsewhere.
    """
    data = file.read()
    if data.startswith(_GZIP):
        data = gzip.decompress(data)
    plain = data.replace(b"\0", b"")  # of UTF-16
    if any(sign in plain for sign in _SIGNS):
        parser = expat.ParserCreate()
        parser.StartElementHandler = _refuse_pointers
        try:
            parser.Parse(data, True)
        except expat.ExpatError as error:
            raise ValueError(f"it is no XML: {error}") from None
    return data


def _refuse_pointers(name: str, attributes: dict[str, str]) -> None:
    if name.rpartition(":")[2].upper() == "STREAM" and "href" in attributes:
        raise ValueError(
            f"its data are elsewhere, at {attributes['href'][:100]!r}, and only data in the "
            "document itself are read"
        )
