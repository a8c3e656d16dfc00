"""The pixels of an exposure that are left out beside those that DQ flags, as tasks hand them on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from skymosaic.drizzle.onepass.cosmic_rays import read_hits
from skymosaic.drizzle.onepass.frames import ChipMasks
from skymosaic.hst.exposure import Exposure
from skymosaic.pipeline.onepass_results import HitsResult
from skymosaic.steps.bench import Bench
from skymosaic.steps.finished import Finished
from skymosaic.store import Product


@dataclass(frozen=True)
class LeftOut:
    """The masks of the chips of one exposure, by EXTVER."""

    low: Mapping[int, Product]
    """Static masks."""
    hits: Mapping[int, Product] = field(default_factory=dict)
    """What cosmic rays hit."""

    def with_hits(self, found: Finished[HitsResult] | None) -> LeftOut:
        """Return the same with what cosmic rays hit; None: none were looked for."""
        if found is None:
            return self
        hits = {one.extver: found.products[one.mask] for one in found.result.chips}
        return replace(self, hits=hits)

    @property
    def inputs(self) -> dict[str, Product]:
        """The files, as inputs of a step."""
        return {
            **{f"static {extver}": product for extver, product in self.low.items()},
            **{f"hits {extver}": product for extver, product in self.hits.items()},
        }

    def write(self, bench: Bench, exposure: Exposure) -> ChipMasks:
        """Fetch the masks, and write them as the resampler reads them."""
        files, known = {}, dict[str, str]()
        for chip in exposure.chips:
            extver = chip.extver
            own = [masks[extver] for masks in (self.low, self.hits) if extver in masks]
            name = " ".join(product.sha256 for product in own)
            if not own:
                continue
            if name not in known:
                known[name] = f"mask_{extver}.npy"
                np.save(bench.scratch / known[name], self._read(bench, extver))
            files[f"{exposure.name}_{extver}"] = known[name]
        return ChipMasks(files, {})

    def _read(self, bench: Bench, extver: int) -> np.ndarray:
        masks = []
        if extver in self.low:
            with bench.open(self.low[extver]) as file:
                masks.append(np.load(file))
        if extver in self.hits:
            with bench.open(self.hits[extver]) as file:
                masks.append(read_hits(file))
        return np.logical_or.reduce(masks)
