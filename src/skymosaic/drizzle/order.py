"""How a campaign is drizzled: AstroDrizzle's parameters, decided once its exposures are known.

What the user sets overrides all. The rest is decided by detector and by depth. Exposures of
WFC3/IR come with cosmic rays removed, by the ramp; those of CCDs do not, and where two or more of
them cover a point, cosmic rays are what they do not have in common.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from skymosaic.config.drizzlepac_parameters import ParameterValue
from skymosaic.config.fields import Static
from skymosaic.config.hap_parameters import Era, hap_parameters
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.depth import Depth
from skymosaic.errors import DrizzleError
from skymosaic.hst.health import Ignored
from skymosaic.hst.imagers import imager_of
from skymosaic.sky.static_rule import MANY, FirstRule, Rule, first_rule

_ALIKE = "acs_wfc"
"""Whose defaults CCDs have that drizzlepac has none for, but for flags of DQ."""
_FLAGS = ("sky_bits", "driz_sep_bits", "final_bits")
# 2012-11-08T02:59:15 UTC: from then on exposures of WFC3/UVIS may have a flash before them, and
# drizzlepac takes other flags of DQ (haputils/config_utils.py).
UVIS_CHANGED = 56239 + (2 * 3600 + 59 * 60 + 15) / 86400  # MJD, days
_MOST_FOR_MINMED = 6
"""`minmed` is low where many exposures overlap, and good pixels then look like cosmic rays."""

Detector = tuple[str, str]
"""INSTRUME and DETECTOR."""
INFRARED: Detector = ("WFC3", "IR")


@dataclass(frozen=True)
class Order:
    """What AstroDrizzle, or the one-pass engine in its place, is asked for.

    Parameters
    ----------
    parameters : mapping of str to object
        AstroDrizzle's, as `parameters.resolve` returns them; all but grid and sky method. `static`
        may have a value that is this project's own: see `static_masks`.
    sources : mapping of str to str
        Where the value of each parameter is from that was decided by detector or by the number of
        exposures.
    warnings : sequence of str
        What a reader of the mosaics must know.
    """

    parameters: Mapping[str, ParameterValue]
    sources: Mapping[str, str]
    warnings: Sequence[str]


@dataclass(frozen=True)
class StaticChoice:
    """What is known of a campaign's static mask.

    Parameters
    ----------
    requested : {'auto', 'once', 'repeated', 'none'}
        ``sky.static``.
    kept : Rule
        The rule of its first run, which ``auto`` keeps.
    first : int or None
        How many exposures that had; None: an older version ran it.
    """

    requested: Static = "auto"
    kept: Rule = "once"
    first: int | None = None

    @staticmethod
    def of(requested: Static, recorded: FirstRule | None) -> StaticChoice:
        """Return it from what was recorded at `plan`; older versions had AstroDrizzle's rule."""
        if recorded is None or recorded.kept == "once":
            return StaticChoice(requested)
        return StaticChoice(requested, recorded.kept, recorded.first)


def is_infrared(detector: Detector) -> bool:
    """Tell whether exposures are of WFC3/IR."""
    return detector == INFRARED


def is_ccd(detector: Detector) -> bool:
    """Tell whether exposures are of a CCD, in which cosmic rays stay."""
    imager = imager_of(*detector)
    return imager is not None and imager.cosmic_rays


def changes_with_date(detector: Detector) -> bool:
    """Tell whether the defaults of a detector depend on when an exposure was made."""
    return detector == ("WFC3", "UVIS")


def decide(
    detectors: Sequence[Detector],
    depth: Depth | None,
    given: Mapping[str, Any],
    started: float | None = None,
    static: StaticChoice = StaticChoice(),
) -> Order:
    """Decide what AstroDrizzle is asked for.

    Parameters
    ----------
    detectors : sequence of (str, str)
        INSTRUME and DETECTOR of each exposure.
    depth : Depth or None
        How many exposures cover the output; None where an older version planned it.
    given : mapping
        AstroDrizzle's parameters that the user sets.
    started : float or None
        When the first exposure began, MJD (days), for detectors that `changes_with_date`; None:
        after the change.
    static : StaticChoice
        What the campaign says of the static mask.

    Raises
    ------
    InstallationError
        drizzlepac's defaults cannot be read.
    """
    several = sorted(set(detectors))
    ours, sources = dict(pars.DEFAULTS), dict[str, str]()
    if len(several) == 1 and is_ccd(several[0]) and depth is not None:
        decided, sources = _of_ccd(several[0], depth, given, started)
        ours |= decided
        sources = {name: text for name, text in sources.items() if name not in given}
    masks = {} if "static" in given else _static(static, len(detectors))
    parameters = pars.resolve(given, ours | {name: value for name, (value, _) in masks.items()})
    sources |= {name: why for name, (_, why) in masks.items()}
    warnings = _warnings(several, depth, given, parameters) + needed_files(parameters)
    if "static" not in given and (late := _late(static, len(detectors))):
        warnings.append(late)
    return Order(parameters, sources, warnings)


