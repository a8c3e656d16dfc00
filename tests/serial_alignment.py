"""All parts of an alignment, one after another in a folder, as the tasks of a campaign do them."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from astropy.table import Table

from skymosaic.align.alignment import Alignment
from skymosaic.align.finding import (
    advice,
    choose_finding,
    common_level,
    count_peaks,
    counts_of,
    measure_noise,
)
from skymosaic.align.image_files import read_image, read_sources, write_frame, write_sources
from skymosaic.align.members import members_of_all
from skymosaic.align.moving import move_exposure
from skymosaic.align.order import choose_order, overlap_shares
from skymosaic.align.records import AlignImage, Solutions, SolverRoom
from skymosaic.align.solvers import solver_of
from skymosaic.config import Align
from skymosaic.drizzlepac_calls import process
from skymosaic.hst.exposure import Exposure


class Clock:
    """CPU seconds of the parts, those of drizzlepac's processes too."""

    def __init__(self) -> None:
        self.cpu: dict[str, float] = {}

    def run(self, part: str, act: Callable[[], Any]) -> Any:
        """Do a part."""
        before, called = time.process_time(), process.call

        def counted(*arguments: Any) -> process.Call:
            done = called(*arguments)
            self.cpu[part] = self.cpu.get(part, 0.0) + done.cpu
            return done

        process.call = counted
        try:
            return act()
        finally:
            process.call = called
            self.cpu[part] = self.cpu.get(part, 0.0) + time.process_time() - before


def align(
    folder: Path,
    exposures: Sequence[Exposure],
    drizzled: Sequence[Exposure],
    settings: Align,
    clock: Clock | None = None,
) -> tuple[Alignment, Table]:
    """Align the exposures in a folder, in place; return what was done, and the residuals."""
    clock = clock or Clock()
    images = {image.rootname: image for image in drizzled}
    paths = {name: folder / image.name for name, image in images.items()}
    members = members_of_all(drizzled, exposures)
    footprints = {name: image.polygons for name, image in images.items()}
    order = choose_order(footprints, settings.order)
    shares = overlap_shares(footprints, order)
    noises = [
        clock.run("noise", partial(measure_noise, paths[name], images[name])) for name in order
    ]
    level = common_level(noises, settings.imagefind)
    found = {n: clock.run("counts", partial(count_peaks, paths[n], level)) for n in order}
    counts = counts_of(level, found)
    finding = choose_finding(counts, shares, settings.imagefind)
    work = folder / "solving"
    work.mkdir()
    seen: list[AlignImage] = []
    for name in order:
        arguments = {
            "files": [images[name].name],
            "parameters": {},
            "imagefind": finding.parameters,
        }
        done = clock.run("sources", partial(_find, folder, arguments, work / "find.log"))
        write_frame(paths[name], work / "frame")
        write_sources(work / f"{name}.fits", done.value[images[name].name])
        catalogue = read_sources(io.BytesIO((work / f"{name}.fits").read_bytes()))
        seen.append(read_image(work, images[name], (work / "frame").read_bytes(), catalogue))
    room = SolverRoom(work, work / "align.log", finding, partial(advice, finding, counts))
    solved: Solutions = clock.run(
        "solution", lambda: solver_of(settings)(seen, None, settings, room)
    )
    by_name = {exposure.rootname: exposure for exposure in exposures}
    unlike = {}
    for image, solution in zip(seen, solved.images, strict=True):
        for name in members[image.name] if solution.wcs is not None else ():
            (work / "move").mkdir()
            path = folder / by_name[name].name
            private = path.rename(work / "move" / path.name)
            act = partial(
                *(move_exposure, work / "move", work / "move.log", by_name[name]),
                *(image.exposure, image.frame, solution),
            )
            unlike[name] = clock.run("moved", act).unlike_motion
            private.rename(path)
            (work / "move").rmdir()
    drop = settings.on_failure == "drop"
    alignment = Alignment(
        order=order,
        fits=[one.fit for one in solved.images],
        criteria=solved.criteria,
        dropped=solved.excluded if drop else [],
        kept=[] if drop else solved.excluded,
        members=members,
        unlike_motion=unlike,
        finding=finding,
    )
    return alignment, solved.vectors


def _find(folder: Path, arguments: dict[str, Any], log: Path) -> process.Call:
    return process.call("find_sources", folder, arguments, log)
