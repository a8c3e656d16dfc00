"""Headers of products in which the cards of all chips stand as one piece of text.

AstroDrizzle tells of each chip in some 18 cards: 18,000 of 1,000 chips. astropy takes 10 to 50 us
for each, whenever such a header is read, copied or written, and hardly any of them ever changes.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning

from skymosaic.hst.headers import read_texts

_CARD, _BLOCK = 80, 2880
_OF_A_CHIP = re.compile(r"(?:HIERARCH )?D(\d{3,6})([A-Z]{2,4}) *=")
_NAMES, _VERSION = ("OUDA", "OUWE", "OUCO"), "VER"
_PLACE = "DALLCHIP"
"""A keyword that no header of HST has."""


@dataclass(frozen=True)
class ProductHeader:
    """A header of a product.

    Parameters
    ----------
    header : Header
        All other cards, and one in the place of those of the chips.
    chips : str
        The cards of all chips, as they stand in the file.
    """

    header: fits.Header
    chips: str

    @classmethod
    def of(cls, text: str) -> ProductHeader:
        """Return the header that a file has; `text`: all of its cards."""
        before, chips, after = _cut(text)
        place = [fits.Card(_PLACE, True).image] if chips else []
        cards = "".join([*before, *place, *after])
        return cls(fits.Header.fromstring(cards), "".join(chips))

    def copy(self) -> ProductHeader:
        """Return one whose cards may change."""
        return replace(self, header=self.header.copy())

    def as_bytes(self) -> bytes:
        """Return the whole header as a file has it."""
        with warnings.catch_warnings():
            # Beside a long name there is no room for all of a comment.
            warnings.filterwarnings("ignore", "Card is too long", VerifyWarning)
            cards = list(_cards(self.header.tostring(endcard=False, padding=False)))
        text = "".join(self.chips if _is_place(one) else one for one in cards)
        text += "END".ljust(_CARD)
        return text.ljust(-(-len(text) // _BLOCK) * _BLOCK).encode("ascii")

    def with_names(self, old: str, new: str, version: str) -> ProductHeader:
        """Return a header whose names of products begin with another root name.

        AstroDrizzle writes them to FILENAME, ROOTNAME and DnnnOUDA, DnnnOUWE, DnnnOUCO, and the
        version of the resampler to DnnnVER.
        """
        header = self.header.copy()
        for name in ("FILENAME", "ROOTNAME"):
            if name in header and str(header[name]).startswith(old):
                header[name] = new + str(header[name]).removeprefix(old)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Card is too long", VerifyWarning)
            return ProductHeader(header, "".join(_renamed(self.chips, old, new, version)))


def read_header(path: Path) -> ProductHeader:
    """Return the primary header of a FITS file; errors as of `hst.headers.read_texts`."""
    return read_image_header(path)[0]


def read_image_header(path: Path) -> tuple[ProductHeader, int]:
    """Return the primary header, and the byte of the file with which its data begin."""
    with path.open("rb") as file:
        unit = read_texts(file)[0]
    return ProductHeader.of(unit.text), unit.start


def _cards(text: str) -> Iterator[str]:
    for at in range(0, len(text), _CARD):
        yield text[at : at + _CARD]


def _is_place(card: str) -> bool:
    return card.startswith(_PLACE)


def _cut(text: str) -> tuple[list[str], list[str], list[str]]:
    """Return the cards before those of the chips, these, and what follows up to END."""
    before: list[str] = []
    chips: list[str] = []
    after: list[str] = []
    for card in _cards(text):
        if card.startswith("END") and not card[3:].strip():
            break
        if not after and (_OF_A_CHIP.match(card) or (chips and card.startswith("CONTINUE"))):
            chips.append(card)
        else:
            (after if chips else before).append(card)
    return before, chips, after


def _renamed(chips: str, old: str, new: str, version: str) -> Iterator[str]:
    """Return the cards of all chips with other names of products and another version."""
    known: dict[tuple[str, str], tuple[str, str]] = {}
    for group in _whole_cards(chips):
        match = _OF_A_CHIP.match(group)
        assert match is not None
        number, kind = match.groups()
        if kind not in (*_NAMES, _VERSION):
            yield group
            continue
        # Of most chips all is the same but for the number in the keyword.
        form = (f"{len(number)}{kind}", group[match.end() :])
        if form not in known:
            card = fits.Card.fromstring(group)
            if kind == _VERSION:
                card.value = version
            elif str(card.value).startswith(old):
                card.value = new + str(card.value).removeprefix(old)
            known[form] = card.image, number
        image, its_number = known[form]
        yield image.replace(its_number, number, 1)


def _whole_cards(text: str) -> Iterator[str]:
    """Return cards, each with those that continue it."""
    group = ""
    for card in _cards(text):
        if group and not card.startswith("CONTINUE"):
            yield group
            group = ""
        group += card
    if group:
        yield group
