"""Where exposures lie: of their records, and of their files where a record does not hold it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from skymosaic.drizzle.grid import Grid, output_grid
from skymosaic.drizzle.grid_request import GridRequest
from skymosaic.drizzlepac_calls.process import Call
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.extent import Extent, read_extent
from skymosaic.hst.files import write_frame
from skymosaic.pipeline.images import Images
from skymosaic.steps.bench import Bench
from skymosaic.store import Product


def extents_of(bench: Bench, images: Images) -> list[Extent]:
    """Return where exposures lie; older versions did not record it, and then the files tell it."""
    return [one.extent or _read(bench, one, images.products[one.name]) for one in images.exposures]


def grid_of(
    bench: Bench,
    images: Images,
    extents: Sequence[Extent],
    request: GridRequest,
    reference: Grid | None = None,
) -> tuple[Grid, Call]:
    """Let drizzlepac compute the output grid of exposures from their records and one file.

    The first one's file tells the orientation and the scale. Arguments and errors as of
    `drizzle.grid.output_grid`.
    """
    first, log = images.exposures[0], bench.scratch / "plan.log"
    if reference is None:
        write_copy(bench, first, images.products[first.name])
    corners = [chip for extent in extents for chip in extent.corners]
    return output_grid(bench.scratch, log, [first.name], request.choice, reference, corners)


def _read(bench: Bench, exposure: Exposure, product: Product) -> Extent:
    write_copy(bench, exposure, product)
    frame = bench.scratch / exposure.name
    return read_extent(frame, [chip.extver for chip in exposure.chips])


def write_copy(bench: Bench, exposure: Exposure, product: Product) -> None:
    """Write a copy of an exposure without its pixels into the scratch folder."""
    with bench.open(product) as file:
        write_frame(file, bench.scratch / exposure.name)


def without_extents(exposures: Sequence[Exposure]) -> list[Exposure]:
    """Return exposures as they are written where another record of them holds their extents."""
    return [replace(one, extent=None) for one in exposures]


def with_extents(
    exposures: Sequence[Exposure], extents: Mapping[str, Extent | None]
) -> list[Exposure]:
    """Return exposures with their extents, by file name; undoes `without_extents`."""
    return [replace(one, extent=extents.get(one.name)) for one in exposures]
