"""The task that lists the stars which the drizzled images are aligned to.

What it fetched is its product: a run that is repeated asks nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from skymosaic.align.reference import Reference
from skymosaic.align.reference_columns import read_columns
from skymosaic.align.reference_files import FILE, read_reference, write_reference
from skymosaic.archive.gaia.circles import Circle, circles_about, within
from skymosaic.archive.gaia.selection import Selection
from skymosaic.config import Campaign
from skymosaic.config.reference import (
    CampaignReference,
    CatalogueReference,
    GaiaReference,
    ImageReference,
    StarsReference,
    TileReference,
)
from skymosaic.errors import AlignmentError
from skymosaic.pipeline import given_reference as given
from skymosaic.pipeline.align_results import REFERENCE, ReferenceResult
from skymosaic.pipeline.results import InspectionResult
from skymosaic.pipeline.sentences.reference import listed_line
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.store import Product
from skymosaic.versions import versions

log = logging.getLogger(__name__)

_VERSION = 1
"""Version of how stars are listed; part of the step's key."""
_LIMITS = {"min_mag", "max_mag", "max_ruwe", "need_motion"}
_MARGIN = 15.0  # arcsec around the exposures, for catalogues without a margin of their own


@dataclass(frozen=True)
class _Listing:
    """How the stars of one kind of reference are had."""

    key: dict[str, Any]
    """What they depend on, beside the field."""
    read: Callable[[Bench], tuple[Reference, int]]
    """Returns them, and how many rows have no position."""
    origin: str
    inputs: dict[str, Product] = field(default_factory=dict)


def list_reference(
    place: Place, campaign: Campaign, inspected: Finished[InspectionResult]
) -> Finished[ReferenceResult]:
    """List the stars in the field of the exposures into ``reference/reference.ecsv``.

    Parameters
    ----------
    place : Place
        The campaign's.
    campaign : Campaign
        Its `align.reference` is another than ``tile``.
    inspected : Finished
        Its exposures tell the field.

    Raises
    ------
    CampaignError, InputError, UnreachableError
        There is no such catalogue, or it cannot be read.
    AlignmentError
        It has no star in the field.
    """
    choice = campaign.align.reference
    assert not isinstance(choice, TileReference)  # or there is no such task
    images = [*inspected.result.exposures, *inspected.result.drizzled]
    margin = choice.margin if isinstance(choice, GaiaReference) else _MARGIN
    circles = circles_about([corners for one in images for corners in one.polygons], margin / 3600)
    places = [[one.ra, one.dec, one.radius] for one in circles]
    listing = _listing(campaign, choice, circles)

    def work(bench: Bench) -> ReferenceResult:
        bench.doing(f"stars of {listing.origin}")
        stars, left_out = listing.read(bench)
        stars = stars.select(within(circles, stars.ra, stars.dec))
        if not len(stars):
            raise AlignmentError(
                f"{listing.origin} has no star where the exposures point: look at "
                "align.reference, and at the coordinates of the exposures"
            )
        about = {"kind": choice.kind, "origin": listing.origin, "query": listing.key}
        write_reference(bench.out / FILE, stars, {**about, "circles": places})
        result = _result(stars, choice, listing.origin, left_out)
        log.info("%s", listed_line(result))
        return result

    return run_step(
        place,
        REFERENCE.step(),
        tasks=[REFERENCE.task()],
        inputs=listing.inputs,
        parameters={
            "version": _VERSION,
            **listing.key,
            "circles": places,
        },
        versions=versions(),
        work=work,
    )


def products_of(reference: Finished[ReferenceResult] | None) -> dict[str, Product]:
    """Return the file of the stars by its name; nothing where there are none."""
    return {} if reference is None else {FILE: reference.products[FILE]}


def fetch(bench: Bench, products: Mapping[str, Product]) -> Reference | None:
    """Return the stars in a file that `products_of` gave; None where it gave none."""
    return read_reference(bench.fetch(products[FILE])) if products else None


