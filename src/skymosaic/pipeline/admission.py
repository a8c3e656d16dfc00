"""What is known of the exposures of a campaign before any of them is fetched: what is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from skymosaic.archive.base import Parcel
from skymosaic.config import (
    Align,
    AnySource,
    Campaign,
    DirectorySource,
    MastSource,
    SimulatedSource,
)
from skymosaic.config.align import BEFORE_ALIGNMENT
from skymosaic.drizzle.request import Request
from skymosaic.errors import CampaignError, InputError
from skymosaic.evidence.wording import listed
from skymosaic.hst.imagers import (
    IMAGERS,
    PAGE,
    Imager,
    detectors_named,
    imagers_named,
    onepass_imagers,
)
from skymosaic.hst.usable import no_image_through
from skymosaic.pipeline.given_grid import SEE_ONE_DISK, reference_of
from skymosaic.pipeline.given_reference import require_reference
from skymosaic.pipeline.rules import Rules, allowed_by


def needs_onepass(campaign: Campaign) -> str | None:
    """Return what in a campaign file needs exposures that the one-pass engine takes, or None."""
    if campaign.drizzle.engine == "onepass":
        return "drizzle.engine: onepass"
    if own := Request.of(campaign).own_methods:
        return f"sky.methods: {own[0]}"
    if campaign.drizzle.has_witness:
        return "drizzle.witness"
    return None if campaign.drizzle.sample is None else "drizzle.sample"


def rules_of(campaign: Campaign) -> Rules:
    """Return what is asked of a campaign's exposures when they are inspected."""
    source = campaign.source
    return Rules(
        mixed=getattr(source, "allow_mixed", False),
        allowed=allowed_by(source),
        needs=needs_onepass(campaign),
        leave_out=getattr(source, "on_bad_file", "refuse") == "leave_out",
        parameters=Request.of(campaign).given,
    )


def require_possible(campaign: Campaign) -> None:
    """Refuse what a campaign file asks for and nobody can do, before anything is asked of anybody.

    Raises
    ------
    CampaignError
        It names a file that is not there, a tile that nothing can simulate, or a key that goes
        with others.
    DrizzleError
        It names the parameter that the engine, or the checks, cannot do.
    InputError
        It names an imager or filter, or an image whose grid the engines cannot make.
    """
    if campaign.compute.share is not None and campaign.groups is None:
        raise CampaignError(
            f"compute.share {campaign.compute.share} is a share of a program's groups, but the "
            "file has no groups: leave it out, or set groups: {}"
        )
    _require_no_idle_alignment(campaign.align)
    _require_files(campaign)
    if isinstance(campaign.source, SimulatedSource):
        from skymosaic.pipeline.sources import simulations_of

        simulations_of(campaign.source)
    require_admissible(campaign)
    Request.of(campaign).require_possible()  # what is decided later `plan` asks again
    if campaign.compute.backend in SEE_ONE_DISK:
        reference_of(campaign)
        if campaign.align.method != "none":
            require_reference(campaign)


def _require_no_idle_alignment(align: Align) -> None:
    """Refuse settings of an alignment that is not made; those of a default value say nothing."""
    if align.method != "none":
        return
    usual = Align(method="none").model_dump()
    # Exposures may get another WCS, and be compared, with no alignment after it.
    if idle := list(_differing(align.model_dump(exclude=set(BEFORE_ALIGNMENT)), usual, "align")):
        raise CampaignError(
            f"{listed(idle)} {'does' if len(idle) == 1 else 'do'} nothing with align.method: none, "
            "by which nothing is aligned; leave out what align has beside it (align: none, or on "
            "the command line --set align=none), or set align.method: tweakreg"
        )


def _differing(given: Mapping[str, Any], usual: Mapping[str, Any], above: str) -> Iterator[str]:
    """Yield the dotted keys whose values are not the usual ones."""
    for name, value in given.items():
        key = f"{above}.{name}"
        if isinstance(value, Mapping) and name in usual:
            yield from _differing(value, usual[name], key)
        elif name not in usual or value != usual[name]:
            yield key


