"""HDRTAB, AstroDrizzle's table of the headers of all chips, as bytes of which a column changes.

It has a column for each of some 270 keywords; astropy takes tenths of a second to read or write it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

_FORM = re.compile(r"(\d*)([A-Z])")
_TYPES = {"L": "S1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}


@dataclass(frozen=True)
class HeaderTable:
    """The extension of a file.

    Parameters
    ----------
    header, data : bytes
        As they stand in the file, whole blocks.
    rows : int
        Of the table (count).
    row : numpy.dtype
        Of a row: the columns ``ROOTNAME``, ``EXTVER`` and ``MDRIZSKY``.
    """

    header: bytes
    data: bytes
    rows: int
    row: np.dtype[np.void]

    @classmethod
    def read(cls, path: Path) -> HeaderTable:
        """Return the table of a product that AstroDrizzle, or `onepass_headers`, wrote."""
        with fits.open(path, memmap=False) as hdus, path.open("rb") as file:
            table = hdus["HDRTAB"]
            place, header = table.fileinfo(), table.header
            file.seek(place["hdrLoc"])
            text = file.read(place["datLoc"] - place["hdrLoc"])
            data = file.read(place["datSpan"])
            return cls(text, data, header["NAXIS2"], _row_of(header))

    def with_sky(self, values: Mapping[tuple[str, int], float | None]) -> bytes:
        """Return the extension with other values of MDRIZSKY.

        Parameters
        ----------
        values : mapping of (str, int) to float or None
            By rootname and EXTVER; None: nothing was subtracted, which AstroDrizzle tells by NaN.
        """
        changed = bytearray(self.data)
        table = np.frombuffer(changed, dtype=self.row, count=self.rows)
        names = (bytes(name).decode("ascii").strip().lower() for name in table["ROOTNAME"])
        sky = [
            values[name, int(extver)] for name, extver in zip(names, table["EXTVER"], strict=True)
        ]
        table["MDRIZSKY"] = [np.nan if value is None else value for value in sky]
        return self.header + bytes(changed)


def _row_of(header: fits.Header) -> np.dtype[np.void]:
    """Return where in a row the columns are that are read or changed."""
    names, formats, offsets, start = [], [], [], 0
    for number in range(1, header["TFIELDS"] + 1):
        count, letter = _FORM.match(header[f"TFORM{number}"]).groups()  # type: ignore[union-attr]
        kind = np.dtype(f"S{count or 1}" if letter == "A" else _TYPES[letter])
        if (name := header[f"TTYPE{number}"]) in ("ROOTNAME", "EXTVER", "MDRIZSKY"):
            names.append(name)
            formats.append(kind)
            offsets.append(start)
        start += kind.itemsize if letter == "A" else int(count or 1) * kind.itemsize
    return np.dtype(
        {"names": names, "formats": formats, "offsets": offsets, "itemsize": header["NAXIS1"]}
    )
