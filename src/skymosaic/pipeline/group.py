"""One mosaic of a campaign, and the field that it shares with others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from skymosaic.archive.base import Parcel
from skymosaic.config import Campaign


@dataclass(frozen=True)
class Field:
    """Groups of one target that share their grid, their alignment, or a colour picture."""

    name: str
    """Of the target, safe as a part of a path."""
    groups: tuple[str, ...]
    """Names; the first is the reference."""
    aligned: bool
    """Whether the others are aligned to the reference."""
    on_grid: tuple[str, ...]
    """Names of the groups that have one grid; empty where each has its own."""

    @property
    def is_linked(self) -> bool:
        """Whether any group depends on another one."""
        return self.aligned or bool(self.on_grid)

    @property
    def reference(self) -> str:
        """Name of the group that the others are aligned to."""
        return self.groups[0]

    def needed_by(self, name: str) -> list[str]:
        """Return the other groups whose alignment a group depends on, by their names."""
        needed = set(self.on_grid) if name in self.on_grid else set()
        needed |= {self.reference} if self.aligned else set()
        return [each for each in self.groups if each in needed - {name}]


@dataclass(frozen=True)
class Group:
    """One mosaic of a program."""

    name: str
    """As the campaign file names it, such as ``TARGET/FILTER``.

    Empty where the campaign is one mosaic.
    """
    folder: str
    """Below the campaign's, such as ``PROPOSAL/TARGET/FILTER``; empty where it is that."""
    parcels: Sequence[Parcel]
    field: Field | None = None
    """What it shares with other groups; None: nothing."""

    @property
    def files(self) -> int:
        """How many exposures and drizzled images it has."""
        return sum(len(parcel.images) for parcel in self.parcels)

    def own(self, campaign: Campaign) -> Campaign:
        """Return the campaign of this mosaic alone.

        Raises
        ------
        CampaignError
            The group asks for what cannot be.
        """
        return campaign.for_group(self.name) if self.name else campaign


def fields_in(groups: Sequence[Group]) -> list[Field]:
    """Return the fields that groups are of, in the order of their first groups."""
    return list(dict.fromkeys(group.field for group in groups if group.field is not None))
