"""A folder of FLT/FLC and DRZ/DRC/DRW files, and those below it, as source."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from skymosaic.archive.base import Parcel
from skymosaic.archive.packing import (
    copy_plain,
    is_image,
    is_packed,
    plain_beginning,
    plain_name,
    same_content,
)
from skymosaic.archive.passed_over import few, passed_over
from skymosaic.archive.tree import files_below
from skymosaic.archive.twins import uncorrected_twins
from skymosaic.errors import InputError, SkymosaicError
from skymosaic.host import scratch
from skymosaic.host.counting import counted
from skymosaic.host.disk import no_space
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.facts import FACTS_BYTES, read_facts
from skymosaic.hst.files import require_file
from skymosaic.hst.reading import read_exposure
from skymosaic.hst.usable import Allowed, left_out, why_refused

log = logging.getLogger(__name__)

_MORE_ROOM = "set the environment variable TMPDIR to a folder with more"


@dataclass(frozen=True)
class Directory:
    """All exposures and drizzled images of a folder; what else looks like one is named.

    All folders below it are looked through, as `files_below` tells. Packed files are taken as the
    plain files that they hold.

    Parameters
    ----------
    path : Path
        The folder.
    leave_out_bad : bool
        Leave out, with a warning, what would otherwise be refused.
    filter, detector : str or None
        Take these only.
    allow_mixed : bool
        Allow exposures of several filters and detectors.
    allowed : Allowed
        What is taken that is refused otherwise.
    mixed : bool
        There are several mosaics, whose exposures are told apart by their headers.
    known : callable or None
        Gives what is known already of the file of a path with an identity, as that of its parcel;
        None: nothing is. Of other files the headers are read.
    """

    path: Path
    leave_out_bad: bool = False
    filter: str | None = None
    detector: str | None = None
    allow_mixed: bool = False
    allowed: Allowed = field(default_factory=Allowed)
    mixed: bool = False
    known: Callable[[Path, Mapping[str, Any]], Exposure | None] | None = field(
        default=None, compare=False
    )
    left_out: list[str] = field(default_factory=list, compare=False)
    """What `parcels` left out, and why."""

    def parcels(self) -> list[Parcel]:
        """Return a parcel for each file, sorted by name.

        Raises
        ------
        InputError
            No exposures; or a file that is damaged, duplicate, not HST's, of another filter or
            detector, or cannot be used, unless such files are left out.
        """
        self.left_out.clear()
        if not self.path.is_dir():
            raise InputError(f"{self.path} is not a folder; source.path must name one")
        files = files_below(self.path, self._refuse)
        found = self._readable([path for path in files if is_image(path.name)])
        others = (path.name for path in files if not is_image(path.name))
        over = passed_over(others, _names_of(found))
        found = self._usable(self._wanted(found))
        found = self._unique(found)
        found = self._of_one_kind(found)
        if not any(not image.drizzled for image in found.values()):
            raise InputError(
                f"no calibrated exposures (*_flt.fits, *_flc.fits) to use in {self.path} and "
                "below; source.path names the folder that holds them"
                + (f". {over}" if over else "")
            )
        if over:
            self._note(over)
        return sorted(
            (self._parcel(path, image) for path, image in found.items()), key=lambda p: p.name
        )

    def fetch(self, parcel: Parcel, folder: Path, log: Path) -> int:
        """Copy the file of a parcel into `folder` under the name that its ROOTNAME calls for.

        It is unpacked where it is packed.
        """
        path = Path(parcel.identity["path"])
        try:
            copy_plain(path, folder / f"{parcel.name}.fits")
        except OSError as error:
            if error.filename != str(path):  # it is the copy that failed, not the original
                raise
            raise InputError(
                f"{path} can no longer be read ({error.strerror}); correct this and run again"
            ) from None
        return 0

    def _refuse(self, path: Path, message: str) -> None:
        """Raise, or leave the file out with a warning, as the campaign says."""
        if not self.leave_out_bad:
            raise InputError(f"{message} (or set source.on_bad_file: leave_out)")
        line = left_out(message)
        log.warning("%s", line)
        self.left_out.append(line)

    def _note(self, line: str) -> None:
        log.warning("%s: %s", self.path, line)
        self.left_out.append(line)

    def _readable(self, files: Sequence[Path]) -> dict[Path, Exposure]:
        found = {}
        with scratch.folder(None, "unpack") as work:
            for path in files:
                try:
                    known = self._known(path)
                    found[path] = known or _read(path, work / plain_name(path.name))
                except InputError as error:
                    self._refuse(path, str(error))
        return found

    def _known(self, path: Path) -> Exposure | None:
        try:
            return None if self.known is None else self.known(path, _identity(path))
        except OSError:  # who reads it tells
            return None

    def _wanted(self, found: dict[Path, Exposure]) -> dict[Path, Exposure]:
        return {
            path: image
            for path, image in found.items()
            if (self.filter is None or image.filter == self.filter)
            and (self.detector is None or image.detector == self.detector)
        }

    def _usable(self, found: dict[Path, Exposure]) -> dict[Path, Exposure]:
        usable = {}
        for path, image in found.items():
            why = why_refused(image, self.allowed, str(path))
            if why is None:
                usable[path] = image
            else:
                self._refuse(path, why)
        return usable

    def _unique(self, found: dict[Path, Exposure]) -> dict[Path, Exposure]:
        """Return one file of each exposure and drizzled image; refuse others that differ."""
        files: dict[str, list[Path]] = {}
        for path, image in found.items():
            files.setdefault(image.name, []).append(path)
        taken: dict[str, Path] = {}
        copies = []
        for name, paths in files.items():
            # The plain file rather than the packed one, its own name rather than another.
            taken[name], *others = sorted(
                paths,
                key=partial(_rank, name),
            )
            copies += [
                f"{self._relative(path)} (as {self._relative(taken[name])})"
                for path in self._equal(found[taken[name]].rootname, taken[name], others)
            ]
        if copies:
            self._note(f"left out, because they are copies of other files: {few(copies)}")
        twins = sorted(uncorrected_twins(taken))
        if twins:
            self._note(
                "left out, because there are files with corrected charge transfer (FLC, DRC): "
                f"{few([self._relative(taken.pop(name)) for name in twins])}"
            )
        unique: dict[str, Path] = {}
        for path in taken.values():
            image = found[path]
            first = unique.setdefault(f"{image.rootname} {image.drizzled}", path)
            if first != path:
                self._refuse(
                    path, f"{path} is a duplicate of {first}: both are {image.rootname}; remove one"
                )
        return {path: found[path] for path in unique.values()}

    def _equal(self, rootname: str, taken: Path, others: Sequence[Path]) -> list[Path]:
        """Return the files that hold what the one that is taken holds; refuse those that do not."""
        if not others:
            return []
        equal = []
        with scratch.folder(None, "unpack") as work:
            for path in others:
                try:
                    is_equal = same_content(taken, path, work)
                except OSError as error:
                    raise _no_copy(error, path, work) from None
                if is_equal:
                    equal.append(path)
                    continue
                self._refuse(
                    path,
                    f"{path} and {taken} are both {rootname}, but they differ; remove one, "
                    "or set source.path to the folder of one",
                )
        return equal

    def _relative(self, path: Path) -> str:
        return str(path.relative_to(self.path))

    def _of_one_kind(self, found: dict[Path, Exposure]) -> dict[Path, Exposure]:
        if self.allow_mixed or self.mixed:
            return found
        for what, kind in _KINDS.items():
            counts = Counter(kind(image) for image in found.values())
            if len(counts) < 2:
                continue
            (most, number), *others = counts.most_common()
            if number == others[0][1]:
                raise InputError(
                    f"{self.path} holds files of {what} {most} and {others[0][0]} in equal number; "
                    f"set source.{what} to choose one, or source.allow_mixed: true to mix them"
                )
            for path, image in list(found.items()):
                if kind(image) != most:
                    self._refuse(
                        path,
                        f"{path} is of {what} {kind(image)}, "
                        f"{counted(number, 'other file is', 'other files are')} of {most} "
                        f"({len(others) + 1} {what}s in all); set source.{what} to choose one",
                    )
                    del found[path]
        return found

    def _parcel(self, path: Path, image: Exposure) -> Parcel:
        return Parcel(
            name=image.name.removesuffix(".fits"),
            identity=_identity(path),
            facts=read_facts(plain_beginning(path, FACTS_BYTES), str(path)) if self.mixed else None,
        )


def _identity(path: Path) -> dict[str, Any]:
    # Size and time stand for the content: a campaign's second run need not read it all.
    status = path.stat()
    return {"path": str(path), "size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _rank(name: str, path: Path) -> tuple[bool, bool]:
    """Return what the files of one image are sorted by; the first is taken."""
    plain = plain_name(path.name)
    return plain != path.name, plain != name


def _read(path: Path, plain: Path) -> Exposure:
    """Read the headers of a file; `plain` is for its unpacked copy, which is removed."""
    try:
        require_file(path)
        if path.name == plain.name and not is_packed(path):
            return read_exposure(path)
        copy_plain(path, plain)
    except OSError as error:
        raise _no_copy(error, path, plain.parent) from None
    try:
        return read_exposure(plain)
    except InputError as error:
        raise InputError(str(error).replace(str(plain), str(path))) from None
    finally:
        plain.unlink()


def _no_copy(error: OSError, path: Path, work: Path) -> SkymosaicError:
    """Return what to raise where a file could not be unpacked: the disk may be full."""
    full = no_space(error, f"the unpacked {path.name}", work, _MORE_ROOM)
    return full or InputError(f"{path} cannot be read ({error.strerror}); fetch it again")


def _names_of(found: Mapping[Path, Exposure]) -> set[str]:
    """Return what files and headers call the images, for files beside them."""
    files = {path.name.lower().rsplit("_", 1)[0] for path in found}  # also of packed ones
    return files | {image.rootname for image in found.values()}


_KINDS: dict[str, Callable[[Exposure], str]] = {
    "detector": lambda image: f"{image.instrument}/{image.detector}",
    "filter": lambda image: image.filter,
}
