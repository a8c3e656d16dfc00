"""Folders of partitioned files, on disk and in buckets: opened for reading in parts."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from skymosaic.store.objects import names_below, open_object
from skymosaic.store.s3_settings import S3Settings


class Folder(Protocol):
    """A folder, with what was read of it."""

    bytes_read: int

    @property
    def title(self) -> str:
        """What people call it."""

    def open(self, name: str) -> io.RawIOBase | None:
        """Open a file by its name relative to the folder; None: there is none."""

    def names(self, below: str) -> list[str]:
        """Return the names of the files below a folder in it, relative to this one, sorted.

        ``.`` is this folder.
        """

    def inner(self, name: str) -> Folder:
        """Return a folder in it."""


class _Counted(io.RawIOBase):
    """A file that tells its folder how many bytes are read."""

    def __init__(self, file: Any, folder: Folder) -> None:
        self._file, self._folder = file, folder

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        count = int(self._file.readinto(buffer) or 0)
        self._folder.bytes_read += count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


@dataclass
class DiskFolder:
    """A folder on disk."""

    path: Path
    bytes_read: int = field(default=0)

    @property
    def title(self) -> str:
        """Its path."""
        return str(self.path)

    def open(self, name: str) -> io.RawIOBase | None:
        """Open a file; as `Folder`."""
        path = self.path / name
        return _Counted(path.open("rb", buffering=0), self) if path.is_file() else None

    def names(self, below: str) -> list[str]:
        """List files; as `Folder`."""
        found = (self.path / below).rglob("*")
        return sorted(one.relative_to(self.path).as_posix() for one in found if one.is_file())

    def inner(self, name: str) -> DiskFolder:
        """Return a folder in it."""
        return DiskFolder(self.path / name)


@dataclass
class BucketFolder:
    """A folder of a bucket, ``s3://BUCKET/FOLDER``."""

    uri: str
    settings: S3Settings
    bytes_read: int = field(default=0)

    @property
    def title(self) -> str:
        """Its address."""
        return self.uri

    def open(self, name: str) -> io.RawIOBase | None:
        """Open an object; as `Folder`."""
        found = open_object(f"{self.uri}/{name}", self.settings)
        return None if found is None else _Counted(found.raw, self)

    def names(self, below: str) -> list[str]:
        """List objects; as `Folder`."""
        start = "" if below == "." else f"{below}/"
        names = names_below(f"{self.uri}/{start}".rstrip("/"), self.settings)
        return [f"{start}{name}" for name in names]

    def inner(self, name: str) -> BucketFolder:
        """Return a folder in it."""
        return BucketFolder(f"{self.uri}/{name}", self.settings)


def read_text(folder: Folder, name: str) -> str | None:
    """Return a small file of a folder as text; None: there is none."""
    file = folder.open(name)
    if file is None:
        return None
    with io.BufferedReader(file) as stream:
        return stream.read().decode("utf-8")
