"""The steps that move each exposure on the sky as its drizzled image was moved."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from skymosaic.align.image_files import frame_name
from skymosaic.align.moving import move_exposure
from skymosaic.align.records import ImageSolution
from skymosaic.config import Align
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.reading import read_exposure
from skymosaic.pipeline.align_results import MOVED, MovedResult, SolutionResult, TilesResult
from skymosaic.pipeline.earlier_alignment import forget_earlier
from skymosaic.pipeline.image_shares import Share
from skymosaic.pipeline.images import select
from skymosaic.pipeline.results import InspectionResult
from skymosaic.pipeline.slots import computing_slot
from skymosaic.steps.results import as_plain
from skymosaic.steps.step import Bench, Finished, Place, run_step
from skymosaic.versions import versions

_VERSION = 1
"""Version of what this step does; part of its key."""


def move(
    place: Place,
    settings: Align,
    share: Share,
    inspected: Finished[InspectionResult],
    tiles: Finished[TilesResult],
    solved: Finished[SolutionResult],
) -> Finished[MovedResult]:
    """Move exposures; those stay whose image stays, and none is made of an image that is dropped.

    Raises
    ------
    AlignmentError
        An exposure did not move as its drizzled image did.
    """
    drop = set(solved.result.excluded) if settings.on_failure == "drop" else set()
    owners = {name: tile for tile, its in tiles.result.members.items() for name in its}
    exposures = [
        one for one in share.of(inspected.result.exposures) if owners[one.rootname] not in drop
    ]
    step = MOVED.step(share.name)
    if not exposures:
        return Finished(step.name, "", {}, MovedResult([], {}), 0.0, 0, reused=True)
    images = select(exposures, inspected.products)
    drizzled = {image.rootname: image for image in inspected.result.drizzled}
    solutions = {one.fit.tile: one for one in solved.result.images}
    to = {one.rootname: solutions[owners[one.rootname]] for one in exposures}
    moving = [one.fit.tile for one in to.values() if one.wcs is not None]
    frames = {frame_name(tile): solved.result.frames[tile] for tile in moving}

    def work(bench: Bench) -> MovedResult:
        moved: list[Exposure] = []
        unlike: dict[str, float] = {}
        for exposure in exposures:
            path = bench.fetch(images.products[exposure.name])
            solution = to[exposure.rootname]
            if solution.wcs is not None:
                with bench.open(frames[frame_name(solution.fit.tile)]) as file:
                    frame = file.read()
                log = bench.scratch / "move.log"
                with computing_slot(place):
                    done = move_exposure(
                        bench.scratch, log, exposure, drizzled[solution.fit.tile], frame, solution
                    )
                unlike[exposure.rootname] = done.unlike_motion
                bench.peak_memory = max(bench.peak_memory, done.peak_memory)
            path.rename(bench.out / exposure.name)
            moved.append(read_exposure(bench.out / exposure.name))
        forget_earlier(place)
        return MovedResult(moved, unlike)

    return run_step(
        place,
        step,
        inputs={**images.products, **frames},
        parameters={"version": _VERSION, "to": {name: _plain(one) for name, one in to.items()}},
        versions=versions(),
        work=work,
    )


def _plain(solution: ImageSolution) -> dict[str, Any]:
    """Return what of a solution matters to an exposure."""
    if solution.wcs is None:
        return {}
    fit = as_plain(solution.fit, type(solution.fit))
    fitted = {name: fit[name] for name in ("rms_ra", "rms_dec", "matches")}
    return {
        **fitted,
        "wcs": asdict(solution.wcs),
        "catalogue": solution.catalogue,
        "geometry": solution.geometry,
    }
