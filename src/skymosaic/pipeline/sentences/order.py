"""What is known of a drizzle before its exposures are: what a campaign file decides, in words."""

from __future__ import annotations

from skymosaic.config import Campaign
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.order import INFRARED, is_ccd, label, needed_files
from skymosaic.drizzle.request import Request
from skymosaic.sky.static_rule import MANY


def lines_before(campaign: Campaign) -> list[str]:
    """Return what AstroDrizzle will be called with, and what is decided once exposures are known.

    A line each, for `check`.
    """
    request = Request.of(campaign)
    lines = []
    if not request.detectors or not all(map(is_ccd, request.detectors)):
        which = "" if _decided(request) else ", if the exposures are of WFC3/IR"
        parameters = request.knowing([INFRARED]).parameters
        if request.grid.is_given:  # of which other lines tell
            pixels = ("final_rot", "final_scale")
            parameters = {name: parameters[name] for name in parameters if name not in pixels}
        lines.append(f"AstroDrizzle, for each sky method{which}: {parameters}")
    return [*lines, *decided_at_plan(campaign), _static(request)]


def _static(request: Request) -> str:
    """Return which pixels the static mask will leave out."""
    theirs = request.given.get("static")
    rule = request.static
    if theirs is not None:
        rule = "once" if theirs else "none"
    return {
        "auto": "static mask: pixels that are low in any exposure; if the campaign's first run "
        f"has {MANY} exposures or more, in several (sky.static)",
        "once": "static mask: pixels that are low in any exposure",
        "repeated": "static mask: pixels that are low in several exposures (sky.static: repeated)",
        "none": "static mask: none",
    }[rule]


def decided_at_plan(campaign: Campaign) -> list[str]:
    """Return what the step `plan` decides by detector, and what it needs, a line each."""
    request = Request.of(campaign)
    needed = needed_files(request.given)
    if _decided(request):
        return needed
    ccds = [label(one) for one in request.detectors if is_ccd(one)]
    which = f"of {' and '.join(ccds)}" if ccds else "if the exposures are of CCDs"
    lines = [
        f"AstroDrizzle, {which}: what the file does not set is decided by detector, at plan (the "
        "step after the alignment). The steps against cosmic rays are on if at least half of the "
        "area has two exposures or more. Their parameters, sky_bits and final_bits are "
        "drizzlepac's (hap_pars) for that number of exposures. The report lists them. The file "
        f"sets {request.given}"
    ]
    apart = request.engine == "astrodrizzle" and request.witness
    if apart and request.may_look_for_cosmic_rays:
        lines.append(
            "drizzle.witness: plan refuses it if these steps are on; to use it, set "
            f"{', '.join(pars.CR_STEPS)} to false in drizzle.parameters"
        )
    return lines + needed


def _decided(request: Request) -> bool:
    """Whether the file tells that nothing is decided by detector."""
    return bool(request.detectors) and not any(map(is_ccd, request.detectors))