def _static(static: StaticChoice, exposures: int) -> dict[str, tuple[Any, str]]:
    """Return the parameter of the static mask with its source; nothing for AstroDrizzle's rule."""
    if static.requested == "none":
        return {"static": (False, "sky.static: none")}
    if static.requested == "repeated":
        return {"static": (static.requested, "sky.static: repeated")}
    if static.requested == "auto" and static.kept == "repeated":
        first = static.first or exposures
        why = f"sky.static: auto; {first} exposures at the campaign's first run, {MANY} or more"
        return {"static": (static.kept, why)}
    return {}


def _late(static: StaticChoice, exposures: int) -> str | None:
    """Return what to say of a campaign that has grown beyond what its rule is good for."""
    if static.requested != "auto" or static.kept != "once" or first_rule(exposures) == "once":
        return None
    return (
        "The static mask is AstroDrizzle's, as at the first run of this campaign: a pixel that is "
        f"low in any of now {exposures} exposures is left out of all of them, and random low "
        f"pixels add up. New campaigns of {MANY} exposures or more mask what is low in several: "
        "set sky.static: repeated for that, or sky.static: once to keep it as it is."
    )


def needed_files(parameters: Mapping[str, Any]) -> list[str]:
    """Return which files AstroDrizzle needs besides the exposures, a sentence or none."""
    if parameters.get("final_wht_type") != "IVM":
        return []
    return [
        "final_wht_type: IVM: AstroDrizzle makes these weights from the flat field that each "
        "exposure names (PFLTFILE, such as iref$x_pfl.fits; of STIS also LFLTFILE, of WFPC2 "
        "FLATFILE) and, where it finds it, the dark (DARKFILE). Put these reference files on every "
        "host that works, and set the variable to their folder, with a slash at its end: iref "
        "(WFC3), jref (ACS), oref (STIS), uref (WFPC2). Without the variable the drizzle fails; "
        "without the file AstroDrizzle takes 1 for the flat field everywhere, and says so in its "
        "log alone."
    ]


def require_witness(order: Order) -> None:
    """Refuse a witness of runs that look for cosmic rays: the masks that they find are not kept.

    Raises
    ------
    DrizzleError
        It names what to change.
    """
    if pars.has_cr_steps(order.parameters):
        why = order.sources.get("driz_cr")
        raise DrizzleError(
            "drizzle.witness: there is no witness of runs that look for cosmic rays, because their "
            f"masks are not kept{f' (driz_cr is on by default: {why})' if why else ''}; leave "
            "drizzle.witness out, or set driz_cr, driz_separate, median and blot to false in "
            "drizzle.parameters"
        )


