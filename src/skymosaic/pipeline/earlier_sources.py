"""The sources of an earlier campaign, where its alignment put them, as a reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from skymosaic.align.catalogue import join
from skymosaic.align.members import members_of
from skymosaic.align.reference import Reference, reference_of
from skymosaic.config import Campaign
from skymosaic.config.reference import CampaignReference
from skymosaic.errors import CampaignError
from skymosaic.hst.epochs import epoch_of
from skymosaic.pipeline.align import with_exposures
from skymosaic.pipeline.align_results import TILE_SOURCES
from skymosaic.pipeline.aligned_sources import AlignedImages
from skymosaic.pipeline.given_reference import earlier_campaign, name_of_campaign
from skymosaic.pipeline.inspect import with_files
from skymosaic.pipeline.results import INSPECT, RETRIEVE
from skymosaic.steps.finished import Finished
from skymosaic.steps.manifests import finished
from skymosaic.steps.place import Place
from skymosaic.steps.step import Bench
from skymosaic.steps.tasks import StepSpec
from skymosaic.store import Product
from skymosaic.store.base import is_ours

_R = TypeVar("_R")

_ERROR = 5.0
"""Mas: the scatter of positions in one drizzled image about those in another."""
_MOVED = 0.3
"""Arcsec: sources so near each other are one star, which may have moved between two images. Two in
the list would both match one source, and TweakReg ends with an error."""
_NO_EPOCH = -1.0  # `join` leaves out sources without a number


def of_campaign(
    campaign: Campaign, choice: CampaignReference
) -> tuple[dict[str, Any], Callable[[Bench], tuple[Reference, int]], dict[str, Product]]:
    """Return what the sources depend on, a function that lists them, and their files.

    Nothing is written into the earlier campaign. Its images are fetched from its store.

    Raises
    ------
    CampaignError
        There is no such campaign, or it has no drizzled images.
    """
    place, aligned = earlier_campaign(campaign, choice)
    aligned = with_exposures(aligned)
    inspected = finished(place, INSPECT.step())
    if inspected is None:
        raise CampaignError(
            f"align.reference.campaign: {choice.campaign} is not finished: run it first"
        )
    inspected = with_files(inspected, _files(_every(place, RETRIEVE)))
    images = AlignedImages.of(inspected, aligned)
    if not images.images:
        raise CampaignError(
            f"align.reference.campaign: {choice.campaign} has no drizzled images whose sources "
            "could be listed: name another"
        )
    # Of campaigns that older versions ran nobody listed them: then they are looked for here.
    listed = _every(place, TILE_SOURCES)
    epochs = {
        one.rootname: epoch_of(members_of(one, aligned.result.exposures)) for one in images.images
    }

    def read(bench: Bench) -> tuple[Reference, int]:
        room = bench.scratch / "earlier"
        room.mkdir()
        there = Bench(place, room)
        lists = images.sources(there, campaign.align, listed)
        bench.peak_memory = there.peak_memory
        bench.fetched |= there.fetched
        dated = [
            np.column_stack([one, np.full(len(one), _NO_EPOCH if epoch is None else epoch)])
            for one, epoch in zip(lists, epochs.values(), strict=True)
        ]
        ra, dec, flux, epoch = join(dated, _MOVED).T
        epoch[epoch == _NO_EPOCH] = np.nan
        mag = -2.5 * np.log10(np.maximum(flux, np.finfo(float).tiny))
        name = name_of_campaign(choice)
        stars = reference_of(
            name, ra=ra, dec=dec, epoch=epoch, mag=mag, ra_error=_ERROR, dec_error=_ERROR
        )
        return stars, 0

    finding = campaign.align.imagefind if images.finding is None else images.finding
    return {"imagefind": dict(finding)}, read, images.files


def _every(place: Place, spec: StepSpec[_R]) -> list[Finished[_R]]:
    """Return the finished steps of a kind that has one a parcel."""
    prefix = place.key("manifests", spec.step("").name.rstrip("/"))
    keys = [key.removeprefix(f"{prefix}/") for key in place.store.list(prefix)]
    names = [key.removesuffix(".json") for key in keys if is_ours(key) and key.endswith(".json")]
    return [done for name in names if (done := finished(place, spec.step(name))) is not None]


def _files(steps: Sequence[Finished[Any]]) -> dict[str, Product]:
    return {name: product for step in steps for name, product in step.products.items()}
