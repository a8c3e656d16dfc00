"""Headers of many exposures for fitsblender, which asks each for some hundred values by name.

drizzlepac opens every exposure three times and lets astropy parse all cards of all extensions:
some 60 ms an exposure. And it puts the keywords of each exposure before those of HISTORY one by
one, which takes time with their square.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from drizzlepac import outputimage
from fitsblender import blender, blendheaders

_BLOCK, _CARD = 2880, 80
_VALUE = re.compile(
    r" *(?:(?:'(?P<text>(?:[^']|'')*)'|(?P<logical>[TF])|(?P<whole>[+-]?[0-9]+)"
    r"|(?P<real>[+-]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[EeDd]))(?:[EeDd][+-]?[0-9]+)?)) *)?"
    r"(?:/.*)?$"
)
_ALL_CHIPS = "DALLCHIP"
"""A keyword that no header of HST has."""
_CONSTANT = "PIXVALUE"
"""Of an image whose pixels have one value, which drizzlepac's own reader shows as a full one."""

_AXES = tuple(f"NAXIS{number}" for number in range(1, 10))
_STRUCTURE = frozenset(("BITPIX", "NAXIS", *_AXES, "PCOUNT", "GCOUNT", "EXTNAME", "EXTVER"))
_USED = ("SCI", "ERR", "DQ")

Values = dict[str, Any]


class QuickHeader(fits.Header):
    """A header that knows the values of its keywords, and no cards."""

    def __init__(self, values: Values) -> None:
        super().__init__()
        self.known = values

    def __contains__(self, name: object) -> bool:
        return str(name).upper() in self.known

    def __getitem__(self, name: Any) -> Any:
        return self.known[str(name).upper()]


def values_of(header: bytes, wanted: Collection[str] | None = None) -> Values:
    """Return the values of a header by keyword, as astropy's `Header` gives them.

    Parameters
    ----------
    header : bytes
        Whole cards.
    wanted : collection of str or None
        Of which keywords; None: of all.
    """
    text = header.decode("ascii")
    blocks = [_values_of_block(text[at : at + _BLOCK]) for at in range(0, len(text), _BLOCK)]
    found: Values = {}
    for block in reversed(blocks):  # of a keyword that comes twice the first counts
        if block is None:
            found = _by_astropy(text)
            break
        found.update(block)
    return found if wanted is None else {name: found[name] for name in wanted if name in found}


@lru_cache(maxsize=1 << 12)
def _values_of_block(text: str) -> Values | None:
    """Return the values of some cards; None where one is a part of another.

    Most blocks of an exposure are those of the one before.
    """
    found: Values = {}
    for start in range(0, len(text), _CARD):
        known = _parsed(text[start : start + _CARD])
        if known is None:
            return None
        for name, value in known:
            found.setdefault(name, value)
    return found


@lru_cache(maxsize=1 << 16)
def _parsed(card: str) -> tuple[tuple[str, Any], ...] | None:
    """Return the keywords of a card with their values; None: it is a part of another."""
    name = card[:8].rstrip()
    if card[8:10] != "= ":
        return None if name in ("CONTINUE", "HIERARCH") else ()
    match = _VALUE.match(card, 10)
    if match is None or ": " in (match["text"] or ""):  # a record of a distortion, perhaps
        parsed = fits.Card.fromstring(card)
        parsed.verify("silentfix")
        return (parsed.keyword, parsed.value), (name, parsed.value)
    return ((name, _value_of(match)),)


def _value_of(match: re.Match[str]) -> Any:
    if match["text"] is not None:
        return match["text"].replace("''", "'").rstrip()
    if match["logical"]:
        return match["logical"] == "T"
    if match["whole"]:
        return int(match["whole"])
    if match["real"]:
        return float(match["real"].upper().replace("D", "E"))
    return None


def _by_astropy(text: str) -> Values:
    header = fits.Header.fromstring(text)
    found: Values = {}
    for name in header:
        found.setdefault(name, header[name])
    return found


def read_values(path: Path, wanted: Collection[str] | None = None) -> list[Values]:
    """Return the values of headers of a file: the primary one's, then those of SCI, ERR and DQ.

    Parameters
    ----------
    path : Path
        The file.
    wanted : collection of str or None
        Of which keywords beside those of the structure; None: of all.
    """
    found: list[Values] = []
    with path.open("rb") as file:
        while first := file.read(_BLOCK):
            header = first
            while not _ends(header):
                more = file.read(_BLOCK)
                if not more:
                    raise OSError(f"{path.name} ends within a header")
                header += more
            structure = values_of(header, _STRUCTURE)
            if not found or str(structure.get("EXTNAME", "")).strip().upper() in _USED:
                keep = None if wanted is None else {*wanted, *_STRUCTURE}
                found.append(values_of(header, keep))
            file.seek(_size_of_data(structure), 1)
    return found


def _ends(header: bytes) -> bool:
    last = header[-_BLOCK:]
    return any(last[at : at + 8] == b"END     " for at in range(0, _BLOCK, _CARD))