def as_far_as_known(detectors: Sequence[Detector], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what parameters will be as far as is known before the exposures are.

    Parameters
    ----------
    detectors : sequence of (str, str)
        Those of which exposures may be; none where they may be of any. Of CCDs, steps against
        cosmic rays that the file does not name follow those that it does.
    given : mapping
        AstroDrizzle's parameters that the user sets.
    """
    if detectors and not any(map(is_ccd, detectors)):
        return pars.resolve(given)
    return pars.resolve(
        given, pars.DEFAULTS | dict.fromkeys(pars.CR_STEPS, _wants_cosmic_rays(given) or False)
    )


def flags_ignored(detector: Detector, given: Mapping[str, Any]) -> Ignored:
    """Return which flags of DQ do not make a pixel bad, before the plan is made.

    Of CCDs the plan decides by depth, and by date: these are all flags that it may ignore where
    exposures overlap.

    Parameters
    ----------
    detector : (str, str)
        INSTRUME and DETECTOR.
    given : mapping
        AstroDrizzle's parameters that the user sets.
    """
    imager = imager_of(*detector)
    known: list[Mapping[str, Any]] = [pars.DEFAULTS]
    if is_ccd(detector):
        eras: tuple[Era, ...] = ("pre", "post") if changes_with_date(detector) else ("",)
        name = imager.hap if imager is not None else ""
        known = [hap_parameters(name, 2, era).parameters for era in eras] if name else [{}]
    looked_for = may_look_for_cosmic_rays([detector], given)
    cleared = pars.flags(given.get("resetbits", "4096" if looked_for else "0")) or 0

    def sum_of(name: str) -> int | None:
        named = [pars.flags({**one, **given}.get(name, "0")) for one in known]
        if None in named:
            return None
        return functools.reduce(operator.or_, (one or 0 for one in named), cleared)

    return Ignored(sum_of("sky_bits"), sum_of("final_bits"))


def may_look_for_cosmic_rays(detectors: Sequence[Detector], given: Mapping[str, Any]) -> bool:
    """Tell whether cosmic rays may be looked for; parameters as for `as_far_as_known`."""
    if _wants_cosmic_rays(given) is None:
        return not detectors or any(map(is_ccd, detectors))
    return pars.has_cr_steps(as_far_as_known(detectors, given))


def _wants_cosmic_rays(given: Mapping[str, Any]) -> bool | None:
    """Return whether the user wants cosmic rays looked for; None where he does not say."""
    named = [bool(given[step]) for step in pars.CR_STEPS if step in given]
    return all(named) if named else None


def label(detector: Detector) -> str:
    """Return a detector's name, such as ACS/WFC."""
    return "/".join(filter(None, detector))


def _of_ccd(
    detector: Detector, depth: Depth, given: Mapping[str, Any], started: float | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the defaults of a CCD, and where each is from."""
    wanted, median = _wants_cosmic_rays(given), depth.median
    looked_for = median >= 2 if wanted is None else wanted
    # Who looks for cosmic rays does it where there are two exposures, however few such places.
    compared = max(median, 2 if looked_for else 1)
    depth_text = f"median depth {median}"
    era: Era = ""
    if changes_with_date(detector):
        era = "pre" if started is not None and started < UVIS_CHANGED else "post"
    imager = imager_of(*detector)
    own_name = "" if imager is None else imager.hap
    alike = not own_name  # STIS, whose flags in DQ are others than those of ACS
    hap = hap_parameters(own_name or _ALIKE, compared, era)
    found, source = dict(hap.parameters), f"drizzlepac's {hap.file}; {depth_text}"
    if alike:
        source += "; those of ACS/WFC, as drizzlepac has none of this detector"
    sources = dict.fromkeys(found, source)
    if alike:
        own = "AstroDrizzle's own: the flags of this detector are not those of ACS"
        found |= dict.fromkeys(_FLAGS, "0")
        sources |= dict.fromkeys(_FLAGS, own)
    if wanted is None:
        why = f"{label(detector)} is a CCD: true from a median depth of 2 on; it is {median}"
    else:
        why = "as the other steps against cosmic rays in the campaign file"
    steps = dict.fromkeys(pars.CR_STEPS, looked_for)
    return found | steps, sources | dict.fromkeys(steps, why)


def _warnings(
    detectors: Sequence[Detector],
    depth: Depth | None,
    given: Mapping[str, Any],
    parameters: Mapping[str, Any],
) -> list[str]:
    if pars.has_cr_steps(parameters):
        return _of_masks(depth, parameters)
    ccds = [detector for detector in detectors if is_ccd(detector)]
    if not ccds or _wants_cosmic_rays(given) is not None:
        return []
    if len(detectors) > 1:
        names = ", ".join(map(label, detectors))
        return [
            f"Cosmic rays stay in the exposures of CCDs: the exposures are of several detectors "
            f"({names}), for which there are no common defaults. Set drizzle.parameters: "
            "{driz_separate: true, median: true, blot: true, driz_cr: true} to look for them."
        ]
    if depth is None:
        return [
            "Cosmic rays stay in the mosaics: an older version of skymosaic made them, and looked "
            "for none unless the campaign file asked for it. `skymosaic run` makes them again."
        ]
    text = "Cosmic rays stay in the mosaics: most of the area has one exposure only, and they are "
    text += "found where exposures differ."
    if depth.share(2) > 0:
        text += (
            " Set drizzle.parameters: {driz_cr: true} to look for them in the "
            f"{_percent(depth.share(2))} that two exposures or more cover."
        )
    if "final_bits" not in given:
        text += (
            f" Pixels with flags are used as drizzlepac uses them of one exposure (final_bits "
            f"{parameters['final_bits']})."
        )
    return [text]


def _of_masks(depth: Depth | None, parameters: Mapping[str, Any]) -> list[str]:
    """Return what the masks of cosmic rays lack, and what they have too much."""
    warnings = []
    if depth is not None and (single := depth.share(1, 1)) > 0:
        warnings.append(
            f"Cosmic rays stay in {_percent(single)} of the area, which one exposure alone covers: "
            "they are found where exposures differ."
        )
    kind = str(parameters.get("combine_type", "minmed"))  # AstroDrizzle's own default
    deep = 0.0 if depth is None else depth.share(_MOST_FOR_MINMED + 1)
    if kind in ("minmed", "iminmed") and deep > 0:
        warnings.append(
            f"combine_type {kind} takes good pixels for cosmic rays where more than "
            f"{_MOST_FOR_MINMED} exposures overlap, in {_percent(deep)} of the area; set "
            "drizzle.parameters: {combine_type: median}."
        )
    return warnings


def _percent(share: float) -> str:
    return "less than 0.1%" if share < 0.001 else f"{100 * share:.3g}%"
