"""The archive as a source of exposures."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from skymosaic.archive.base import Parcel
from skymosaic.archive.download import first_that_can
from skymosaic.archive.mast.files import ArchiveFile
from skymosaic.archive.mast.query import Found, Query, find
from skymosaic.archive.origin import Origin
from skymosaic.archive.parts import parts_folder
from skymosaic.errors import InputError
from skymosaic.hst.facts import FileFacts

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MastArchive:
    """What a query finds in the archive, a parcel a file.

    Parameters
    ----------
    query : Query
        What is wanted.
    places : sequence of Place
        Where files come from, the preferred one first.
    """

    query: Query
    places: Sequence[Origin[ArchiveFile]]
    mixed: bool = False
    """Whether there may be several targets' instruments and filters: a mosaic takes one."""
    left_out: list[str] = field(default_factory=list, compare=False)

    def parcels(self) -> list[Parcel]:
        """Return a parcel for each file that the query finds.

        Raises
        ------
        InputError, UnreachableError
            As `query.find`.
        """
        found = find(self.query)
        files = found.files
        kinds = sorted({f"{file.instrument} {file.filter}" for file in files})
        if len(kinds) > 1 and not self.mixed:
            raise InputError(
                f"the query finds files of {', '.join(kinds)}; name one in source.instrument and "
                "source.filters, or write `groups: {}` for a mosaic of each"
            )
        return parcels_of(found)

    def fetch(self, parcel: Parcel, folder: Path, log: Path) -> int:
        """Fetch the file of a parcel into `folder`; errors as `download.fetch`."""
        if "refused" in parcel.identity:
            raise InputError(parcel.identity["refused"])
        file = ArchiveFile(**parcel.identity["file"])
        name = first_that_can(self.places, file, folder / file.name, parts_folder())
        log.write_text(f"{file.name} came from {name}\n")
        return 0


def parcels_of(found: Found) -> list[Parcel]:
    """Return a parcel for each file of the archive's list, and for each entry that it refuses."""
    files = [_parcel(file, found.starts) for file in found.files]
    return files + [_refusal(why) for why in found.refused]


def _refusal(why: str) -> Parcel:
    """Return a parcel that cannot be fetched: the campaign names it, and the others arrive."""
    return Parcel("refused-" + hashlib.sha256(why.encode()).hexdigest()[:8], {"refused": why})


def _parcel(file: ArchiveFile, starts: Mapping[str, float]) -> Parcel:
    return Parcel(
        file.name.removesuffix(".fits"),
        # The archive's list stands for the content: a file of another size is another file.
        {"file": vars(file).copy()},
        facts=FileFacts(
            file.proposal, file.target, file.instrument, file.filter, starts.get(file.name)
        ),
    )
