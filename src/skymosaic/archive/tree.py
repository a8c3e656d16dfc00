"""The files of a folder and of all folders below it, as astroquery leaves them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from skymosaic.errors import InputError

MOST_ENTRIES = 200_000
"""Files and folders that are looked at; more are a disk, not a folder of exposures."""
DEEPEST = 16
"""Folders within each other that are looked through."""
_OURS = ("manifests", "pristine")  # what a campaign's own folder in a store has
_SCRATCH = "skymosaic-"


def files_below(folder: Path, refuse: Callable[[Path, str], None]) -> list[Path]:
    """Return all files of a folder and of those below it, those that lie nearest first.

    Links to folders are followed, each folder is looked through once. Not looked through: folders
    whose names begin with a dot, and below `folder` campaigns in a store of ours and scratch
    folders, whose exposures are copies.

    Parameters
    ----------
    folder : Path
        Where to look.
    refuse : callable
        Gets a folder that may not be read, and why; what it raises ends the search.

    Raises
    ------
    InputError
        There is far too much to look through.
    """
    found: list[tuple[int, str]] = []
    seen: set[tuple[int, int]] = set()
    level, depth, looked = [str(folder)], 0, 0
    while level:
        below: list[str] = []
        for name in sorted(level):
            try:
                status = Path(name).stat()
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
                with os.scandir(name) as entries:
                    inside = list(entries)
            except OSError as error:
                refuse(Path(name), f"{name} cannot be looked through ({error.strerror})")
                continue
            folders = {entry.name for entry in inside if _is_folder(entry)}
            if depth and folders.issuperset(_OURS):
                continue
            looked += len(inside)
            if looked > MOST_ENTRIES:
                raise InputError(
                    f"{folder} holds more than {MOST_ENTRIES} files and folders; set source.path "
                    "to a folder that holds the exposures and little else"
                )
            found += [(depth, entry.path) for entry in inside if entry.name not in folders]
            below += [
                entry.path
                for entry in inside
                if entry.name in folders and not entry.name.startswith((".", _SCRATCH))
            ]
        if below and depth == DEEPEST:
            raise InputError(
                f"{folder} has folders within folders more than {DEEPEST} deep, such as "
                f"{min(below)}; set source.path to a folder nearer to the exposures"
            )
        level, depth = below, depth + 1
    return [Path(path) for _, path in sorted(found)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False
