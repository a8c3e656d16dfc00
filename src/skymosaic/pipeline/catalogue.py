"""The task that lists the sources of a group's aligned images, for other groups of its field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from skymosaic.align.catalogue import FILE, join
from skymosaic.align.tweakreg import write_catalogue
from skymosaic.config import Align
from skymosaic.errors import AlignmentError
from skymosaic.host.counting import counted
from skymosaic.pipeline.align_results import TileSourcesResult
from skymosaic.pipeline.aligned_sources import AlignedImages
from skymosaic.pipeline.results import (
    CATALOGUE,
    AlignResult,
    CatalogueResult,
    InspectionResult,
)
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.versions import versions

_VERSION = 1
"""Version of how sources are listed; part of the step's key."""


def list_sources(
    place: Place,
    settings: Align,
    inspected: Finished[InspectionResult],
    aligned: Finished[AlignResult],
    listed: Sequence[Finished[TileSourcesResult] | None] = (),
) -> Finished[CatalogueResult]:
    """List the sources of the drizzled images where the alignment put them.

    Parameters
    ----------
    place : Place
        Of the group that the others are aligned to.
    settings : Align
        How it was aligned.
    inspected, aligned : Finished
        Its steps. With ``align: none`` the sources lie where the images have them.
    listed : sequence of Finished or None
        The steps that list the sources of its images; where there is none for an image, its sources
        are looked for here.

    Raises
    ------
    AlignmentError
        There are no drizzled images, or too few sources in them.
    """
    aligned_images = AlignedImages.of(inspected, aligned)
    images = aligned_images.images

    def work(bench: Bench) -> CatalogueResult:
        if not images:
            raise AlignmentError(
                "there are no drizzled images whose sources the other groups could be aligned to: "
                "add the DRZ/DRC files of this group to the source, or set groups.align: own"
            )
        sources = join(aligned_images.sources(bench, settings, listed))
        if len(sources) < settings.min_sources:
            raise AlignmentError(
                "the drizzled images of this group have "
                f"{counted(len(sources), 'source')}, too few to align the other groups to "
                f"(align.min_sources: {settings.min_sources}); name another group in "
                "groups.reference, or set align.imagefind"
            )
        write_catalogue(bench.out / FILE, sources)
        return CatalogueResult(len(sources), [image.rootname for image in images])

    return run_step(
        place,
        CATALOGUE.step(),
        tasks=[CATALOGUE.task()],
        inputs=aligned_images.files,
        parameters=_key(settings, aligned_images.finding),
        versions=versions(),
        work=work,
    )


def _key(settings: Align, given: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "imagefind": dict(settings.imagefind if given is None else given),
        "min_sources": settings.min_sources,
    }
