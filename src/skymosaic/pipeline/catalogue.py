"""The task that lists the sources of a group's aligned images, for other groups of its field."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from skymosaic.align.alignment import Alignment
from skymosaic.align.catalogue import FILE, join, move
from skymosaic.align.finding import (
    FinderSettings,
    choose_finding,
    common_level,
    count_peaks,
    counts_of,
    measure_noise,
)
from skymosaic.align.image_files import read_sources, sources_name
from skymosaic.align.members import members_of
from skymosaic.align.proof import read_wcs
from skymosaic.align.tweakreg import write_catalogue
from skymosaic.config import Align
from skymosaic.errors import AlignmentError
from skymosaic.host.counting import counted
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.files import write_frame
from skymosaic.pipeline.align_results import TileSourcesResult
from skymosaic.pipeline.images import Images, select
from skymosaic.pipeline.results import (
    CATALOGUE,
    AlignResult,
    CatalogueResult,
    InspectionResult,
)
from skymosaic.pipeline.tiles import sources_in
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.store import Product
from skymosaic.versions import versions

_R = TypeVar("_R")

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
    alignment = aligned.result.alignment
    images = _images(inspected.result.drizzled, alignment)
    drizzled = select(images, inspected.products)
    # One exposure tells how its drizzled image moved.
    moved = _moved(images, aligned.result) if alignment is not None else {}
    files = {name: product for one in listed if one for name, product in one.products.items()}
    before = {name: inspected.products[e.name] for name, e in moved.items()}
    after = {name: aligned.products[e.name] for name, e in moved.items()}
    given = None if alignment is None or alignment.finding is None else alignment.finding.parameters

    def work(bench: Bench) -> CatalogueResult:
        if not images:
            raise AlignmentError(
                "there are no drizzled images whose sources the other groups could be aligned to: "
                "add the DRZ/DRC files of this group to the source, or set groups.align: own"
            )
        finder = _Finder(bench, drizzled, settings, given)
        found = []
        for image in images:
            product = files.get(sources_name(image.rootname))
            sources = finder.find(image) if product is None else _read(bench, product)
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


def _read(bench: Bench, product: Product) -> np.ndarray:
    """Return sources, shape (sources, 3): RA, Dec (degrees) and flux."""
    with bench.open(product) as file:
        its = read_sources(file)
    return np.stack([its.ra, its.dec, its.flux], axis=1)


class _Finder:
    """Looks for the sources of images that nobody has listed, in one after another.

    `given`: how the alignment found its sources; None: they are looked for as it would have.
    """

    def __init__(
        self, bench: Bench, images: Images, settings: Align, given: Mapping[str, Any] | None
    ) -> None:
        self._bench, self._images, self._imagefind = bench, images, settings.imagefind
        self._parameters = given

    def find(self, image: Exposure) -> np.ndarray:
        """Return its sources, shape (sources, 3): RA, Dec (degrees) and flux."""
        if self._parameters is None:
            self._parameters = self._choose().parameters
        path = self._fetched(image)
        rows = sources_in(self._bench, image.name, self._parameters)
        path.unlink()
        return np.array(rows, dtype=float).reshape(-1, 5)[:, 2:]

    def _choose(self) -> FinderSettings:
        every = self._images.exposures
        level = common_level([self._look(measure_noise, e, e) for e in every], self._imagefind)
        counts = {e.rootname: self._look(count_peaks, e, level) for e in every}
        return choose_finding(counts_of(level, counts), dict.fromkeys(counts, 1.0), self._imagefind)

    def _look(self, measure: Callable[[Path, Any], _R], image: Exposure, how: Any) -> _R:
        path = self._fetched(image)
        try:
            return measure(path, how)
        finally:
            path.unlink()

    def _fetched(self, image: Exposure) -> Path:
        return self._bench.fetch(self._images.products[image.name])


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
