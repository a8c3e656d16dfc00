"""Exposures and drizzled images with their files, as tasks hand them on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skymosaic.hst.exposure import Exposure, suffix_of
from skymosaic.pipeline.results import AlignResult
from skymosaic.steps.bench import Bench
from skymosaic.steps.finished import Finished
from skymosaic.store import Product


@dataclass(frozen=True)
class Images:
    """Exposures or drizzled images, and where their files are."""

    exposures: list[Exposure]
    products: dict[str, Product]
    """By file name."""

    def fetch(self, bench: Bench) -> None:
        """Fetch a private copy of each file into the scratch folder."""
        for exposure in self.exposures:
            bench.fetch(self.products[exposure.name])


def select(exposures: Sequence[Exposure], products: Mapping[str, Product]) -> Images:
    """Return images with their files."""
    return Images(list(exposures), {e.name: products[e.name] for e in exposures})


def images_of(aligned: Finished[AlignResult]) -> Images:
    """Return the exposures that were aligned, with their files."""
    return select(aligned.result.exposures, aligned.products)


def image_files(products: Mapping[str, Product]) -> dict[str, Product]:
    """Return those of files that are exposures or drizzled images, by their names."""
    return {name: product for name, product in products.items() if suffix_of(name) is not None}
