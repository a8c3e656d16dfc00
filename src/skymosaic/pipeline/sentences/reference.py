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
    from skymosaic.config import Campaign
    from skymosaic.pipeline.results import AlignResult, ReferenceResult


def reference_line(campaign: Campaign) -> str:
    """Return what the campaign file says that its images are aligned to; empty for nothing."""
    align = campaign.align
    if align.method == "none":
        return ""
    if refcat := align.tweakreg.get("refcat"):
        return f"aligned to: the catalogue {refcat} (align.tweakreg.refcat)"
    choice = align.reference
    if isinstance(choice, GaiaReference):
        source = choice.path or f"{choice.table} at {choice.url}"
        return f"aligned to: stars of Gaia, of {source}{_limits(choice)}"
    if isinstance(choice, CatalogueReference):
        return f"aligned to: the catalogue {choice.path}"
    if isinstance(choice, CampaignReference):
        return f"aligned to: the sources of the campaign {choice.campaign}"
    if isinstance(choice, ImageReference):
        return f"aligned to: the stars in {choice.path}"
    return "aligned to: the first drizzled image (align.order)"


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
