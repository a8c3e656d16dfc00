"""The mosaics of a program, as a campaign file says them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from skymosaic.config.fields import Name, Names, Text, no_boolean, no_repeats
from skymosaic.config.sections import OptionalSection

GroupKey = Literal["proposal", "target", "filter", "detector", "visit", "epoch"]
GroupKeys = Annotated[
    tuple[GroupKey, ...],
    AfterValidator(no_repeats),
    Field(min_length=1, json_schema_extra={"uniqueItems": True, "minItems": 1}),
]
MOST_PARTS = 1 + len(get_args(GroupKey))
"""Most parts of a group's place in a store: its program's name, and a folder for each of `by`."""
_USUAL_GAP = 10.0  # days
# At most as long as Hubble flies: a longer gap is a number of another unit.
_Gap = Annotated[float, Field(gt=0, le=40_000), BeforeValidator(no_boolean)]
TAKEN_FOLDERS = frozenset(
    {
        *("campaign.yaml", "groups.json", "index.html", "submission.json"),
        *("cancel", "damaged", "failed", "locks", "logs", "manifests", "records", "shares"),
        *("staging", "pristine", "inspection", "aligned", "catalogue", "grids", "plan", "stars"),
        *("positions", "differences", "runs", "cells", "witness", "engines", "comparison"),
        *("colour", "low", "static", "singles", "measured", "guesses", "first_skies", "equations"),
        *("skies", "blocks", "headers", "variances", "errors", "outlines"),
        *("sources", "first_skies_sources", "separate_grid", "separate_sky", "separate", "medians"),
        *("hits", "plain", "levels", "evidence", "figures", "witnessed"),
        *("tiles", "tile_noise", "tile_counts"),
        *("finding", "tile_sources", "solution", "moved"),
        *("held", "wcs_choice", "wcs", "wcs_tiles", "shapes", "within", "shifted", "reference"),
    }
)
"""What campaigns have in their folders, in lower case: no group may be called so."""


class GroupRules(OptionalSection):
    """Which exposures make a mosaic each."""

    by: GroupKeys | None = Field(
        default=None,
        description=(
            "What the exposures of a group have in common, such as [target, filter]; the values in "
            "this order are the group's name and folder. visit: the first six characters of the "
            "rootname; epoch: see epoch_gap. null: proposal, target and filter; the name is "
            "TARGET/FILTER, the folder PROPOSAL/TARGET/FILTER. Groups are of one detector in any "
            "case, unless source.allow_mixed is true."
        ),
    )
    members: Mapping[Name, Names] = Field(
        default_factory=dict,
        description=(
            "Groups of one's own, in place of `by`: NAME: [patterns of rootnames or file names], "
            "such as deep: [ibxl54*, ibxl51*]; * stands for anything. Drizzled images that no "
            "pattern names go with their exposures."
        ),
    )
    epoch_gap: _Gap = Field(
        default=_USUAL_GAP,
        description=(
            "An epoch ends where a target has no exposure for so long (days). An epoch is named by "
            "the date on which it begins (UTC)."
        ),
    )

    grid: Literal["own", "shared"] = Field(
        default="own",
        description=(
            "own: each group has the smallest grid that holds its exposures; shared: the groups of "
            "a target have one grid, which holds the exposures of all of them. Where `by` has no "
            "target, and with `members`, all groups have one. A drizzle.grid goes first."
        ),
    )
    align: Literal["own", "shared"] = Field(
        default="own",
        description=(
            "own: the tiles of each group are aligned with each other; shared: the groups of a "
            "target (as for grid) are aligned to one of them, to the sources of its aligned "
            "drizzled images."
        ),
    )
    reference: Text | None = Field(
        default=None,
        description=(
            "The group that the others of its target are aligned to, which also tells the size and "
            "the angle of a shared grid's pixels: its name or a part of it, such as F160W; null: "
            "the first by name, of `members` the first in the file."
        ),
    )

    @property
    def share(self) -> bool:
        """Whether groups have anything in common."""
        return "shared" in (self.grid, self.align)

    @property
    def has_targets(self) -> bool:
        """Whether the groups of each target are a field of their own, and not all of them one."""
        return not self.members and (self.by is None or "target" in self.by)

    @model_validator(mode="after")
    def _a_reference_is_for_what_is_shared(self) -> Self:
        if self.reference is not None and not self.share:
            raise ValueError(
                "reference is of use where groups share something only: set grid or align to "
                "shared, or leave it out"
            )
        return self

    @model_validator(mode="after")
    def _one_way_of_grouping(self) -> Self:
        if self.by is not None and self.members:
            raise ValueError("by and members both say what the groups are: leave one of them out")
        if self.epoch_gap != _USUAL_GAP and "epoch" not in (self.by or ()):
            raise ValueError("epoch_gap is of use with epoch in by only: add it, or leave this out")
        return self

    @model_validator(mode="after")
    def _groups_have_folders_of_their_own(self) -> Self:
        taken: dict[str, str] = {}
        for name in self.members:
            if name.lower() in TAKEN_FOLDERS:
                raise ValueError(
                    f"members.{name}: a campaign has a file or folder of this name for itself; "
                    "give the group another name"
                )
            other = taken.setdefault(name.lower(), name)
            if other != name:
                raise ValueError(
                    f"members.{other} and members.{name} differ in case only, and some disks do "
                    "not tell them apart: give one of them another name"
                )
        return self

    @model_validator(mode="after")
    def _groups_have_members(self) -> Self:
        for name, patterns in self.members.items():
            if not patterns:
                raise ValueError(
                    f"members.{name} names nothing: give patterns such as ['ibxl54*'], or leave "
                    "the group out"
                )
        return self
