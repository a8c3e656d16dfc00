"""What the archive says of a file. All of it is data from outside, checked before it is used."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from skymosaic.errors import InputError

_NAME = re.compile(r"(?P<obs>[a-z0-9]{9})_(?P<kind>flt|flc|drz|drc|drw)\.fits")
_URI = "mast:HST/product/"


@dataclass(frozen=True)
class ArchiveFile:
    """One file of the archive."""

    name: str
    """File name, such as ``ibxl50clq_flt.fits``."""
    size: int
    """Bytes, as the archive says; 0 where it does not."""
    kind: str
    """FLT, FLC, DRZ, DRC or DRW."""
    proposal: str
    target: str
    instrument: str
    """Instrument and detector, such as ``WFC3/IR``."""
    filter: str
    rights: str
    """PUBLIC, EXCLUSIVE_ACCESS or RESTRICTED."""
    release: str
    """When the data become public, ISO 8601; empty where that is not told."""

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise InputError(
                f"the archive names a file {self.name!r}, which is not the name of an HST exposure "
                "or drizzled image (nine letters or digits, _flt, _flc, _drz, _drc or _drw, "
                ".fits); it was not fetched"
            )

    @property
    def uri(self) -> str:
        """The archive's own name for it."""
        return _URI + self.name

    @property
    def etag(self) -> str:
        """The archive's list tells no tags."""
        return ""

    @property
    def key(self) -> str:
        """Its key in the public bucket."""
        return f"hst/public/{self.name[:4]}/{self.name[:9]}/{self.name}"


def file_name(uri: str) -> str:
    """Return the file name of a data URI.

    Raises
    ------
    InputError
        It is no HST product's, or its name is not an expected one.
    """
    name = uri.removeprefix(_URI)
    if not uri.startswith(_URI) or _NAME.fullmatch(name) is None:
        raise InputError(
            f"the archive gives the address {uri!r}, which is not that of an HST exposure or "
            "drizzled image; it was not fetched"
        )
    return name


def groups(files: Sequence[ArchiveFile]) -> dict[tuple[str, str, str, str], list[ArchiveFile]]:
    """Return the files by proposal, target, instrument and filter."""
    by: dict[tuple[str, str, str, str], list[ArchiveFile]] = {}
    for file in files:
        by.setdefault((file.proposal, file.target, file.instrument, file.filter), []).append(file)
    return by
