"""The sources of a campaign's aligned drizzled images, where the alignment put them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from skymosaic.align.alignment import Alignment
from skymosaic.align.catalogue import move
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
from skymosaic.config import Align
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.files import write_frame
from skymosaic.pipeline.align_results import TileSourcesResult
from skymosaic.pipeline.images import Images, select
from skymosaic.pipeline.results import AlignResult, InspectionResult
from skymosaic.pipeline.tiles import sources_in
from skymosaic.steps.step import Bench, Finished
from skymosaic.store import Product

_R = TypeVar("_R")


@dataclass(frozen=True)
class AlignedImages:
    """The drizzled images of a campaign, and how its alignment moved them."""

    images: list[Exposure]
    """Those that lie where they should, in the order of their alignment."""
    drizzled: Images
    before: Mapping[str, Product]
    """By image: one of its exposures, as it came; it tells how the image moved."""
    after: Mapping[str, Product]
    """The same, aligned."""
    finding: Mapping[str, Any] | None
    """How the alignment found sources; None where there was none."""

    @classmethod
    def of(
        cls, inspected: Finished[InspectionResult], aligned: Finished[AlignResult]
    ) -> AlignedImages:
        """Return those of a campaign."""
        alignment = aligned.result.alignment
        images = _images(inspected.result.drizzled, alignment)
        moved = _moved(images, aligned.result) if alignment is not None else {}
        chosen = None if alignment is None else alignment.finding
        return cls(
            images=images,
            drizzled=select(images, inspected.products),
            before={name: inspected.products[e.name] for name, e in moved.items()},
            after={name: aligned.products[e.name] for name, e in moved.items()},
            finding=None if chosen is None else chosen.parameters,
        )

    @property
    def files(self) -> dict[str, Product]:
        """All files that the sources depend on."""
        return {
            **self.drizzled.products,
            **{f"before/{p.name}": p for p in self.before.values()},
            **{f"after/{p.name}": p for p in self.after.values()},
        }

    def sources(
        self,
        bench: Bench,
        settings: Align,
        listed: Sequence[Finished[TileSourcesResult] | None] = (),
    ) -> list[np.ndarray]:
        """Return the sources of each image where they lie.

        Parameters
        ----------
        bench : Bench
        settings : Align
            How they are looked for, where the alignment does not tell it.
        listed : sequence of Finished or None
            The steps that listed them; where there is none for an image, they are looked for here.

        Returns
        -------
        list of array of shape (sources, 3)
            RA, Dec (degrees) and flux.
        """
        files = {name: product for one in listed if one for name, product in one.products.items()}
        finder = _Finder(bench, self.drizzled, settings, self.finding)
        found = []
        for image in self.images:
            name = image.rootname
            product = files.get(sources_name(name))
            sources = finder.find(image) if product is None else _read(bench, product)
            if name in self.before:
                sources[:, :2] = _moved_on_the_sky(
                    bench, sources[:, :2], self.before[name], self.after[name]
                )
            found.append(sources)
        return found


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
