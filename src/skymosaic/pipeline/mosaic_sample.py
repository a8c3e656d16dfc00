"""The part of the one-pass engine's mosaics that AstroDrizzle makes again, to check them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skymosaic.drizzle.checks.sample_window import Window, choose_window
from skymosaic.drizzle.checks.sampled import Pixels, read_window
from skymosaic.drizzle.kept_masks import read_masks, static_masks_of
from skymosaic.errors import LockedError
from skymosaic.pipeline.images import Images, images_of, select
from skymosaic.pipeline.results import (
    ONEPASS,
    AlignResult,
    DrizzleResult,
    OnepassResult,
    Planned,
)
from skymosaic.steps.bench import Bench
from skymosaic.steps.finished import Finished
from skymosaic.steps.manifests import finished
from skymosaic.steps.place import Place
from skymosaic.store import Product


@dataclass(frozen=True)
class MosaicSample:
    """The part of the one-pass engine's mosaics that AstroDrizzle makes again.

    Parameters
    ----------
    onepass : Finished
        The step that made them.
    every, images : Images
        The exposures of all, and of the sample.
    window : Window
        The part of the mosaics.
    masks : Product or None
        The masks of the sample; None: an older version kept none.
    """

    onepass: Finished[OnepassResult]
    every: Images
    images: Images
    window: Window
    masks: Product | None

    def inputs(self, runs: Iterable[DrizzleResult]) -> dict[str, Product]:
        """Return the products that the step reads."""
        step = self.onepass.step
        mosaics = {
            f"{step}/{name}": self.onepass.products[name]
            for run in runs
            for name in (run.science, run.weight)
        }
        if self.masks is None:
            return {**self.every.products, **mosaics}
        return {**self.images.products, f"{step}/{self.masks.name}": self.masks, **mosaics}

    def read_masks(
        self, bench: Bench, parameters: Mapping[str, Any]
    ) -> Mapping[str, NDArray[np.bool_]]:
        """Return the masks of the sample."""
        if self.masks is not None:
            return read_masks(bench.fetch(self.masks), self.images.exposures)
        self.every.fetch(bench)
        exposures = self.images.exposures
        return static_masks_of(bench.scratch, self.every.exposures, exposures, parameters)

    def read(self, bench: Bench, run: DrizzleResult) -> tuple[Pixels, list[float]]:
        """Return the part of a mosaic, and what it says was subtracted from each chip."""
        products = self.onepass.products
        with bench.open(products[run.science]) as one, bench.open(products[run.weight]) as other:
            pixels, recorded = read_window(one, other, self.window)
        chips = [(e.rootname, chip.extver) for e in self.images.exposures for chip in e.chips]
        return pixels, [recorded[chip] for chip in chips]


def mosaic_sample(
    place: Place, aligned: Finished[AlignResult], planned: Finished[Planned], key: str
) -> MosaicSample:
    """Return the sample; `key`: of the step that made the mosaics.

    Raises
    ------
    LockedError
        Another run has made them anew meanwhile.
    """
    onepass = finished(place, ONEPASS.step())
    if onepass is None or onepass.key != key:
        raise LockedError("the mosaics were replaced while they were being checked; run again")
    every = images_of(aligned)
    kept = onepass.result.sample
    window = (
        choose_window(every.exposures, planned.result.grid, planned.result.pairs)
        if kept is None
        else kept.window
    )
    sampled = [one for one in every.exposures if one.rootname in window.exposures]
    masks = None if kept is None else onepass.products[kept.masks]
    return MosaicSample(onepass, every, select(sampled, aligned.products), window, masks)
