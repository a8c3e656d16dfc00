"""The task that drizzles with one sky method by AstroDrizzle, and what its mosaics must obey."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from astropy.io import fits

from skymosaic.drizzle import astrodrizzle, static_masks
from skymosaic.drizzle.missing_pixels import key_of_missing
from skymosaic.drizzle.product_headers import MosaicOrigin, outline_of
from skymosaic.drizzle.summaries import MaskSummary
from skymosaic.errors import SkyError
from skymosaic.evidence.reduction import Floats
from skymosaic.host.counting import counted
from skymosaic.methods import column
from skymosaic.pipeline.images import images_of
from skymosaic.pipeline.mosaic_files import publish
from skymosaic.pipeline.results import DRIZZLE, AlignResult, DrizzleResult, Planned
from skymosaic.pipeline.sentences.history import history_of, sky_of
from skymosaic.pipeline.slots import computing_slot
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.drizzle.onepass.skies import AppliedSky


log = logging.getLogger(__name__)


def drizzle(
    place: Place,
    aligned: Finished[AlignResult],
    planned: Finished[Planned],
    method: str,
    given: AppliedSky | None = None,
) -> Finished[DrizzleResult]:
    """Drizzle private copies of all aligned exposures with one sky method.

    `given`: its skies, where it is not AstroDrizzle's own.
    """
    images = images_of(aligned)
    grid, parameters = planned.result.grid, dict(planned.result.order.parameters)

    def work(bench: Bench) -> DrizzleResult:
        images.fetch(bench)
        with computing_slot(place):
            bench.doing(f"AstroDrizzle on {counted(len(images.exposures), 'exposure')}")
            mosaic = astrodrizzle.drizzle(
                bench.scratch,
                bench.out / "astrodrizzle.log",
                images.exposures,
                f"{place.campaign.replace('/', '_')}_{column(method)}".lower(),
                method,
                grid,
                parameters,
                given,
            )
        sky = sky_of(method, "astrodrizzle", ours=given is not None)
        history = history_of(aligned.result, planned.result, "astrodrizzle", sky)
        origin = MosaicOrigin(method, place.campaign, bench.key, history)
        files = publish(bench, mosaic, origin, outline_of(mosaic.weight))
        return DrizzleResult(
            sky=mosaic.sky,
            checks=mosaic.checks,
            **asdict(files),
            differences=mosaic.differences,
            static=tell_static(method, mosaic.static),
        )

    return run_step(
        place,
        DRIZZLE.step(method),
        tasks=[DRIZZLE.task(method)],
        inputs=images.products,
        parameters={
            "method": method,
            **key_of_given(given),
            **key_of_missing(images.exposures),
            "grid": grid.to_dict(),
            "astrodrizzle": parameters,
        },
        versions=versions(),
        work=work,
    )


def tell_static(what: str, masks: Sequence[MaskSummary]) -> list[MaskSummary]:
    """Log the static masks of a run; return them for its record."""
    for one in masks:
        log.info(
            "%s: the static mask leaves out %s of %s: low in %d or more of %d exposures",
            *(what, static_masks.percent(one.share), one.name),
            *(one.needed, one.exposures),
        )
        if (warning := static_masks.warning(one)) is not None:
            log.warning("%s: %s", what, warning)
    return list(masks)


def key_of_given(given: AppliedSky | None) -> dict[str, Any]:
    """Return what of given skies the result of a drizzle depends on, as a part of its key."""
    if given is None:
        return {}
    key: dict[str, Any] = {"sky": list(given.subtracted)}
    chips = None if given.differences is None else given.differences.chips
    if chips is not None:
        # With another sky.per_chip the same skies may have other errors, and other is told of them.
        key |= {"per_chip": chips.per_chip, "errors": [value.error for value in given.values]}
    return key


def require_equal_weights(runs: Mapping[str, Finished[DrizzleResult]]) -> None:
    """Refuse methods whose weight maps differ: then more than the sky differs.

    Raises
    ------
    SkyError
        The checksum of a method's weight map is not that of the first.
    """
    (first, reference), *others = runs.items()
    for method, run in others:
        if run.result.weight_checksum != reference.result.weight_checksum:
            raise SkyError(
                f"the weight maps of {first!r} and {method!r} differ, though no cosmic rays were "
                "looked for: the two runs did not use the same pixels. Remove "
                f"{reference.result.weight} and {run.result.weight} from the store, and "
                "`skymosaic run` makes both again"
            )


def read_previews(bench: Bench, runs: Mapping[str, Finished[DrizzleResult]]) -> dict[str, Floats]:
    """Return each method's mosaic as its run reduced it, without pixels of no weight."""
    return {
        method: fits.getdata(bench.fetch(run.products[run.result.preview]))
        for method, run in runs.items()
    }
