"""Files that were packed, as ``x_flt.fits.gz``: read as the plain file ``x_flt.fits``."""

from __future__ import annotations

import bz2
import filecmp
import gzip
import lzma
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from skymosaic.errors import InputError
from skymosaic.hst.exposure import suffix_of

SUFFIXES = (".gz", ".bz2", ".xz", ".zip")
"""How the names of packed files end that are read; those that Python unpacks by itself."""
MOST_BYTES = 1 << 35
"""Bytes of an unpacked file at most: a damaged or hostile file may unpack without end."""
_BLOCK = 1 << 20
_FIRST = 6  # bytes that tell the packing
_NO_UNPACKING = (
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    ValueError,
    RuntimeError,  # zipfile's, of files with a password, or of a packing that it does not know
)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def plain_name(name: str) -> str:
    """Return the name of the plain file: ``x_flt.fits`` of ``x_flt.fits.gz``."""
    suffix = next((end for end in SUFFIXES if name.lower().endswith(f".fits{end}")), "")
    return name[: len(name) - len(suffix)]


def is_image(name: str) -> bool:
    """Tell whether a file is named as an exposure or drizzled image is, plain or packed."""
    plain = plain_name(name)
    return plain.lower().endswith(".fits") and suffix_of(plain) is not None


def is_packed(path: Path) -> bool:
    """Tell whether a file is packed, by what it holds: some browsers unpack and keep the name."""
    with path.open("rb") as file:
        return _packing(file.read(_FIRST)) is not None


def copy_plain(path: Path, target: Path) -> None:
    """Copy a file, unpacked where it is packed.

    Parameters
    ----------
    path : Path
        The file, plain or packed.
    target : Path
        Is replaced.

    Raises
    ------
    InputError
        It is damaged, or unpacks to more than `MOST_BYTES`.
    OSError
        The file cannot be opened, or the copy cannot be written.
    """
    with path.open("rb") as file:
        if _packing(file.read(_FIRST)) is None:
            shutil.copyfile(path, target)
            return
    written = 0
    with target.open("wb") as copy:
        for block in _blocks(path):
            written += len(block)
            if written > MOST_BYTES:
                raise InputError(
                    f"{path} unpacks to more than {MOST_BYTES >> 30} GiB, which no exposure has; "
                    "remove it from the folder, or unpack it yourself"
                )
            copy.write(block)


def plain_beginning(path: Path, count: int) -> bytes:
    """Return the first bytes of a file, unpacked where it is packed; all of a shorter one.

    Raises
    ------
    InputError
        It is damaged.
    """
    with path.open("rb") as file:
        beginning = file.read(count)
    if _packing(beginning[:_FIRST]) is None:
        return beginning
    return next(_blocks(path), b"")[:count]


def same_content(one: Path, other: Path, folder: Path) -> bool:
    """Tell whether two files hold the same, unpacked.

    Parameters
    ----------
    one, other : Path
        The files, plain or packed.
    folder : Path
        For unpacked copies.

    Raises
    ------
    InputError
        One of them is damaged.
    """
    if one.samefile(other):
        return True
    plain: list[Path] = []
    for number, path in enumerate((one, other)):
        if is_packed(path):
            copy_plain(path, folder / f"{number}.fits")
            path = folder / f"{number}.fits"
        plain.append(path)
    return filecmp.cmp(plain[0], plain[1], shallow=False)


def _blocks(path: Path) -> Iterator[bytes]:
    """Read a packed file; what goes wrong with it is told of it, not of where it is written."""
    try:
        with _opened(path) as file:
            while block := file.read(_BLOCK):
                yield block
    except _NO_UNPACKING as error:
        raise InputError(f"{path} cannot be unpacked ({error}); fetch it again") from None


@contextmanager
def _opened(path: Path) -> Iterator[_Readable]:
    with path.open("rb") as packed:
        packing = _packing(packed.read(_FIRST))
        packed.seek(0)
        if packing == "zip":
            with (
                zipfile.ZipFile(packed) as archive,
                archive.open(_exposure_in(archive, path)) as file,
            ):
                yield file
        elif packing == "gzip":
            with gzip.open(packed) as file:
                yield file
        elif packing == "bzip2":
            with bz2.open(packed) as file:
                yield file
        else:
            with lzma.open(packed) as file:
                yield file


def _exposure_in(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    """Return the one FITS file of a zip, whatever folders, and files such as READMEs, it holds too.

    A file that is alone is taken whatever its name; of several FITS files the one exposure.
    """
    files = [entry for entry in archive.infolist() if not entry.is_dir()]
    # macOS puts a file of its own beside each, of the same name but for the beginning.
    found = [
        entry
        for entry in files
        if entry.filename.lower().endswith(".fits") and not _base(entry).startswith("._")
    ]
    if len(found) > 1:
        found = [entry for entry in found if is_image(_base(entry))] or found
    if len(files) == 1:
        return files[0]
    if len(found) != 1:
        names = ", ".join(entry.filename for entry in (found or files)[:3]) or "nothing"
        raise InputError(
            f"{path} holds {names}{', ...' if len(found or files) > 3 else ''}, where one exposure "
            "is expected; unpack it, and take it out of the folder"
        )
    return found[0]


def _base(entry: zipfile.ZipInfo) -> str:
    return entry.filename.rpartition("/")[2]


def _packing(first: bytes) -> str | None:
    packings = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"PK\x03\x04": "zip"}
    return next((name for begin, name in packings.items() if first.startswith(begin)), None)
