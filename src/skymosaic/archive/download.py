"""Bring one file here, by HTTP or from a bucket: resumed, checked, tried again, within bounds.

An origin may break off, stall, send another file or another part than it was asked for, or more
than there is. What came is gone on with only where it says that it is still the same file.
"""

from __future__ import annotations

import hashlib
import json
import logging
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from io import RawIOBase
from pathlib import Path

from skymosaic.archive.origin import AgainError, File, Origin, Version
from skymosaic.archive.parts import disk_errors, require_room
from skymosaic.archive.received import MOST_BYTES, compare_with_tag, require_file, require_fitting
from skymosaic.archive.sharing import Unfinished, fetched_once
from skymosaic.errors import ForbiddenError, InputError, UnreachableError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """How long a place is waited for."""

    tries: int = 6
    """How often what may pass is tried."""
    longest_pause: float = 20.0
    """Longest pause between two tries, s."""
    longest_requested: float = 60.0
    """Longest pause that a place may ask for, s."""
    window: float = 60.0
    """Time in which an answer begins, and then `least` bytes come, s."""
    least: int = 60_000
    """Bytes that come within `window` at least, unless the file is at its end."""
    longest_wait: float = 300.0
    """How long to wait for another process that fetches the same file and gets nothing, s."""


PATIENCE = Patience()
_ELSEWHERE = Patience(tries=2)  # where there is another place to ask


def fetch(
    place: Origin[File], file: File, target: Path, parts: Path, patience: Patience = PATIENCE
) -> None:
    """Fetch a file, going on with what an earlier try left in `parts`.

    Where another process fetches the same file into the same `parts`, this one waits for it and
    takes what came.

    Parameters
    ----------
    place : Place
        Where from.
    file : Wanted
        What.
    target : Path
        Where to; it is whole when this returns.
    parts : Path
        Folder of unfinished files.
    patience : Patience
        How long to wait, and how often to try.

    Raises
    ------
    UnreachableError
        The place did not answer, broke off, or was too slow, at every try.
    InputError
        What came is not the file: another size, another checksum, no FITS.
    ForbiddenError
        It is not public yet.
    StoreError
        There is no room for it, or the folder of unfinished files cannot be used.
    """
    with (
        disk_errors(file, target, parts),
        fetched_once(parts, part_name(place, file), target, patience.longest_wait) as mine,
    ):
        if mine is None:
            log.info("%s was fetched by another process meanwhile", file.name)
            return
        seen: set[str] = set()
        for tries_left in reversed(range(patience.tries)):
            try:
                _try(place, file, mine, patience, seen)
                break
            except AgainError as error:
                if error.afresh:
                    mine.forget()
                if not tries_left:
                    raise UnreachableError(
                        f"{file.name} could not be fetched from {place.name} in {patience.tries} "
                        f"tries: {error}; run again to resume the download"
                    ) from None
                pause = _pause(error.pause, patience.tries - tries_left, patience)
                log.info("%s from %s: %s; again in %.1f s", file.name, place.name, error, pause)
                time.sleep(pause)


def _pause(requested: float | None, tries: int, patience: Patience) -> float:
    if requested is not None:
        return min(requested, patience.longest_requested)
    # Full jitter: those that failed together do not come back together.
    longest = min(patience.longest_pause, 0.5 * 2**tries)
    return random.uniform(min(0.1, longest), longest)  # noqa: S311


def part_name(place: Origin[File], file: File) -> str:
    """Return a name for the unfinished file; another place's is another file."""
    identity = json.dumps([place.address, file.key, file.size, file.etag])
    return f"{file.name}.{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def _try(
    place: Origin[File], file: File, mine: Unfinished, patience: Patience, seen: set[str]
) -> None:
    """Fetch what is missing of a file, and check it; `seen`: as for `received.compare_with_tag`."""
    have, known, size_before = _left(mine)
    wanted = known if have else Version(file.etag)
    with place.open(file, have, wanted, patience.window) as reply:
        require_fitting(reply, file, have, known, size_before)
        size = reply.size if reply.size is not None else file.size or None
        require_room(mine.part, (size or 0) - reply.start)
        if not reply.start:
            mine.about.unlink(missing_ok=True)
        with mine.part.open("r+b" if reply.start else "wb", buffering=0) as writer:
            if not reply.start and (reply.version.strong or reply.version.modified):
                # Now that nothing of another version is left.
                about = {**asdict(reply.version), "size": reply.size}
                mine.about.write_text(json.dumps(about))
            end = writer.seek(reply.start)
            for block in _not_too_slow(reply.blocks, patience):
                end += len(block)
                if end > (most := size or MOST_BYTES):
                    raise AgainError(f"it sent more than the expected {most} bytes", afresh=True)
                _write_all(writer, block)
            writer.truncate()
    try:
        require_file(file, mine.part, size)
        compare_with_tag(file, mine.part, reply, seen)
    except InputError as error:
        mine.forget()
        if reply.start:
            why = f"what came behind the {have} bytes of an earlier try is not the file ({error})"
            raise AgainError(why, afresh=True) from None
        raise


def _write_all(writer: RawIOBase, block: bytes) -> None:
    # Unbuffered, so that a killed process loses nothing; then a disk that is nearly full takes less
    # than it is given.
    rest = memoryview(block)
    while rest:
        rest = rest[writer.write(rest) :]


def _left(mine: Unfinished) -> tuple[int, Version, int | None]:
    """Return the bytes that an earlier try left, of which version, and of how many."""
    try:
        about = json.loads(mine.about.read_text())
        size = about["size"]
        version = Version(str(about["etag"]), str(about["modified"]))
        have = mine.part.stat().st_size
    except (OSError, ValueError, TypeError, KeyError):
        return 0, Version(), None
    return have, version, size if isinstance(size, int) else None


def _not_too_slow(blocks: Iterator[bytes], patience: Patience) -> Iterator[bytes]:
    """Yield blocks while at least `patience.least` bytes come within each window."""
    came, since = 0, time.monotonic()
    for block in blocks:
        yield block
        came += len(block)
        now = time.monotonic()
        if now - since > patience.window:
            if came < patience.least:
                raise AgainError(f"it is too slow: {came} bytes in {now - since:.0f} s")
            came, since = 0, now


def first_that_can(places: Sequence[Origin[File]], file: File, target: Path, parts: Path) -> str:
    """Fetch a file from the first place that has it; return that place's name.

    Raises
    ------
    UnreachableError, InputError, ForbiddenError, StoreError
        What the last place said, as `fetch`.
    """
    *first, last = places
    for place in first:
        try:
            fetch(place, file, target, parts, _ELSEWHERE)
            return place.name
        except (InputError, UnreachableError, ForbiddenError) as error:
            log.warning("%s; trying the next server", error)
    fetch(last, file, target, parts)
    return last.name
