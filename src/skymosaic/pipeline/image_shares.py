"""Which images a task takes, before it is known which of them the campaign has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from skymosaic.archive.base import Parcel
from skymosaic.hst.exposure import DRIZZLED_SUFFIXES, Exposure, suffix_of
from skymosaic.steps.execution import in_order


@dataclass(frozen=True)
class Share:
    """The images of a task: the one of a name, or all that no other task has.

    Files may hold other images than their names say, of which one task takes care: none, as a rule.
    """

    name: str
    """What the task is about: the file's name without its ending."""
    near: str = ""
    """The host that the file is retrieved on; empty where the place is no matter."""
    others: frozenset[str] | None = None
    """Names of the files of all other tasks; None: it takes the one of its name."""

    def of(self, images: Sequence[Exposure]) -> list[Exposure]:
        """Return those that the task takes."""
        if self.others is None:
            return [image for image in images if image.name == f"{self.name}.fits"]
        return [image for image in images if image.name not in self.others]


def shares_of(parcels: Sequence[Parcel], hosts: Sequence[str], *, drizzled: bool) -> list[Share]:
    """Return what each task takes: of exposures, or of drizzled images.

    Parameters
    ----------
    parcels : sequence of Parcel
        What is retrieved.
    hosts : sequence of str
        The host of each worker; empty where the place is no matter.
    drizzled : bool
        Whether drizzled images are taken.
    """
    near = in_order(hosts, len(parcels)) or [""] * len(parcels)
    shares = [
        Share(name.removesuffix(".fits"), host)
        for parcel, host in zip(parcels, near, strict=True)
        for name in parcel.images
        if suffix_of(name) is None or (suffix_of(name) in DRIZZLED_SUFFIXES) == drizzled
    ]
    return [*shares, Share("others", others=frozenset(f"{share.name}.fits" for share in shares))]
