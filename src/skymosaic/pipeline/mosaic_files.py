"""The files of one mosaic, made ready for the store: the same for both engines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from astropy.io import fits

from skymosaic.drizzle.astrodrizzle import Drizzled, weight_checksum
from skymosaic.drizzle.image_rows import ImageRows
from skymosaic.drizzle.product_headers import MosaicOrigin, complete
from skymosaic.evidence.reduction import reduce_image
from skymosaic.sky.outline import Outline
from skymosaic.steps.bench import Bench


@dataclass(frozen=True)
class MosaicFiles:
    """What a mosaic's step records of its files: names among its products.

    Parameters
    ----------
    science, weight, preview : str
        The mosaic, its weight map, and the mosaic reduced.
    weight_checksum : str
        Of the pixels of the weight map.
    error : str or None
        The error plane.
    """

    science: str
    weight: str
    preview: str
    weight_checksum: str
    error: str | None = None


def publish(
    bench: Bench, drizzled: Drizzled, origin: MosaicOrigin, outline: Outline
) -> MosaicFiles:
    """Move a mosaic's files to where they are published from; they then say what they are.

    Parameters
    ----------
    bench : Bench
        Of the step.
    drizzled : Drizzled
        The files as the engine wrote them. A context image is published where there is one.
    origin : MosaicOrigin
        Where they come from.
    outline : Outline
        Of the mosaic.
    """
    bench.peak_memory = max(bench.peak_memory, drizzled.peak_memory)
    science, weight = (
        path.rename(bench.out / path.name) for path in (drizzled.science, drizzled.weight)
    )
    root = science.name.removesuffix("_sci.fits")
    context = drizzled.science.with_name(f"{root}_ctx.fits")
    planes = [path for path in (context, drizzled.error) if path is not None and path.exists()]
    others = [path.rename(bench.out / path.name) for path in planes]
    for path in (science, weight, *others):
        complete(path, origin, outline)
    return MosaicFiles(
        science.name,
        weight.name,
        _write_preview(bench.out / f"{root}_preview.fits", science, weight).name,
        weight_checksum(weight),
        None if drizzled.error is None else drizzled.error.name,
    )


def _write_preview(path: Path, science: Path, weight: Path) -> Path:
    # Read strip by strip, and not mapped: pages of a mapped file count as the worker's memory.
    fits.writeto(path, reduce_image(ImageRows(science), ImageRows(weight)))
    complete(path)
    return path
