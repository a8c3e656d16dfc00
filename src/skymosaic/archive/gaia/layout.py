"""Catalogues in HATS layout: which files there are, and which of them hold a field.

The sky is divided into HEALPix cells, nested, of orders that follow the density of stars, a file
(or a folder of files) each: ``Norder=K/Dir=D/Npix=N.parquet``, with D the number of the cell
rounded down to 10,000 (IVOA Note `HATS: A Standard for the Hierarchical Adaptive Tiling Scheme`).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy import units as u
from numpy.typing import NDArray

from skymosaic.archive.gaia.circles import Circle
from skymosaic.archive.gaia.folders import Folder, read_text
from skymosaic.errors import InputError
from skymosaic.hst.catalogue_names import header_name

DEEPEST = 29
"""Order of HEALPix at which places have 64-bit numbers."""
_DEPTH = 12  # cells of 51 arcsec draw the field
_PROPERTIES = ("hats.properties", "properties")
_DATA = ("dataset/", "")  # HATS, and HiPSCat before it
_INFO = ("partition_info.csv", "partition_join_info.csv")
_PARTITION = re.compile(r"(?:dataset/)?Norder=(\d{1,2})/Dir=(\d{1,19})/Npix=(\d{1,19})[./]")
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LAYOUT = (
    "a catalogue in HATS layout has hats.properties (or properties), partition_info.csv, and files "
    "named Norder=K/Dir=D/Npix=N.parquet"
)


@dataclass(frozen=True)
class Partition:
    """A cell of the sky that has a file."""

    order: int
    pixel: int

    @property
    def name(self) -> str:
        """Of its file or folder, without an ending."""
        return f"Norder={self.order}/Dir={self.pixel // 10_000 * 10_000}/Npix={self.pixel}"

    @property
    def span(self) -> tuple[int, int]:
        """First number at `DEEPEST`, and the first behind it."""
        shift = 2 * (DEEPEST - self.order)
        return self.pixel << shift, (self.pixel + 1) << shift


@dataclass(frozen=True)
class Catalogue:
    """A catalogue in HATS layout."""

    folder: Folder
    name: str
    """As its properties have it."""
    ra: str
    """Name of the column."""
    dec: str
    partitions: tuple[Partition, ...]
    data: str
    """Folder of the partitions, with a slash, or empty."""
    in_folders: bool
    """Whether a partition is a folder of files."""

    def touched_by(self, ranges: NDArray[np.uint64]) -> list[Partition]:
        """Return the partitions that a field touches; see `ranges_of`."""
        spans = [one.span for one in self.partitions]
        first, behind = np.array(spans, dtype=np.uint64).reshape(-1, 2).T
        hit = overlap(first, behind, ranges)
        return [one for one, is_hit in zip(self.partitions, hit, strict=True) if is_hit]

    def files_of(self, partition: Partition) -> list[str]:
        """Return the files of a partition, relative to the folder."""
        name = f"{self.data}{partition.name}"
        if not self.in_folders:
            return [f"{name}.parquet"]
        return [one for one in self.folder.names(name) if one.endswith(".parquet")]


def ranges_of(circles: Sequence[Circle]) -> NDArray[np.uint64]:
    """Return the numbers, at `DEEPEST`, of the cells that circles touch.

    Returns
    -------
    array of shape (n, 2)
        First number of each range, and the first behind it; in order, apart from each other.
    """
    from mocpy import MOC  # takes long to import, and few need it

    moc = MOC.from_cones(
        lon=np.array([one.ra for one in circles]) * u.deg,
        lat=np.array([one.dec for one in circles]) * u.deg,
        radius=np.array([one.radius for one in circles]) * u.deg,
        max_depth=_DEPTH,
        union_strategy="small_cones",
    )
    return np.asarray(moc.to_depth29_ranges, dtype=np.uint64)


def overlap(
    first: NDArray[np.uint64], behind: NDArray[np.uint64], ranges: NDArray[np.uint64]
) -> NDArray[np.bool_]:
    """Tell which spans of numbers have one in common with ranges that are in order."""
    if not len(ranges):
        return np.zeros(len(first), dtype=bool)
    # The first range that does not end before the span begins.
    place = np.searchsorted(ranges[:, 1], first, side="right")
    there = place < len(ranges)
    return np.asarray(there & (ranges[np.minimum(place, len(ranges) - 1), 0] < behind))


def open_catalogue(folder: Folder) -> Catalogue:
    """Return the catalogue in a folder; of a collection of catalogues its primary one.

    Raises
    ------
    InputError
        There is none in HATS layout.
    """
    collection = _properties(folder, ("collection.properties",))
    primary = collection.get("hats_primary_table_url", "")
    if primary:
        if not _SAFE.fullmatch(primary):
            raise InputError(
                f"{folder.title}/collection.properties: hats_primary_table_url is {primary!r}; "
                "name the folder of the catalogue itself"
            )
        folder = folder.inner(primary)
    properties = _properties(folder, _PROPERTIES)
    partitions = _partitions(folder)
    if not properties or not partitions:
        raise InputError(f"{folder.title} holds no catalogue: {_LAYOUT}")
    data = next((one for one in _DATA if _has(folder, one, partitions[0])), None)
    if data is None:
        raise InputError(
            f"{folder.title} has no file for {partitions[0].name}, which its list names: {_LAYOUT}"
        )
    name = properties.get("obs_collection") or properties.get("catalog_name") or "GAIA"
    return Catalogue(
        folder=folder,
        name=header_name(name),
        ra=properties.get("hats_col_ra") or properties.get("ra_column") or "ra",
        dec=properties.get("hats_col_dec") or properties.get("dec_column") or "dec",
        partitions=tuple(partitions),
        data=data,
        in_folders=not _is_file(folder, f"{data}{partitions[0].name}.parquet"),
    )


def _properties(folder: Folder, names: Sequence[str]) -> dict[str, str]:
    for name in names:
        if (text := read_text(folder, name)) is not None:
            lines = (line.partition("=") for line in text.splitlines() if "=" in line)
            pairs = ((key.strip(), value.strip()) for key, _, value in lines)
            return {key: value for key, value in pairs if not key.startswith("#")}
    return {}


def _partitions(folder: Folder) -> list[Partition]:
    """Return the partitions, by their list, or by the names of files where there is none."""
    for name in _INFO:
        if (text := read_text(folder, name)) is not None:
            rows = csv.DictReader(text.splitlines())
            try:
                found = {Partition(int(row["Norder"]), int(row["Npix"])) for row in rows}
            except (KeyError, TypeError, ValueError) as error:
                raise InputError(
                    f"{folder.title}/{name} is no list of partitions with Norder and Npix "
                    f"({type(error).__name__}: {error}); fetch it again"
                ) from None
            return _sensible(folder, name, found)
    names = folder.names(".")
    matches = [match for one in names if (match := _PARTITION.match(one)) is not None]
    return _sensible(folder, "", {Partition(int(one[1]), int(one[3])) for one in matches})


def _sensible(folder: Folder, name: str, partitions: set[Partition]) -> list[Partition]:
    for one in partitions:
        if not (0 <= one.order <= DEEPEST and 0 <= one.pixel < 12 << 2 * one.order):
            raise InputError(
                f"{folder.title}/{name}: there is no cell {one.pixel} of order {one.order}; fetch "
                "it again"
            )
    return sorted(partitions, key=lambda one: one.span)


def _has(folder: Folder, data: str, partition: Partition) -> bool:
    name = f"{data}{partition.name}"
    return _is_file(folder, f"{name}.parquet") or bool(folder.names(name))


def _is_file(folder: Folder, name: str) -> bool:
    file = folder.open(name)
    if file is None:
        return False
    file.close()
    return True
