"""Copies of files: shared blocks where the file system can (reflink), plain otherwise."""

from __future__ import annotations

import errno
import fcntl
import hashlib
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

_FICLONE = 0x40049409  # linux/fs.h: make one file share all blocks of another
_CANNOT = {errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM}
_BLOCK = 1 << 20


def copy_file(source: Path, target: Path) -> tuple[str, int]:
    """Copy a file; parameters and what is returned as for `copy_open`."""
    with source.open("rb") as reader:
        return copy_open(reader, target)


def copy_open(reader: BufferedReader, target: Path) -> tuple[str, int]:
    """Copy an open file; changes to the copy do not reach the original.

    Parameters
    ----------
    reader : file
        What to copy, at its beginning.
    target : Path
        Where; what is there is replaced.

    Returns
    -------
    sha256 : str
        Checksum of what was read, hexadecimal.
    written : int
        Bytes that were written; 0 where the copy shares the original's blocks.
    """
    with target.open("wb") as writer:
        if share_blocks(reader, writer):
            return hashlib.file_digest(reader, "sha256").hexdigest(), 0
        digest, written = hashlib.sha256(), 0
        while block := reader.read(_BLOCK):
            digest.update(block)
            writer.write(block)
            written += len(block)
    return digest.hexdigest(), written


def share_blocks(reader: BinaryIO, writer: BinaryIO) -> bool:
    """Let one file share the blocks of another, copy-on-write; tell whether that was possible."""
    try:
        fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
    except OSError as error:
        if error.errno in _CANNOT:
            return False
        raise
    return True
