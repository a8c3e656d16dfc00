"""The command on sky cells: which of them exposures or a position touch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from skymosaic.cli.common import ended_cleanly, say
from skymosaic.cli.folding import fold, terminal_width
from skymosaic.sky.projection_cells import SCALES, Scale

if TYPE_CHECKING:
    from skymosaic.sky.skycells import Crop, SkyCell


@dataclass(frozen=True)
class _Listed:
    """A sky cell, and what of the files lies in it."""

    cell: SkyCell
    files: tuple[str, ...] = ()
    part: Crop | None = None


def _in_range(low: float, high: float) -> Callable[..., float | None]:
    def check(_: Any, __: Any, value: float | None) -> float | None:
        if value is not None and not low <= value <= high:
            raise click.BadParameter(f"{value:g} is not between {low:g} and {high:g} degrees")
        return value

    return check


@click.command()
@click.argument(
    "files",
    nargs=-1,
    metavar="[FILE]...",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
)
@click.option("--ra", type=float, callback=_in_range(0, 360), help="Position: RA in degrees.")
@click.option("--dec", type=float, callback=_in_range(-90, 90), help="Its declination in degrees.")
@click.option("--cell", metavar="NAME", help="Show this cell, e.g. skycell-p1889x07y19.")
@click.option(
    "--scale",
    type=click.Choice(SCALES),
    help="fine (0.04 arcsec) or coarse (0.12 arcsec). Default: as MAST does for the detector of "
    "each FILE (coarse for WFC3/IR and WFPC2); fine for a position.",
)
@click.option(
    "--margin",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Pixels to add on each side of the part of a cell that the FILEs touch.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="json also has the corners of each cell, and the files that touch it.",
)
@ended_cleanly
def skycells(
    files: tuple[Path, ...],
    ra: float | None,
    dec: float | None,
    cell: str | None,
    scale: Scale | None,
    margin: int,
    format_: str,
) -> None:
    """List the sky cells that exposures or a position touch.

    MAST makes its mosaics of many visits on sky cells: docs/skycells.md explains them. FILE is an
    exposure or a drizzled image; its pixels are not read. Give FILEs, or --ra and --dec, or --cell.
    """
    position = ra is not None or dec is not None
    if sum((bool(files), position, cell is not None)) != 1:
        raise click.UsageError("give FILEs, or --ra and --dec, or --cell: one of the three")
    if files:
        found = _touched(files, scale, margin)
    elif cell is not None:
        found = [_named(cell, scale)]
    elif ra is None or dec is None:
        raise click.UsageError("--ra and --dec are needed together")
    else:
        found = _at(ra, dec, scale)
    if format_ == "json":
        click.echo(json.dumps([_plain(listed) for listed in found], indent=1))
    else:
        say(*fold(_rows(found), terminal_width()))


def _named(name: str, scale: Scale | None) -> _Listed:
    from skymosaic.config.skycell_table import tessellation
    from skymosaic.sky.skycells import cell

    try:
        return _Listed(cell(name, scale or "fine", tessellation()))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--cell") from None


def _at(ra: float, dec: float, scale: Scale | None) -> list[_Listed]:
    from skymosaic.config.skycell_table import tessellation
    from skymosaic.sky.skycells import cells_at

    return [_Listed(cell) for cell in cells_at(ra, dec, scale or "fine", tessellation())]


def _touched(files: Sequence[Path], scale: Scale | None, margin: int) -> list[_Listed]:
    """Return the cells of each scale that files touch, and which part of each."""
    from skymosaic.config.skycell_table import tessellation
    from skymosaic.hst.chip_outlines import chip_outlines
    from skymosaic.hst.reading import read_exposure
    from skymosaic.sky.skycell_names import default_scale
    from skymosaic.sky.skycells import cells_touched, crop

    exposures, outlines = [], []
    for file in files:
        with _unpacked(file) as plain:
            exposures.append(read_exposure(plain))
            outlines.append(chip_outlines(plain, exposures[-1]))
    scales = [scale or default_scale(one.instrument, one.detector) for one in exposures]
    found = []
    for one in SCALES:
        mine = [i for i in range(len(files)) if scales[i] == one]
        for touched in cells_touched([outlines[i] for i in mine], one, tessellation()):
            members = [mine[i] for i in touched.exposures]
            part = crop(touched.cell.grid, [outlines[i] for i in members], margin)
            found.append(_Listed(touched.cell, tuple(str(files[i]) for i in members), part))
    return found


@contextmanager
def _unpacked(file: Path) -> Iterator[Path]:
    """Give a file, or a plain copy of one that is packed, as archives and folders have them."""
    from skymosaic.archive.packing import copy_plain, is_packed, plain_name

    if not file.is_file() or not is_packed(file):  # devices are refused by who reads
        yield file
        return
    with TemporaryDirectory(prefix="skymosaic-") as folder:
        plain = Path(folder) / plain_name(file.name)
        copy_plain(file, plain)
        yield plain


def _rows(found: Sequence[_Listed]) -> list[str]:
    """Return a table: a row a cell."""
    lines = [["cell", "scale", "CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "pixels"]]
    for listed in found:
        grid, part = listed.cell.grid, listed.part
        line = [listed.cell.name, listed.cell.scale]
        line += [f"{value:.6f}" for value in grid.crval] + [f"{value:.3f}" for value in grid.crpix]
        line.append(f"{grid.shape[0]} x {grid.shape[1]}")
        if part is not None:
            line.append(str(len(listed.files)))
            line.append(f"{part.grid.shape[0]} x {part.grid.shape[1]}")
            line.append(f"{part.corner[0] + 1}, {part.corner[1] + 1}")
        lines.append(line)
    lines[0] += ["files", "touched", "from"] if len(lines[-1]) > len(lines[0]) else []
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            [line[0].ljust(widths[0])]
            + [text.rjust(width) for text, width in zip(line[1:], widths[1:], strict=True)]
        )
        for line in lines
    ]


def _plain(listed: _Listed) -> dict[str, Any]:
    """Return what is known of a cell as plain values."""
    grid = listed.cell.grid
    values: dict[str, Any] = {
        "name": listed.cell.name,
        "scale": listed.cell.scale,
        "pixel_arcsec": grid.scale,
        "crval": grid.crval,
        "crpix": grid.crpix,
        "cd": grid.cd,
        "shape": grid.shape,
        "corners": grid.corners.tolist(),
    }
    if listed.part is not None:
        part = listed.part
        values["files"] = listed.files
        values["part"] = {
            "corner": part.corner,
            "crpix": part.grid.crpix,
            "shape": part.grid.shape,
        }
    return values
