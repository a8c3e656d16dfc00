"""What came of a file: whether it is the one that was wanted, and whole."""

from __future__ import annotations

import hashlib
import logging
import re
from pathlib import Path

from skymosaic.archive.origin import AgainError, Reply, Version, Wanted
from skymosaic.errors import InputError

log = logging.getLogger(__name__)

MOST_BYTES = 64 * 10**9
"""The largest file that is fetched: HST's largest drizzled images have a tenth of that."""
_MD5 = re.compile(r'"?([0-9a-f]{32})"?')
_NOT_COMPARED = (
    "the place's ETag is no MD5 sum of it, as with encryption by SSE-KMS or SSE-C; its size was "
    "compared, its content with no checksum"
)
_FITS, _GZIP = b"SIMPLE  =", b"\x1f\x8b"
_FITS_BLOCK = 2880  # bytes


def require_fitting(
    reply: Reply, file: Wanted, have: int, known: Version, size_before: int | None
) -> None:
    """Require that a reply goes on with what is there, or begins anew, with the file wanted."""
    if reply.start not in (0, have):
        raise AgainError(
            f"it sent the bytes from {reply.start} on, but those from {have} on were requested",
            afresh=True,
        )
    if reply.start and not known.is_same(reply.version):
        raise AgainError("it does not say that its file is the same as before", afresh=True)
    if reply.start and size_before is not None and reply.size != size_before:
        raise AgainError(f"its file had {size_before} bytes, and has {reply.size} now", afresh=True)
    if file.size and reply.size is not None and reply.size > file.size:
        raise InputError(_other_size(file, reply.size))  # less may be a page that tells why
    if max(reply.size or 0, file.size) > MOST_BYTES:
        raise InputError(
            f"{file.name}: it should have {max(reply.size or 0, file.size)} bytes; at most "
            f"{MOST_BYTES} are fetched. Is it an HST file? Leave it out of the "
            "query"
        )


def require_file(file: Wanted, part: Path, size: int | None) -> None:
    """Require that what came is a whole FITS file of the size in the list.

    Parameters
    ----------
    file : Wanted
        Which.
    part : Path
        What came.
    size : int or None
        Bytes, as the origin says.

    Raises
    ------
    AgainError
        It broke off.
    InputError
        It is another file, or none of FITS.
    """
    found = part.stat().st_size
    if size is not None and found < size:
        raise AgainError(f"it broke off after {found} of {size} bytes")
    with part.open("rb") as reader:
        begin = reader.read(len(_FITS))
    # Of the size that the list tells it is the file that lies there, and nothing in its place.
    lies_there = bool(file.size) and found == file.size
    if begin.startswith(_GZIP):
        raise InputError(
            f"{file.name}: the answer is compressed, although this was not requested. Does a "
            "proxy compress it? Set no_proxy for the archive's server",
            of_file=lies_there,
        )
    if begin != _FITS:
        raise InputError(
            f"{file.name}: the answer is not FITS (perhaps it is a web page of the archive). Is "
            "the archive under maintenance? Try again later",
            of_file=lies_there,
        )
    if file.size and found != file.size:
        raise InputError(_other_size(file, found))
    if not file.size and found % _FITS_BLOCK:
        raise AgainError(f"it broke off after {found} bytes: FITS comes in blocks of {_FITS_BLOCK}")


def compare_with_tag(file: Wanted, part: Path, reply: Reply, seen: set[str]) -> None:
    """Compare what came with the place's tag, where that is an MD5 sum.

    S3's tags look like MD5 sums where they are none: of objects that are encrypted by SSE-KMS or
    SSE-C, and nothing may say that they are. So what comes a second time, byte by byte, lies there.

    Parameters
    ----------
    file : Wanted
        Which.
    part : Path
        What came.
    reply : Reply
        Of the place.
    seen : set of str
        MD5 sums of what came before; that of what came now is added.
    """
    tag = _MD5.fullmatch(reply.version.etag)
    if tag is None:
        return
    if reply.is_encrypted:
        log.info("%s: %s", file.name, _NOT_COMPARED)
        return
    with part.open("rb") as reader:
        md5 = hashlib.file_digest(reader, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if md5 == tag[1]:
        return
    if md5 not in seen:
        seen.add(md5)
        raise AgainError("its checksum is not the one that the server gives", afresh=True)
    log.warning(
        "%s came twice with the same bytes, whose MD5 sum is %s: %s", file.name, md5, _NOT_COMPARED
    )


def _other_size(file: Wanted, size: int) -> str:
    return (
        f"{file.name}: {size} bytes came, but the list says {file.size}; the archive is being "
        "changed, try again later"
    )
