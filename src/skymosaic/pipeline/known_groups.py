"""What a campaign file tells of its groups by itself, before any source is asked."""

from __future__ import annotations

from skymosaic.config import Campaign, MastSource, SimulatedSource
from skymosaic.errors import SkymosaicError
from skymosaic.pipeline.admission import require_possible
from skymosaic.pipeline.grouping import Named
from skymosaic.pipeline.groups import grouped, groups_of
from skymosaic.pipeline.sources import open_source


def require_groups_possible(campaign: Campaign) -> None:
    """Refuse groups that there cannot be, and what groups have of their own and nobody can do.

    For who looks at the file: when a program runs, a group that fails does not stop the others.
    What is simulated is known by the file alone, and so are the names in ``groups.members``; a
    colour, or a reference, that none of them is called by is refused.

    Raises
    ------
    CampaignError, DrizzleError
        As `groups_of` and `require_possible`.
    InputError
        Several filters are simulated, and the file has no groups; or as `require_possible`.
    """
    rules = campaign.groups
    if isinstance(campaign.source, SimulatedSource):
        source = open_source(campaign.source, mixed=rules is not None)
        groups_of(campaign, source.parcels())
    elif rules is not None and rules.members:
        by_name = campaign.colour is not None and not campaign.colour.by_wavelength
        known = campaign if by_name else campaign.model_copy(update={"colour": None})
        grouped(known, [Named(name, name, (), "") for name in rules.members])
    for name in rules.parameters if rules is not None else ():
        own = campaign.for_group(name)
        try:
            require_possible(own)
        except SkymosaicError as error:
            raise type(error)(f"groups.parameters.{name}: {error}") from None


def doubts(campaign: Campaign) -> list[str]:
    """Return what may be refused once the source is asked, a sentence each."""
    source = campaign.source
    if isinstance(source, MastSource) and len(source.filters) > 1 and campaign.groups is None:
        return [
            f"source.filters has {', '.join(source.filters)}, and a mosaic is of one filter: write "
            "`groups: {}` for a mosaic of each (`skymosaic query` lists what MAST has)"
        ]
    return []
