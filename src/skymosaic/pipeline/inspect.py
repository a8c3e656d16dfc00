"""The task that tells which exposures are taken, and what is known of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from skymosaic.hst.exposure import RECORD, Exposure
from skymosaic.hst.extent import Extent
from skymosaic.hst.reading import with_health
from skymosaic.hst.usable import warnings_of
from skymosaic.pipeline.exposure_table import inspection_table
from skymosaic.pipeline.extents import with_extents, without_extents
from skymosaic.pipeline.images import image_files
from skymosaic.pipeline.results import INSPECT, InspectionResult, RetrieveResult
from skymosaic.pipeline.rules import Rules, judge
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.store import Product

log = logging.getLogger(__name__)


def inspect(
    place: Place, retrieved: Sequence[Finished[RetrieveResult]], rules: Rules
) -> Finished[InspectionResult]:
    """Tell the exposures from the drizzled images, and tabulate both.

    Raises
    ------
    InputError
        The rules refuse an image.
    """
    images = [image for step in retrieved for image in step.result.images]
    products = {name: p for step in retrieved for name, p in step.products.items()}
    used = image_files(products)
    ignored = rules.ignored_by(images)
    unread = [step.result.left_out for step in retrieved if step.result.left_out is not None]
    verdict = judge(images, rules, unread)

    def looked_at(bench: Bench, image: Exposure) -> Exposure:
        """Look at pixels that were retrieved by an older version, or under other flags."""
        if image.drizzled:
            return image
        wanted = ignored[image.instrument, image.detector]
        if image.health and image.health[0].ignored == wanted:
            return image
        bench.doing(f"pixels of {image.name}")
        path = bench.fetch(used[image.name])
        seen = with_health(image, path, wanted)
        path.unlink()
        return seen

    def work(bench: Bench) -> InspectionResult:
        found = judge([looked_at(bench, image) for image in images], rules, unread)
        if found.refused is not None:
            raise found.refused
        exposures = sorted((i for i in found.taken if not i.drizzled), key=lambda i: i.rootname)
        drizzled = sorted((i for i in found.taken if i.drizzled), key=lambda i: i.rootname)
        inspection_table(exposures).write(bench.out / "exposures.ecsv")
        inspection_table(drizzled).write(bench.out / "drizzled.ecsv")
        for line in found.left_out:
            log.warning("%s", line)
        warnings = [*found.left_out, *warnings_of(found.taken)]
        return InspectionResult(without_extents(exposures), drizzled, warnings)

    def key() -> dict[str, Any]:
        # What the rules refuse now a former run, under others, may have finished.
        refused = {"refused": str(verdict.refused)} if verdict.refused else {}
        left_out = {"left_out": verdict.left_out} if verdict.left_out else {}
        # What older versions retrieved nobody looked at: what they finished stays finished.
        flags = {"/".join(detector): asdict(each) for detector, each in ignored.items()}
        pixels = {"pixels": flags} if any(image.health for image in images) else {}
        return {"record": RECORD, **refused, **left_out, **pixels}

    done = run_step(
        place,
        INSPECT.step(),
        tasks=[INSPECT.task()],
        inputs=used,
        parameters=key(),
        versions={},
        work=work,
    )
    return with_files(done, used, {image.name: image.extent for image in images})


def with_files(
    inspected: Finished[InspectionResult],
    products: Mapping[str, Product],
    extents: Mapping[str, Extent | None] | None = None,
) -> Finished[InspectionResult]:
    """Return what was inspected with the files themselves, the business of the next steps.

    And with where the exposures lie, by file name, which the steps that retrieved them recorded.
    """
    result = inspected.result
    if extents is not None:
        result = replace(result, exposures=with_extents(result.exposures, extents))
    files = {**inspected.products, **image_files(products)}
    return replace(inspected, products=files, result=result)
