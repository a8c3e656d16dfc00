"""Which exposures a mosaic is made of: what is refused, and what is only warned of.

The headers decide, and what was seen in the pixels when the file was retrieved.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from skymosaic.errors import InputError
from skymosaic.host.counting import counted
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.health import why_unmeasurable
from skymosaic.hst.imagers import PAGE, Imager, imager_of, onepass_imagers

# Of all instruments: WFC3 G102, G141, G280; ACS G800L, PR110L, PR130L, PR200L; STIS G430L, ...
_DISPERSES = re.compile(r"(G\d{3}[A-Z]?|PR\d{3}[A-Z]|(?i:PRISM)\w*)")
# ACS and WFPC2: FR459M, FR533P15, ...: the wavelength changes across the field.
_RAMP = re.compile(r"FR\d{3,4}[A-Z]\w*")
_POLARISES = re.compile(r"POL\w+")
# WFC3 and WFPC2: FQ437N, FQUVN, ...: each quarter of the field has another filter.
_QUARTERS = re.compile(r"FQ\w+")
_NORMAL = {"EXPFLAG": ("", "NORMAL"), "QUALITY": ("", "OK", "N/A")}
_NAMED = 5  # files in a warning


@dataclass(frozen=True)
class Allowed:
    """What a campaign takes that is refused otherwise."""

    untried: bool = False
    """Imagers that nothing was tried on."""
    non_imaging: bool = False
    """Spectra, ramps, and what is no exposure of the sky."""


def why_refused(image: Exposure, allowed: Allowed, name: str | None = None) -> str | None:
    """Return why an exposure or drizzled image cannot be used, and what to do; None: it can.

    Parameters
    ----------
    image : Exposure
        What its headers say.
    allowed : Allowed
        What is taken all the same.
    name : str, optional
        What to call it; default: the name that its ROOTNAME calls for.
    """
    name = name or image.name
    kind = f"{image.instrument}/{image.detector}".rstrip("/")
    imager = imager_of(image.instrument, image.detector)
    if imager is None:
        return f"{name} is of {kind}, an imager that AstroDrizzle does not know; leave it out"
    if not imager.tried and not allowed.untried:
        return (
            f"{name} is of {kind}: it was never tested ({PAGE}); leave it out, or set "
            "source.allow_untried: true to use it anyway"
        )
    what = _no_image(image)
    if what is not None and not allowed.non_imaging:
        return (
            f"{name} is not an image of the sky in one filter: {what}; leave it out (choose "
            "with source.filter), or set source.allow_non_imaging: true to drizzle it anyway"
        )
    if image.drizzled:
        return None
    return _not_drizzled_right(image, imager, name) or why_unmeasurable(image.health, name)


def _not_drizzled_right(image: Exposure, imager: Imager, name: str) -> str | None:
    """Return what AstroDrizzle would fail at, or do wrong without a word."""
    chips, bunit = imager.chips, imager.bunit
    # A file of STIS holds several exposures, until it is retrieved.
    if len(image.chips) > chips and image.instrument != "STIS":
        return (
            f"{name} has {counted(len(image.chips), 'SCI extension')}, and an exposure of "
            f"{image.instrument}/{image.detector} has at most {chips}; split it into exposures, "
            "or leave it out"
        )
    if not 0 < image.exptime < math.inf:
        return (
            f"{name}: EXPTIME is {image.exptime:g} s, and AstroDrizzle leaves such an exposure out "
            "silently; leave it out"
        )
    if sorted(chip.extver for chip in image.chips) != list(range(1, len(image.chips) + 1)):
        found = " and ".join(f"SCI,{chip.extver}" for chip in image.chips)
        wanted = " and ".join(f"SCI,{number}" for number in range(1, len(image.chips) + 1))
        return (
            f"{name} has {found}, and AstroDrizzle looks for {wanted}: "
            "number the chips from 1 in EXTVER of SCI, ERR and DQ, or fetch the file again"
        )
    if image.dgeofile:
        return (
            f"{name} has DGEOFILE {image.dgeofile!r} and no NPOLFILE: AstroDrizzle stops there and "
            "asks what to do. Run stwcs.updatewcs on it with its reference files, or set NPOLFILE "
            "to 'N/A' in its primary header to go without that correction"
        )
    for chip in image.chips:
        if chip.idcscale is None and chip.has_model:
            return image.without_scale(chip.extver, name)
        for scale in (chip.idcscale, chip.scale):
            if scale is not None and not 0 < scale < math.inf:
                return (
                    f"{name}[SCI,{chip.extver}]: the scale of its pixels (IDCSCALE, PAMSCALE) is "
                    f"{scale:g} arcsec; recalibrate or fetch it again"
                )
        if not chip.bunit:
            return (
                f"{name}[SCI,{chip.extver}] has no BUNIT: AstroDrizzle would take its pixels for "
                f"rates in the mosaic, whatever they are. Set BUNIT to {bunit!r} in each SCI "
                "header, if that is what they hold"
            )
        # Of other imagers AstroDrizzle turns rates into counts where it looks at the noise.
        if bunit == "ELECTRONS" and not chip.counts:
            return (
                f"{name}[SCI,{chip.extver}] has BUNIT {chip.bunit!r}: AstroDrizzle takes pixels of "
                f"{image.instrument}/{image.detector} for electrons when it weighs their noise, "
                "and would find next to no cosmic rays in rates. Multiply SCI and ERR by EXPTIME, "
                f"and set their BUNIT to {bunit!r}; or fetch the file again"
            )
    if image.lacks:
        return (
            f"{name} has no {_some(image.lacks)}, and AstroDrizzle needs that of "
            f"{image.instrument}/{image.detector}; recalibrate or fetch it again"
        )
    return None


def _no_image(image: Exposure) -> str | None:
    if image.obstype in ("SPECTROSCOPIC", "INTERNAL"):
        return f"OBSTYPE is {image.obstype!r} (filter {image.filter})"
    if image.imagetyp not in ("", "EXT"):
        return f"IMAGETYP is {image.imagetyp!r}, not 'EXT'"
    return no_image_through(image.filter)


def no_image_through(filter_: str) -> str | None:
    """Return why there are no images through a filter, or filters joined by ``+``; None: are."""
    for element in filter_.split("+"):
        if _DISPERSES.fullmatch(element):
            return f"{element} is a grism or prism"
        if _RAMP.fullmatch(element):
            return f"{element} is a ramp, whose wavelength changes across the field"
    return None


def left_out(why: str) -> str:
    """Return what to say of a file that was left out: that it can be is no news then.

    Parameters
    ----------
    why : str
        Why it is refused, and what to do, of `why_refused` or as a reader said it.
    """
    return f"Left out: {_LEAVING.sub(lambda found: '; ' if found['more'] else '', why)}."


_LEAVING = re.compile(
    r"(;|,? or|, and)\s+leave (it|the file|the exposure) out( \([^()]*\))?(?P<more>,( or)? )?"
)
"""How messages advise to leave a file out; `more`: other advice follows."""


def require_usable(images: Sequence[Exposure], allowed: Allowed) -> None:
    """Refuse what cannot be used.

    Raises
    ------
    InputError
        The message tells of the first such file, and names the others.
    """
    refused = [(image, why) for image in images if (why := why_refused(image, allowed))]
    if refused:
        _, why = refused[0]
        others = [image.name for image, _ in refused[1:]]
        more = f". The same holds for {_some(others)}" if others else ""
        raise InputError(why + more)


def require_engine(images: Sequence[Exposure], needs: str | None) -> None:
    """Refuse exposures that the one-pass engine does not take, where it is needed.

    Parameters
    ----------
    images : sequence of Exposure
        What was retrieved.
    needs : str or None
        What in the campaign file needs it, such as ``drizzle.engine: onepass``.

    Raises
    ------
    InputError
        It names one.
    """
    for image in images if needs else ():
        imager = imager_of(image.instrument, image.detector)
        if imager is None or "onepass" not in imager.engines:
            raise InputError(
                f"{image.name} is of {image.instrument}/{image.detector}: {needs} takes "
                f"{onepass_imagers()} only; use drizzle.engine: astrodrizzle, with AstroDrizzle's "
                "own methods, and without witness and sample"
            )
    moving = [image.name for image in images if image.moving and not image.drizzled]
    if needs and len(moving) > 1:
        raise InputError(
            f"{_some(moving)} are of a moving target (MTFLAG is T): AstroDrizzle gives all of them "
            f"the place of the first, and {needs} does not. Use drizzle.engine: astrodrizzle, with "
            "AstroDrizzle's own methods, and without witness and sample; or set MTFLAG to 'F' to "
            "mosaic the sky behind"
        )


def warnings_of(images: Sequence[Exposure]) -> list[str]:
    """Return what a reader must know of the exposures that are used."""
    exposures = [image for image in images if not image.drizzled]
    lines = []
    for name in dict.fromkeys(f"{e.instrument}/{e.detector}" for e in exposures):
        imager = imager_of(*name.split("/", 1))
        if imager is not None and not imager.tried:
            lines.append(f"{name}: this imager was never tested; check the results.")
        if imager is not None and imager.pixels.startswith("count"):
            lines.append(
                f"{name}: AstroDrizzle leaves skies and mosaics in counts (DN), not electrons; "
                "where this report says e-, read counts."
            )
    rules: tuple[tuple[str, Callable[[Exposure], str | None]], ...] = (
        ("is not an image of the sky in one filter", _no_image),
        ("was taken through a polariser: exposures of other angles differ", _polariser),
        ("has another filter in each quarter of the field", _quarters),
        (
            "is of a moving target: AstroDrizzle gives all such exposures the place of the first",
            lambda e: "MTFLAG: T" if e.moving else None,
        ),
        ("is coronagraphic", lambda e: e.obstype if e.obstype == "CORONAGRAPHIC" else None),
        ("was not exposed as planned", lambda e: _flag("EXPFLAG", e.expflag)),
        ("has a remark on its quality", lambda e: _flag("QUALITY", e.quality)),
        (
            "has flagged pixels that are not numbers: its private copies get the chip's median "
            "there",
            _missing,
        ),
        ("has no distortion model; its pixel scale is that of the CD matrix", _without_model),
    )
    for what, tell in rules:
        found = [(e.name, value) for e in exposures if (value := tell(e))]
        if found:
            values = _some(list(dict.fromkeys(value for _, value in found)))
            lines.append(f"{found[0][0]} {what} ({values}){_others(found)}.")
    return lines


def _polariser(image: Exposure) -> str | None:
    return next((e for e in image.filter.split("+") if _POLARISES.fullmatch(e)), None)


def _quarters(image: Exposure) -> str | None:
    return next((e for e in image.filter.split("+") if _QUARTERS.fullmatch(e)), None)


def _flag(keyword: str, value: str) -> str | None:
    return None if value.upper() in _NORMAL[keyword] else f"{keyword}: {value}"


def _without_model(image: Exposure) -> str | None:
    return "no IDCSCALE" if any(chip.idcscale is None for chip in image.chips) else None


def _missing(image: Exposure) -> str | None:
    number = sum(chip.flagged_missing for chip in image.health)
    return counted(number, "pixel") if number else None


def _others(found: Sequence[tuple[str, str]]) -> str:
    return f", and so {_some([name for name, _ in found[1:]])}" if len(found) > 1 else ""


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
