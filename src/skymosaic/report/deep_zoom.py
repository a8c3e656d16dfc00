"""A large picture as tiles of several sizes, in the layout of Deep Zoom Images (DZI).

``NAME.dzi`` tells the size; ``NAME_files/LEVEL/COLUMN_ROW.jpg`` are the tiles. The highest level is
the whole picture, and each lower one has half as many pixels a side. Only a strip of each level is
in memory at a time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from skymosaic.report.colour_tone import ColourPlane, Limits, Picture, Tone, paint
from skymosaic.report.page import template

TILE = 512  # pixels a side
_QUALITY = 90
_AT_ONCE = 500_000  # pixels that are read at a time
_DESCRIPTION = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" Format="jpg" Overlap="0" '
    'TileSize="{tile}"><Size Width="{columns}" Height="{rows}"/></Image>\n'
)


class TiledPicture:
    """Writes a picture that comes in strips, from the top down.

    Parameters
    ----------
    folder : Path
        Where the files go.
    name : str
        Of the picture.
    shape : (int, int)
        Columns, rows.
    tile : int
        Pixels a side; even.
    """

    def __init__(self, folder: Path, name: str, shape: tuple[int, int], tile: int = TILE) -> None:
        self.last = math.ceil(math.log2(max(*shape, 2)))
        """The highest level, counted from 0."""
        columns, rows = shape
        text = _DESCRIPTION.format(tile=tile, columns=columns, rows=rows)
        (folder / f"{name}.dzi").write_text(text)
        self._files, self._tile = folder / f"{name}_files", tile
        self._waiting: list[Picture | None] = [None] * (self.last + 1)
        self._row = [0] * (self.last + 1)

    def add(self, strip: Picture) -> None:
        """Add rows to the picture, shape (rows, columns, 3)."""
        self._add(self.last, strip)

    def close(self) -> None:
        """Write what is left, when all rows have been added."""
        for level in range(self.last, -1, -1):
            rest = self._waiting[level]
            if rest is not None and len(rest):
                self._write(level, rest)
            self._waiting[level] = None

    def _add(self, level: int, strip: Picture) -> None:
        before = self._waiting[level]
        rows = strip if before is None else np.concatenate([before, strip])
        while len(rows) >= self._tile:
            self._write(level, rows[: self._tile])
            rows = rows[self._tile :]
        self._waiting[level] = rows.copy()

    def _write(self, level: int, strip: Picture) -> None:
        """Write a row of tiles, and pass it on to the next lower level."""
        folder = self._files / str(level)
        folder.mkdir(parents=True, exist_ok=True)
        for column, left in enumerate(range(0, strip.shape[1], self._tile)):
            path = folder / f"{column}_{self._row[level]}.jpg"
            tile = Image.fromarray(np.ascontiguousarray(strip[:, left : left + self._tile]))
            # Without full resolution in colour, stars would have fringes of the format's own.
            tile.save(path, format="JPEG", quality=_QUALITY, subsampling=0)
        self._row[level] += 1
        if level:
            self._add(level - 1, _halved(strip))


def write_tiles(
    folder: Path, name: str, planes: Sequence[ColourPlane], limits: Sequence[Limits], tone: Tone
) -> None:
    """Write the tiles of mosaics on one grid, of which a strip is read at a time.

    Parameters
    ----------
    folder, name
        As for `TiledPicture`.
    planes : sequence of ColourPlane
        The mosaics, as `paint` takes them; the first row is the lowest.
    limits, tone
        As for `paint`.
    """
    rows, columns = planes[0].science.shape
    tiled = TiledPicture(folder, name, (columns, rows))
    step = max(1, _AT_ONCE // columns)
    for top in range(rows, 0, -step):
        strip = slice(max(0, top - step), top)
        tiled.add(paint([plane.read(strip) for plane in planes], limits, tone)[::-1])
    tiled.close()


def _halved(picture: Picture) -> Picture:
    """Return the means of two by two pixels; at an odd edge, of those that there are."""
    rows, columns = picture.shape[:2]
    padding = ((0, rows % 2), (0, columns % 2), (0, 0))
    even = np.pad(picture, padding, mode="edge").astype(np.uint16)
    total = even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
    return ((total + 2) // 4).astype(np.uint8)


def zoom_page(
    title: str,
    alt: str,
    sentences: list[str],
    *,
    name: str,
    shape: tuple[int, int],
    pixel_scale: float,
    north: float,
) -> str:
    """Return a page that shows the tiles beside it; it needs no network.

    Parameters
    ----------
    title, alt : str
        What the picture is called, and shows.
    sentences : list of str
        How it was made.
    name : str
        Of the picture, as `TiledPicture` has it.
    shape : (int, int)
        Columns, rows.
    pixel_scale : float
        Arcsec a pixel.
    north : float
        Degrees from up to north, clockwise.
    """
    return template("zoom.html.j2").render(
        title=title,
        alt=alt,
        sentences=sentences,
        picture={
            "name": name,
            "columns": shape[0],
            "rows": shape[1],
            "tile": TILE,
            "last": math.ceil(math.log2(max(*shape, 2))),
            "scale": pixel_scale,
        },
        north=north,
    )