def _require_files(campaign: Campaign) -> None:
    """Refuse files that the parameters name and that are not there, where all see one disk."""
    if campaign.compute.backend not in SEE_ONE_DISK:
        return
    aligned = campaign.align.tweakreg if campaign.align.method != "none" else {}
    given = Request.of(campaign).given
    for key, holder in (("align.tweakreg", aligned), ("drizzle.parameters", given)):
        for name in ("refcat", "rules_file", "driz_sep_refimage"):
            path = str(holder.get(name) or "")
            # drizzlepac takes the extension of an image behind its name: ref.fits[sci,1].
            if path and not Path(path.split("[")[0]).is_file():
                raise CampaignError(f"{key}.{name}: there is no file {path}; correct the path")


def require_admissible(campaign: Campaign, parcels: Sequence[Parcel] = ()) -> None:
    """Refuse imagers and filters that the file names, before anything is fetched.

    Parameters
    ----------
    campaign : Campaign
        What its file says.
    parcels : sequence of Parcel
        What its source has, if that is known: an archive's list tells the imager and the filter of
        each file.

    Raises
    ------
    InputError
        As their exposures would be refused.
    """
    source, allowed = campaign.source, allowed_by(campaign.source)
    for key, name, imagers in _imagers_of(source):
        if not imagers:
            known = sorted(
                {
                    one if key.endswith("detector") else f"{i.instrument}/{one}"
                    for i in IMAGERS
                    for one in i.detectors
                }
            )
            raise InputError(
                f"{key} is {name}: AstroDrizzle does not know it; it must be one of "
                f"{', '.join(known)}"
            )
    for key, name, imagers in (*_imagers_of(source), *_imagers_listed(parcels)):
        if imagers and not any(imager.tried for imager in imagers) and not allowed.untried:
            raise InputError(
                f"{key} is {name}: it was never tested ({PAGE}); choose another, or set "
                "source.allow_untried: true to use it anyway"
            )
        needs = needs_onepass(campaign)
        if needs and imagers and not any("onepass" in imager.engines for imager in imagers):
            raise InputError(
                f"{key} is {name}, and {needs} takes {onepass_imagers()} only; use "
                "drizzle.engine: astrodrizzle, with AstroDrizzle's own methods, and without "
                "witness and sample"
            )
    for key, name in (*_filters_of(source), *_listed(parcels, "filter")):
        what = no_image_through(name.replace(";", "+"))  # MAST's "CLEAR1L;G800L"
        if what is not None and not allowed.non_imaging:
            raise InputError(
                f"{key}: {what}; choose another, or set source.allow_non_imaging: true to "
                "drizzle it anyway"
            )


def _imagers_of(source: AnySource) -> list[tuple[str, str, list[Imager]]]:
    if isinstance(source, MastSource):
        return [("source.instrument", name, imagers_named(name)) for name in source.instrument]
    if isinstance(source, DirectorySource) and source.detector is not None:
        return [("source.detector", source.detector, detectors_named(source.detector))]
    return []


def _imagers_listed(parcels: Sequence[Parcel]) -> list[tuple[str, str, list[Imager]]]:
    return [(key, name, imagers_named(name)) for key, name in _listed(parcels, "instrument")]


def _listed(parcels: Sequence[Parcel], what: str) -> list[tuple[str, str]]:
    """Return what an archive's list says of files; of each value the first file that has it."""
    first: dict[str, str] = {}
    for parcel in parcels:
        if value := parcel.identity.get("file", {}).get(what):
            first.setdefault(value, parcel.name)
    return [(f"{what} of {name}", value) for value, name in first.items()]


def _filters_of(source: AnySource) -> list[tuple[str, str]]:
    if isinstance(source, MastSource):
        return [("source.filters", name) for name in source.filters]
    if isinstance(source, DirectorySource) and source.filter is not None:
        return [("source.filter", source.filter)]
    return []