def _result(
    stars: Reference, choice: StarsReference, origin: str, left_out: int
) -> ReferenceResult:
    epochs = stars.epoch[np.isfinite(stars.epoch)]
    return ReferenceResult(
        name=stars.name,
        kind=choice.kind,
        origin=origin,
        stars=len(stars),
        moving=int(stars.has_motion.sum()),
        epochs=[float(epochs.min()), float(epochs.max())] if len(epochs) else [],
        left_out=left_out,
    )


def settings_of(choice: StarsReference) -> dict[str, Any]:
    """Return what the key of the step has of the campaign file: which stars are asked for."""
    if isinstance(choice, GaiaReference):
        place = {"url": choice.url, "table": choice.table}
        if choice.path is not None:
            place = {"path": choice.path}
        limits = choice.model_dump(include=_LIMITS)
        return {"kind": choice.kind, **place, **limits, "refresh": choice.refresh}
    if isinstance(choice, CampaignReference):
        return {"kind": choice.kind, "name": given.name_of_campaign(choice)}
    named = {"kind": choice.kind, "name": given.name_of(choice.name, choice.path)}
    if isinstance(choice, CatalogueReference):
        columns = choice.columns.model_dump(exclude_none=True)
        return {**named, "columns": columns, "epoch": choice.epoch}
    return {**named, **choice.model_dump(include={"threshold", "width", "epoch"})}


def _listing(campaign: Campaign, choice: StarsReference, circles: list[Circle]) -> _Listing:
    if isinstance(choice, GaiaReference):
        return _gaia(campaign, choice, circles)
    if isinstance(choice, CatalogueReference):
        return _catalogue(campaign, choice)
    if isinstance(choice, CampaignReference):
        from skymosaic.pipeline import earlier_sources

        key, read, inputs = earlier_sources.of_campaign(campaign, choice)
        return _Listing({**settings_of(choice), **key}, read, choice.campaign, inputs)
    return _image(campaign, choice)


def _gaia(campaign: Campaign, choice: GaiaReference, circles: list[Circle]) -> _Listing:
    limits = choice.model_dump(include=_LIMITS)
    selection = Selection(tuple(circles), **limits, max_rows=choice.max_rows)
    origin = choice.path or f"{choice.table} at {choice.url}"

    def read(bench: Bench) -> tuple[Reference, int]:
        if choice.path is None:
            from skymosaic.archive.gaia.server import ask

            log_file = bench.out / "gaia.log"
            folder, name = bench.scratch / "gaia", _release(choice.table)
            table = ask(choice.url, choice.table, selection, folder, log_file, choice.wait)
        else:
            from skymosaic.archive.gaia.files import read_stars

            catalogue = given.files_of(campaign, choice)
            table, name = read_stars(catalogue, selection), catalogue.name
        if not len(table):
            return read_columns(_placeholder(), name, origin).reference.select(slice(0, 0)), 0
        found = read_columns(table, name, origin)
        return found.reference, found.left_out

    return _Listing(settings_of(choice), read, origin)


def _release(table: str) -> str:
    """Return what headers call a table of Gaia's archive: GAIA DR3 for gaiadr3.gaia_source."""
    schema = table.partition(".")[0].lower()
    if schema.startswith("gaia") and schema[4:]:
        return f"GAIA {schema[4:].upper()}"
    return table


def _placeholder() -> Any:
    from astropy.table import Table

    return Table({"ra": [0.0], "dec": [0.0]})


def _catalogue(campaign: Campaign, choice: CatalogueReference) -> _Listing:
    key = {**settings_of(choice), "content": given.identity_of(campaign, choice.path)}

    def read(_: Bench) -> tuple[Reference, int]:
        found = given.read_catalogue(campaign, choice)
        return found.reference, found.left_out

    return _Listing(key, read, choice.path)


def _image(campaign: Campaign, choice: ImageReference) -> _Listing:
    name = given.name_of(choice.name, choice.path)
    key = {**settings_of(choice), "content": given.identity_of(campaign, choice.path)}

    def read(_: Bench) -> tuple[Reference, int]:
        from skymosaic.align.image_stars import stars_in

        with given.open_file(campaign, choice.path) as file:
            found = stars_in(file, name, choice.path, choice.threshold, choice.width, choice.epoch)
        return found, 0

    return _Listing(key, read, choice.path)
