"""The task that aligns the exposures, or leaves them as they came."""

from __future__ import annotations

import logging
from dataclasses import replace

from skymosaic.align.align import align as align_folder
from skymosaic.align.catalogue import FILE
from skymosaic.align.solutions import mixed_in_tiles
from skymosaic.align.vectors import VECTORS
from skymosaic.config import Align
from skymosaic.host.counting import counted
from skymosaic.hst.reading import read_exposure
from skymosaic.pipeline.images import select
from skymosaic.pipeline.results import ALIGN, AlignResult, CatalogueResult, InspectionResult
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.versions import versions

log = logging.getLogger(__name__)

ALL_FITTED = "all_are_fitted"
"""Part of the step's key that is none of its settings."""


def align(
    place: Place,
    settings: Align,
    inspected: Finished[InspectionResult],
    catalogue: Finished[CatalogueResult] | None = None,
) -> Finished[AlignResult]:
    """Align the exposures into ``aligned/``; with ``align: none`` they stay as they are.

    With a catalogue they are aligned to its sources, which are another group's.
    """
    exposures = select(inspected.result.exposures, inspected.products)
    drizzled = select(inspected.result.drizzled, inspected.products)
    if settings.method == "none":
        with place.announced(ALIGN.task(), ALIGN.step()) as task:
            task.reused = True
        return as_they_came(inspected)

    listed = {} if catalogue is None else {FILE: catalogue.products[FILE]}

    def work(bench: Bench) -> AlignResult:
        exposures.fetch(bench)
        drizzled.fetch(bench)
        reference = bench.fetch(listed[FILE]) if listed else None
        bench.doing(f"TweakReg on {counted(len(drizzled.exposures), 'drizzled image')}")
        alignment, vectors, bench.peak_memory = align_folder(
            bench.scratch,
            bench.out / "align.log",
            exposures.exposures,
            drizzled.exposures,
            settings,
            reference,
        )
        for warning in mixed_in_tiles(alignment.used, exposures.exposures, drizzled.exposures):
            log.warning("%s", warning)
        aligned = []
        for exposure in exposures.exposures:
            if alignment.uses(exposure.rootname):
                (bench.scratch / exposure.name).rename(bench.out / exposure.name)
                aligned.append(read_exposure(bench.out / exposure.name))
        alignment.table().write(bench.out / "alignment.ecsv")
        vectors.write(bench.out / VECTORS)
        return AlignResult(aligned, alignment, listed[FILE].key if listed else None)

    done = run_step(
        place,
        ALIGN.step(),
        tasks=[ALIGN.task()],
        inputs={**exposures.products, **drizzled.products, **listed},
        parameters={
            **settings.model_dump(mode="json"),
            # Older versions left the first image where it was, whatever a catalogue told of it.
            **({ALL_FITTED: True} if listed or settings.tweakreg.get("refcat") else {}),
        },
        versions=versions(),
        work=work,
    )
    return knowing_pixels(done, inspected)


def as_they_came(inspected: Finished[InspectionResult]) -> Finished[AlignResult]:
    """Return the step of `align: none`, which makes nothing of what was inspected."""
    exposures = inspected.result.exposures
    return Finished(
        step=ALIGN.step().name,
        key=inspected.key,
        products=select(exposures, inspected.products).products,
        result=AlignResult(exposures),
        seconds=0.0,
        peak_memory=0,
        reused=True,
    )


def knowing_pixels(
    aligned: Finished[AlignResult], inspected: Finished[InspectionResult]
) -> Finished[AlignResult]:
    """Return what was aligned with what was seen in the pixels, which stayed as they were."""
    seen = {one.rootname: one.health for one in inspected.result.exposures}
    exposures = [
        replace(one, health=seen.get(one.rootname, ())) for one in aligned.result.exposures
    ]
    return aligned.with_result(replace(aligned.result, exposures=exposures))