def _size_of_data(values: Values) -> int:
    """Return the bytes of the data below a header, whole blocks (FITS Standard 4.0, 4.4.1)."""
    axes = [int(values[f"NAXIS{axis}"]) for axis in range(1, int(values["NAXIS"]) + 1)]
    count = 1 if axes else 0
    for size in axes:
        count *= size
    groups = int(values.get("GCOUNT", 1)) * (int(values.get("PCOUNT", 0)) + count)
    return -(-groups * abs(int(values["BITPIX"])) // 8 // _BLOCK) * _BLOCK


class QuickTemplates:
    """What `blendheaders.getSingleTemplate` returns, as far as blending needs it.

    The first exposure of each instrument has whole headers: of them rules are interpreted, and
    products begin with copies.
    """

    def __init__(self) -> None:
        self._whole = blendheaders.getSingleTemplate
        self._concatenate = blendheaders.cat_headers
        self._firsts: dict[str, str] = {}
        self._read: tuple[str, list[Values]] = ("", [])

    def template(self, name: str, extlist: Any = ("SCI", "ERR", "DQ")) -> Any:
        """Return the headers of a chip, ``NAME[sci,N]``: primary, SCI, ERR and DQ."""
        file, _, chip = name.partition("[")
        if self._read[0] != file:
            self._read = file, read_values(Path(file))
        every = self._read[1]
        first = self._firsts.setdefault(str(every[0].get("INSTRUME")), name)
        if name == first or any(_CONSTANT in one for one in every):
            return self._whole(name, extlist)
        return tuple(map(QuickHeader, _of_chip(every, int(chip.rstrip("]").split(",")[1]))))

    def concatenate(self, first: fits.Header, second: fits.Header) -> fits.Header:
        """Return two headers in one; what both have is that of the first."""
        if isinstance(first, QuickHeader) and isinstance(second, QuickHeader):
            return QuickHeader({**second.known, **first.known})
        return self._concatenate(first, second)

    def install(self) -> None:
        """Let this process, which ends with the call, blend by these."""
        blendheaders.getSingleTemplate = self.template
        blendheaders.cat_headers = self.concatenate
        blender.fitsblender = blended


def blended(headers: Sequence[fits.Header], spec: Sequence[Sequence[Any]]) -> tuple[Values, Any]:
    """Return what `blender.fitsblender` returns of headers, with one look at each of their values.

    Parameters
    ----------
    headers : sequence of Header
        Those of `QuickTemplates`.
    spec : sequence
        Rules: keyword, what it becomes, and a function of its values, where it is no column.

    Returns
    -------
    (dict, masked array)
        What the functions give, and a row of each header.
    """
    known = [_known_of(header, spec) for header in headers]
    found: Values = {}
    columns: dict[str, tuple[Any, list[bool]]] = {}
    kinds = []
    for keyword, name, *rest in spec:
        values = [one.get(keyword.upper()) for one in known]
        function = rest[0] if rest else None
        if function is not None:
            present = [value for value in values if value is not None]
            value = function(present) if present else None
            if value is not None:
                found[name] = value
            continue
        column = np.array([np.nan if value is None else value for value in values])
        if np.issubdtype(np.int32, column.dtype) and not np.any(column / (2**31 - 1) > 1.0):
            column = column.astype(np.int32)
        kinds.append((name, column.dtype))
        columns[name] = column, [value is None for value in values]
    if not kinds:
        return found, np.empty((0,))
    table: Any = np.ma.empty((len(headers),), dtype=kinds)
    for name, (column, masked) in columns.items():
        table.data[name] = column
        table.mask[name] = masked
    return found, table


def _known_of(header: fits.Header, spec: Sequence[Sequence[Any]]) -> Values:
    if isinstance(header, QuickHeader):
        return header.known
    return {name.upper(): header[name] for name in {rule[0] for rule in spec} if name in header}


def _of_chip(every: list[Values], number: int) -> Iterator[Values]:
    primary = dict(every[0])
    if "PCOUNT" in primary:
        for name in ("PCOUNT", "GCOUNT"):
            primary.pop(name, None)
    yield primary
    science = _extension(every, "SCI", number)
    assert science is not None
    yield science
    for name in ("ERR", "DQ"):
        yield {**(_extension(every, name, number) or science), "BUNIT": "UNITLESS"}


def _extension(every: list[Values], name: str, number: int) -> Values | None:
    return next(
        (
            one
            for one in every[1:]
            if str(one.get("EXTNAME", "")).upper() == name and one.get("EXTVER", 1) == number
        ),
        None,
    )


class QuickImage(outputimage.OutputImage):
    """AstroDrizzle's writer, in whose headers one card stands for the keywords of all chips.

    What it does to a header takes longer the more cards there are. `expand` puts the keywords in.
    """

    parlist: list[Values]
    """What it tells of each chip."""

    def addDrizKeywords(self, hdr: fits.Header, versions: Any) -> None:  # noqa: N802 (its name)
        """Add the card, and the history of versions as AstroDrizzle does."""
        new: dict[str, tuple[Any, str]] = {}
        super().addDrizKeywords(new, None)
        self.cards = [fits.Card(name, *value) for name, value in new.items() if name not in hdr]
        for name in new.keys() & set(hdr):  # of an exposure that was drizzled before
            hdr[name] = new[name]
        hdr[_ALL_CHIPS] = True
        chips, self.parlist = self.parlist, []
        super().addDrizKeywords(hdr, versions)
        self.parlist = chips

    def expand(self, path: Path) -> None:
        """Put the keywords of all chips into the primary header of a file that was written."""
        content = path.read_bytes()
        starts = range(0, len(content), _CARD)
        place = next(at for at in starts if content.startswith(_ALL_CHIPS.encode(), at))
        end = next(at for at in starts if content.startswith(b"END     ", at)) + _CARD
        data = -(-end // _BLOCK) * _BLOCK
        chips = "".join(card.image for card in self.cards).encode("ascii")
        header = content[:place] + chips + content[place + _CARD : end]
        padded = header.ljust(-(-len(header) // _BLOCK) * _BLOCK)
        path.write_bytes(padded + content[data:])
