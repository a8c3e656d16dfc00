"""What images are aligned to, for people: before anything runs, and of what was listed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skymosaic.config.reference import (
    CampaignReference,
    CatalogueReference,
    GaiaReference,
    ImageReference,
)
from skymosaic.host.counting import counted

if TYPE_CHECKING:
    from skymosaic.config import Align, Campaign
    from skymosaic.pipeline.align_results import ReferenceResult
    from skymosaic.pipeline.results import AlignResult


def reference_line(campaign: Campaign) -> str:
    """Return what the campaign file says that its images are aligned to; empty for nothing."""
    align = campaign.align
    if align.method == "none":
        return ""
    how = "" if align.solve == "in-order" else "; one solution for all tiles (align.solve)"
    return f"aligned to: {_stars_of(align)}{how}"


def _stars_of(align: Align) -> str:
    if refcat := align.tweakreg.get("refcat"):
        return f"the catalogue {refcat} (align.tweakreg.refcat)"
    choice = align.reference
    if isinstance(choice, GaiaReference):
        source = choice.path or f"{choice.table} at {choice.url}"
        return f"stars of Gaia, of {source}{_limits(choice)}"
    if isinstance(choice, CatalogueReference):
        return f"the catalogue {choice.path}"
    if isinstance(choice, CampaignReference):
        return f"the sources of the campaign {choice.campaign}"
    if isinstance(choice, ImageReference):
        return f"the stars in {choice.path}"
    if align.order:
        return f"the drizzled image {align.order[0]} (align.order)"
    return "the drizzled image that shares most area with the others, as align.order is empty"


def _limits(choice: GaiaReference) -> str:
    limits = [
        "" if choice.min_mag is None else f"G of {choice.min_mag:g} or fainter",
        "" if choice.max_mag is None else f"G of {choice.max_mag:g} or brighter",
        "" if choice.max_ruwe is None else f"RUWE at most {choice.max_ruwe:g}",
        "with proper motion" if choice.need_motion else "",
    ]
    said = ", ".join(one for one in limits if one)
    return f" ({said})" if said else ""


def listed_line(result: ReferenceResult) -> str:
    """Return which stars images are aligned to."""
    epochs = sorted({round(epoch, 2) for epoch in result.epochs})
    when = f", epoch {' to '.join(f'{epoch:g}' for epoch in epochs)}" if epochs else ""
    without = f"; {counted(result.left_out, 'row')} without a position" if result.left_out else ""
    return (
        f"reference: {result.name}, {counted(result.stars, 'star')} of {result.origin}{when}; "
        f"proper motions of {result.moving}{without}"
    )


def stars_of(aligned: AlignResult) -> str | None:
    """Return what images were aligned to, where that is none of them nor another group."""
    stars = aligned.reference
    return None if stars is None else f"{counted(stars.stars, 'star')} of {stars.name}"
