"""What is known of a drizzle before its exposures are: what a campaign file decides, in words."""

from __future__ import annotations

from skymosaic.config import Campaign
from skymosaic.config.detectors import named_detectors
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.order import is_ccd, label, may_look_for_cosmic_rays, needed_files
from skymosaic.sky.static_rule import MANY


def told_before(campaign: Campaign) -> list[str]:
    """Return what AstroDrizzle will be called with, and what is decided once exposures are known.

    A line each, for `check`.
    """
    given = {**campaign.drizzle.parameters, **campaign.sky.parameters}
    detectors = named_detectors(campaign.source)
    lines = []
    if not detectors or not all(map(is_ccd, detectors)):
        which = "" if _decided(campaign) else ", if the exposures are of WFC3/IR"
        lines.append(f"AstroDrizzle, for each sky method{which}: {pars.resolve(given)}")
    return [*lines, *decided_at_plan(campaign), _static(campaign)]


def _static(campaign: Campaign) -> str:
    """Return which pixels the static mask will leave out."""
    theirs = campaign.sky.parameters.get("static")
    asked = campaign.sky.static
    if theirs is not None:
        asked = "once" if theirs else "none"
    return {
        "auto": "static mask: pixels that are low in any exposure; if the campaign's first run "
        f"has {MANY} exposures or more, in several (sky.static)",
        "once": "static mask: pixels that are low in any exposure",
        "repeated": "static mask: pixels that are low in several exposures (sky.static: repeated)",
        "none": "static mask: none",
    }[asked]


def decided_at_plan(campaign: Campaign) -> list[str]:
    """Return what the step `plan` decides by detector, and what it needs, a line each."""
    given = {**campaign.drizzle.parameters, **campaign.sky.parameters}
    needed = needed_files(given)
    if _decided(campaign):
        return needed
    ccds = [label(one) for one in named_detectors(campaign.source) if is_ccd(one)]
    which = f"of {' and '.join(ccds)}" if ccds else "if they are of CCDs"
    lines = [
        f"AstroDrizzle, {which}: decided by detector, at plan, where the "
        "file does not set it: the steps against cosmic rays are on if at least half of the area "
        "has two exposures or more; their parameters, sky_bits and final_bits are drizzlepac's "
        f"(hap_pars) for that number of exposures; the report lists them; the file sets {given}"
    ]
    drizzle = campaign.drizzle
    if (
        drizzle.engine == "astrodrizzle"
        and drizzle.has_witness
        and may_look_for_cosmic_rays(named_detectors(campaign.source), given)
    ):
        lines.append(
            "drizzle.witness: plan refuses it if these steps are on; to have it, set "
            f"{', '.join(pars.CR_STEPS)} to false in drizzle.parameters"
        )
    return lines + needed


def _decided(campaign: Campaign) -> bool:
    """Whether the file tells that nothing is decided by detector."""
    detectors = named_detectors(campaign.source)
    return bool(detectors) and not any(map(is_ccd, detectors))
