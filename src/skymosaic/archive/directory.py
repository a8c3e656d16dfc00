"""A folder of FLT/FLC and DRZ/DRC/DRW files as source."""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from skymosaic.archive.base import Parcel
from skymosaic.archive.passed_over import passed_over
from skymosaic.errors import InputError
from skymosaic.exposure import Exposure, read_exposure, suffix_of
from skymosaic.usable import Allowed, why_refused

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Directory:
    """All exposures and drizzled images of a folder; what else looks like one is named.

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
    """

    path: Path
    leave_out_bad: bool = False
    filter: str | None = None
    detector: str | None = None
    allow_mixed: bool = False
    allowed: Allowed = field(default_factory=Allowed)
    left_out: list[str] = field(default_factory=list, compare=False)
    """What `parcels` left out, and why."""

    def parcels(self) -> list[Parcel]:
        """Return a parcel for each file, sorted by name.

        Raises
        ------
        InputError
            No exposures; or a file that is damaged, doubled, not HST's, of another filter or
            detector, or cannot be used, unless such files are left out.
        """
        self.left_out.clear()
        found = self._readable()
        over = passed_over((path.name for path in self.path.iterdir()), _names_of(found))
        found = self._usable(self._wanted(found))
        found = self._unique(found)
        found = self._of_one_kind(found)
        if not any(not image.drizzled for image in found.values()):
            raise InputError(
                f"no calibrated exposures (*_flt.fits, *_flc.fits) to use in {self.path}; "
                "source.path names the folder that holds them" + (f". {over}" if over else "")
            )
        if over:
            log.warning("%s: %s", self.path, over)
            self.left_out.append(over)
        return sorted(
            (self._parcel(path, image) for path, image in found.items()), key=lambda p: p.name
        )

    def fetch(self, parcel: Parcel, folder: Path, log: Path) -> int:
        """Copy the file of a parcel into `folder` under the name that its ROOTNAME calls for."""
        path = Path(parcel.identity["path"])
        try:
            shutil.copyfile(path, folder / f"{parcel.name}.fits")
        except OSError as error:
            if error.filename != str(path):  # it is the copy that failed, not the original
                raise
            raise InputError(
                f"{path} cannot be read any longer ({error.strerror}); put it right and run again"
            ) from None
        return 0

    def _refuse(self, path: Path, message: str) -> None:
        """Raise, or leave the file out with a warning, as the campaign says."""
        if not self.leave_out_bad:
            raise InputError(f"{message} (or set source.on_bad_file: leave_out)")
        log.warning("left out: %s", message)
        self.left_out.append(f"{path.name}: {message}")

    def _readable(self) -> dict[Path, Exposure]:
        if not self.path.is_dir():
            raise InputError(f"{self.path} is not a folder; source.path must name one")
        found = {}
        for path in sorted(self.path.iterdir()):
            if path.suffix.lower() != ".fits" or suffix_of(path.name) is None:
                continue
            try:
                found[path] = read_exposure(path)
            except InputError as error:
                self._refuse(path, str(error))
        return found

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
        unique: dict[str, Path] = {}
        for path, image in found.items():
            # FLT and FLC of one exposure are the same photons.
            first = unique.setdefault(f"{image.rootname} {image.drizzled}", path)
            if first != path:
                self._refuse(
                    path,
                    f"{path.name} and {first.name} are both {image.rootname}; take one out of "
                    f"{self.path}",
                )
        return {path: found[path] for path in unique.values()}

    def _of_one_kind(self, found: dict[Path, Exposure]) -> dict[Path, Exposure]:
        if self.allow_mixed:
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
                        f"{path} is of {what} {kind(image)}, {number} other files are of {most} "
                        f"({len(others) + 1} {what}s in all); set source.{what} to choose one",
                    )
                    del found[path]
        return found

    def _parcel(self, path: Path, image: Exposure) -> Parcel:
        status = path.stat()
        return Parcel(
            name=image.name.removesuffix(".fits"),
            # Size and time stand for the content: a campaign's second run need not read it all.
            identity={"path": str(path), "size": status.st_size, "mtime_ns": status.st_mtime_ns},
        )


def _names_of(found: Mapping[Path, Exposure]) -> set[str]:
    """Return what files and headers call the images, for files beside them."""
    files = {path.name.lower().rsplit("_", 1)[0] for path in found}
    return files | {image.rootname for image in found.values()}


_KINDS: dict[str, Callable[[Exposure], str]] = {
    "detector": lambda image: f"{image.instrument}/{image.detector}",
    "filter": lambda image: image.filter,
}
