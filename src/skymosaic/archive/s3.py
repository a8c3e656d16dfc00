"""A bucket, or a folder in one, as source: the files that its keys end in."""

from __future__ import annotations

import fnmatch
import logging
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from skymosaic.archive.base import Parcel
from skymosaic.archive.bucket import Bucket
from skymosaic.archive.download import fetch
from skymosaic.archive.parts import parts_folder
from skymosaic.archive.passed_over import passed_over
from skymosaic.archive.twins import KINDS, uncorrected_twins
from skymosaic.errors import InputError
from skymosaic.hst.exposure import suffix_of
from skymosaic.hst.facts import FACTS_BYTES, FileFacts, read_facts

log = logging.getLogger(__name__)

_READ_AT_ONCE = 8  # as many connections as the client keeps
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\.fits")


@dataclass(frozen=True)
class S3Object:
    """One file in a bucket."""

    name: str
    """File name, such as ``ibxl50clq_flt.fits``: the last part of the key."""
    size: int
    """Bytes."""
    key: str
    etag: str
    """The server's tag of its content."""

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise InputError(
                f"{self.key!r} in the bucket does not end in a file name of letters, digits, '_' "
                "and '-'; rename it, or leave it out by source.names"
            )


@dataclass(frozen=True)
class S3Folder:
    """All exposures and drizzled images below a prefix of a bucket, a parcel a file.

    Parameters
    ----------
    bucket : Bucket
        Where.
    prefix : str
        What their keys begin with; empty for all of the bucket.
    names : sequence of str
        Patterns of rootnames, such as ``ibxl5*``; empty for all.
    kinds : sequence of str
        FLT, FLC, DRZ, DRC, DRW: which products to take.
    max_files : int
        Most files that there may be.
    mixed : bool
        There are several mosaics, whose exposures are told apart by their headers.
    """

    bucket: Bucket
    prefix: str = ""
    names: Sequence[str] = ()
    kinds: Sequence[str] = KINDS
    max_files: int = 2000
    mixed: bool = False
    left_out: list[str] = field(default_factory=list, compare=False)

    def parcels(self) -> list[Parcel]:
        """Return a parcel for each file, sorted by name.

        Raises
        ------
        InputError
            There are no exposures, too many files, or two of one name.
        ForbiddenError, UnreachableError
            The bucket may not be listed; it does not answer.
        """
        self.left_out.clear()
        found: dict[str, S3Object] = {}
        others: list[str] = []
        for entry in self.bucket.list(self.prefix):
            name = entry.key.rsplit("/", 1)[-1]
            if not self._is_wanted(name):
                others.append(name)
                continue
            file = S3Object(name, entry.size, entry.key, entry.etag)
            first = found.setdefault(name, file)
            if first is not file:
                raise InputError(
                    f"{self.address} has {name} twice, as {first.key} and {file.key}; narrow "
                    "source.uri or source.names"
                )
            if len(found) > self.max_files:
                raise InputError(
                    f"{self.address} has more than {self.max_files} files (source.max_files); "
                    "narrow source.uri or source.names, or raise the limit"
                )
        for name in uncorrected_twins(found):
            del found[name]
        taken = {name.rsplit("_", 1)[0] for name in found}
        over = passed_over(filter(self._is_named, others), taken)
        if not any(name.endswith(("_flt.fits", "_flc.fits")) for name in found):
            raise InputError(
                f"no calibrated exposures (*_flt.fits, *_flc.fits) to use in {self.address}; "
                "source.uri, source.names and source.kinds say which"
                + (f". {over}" if over else "")
            )
        if over:
            log.warning("%s: %s", self.address, over)
            self.left_out.append(over)
        facts = self._facts(found) if self.mixed else {}
        return [
            Parcel(
                name.removesuffix(".fits"),
                {"bucket": self.bucket.name, "file": vars(found[name]).copy()},
                facts=facts.get(name),
            )
            for name in sorted(found)
        ]

    def _facts(self, found: Mapping[str, S3Object]) -> dict[str, FileFacts]:
        """Read the beginning of each file, several at a time."""

        def read(file: S3Object) -> FileFacts:
            return read_facts(self.bucket.beginning(file.key, FACTS_BYTES), file.name)

        with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
            return dict(zip(found, pool.map(read, found.values()), strict=True))

    @property
    def address(self) -> str:
        """What people call it."""
        return f"{self.bucket.name}/{self.prefix}"

    def fetch(self, parcel: Parcel, folder: Path, log: Path) -> int:
        """Fetch the file of a parcel into `folder`; errors as `download.fetch`."""
        file = S3Object(**parcel.identity["file"])
        fetch(self.bucket, file, folder / file.name, parts_folder())
        log.write_text(f"{file.name} came from {self.bucket.name}/{file.key}\n")
        return 0

    def _is_wanted(self, name: str) -> bool:
        suffix = suffix_of(name) if name.endswith(".fits") else None
        if suffix is None or suffix[1:].upper() not in self.kinds:
            return False
        return self._is_named(name)

    def _is_named(self, name: str) -> bool:
        rootname = name.rsplit("_", 1)[0]
        return not self.names or any(fnmatch.fnmatchcase(rootname, p) for p in self.names)
