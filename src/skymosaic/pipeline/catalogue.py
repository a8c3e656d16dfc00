"""The task that lists the sources of a group's aligned images, for other groups of its field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from skymosaic.align.align import Alignment, members_of
from skymosaic.align.catalogue import FILE, join, move
from skymosaic.align.finding import choose_finding
from skymosaic.align.proof import read_wcs
from skymosaic.align.tweakreg import write_catalogue
from skymosaic.config import Align
from skymosaic.drizzlepac_calls import process
from skymosaic.drizzlepac_calls.process import DrizzlepacError
from skymosaic.errors import AlignmentError
from skymosaic.host.counting import counted
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.files import write_frame
from skymosaic.pipeline.images import select
from skymosaic.pipeline.results import (
    CATALOGUE,
    AlignResult,
    CatalogueResult,
    InspectionResult,
)
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.store import Product
from skymosaic.versions import versions

_VERSION = 1
"""Version of how sources are listed; part of the step's key."""


def list_sources(
    place: Place,
    settings: Align,
    inspected: Finished[InspectionResult],
    aligned: Finished[AlignResult],
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

    Raises
    ------
    AlignmentError
        There are no drizzled images, or too few sources in them.
    """
    alignment = aligned.result.alignment
    images = _images(inspected.result.drizzled, alignment)
    drizzled = select(images, inspected.products)
    # One exposure tells how its drizzled image moved.
    moved = _moved(images, aligned.result) if alignment is not None else {}
    before = {name: inspected.products[e.name] for name, e in moved.items()}
    after = {name: aligned.products[e.name] for name, e in moved.items()}
    given = None if alignment is None or alignment.finding is None else alignment.finding.parameters

    def work(bench: Bench) -> CatalogueResult:
        if not images:
            raise AlignmentError(
                "there are no drizzled images whose sources the other groups could be aligned to: "
                "add the DRZ/DRC files of this group to the source, or set groups.align: own"
            )
        drizzled.fetch(bench)
        found = []
        for image, sources in zip(images, _find(bench, images, settings, given), strict=True):
            if image.rootname in moved:
                sources[:, :2] = _moved_on_the_sky(
                    bench, sources[:, :2], before[image.rootname], after[image.rootname]
                )
            found.append(sources)
        sources = join(found)
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
        inputs={
            **drizzled.products,
            **{f"before/{p.name}": p for p in before.values()},
            **{f"after/{p.name}": p for p in after.values()},
        },
        parameters=_key(settings, given),
        versions=versions(),
        work=work,
    )


def _find(
    bench: Bench, images: list[Exposure], settings: Align, given: Mapping[str, Any] | None
) -> list[np.ndarray]:
    """Return the sources of each image, shape (sources, 3): RA, Dec (degrees) and flux.

    `given`: how the alignment found its sources; None: they are looked for as it would have.
    """
    paths = {image.rootname: bench.scratch / image.name for image in images}
    shares = dict.fromkeys(paths, 1.0)
    parameters = given or choose_finding(paths, images, shares, settings.imagefind).parameters
    names = [image.name for image in images]
    arguments = {"files": names, "parameters": {}, "imagefind": dict(parameters)}
    try:
        call = process.call("find_sources", bench.scratch, arguments, bench.out / "catalogue.log")
    except DrizzlepacError as error:
        raise AlignmentError(str(error)) from None
    bench.peak_memory = call.peak_memory
    return [np.array(call.value[name], dtype=float).reshape(-1, 3) for name in names]


def _key(settings: Align, given: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "imagefind": dict(settings.imagefind if given is None else given),
        "min_sources": settings.min_sources,
    }


def _images(drizzled: list[Exposure], alignment: Alignment | None) -> list[Exposure]:
    """Return the drizzled images that lie where they should, in the order of their alignment."""
    if alignment is None:
        return drizzled
    by_name = {image.rootname: image for image in drizzled}
    wrong = {*alignment.dropped, *alignment.kept}
    return [by_name[name] for name in alignment.order if name not in wrong]


def _moved(images: list[Exposure], aligned: AlignResult) -> dict[str, Exposure]:
    """Return an exposure of each drizzled image."""
    members = {image.rootname: members_of(image, aligned.exposures) for image in images}
    return {name: its[0] for name, its in members.items() if its}


def _moved_on_the_sky(bench: Bench, sky: np.ndarray, before: Product, after: Product) -> np.ndarray:
    found = []
    for when, product in (("before", before), ("after", after)):
        frame = bench.scratch / f"{when}_{product.name}"
        with bench.open(product) as file:
            write_frame(file, frame)
        found.append(next(iter(read_wcs(frame).values())))
    return move(sky, *found)
