"""What a campaign's store knows of files that it has retrieved, so that nobody reads them again.

To read the headers of a file, and compute where its corners are, takes ten times as long as to read
its manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from skymosaic.errors import DamagedError
from skymosaic.hst.exposure import RECORD, Exposure
from skymosaic.pipeline.results import RETRIEVE
from skymosaic.steps.manifests import from_manifest, read_manifest
from skymosaic.steps.place import Place
from skymosaic.store.base import is_ours
from skymosaic.store.local import LocalStore


@dataclass(frozen=True)
class KnownImages:
    """The images that a campaign has retrieved, as a source asks for them.

    Parameters
    ----------
    place : Place
        The campaign's.
    """

    place: Place

    @classmethod
    def of(cls, place: Place) -> KnownImages | None:
        """Return them; None where asking the store takes longer than reading the files."""
        return cls(place) if isinstance(place.store, LocalStore) else None

    def __call__(self, path: Path, identity: Mapping[str, Any]) -> Exposure | None:
        """Return what the headers of a file say, without what was seen in its pixels.

        Parameters
        ----------
        path : Path
            The file.
        identity : mapping
            That of its parcel.

        Returns
        -------
        Exposure or None
            None where it was not retrieved, or has changed since.
        """
        step = RETRIEVE.step(path.name.removesuffix(".fits"))
        if not is_ours(step.name):
            return None
        try:
            manifest = read_manifest(self.place, step.name)
            wanted = {"parcel": dict(identity), "record": RECORD}
            if manifest is None or manifest["parameters"] != wanted:
                return None
            images = from_manifest(self.place, step, manifest, reused=True).result.images
        except DamagedError:  # it is retrieved again, by who tells of it
            return None
        if len(images) != 1 or images[0].name != path.name:  # a file of several exposures
            return None
        return replace(images[0], health=())
