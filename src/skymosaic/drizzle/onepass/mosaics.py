"""The mosaics of all skies on one grid: summed from its chips, and written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astropy.io import fits

from skymosaic.drizzle.astrodrizzle import Drizzled
from skymosaic.drizzle.chip_cards import ProductHeader, read_header
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.memory import planes_of
from skymosaic.drizzle.onepass import products
from skymosaic.drizzle.onepass.drizzling import DrizzledChips, call_drizzlepac
from skymosaic.drizzle.onepass.frames import Frames
from skymosaic.drizzle.onepass.header_table import HeaderTable
from skymosaic.drizzle.onepass.skies import AppliedSky
from skymosaic.drizzle.onepass.sums import Band, bands
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.imagers import product_suffix

SCIENCE, WEIGHT, CONTEXT = "headers_sci.fits", "headers_wht.fits", "headers_ctx.fits"
"""Files that drizzlepac writes headers into; the last one where a context image is made."""


@dataclass(frozen=True)
class Headers:
    """What AstroDrizzle would write above the pixels of a product on one grid.

    Parameters
    ----------
    root : str
        Root name of that product.
    science, weight : ProductHeader
        Of the mosaic and its weights.
    context : ProductHeader or None
        None where none is asked for.
    table : HeaderTable
        HDRTAB.
    """

    root: str
    science: ProductHeader
    weight: ProductHeader
    context: ProductHeader | None
    table: HeaderTable


def add_sky_keyword(frames: Frames) -> None:
    """Give the first exposure an MDRIZSKY: without it HDRTAB would have no such column.

    It changes the file, and so comes before anything else is at work on it.
    """
    first = frames.exposures[0]
    with fits.open(frames.folder / first.name, mode="update") as hdus:
        header = hdus["SCI", first.chips[0].extver].header
        if "MDRIZSKY" not in header:
            header["MDRIZSKY"] = (0.0, "Sky value computed by AstroDrizzle")


def make_headers(frames: Frames, grid: Grid, root: str) -> None:
    """Let drizzlepac make the headers of a product; the mosaics differ in few of their keywords.

    `read_headers` finds them in the frames' folder.

    Parameters
    ----------
    frames : Frames
        What is drizzled; see `add_sky_keyword`.
    grid : Grid
        The output grid.
    root : str
        Root name of the product.

    Raises
    ------
    DrizzleError
        It failed.
    """
    output = f"{root}_{suffix_of(frames.exposures)}"
    call_drizzlepac("onepass_headers", frames, grid, frames.exposures, output=output)


def read_headers(folder: Path, root: str) -> Headers:
    """Return the headers that `make_headers` let drizzlepac write into a folder."""
    context = folder / CONTEXT
    return Headers(
        root,
        read_header(folder / SCIENCE),
        read_header(folder / WEIGHT),
        read_header(context) if context.exists() else None,
        HeaderTable.read(folder / SCIENCE),
    )


def sum_mosaics(
    frames: Frames, grid: Grid, chips: DrizzledChips, skies: Mapping[str, AppliedSky]
) -> Iterator[Band]:
    """Sum the mosaics of all skies, some rows at a time.

    Parameters
    ----------
    frames : Frames
        What was drizzled.
    grid : Grid
        The output grid.
    chips : DrizzledChips
        On this grid.
    skies : mapping of str to AppliedSky
        By the mosaics' names: the sky of each chip of the frames, by number.
    """
    counts = frames.final["units"] == "counts"
    return bands(
        grid.shape,
        chips.cut_outs,
        chips.load,
        {name: sky.subtracted for name, sky in skies.items()},
        scale=sum(exposure.exptime for exposure in frames.exposures) if counts else 1.0,
        fill=fill_of(frames.final),
        context=frames.final["context"],
        tilts=next((sky.tilts for sky in skies.values() if sky.tilts), ()),
        tilted=[name for name, sky in skies.items() if sky.tilts],
    )


def write_mosaics(
    frames: Frames,
    grid: Grid,
    chips: DrizzledChips,
    skies: Mapping[str, AppliedSky],
    outputs: Mapping[str, str],
    headers: Headers,
) -> dict[str, Drizzled]:
    """Sum the mosaics and write their files into the frames' folder.

    Parameters
    ----------
    frames, grid, chips, skies
        As for `sum_mosaics`.
    outputs : mapping of str to str
        Root name of the products, by the mosaics' names.
    headers : Headers
        Of a product on this grid.
    """
    skies = {name: skies[name] for name in outputs}
    files = {
        name: OpenFiles.begin(
            *(frames.folder, suffix_of(frames.exposures), grid, output),
            *(skies[name].recorded, headers, chips.version, len(chips.cut_outs)),
        )
        for name, output in outputs.items()
    }
    for band in sum_mosaics(frames, grid, chips, skies):
        for name, own in files.items():
            own.write(name, band)
    keys = [(e.rootname, chip.extver) for e in frames.exposures for chip in e.chips]
    for name, own in files.items():
        recorded = dict(zip(keys, skies[name].recorded, strict=True))
        own.finish(headers.table.with_sky(recorded))
    return {
        name: Drizzled(
            own.science.path,
            own.weight.path,
            sky.values,
            [],
            chips.peak_memory,
            sky.differences,
            applied=sky,
        )
        for (name, own), sky in zip(files.items(), skies.values(), strict=True)
    }


@dataclass(frozen=True)
class OpenFiles:
    """The files of one mosaic, while they are written."""

    science: products.ImageFile
    weight: products.ImageFile
    context: products.ImageFile | None

    @classmethod
    def begin(
        cls,
        folder: Path,
        suffix: str,
        grid: Grid,
        output: str,
        recorded: Sequence[float | None],
        headers: Headers,
        version: str,
        chips: int,
    ) -> OpenFiles:
        """Begin the files of a mosaic.

        Parameters
        ----------
        folder : Path
            Gets them.
        suffix : str
            As from `suffix_of`.
        grid : Grid
            Of the mosaic.
        output : str
            Root name of the products.
        recorded : sequence of float or None
            MDRIZSKY of each chip.
        headers : Headers
            Of a product on this grid.
        version : str
            Of the resampler.
        chips : int
            Of all exposures (count).
        """
        columns, rows = grid.shape
        root = f"{output}_{suffix}"

        def file(
            kind: str, header: ProductHeader, shape: tuple[int, ...], bitpix: int = -32
        ) -> products.ImageFile:
            own = header.with_names(headers.root, output, version)
            if kind != "ctx":
                own = products.with_mean_sky(own, recorded)
            return products.ImageFile(folder / f"{root}_{kind}.fits", own, shape, bitpix)

        context = None
        if headers.context is not None:
            planes = planes_of(chips)
            shape = (rows, columns) if planes == 1 else (planes, rows, columns)
            context = file("ctx", headers.context, shape, bitpix=32)
        return cls(
            file("sci", headers.science, (rows, columns)),
            file("wht", headers.weight, (rows, columns)),
            context,
        )

    def write(self, name: str, band: Band) -> None:
        """Write some rows of the mosaic of a name."""
        self.science.write(band.first, band.mosaics[name])
        self.weight.write(band.first, band.weight)
        if self.context is not None and band.context is not None:
            self.context.write(band.first, band.context)

    def finish(self, table: bytes) -> None:
        """Append HDRTAB and close."""
        self.science.finish(table)
        self.weight.finish()
        if self.context is not None:
            self.context.finish()


def suffix_of(exposures: Sequence[Exposure]) -> str:
    """Return how the names of AstroDrizzle's products of exposures end, such as ``drz``."""
    first = exposures[0]
    return product_suffix(first.instrument, first.detector, first.suffix)


def fill_of(final: Mapping[str, Any]) -> float | None:
    """Return what AstroDrizzle puts where there is no weight; None: it leaves what is there."""
    value = final["fillval"]
    return None if value is None or str(value).strip().upper() in ("", "INDEF") else float(value)
