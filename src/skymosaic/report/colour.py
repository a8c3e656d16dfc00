"""The files of a colour picture of a field: a PNG with north up and a scale bar, and tiles."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from skymosaic.evidence.reduction import reduce_image
from skymosaic.report.colour_facts import ColourFacts
from skymosaic.report.colour_tone import ColourPlane, Limits, Picture, Tone, paint
from skymosaic.report.deep_zoom import write_tiles, zoom_page

_PICTURE, _THUMBNAIL, _NAME, _PAGE = "colour.png", "thumbnail.jpg", "colour", "zoom.html"
MOST_PIXELS = 2000  # a side
_SMALL = 480
_BARS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)  # arcsec
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


class ColourFiles(NamedTuple):
    """Names of the files of a picture."""

    picture: str
    thumbnail: str
    page: str | None
    """Of what shows the tiles; None where there are none."""


def write_colour(
    folder: Path,
    facts: ColourFacts,
    planes: Sequence[ColourPlane],
    limits: Sequence[Limits],
    *,
    tiles: bool,
) -> ColourFiles:
    """Write the picture of mosaics on one grid.

    Parameters
    ----------
    folder : Path
        Where the files go.
    facts : ColourFacts
        What they show.
    planes, limits : sequence
        The mosaics of the channels, and what is black and bright in each.
    tiles : bool
        Whether to write tiles, too, and a page that shows them.
    """
    tone = Tone(facts.stretch, facts.linear_to, facts.q)
    side = most_pixels(facts)
    small = [reduce_image(one.science, one.weight, side) for one in planes]
    picture = finish(paint(small, limits, tone), facts)
    (folder / _PICTURE).write_bytes(png(picture, facts))
    (folder / _THUMBNAIL).write_bytes(small_jpeg(picture))
    if not tiles:
        return ColourFiles(_PICTURE, _THUMBNAIL, None)
    write_tiles(folder, _NAME, planes, limits, tone)
    page = zoom_page(
        *(facts.title, facts.tiled_alt, facts.tiled_sentences),
        name=_NAME,
        shape=(facts.columns, facts.rows),
        pixel_scale=facts.pixel_scale,
        north=facts.north,
    )
    (folder / _PAGE).write_text(page)
    return ColourFiles(_PICTURE, _THUMBNAIL, _PAGE)


def most_pixels(facts: ColourFacts) -> int:
    """Return how many pixels a side the mosaics may have, for a picture of `MOST_PIXELS`."""
    if not facts.is_turned:
        return MOST_PIXELS
    angle = math.radians(facts.north)
    return int(MOST_PIXELS / (abs(math.cos(angle)) + abs(math.sin(angle))))


def finish(pixels: Picture, facts: ColourFacts) -> Image.Image:
    """Return a picture with north up and a scale bar.

    Parameters
    ----------
    pixels : ndarray of shape (rows, columns, 3)
        The mosaics, reduced; the first row is the lowest.
    facts : ColourFacts
        What they show.
    """
    picture = Image.fromarray(np.ascontiguousarray(pixels[::-1]))
    scale = facts.pixel_scale * facts.columns / pixels.shape[1]
    if facts.is_turned:
        picture = picture.rotate(facts.north, Image.Resampling.BICUBIC, expand=True)
    _draw_bar(picture, scale)
    return picture


def png(picture: Image.Image, facts: ColourFacts) -> bytes:
    """Return a picture as a PNG that tells what it shows, and how it was made."""
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("Title", facts.title)
    texts.add_itxt("Description", facts.alt)
    texts.add_itxt("Comment", " ".join(facts.sentences))
    texts.add_text("Software", "skymosaic")
    file = io.BytesIO()
    picture.save(file, format="PNG", pnginfo=texts, optimize=True)
    return file.getvalue()


def small_jpeg(picture: Image.Image) -> bytes:
    """Return a picture small enough to be part of a page."""
    small = picture.copy()
    small.thumbnail((_SMALL, _SMALL))
    file = io.BytesIO()
    small.save(file, format="JPEG", quality=85, subsampling=0)
    return file.getvalue()


def _draw_bar(picture: Image.Image, scale: float) -> None:
    """Draw a bar of a round number of arcsec or arcmin, and an arrow to the north."""
    side = min(picture.size)
    if side < 100:  # no room
        return
    arcsec = max((bar for bar in _BARS if bar / scale <= side / 4), default=_BARS[0])
    length, margin = arcsec / scale, side // 25
    label = f"{arcsec // 60} arcmin" if arcsec >= 60 else f"{arcsec} arcsec"
    width = max(2, side // 300)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=max(11, side // 40))
    bottom = picture.height - margin
    _line(draw, [(margin, bottom), (margin + length, bottom)], width)
    _text(draw, (margin + length / 2, bottom - 2 * width), label, font, "mb")
    top, right = margin + max(11, side // 40), picture.width - margin
    _line(draw, [(right, top), (right, top + side / 16)], width)
    _text(draw, (right, top - width), "N", font, "mb")


def _line(draw: ImageDraw.ImageDraw, points: Sequence[tuple[float, float]], width: int) -> None:
    draw.line(list(points), fill=_BLACK, width=width + 2)
    draw.line(list(points), fill=_WHITE, width=width)


def _text(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    anchor: str,
) -> None:
    draw.text(place, text, _WHITE, font=font, anchor=anchor, stroke_width=1, stroke_fill=_BLACK)
