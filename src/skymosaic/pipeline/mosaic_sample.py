"""The part of the one-pass engine's mosaics that AstroDrizzle makes again, to check them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skymosaic.drizzle.checks.sample_window import Window, choose_window
from skymosaic.drizzle.checks.sampled import Pixels, read_window
from skymosaic.drizzle.kept_masks import read_masks
from skymosaic.errors import LockedError
from skymosaic.hst.exposure import Exposure
from skymosaic.pipeline.images import Images, images_of, select
from skymosaic.pipeline.onepass_results import SINGLE
from skymosaic.pipeline.results import AlignResult, DrizzleResult, Planned
from skymosaic.steps.bench import Bench
from skymosaic.steps.finished import Finished
from skymosaic.steps.manifests import finished
from skymosaic.steps.place import Place
from skymosaic.store import Product

_REPLACED = "the mosaics were replaced while they were being checked; run again"


@dataclass(frozen=True)
class SampledRun:
    """One mosaic: what its step gave, and where that lies."""

    step: str
    """That made it."""
    result: DrizzleResult
    products: Mapping[str, Product]


@dataclass(frozen=True)
class MosaicSample:
    """The part of the one-pass engine's mosaics that AstroDrizzle makes again.

    Parameters
    ----------
    runs : mapping of str to SampledRun
        The mosaics, by method and variant.
    images : Images
        The exposures of the sample.
    window : Window
        The part of the mosaics.
    masks : mapping of str to (Product, sequence of Exposure)
        By its name the masks of some exposures of the sample.
    """

    runs: Mapping[str, SampledRun]
    images: Images
    window: Window
    masks: Mapping[str, tuple[Product, Sequence[Exposure]]]

    def inputs(self, runs: Iterable[SampledRun]) -> dict[str, Product]:
        """Return the products that the step reads."""
        mosaics = {
            f"{run.step}/{name}": run.products[name]
            for run in runs
            for name in (run.result.science, run.result.weight)
        }
        return {**self.images.products, **mosaics}

    @property
    def key_of_masks(self) -> dict[str, str]:
        """The checksums of the masks: a part of the key of the step."""
        return {name: product.sha256 for name, (product, _) in self.masks.items()}

    def read_masks(self, bench: Bench) -> Mapping[str, NDArray[np.bool_]]:
        """Return the masks of the sample."""
        found: dict[str, NDArray[np.bool_]] = {}
        for product, exposures in self.masks.values():
            found |= read_masks(bench.fetch(product), exposures)
        return found

    def read(self, bench: Bench, run: SampledRun) -> tuple[Pixels, list[float]]:
        """Return the part of a mosaic, and what it says was subtracted from each chip."""
        names = (run.result.science, run.result.weight)
        science, weight = (run.products[name] for name in names)
        with bench.open(science) as one, bench.open(weight) as other:
            pixels, recorded = read_window(one, other, self.window)
        chips = [(e.rootname, chip.extver) for e in self.images.exposures for chip in e.chips]
        return pixels, [recorded[chip] for chip in chips]


def sample_of_mosaics(
    place: Place,
    aligned: Finished[AlignResult],
    planned: Finished[Planned],
    mosaics: Mapping[str, Finished[DrizzleResult]],
) -> MosaicSample:
    """Return the sample of mosaics, by method and variant.

    Raises
    ------
    LockedError
        Another run has drizzled an exposure of the sample anew meanwhile.
    """
    every = images_of(aligned)
    window = _window(every, planned)
    sampled, masks = _sampled(every, window), {}
    for exposure in sampled:
        single = finished(place, SINGLE.step(exposure.rootname))
        if single is None:
            raise LockedError(_REPLACED)
        name = single.result.masks
        masks[f"{single.step}/{name}"] = (single.products[name], [exposure])
    # In the order in which results are read back.
    every_run = sorted(mosaics.items())
    runs = {name: SampledRun(one.step, one.result, one.products) for name, one in every_run}
    return MosaicSample(runs, select(sampled, aligned.products), window, masks)


def _window(every: Images, planned: Finished[Planned]) -> Window:
    return choose_window(every.exposures, planned.result.grid, planned.result.pairs)


def _sampled(every: Images, window: Window) -> list[Exposure]:
    return [one for one in every.exposures if one.rootname in window.exposures]
