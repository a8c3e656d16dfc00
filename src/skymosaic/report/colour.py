"""A colour picture of a field: what it shows, in words, and the picture itself."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from skymosaic.report.colour_tone import Picture, StretchName

MOST_PIXELS = 2000  # a side
THUMBNAIL = 480
_UPRIGHT = 0.5  # degrees that north may be off, unseen
_BARS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)  # arcsec
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


@dataclass(frozen=True)
class Channel:
    """One of the colours."""

    colour: Literal["red", "green", "blue"]
    group: str
    """Name of the group that it shows."""
    filter: str
    method: str
    """The sky method of the mosaic."""
    low: float
    """What is black, in `unit`."""
    high: float
    """The upper limit."""
    unit: str


@dataclass(frozen=True)
class ColourFacts:
    """What a picture shows, and how it was made."""

    field: str
    channels: tuple[Channel, ...]
    """Red, green and blue; or red and blue, and green is their mean."""
    stretch: StretchName
    linear_to: float
    q: float
    percentiles: tuple[float, float]
    columns: int
    """Of the mosaics."""
    rows: int
    pixel_scale: float
    """Of the mosaics, arcsec."""
    north: float
    """Degrees from the mosaics' y axis to north, clockwise."""

    @property
    def is_turned(self) -> bool:
        """Whether the picture is the mosaics' pixels turned, with north up."""
        return abs(self.north) > _UPRIGHT

    @property
    def title(self) -> str:
        """What the picture is called."""
        return f"{self.field} in {', '.join(one.filter for one in self.channels)}"

    @property
    def alt(self) -> str:
        """The picture in words, for who cannot see it."""
        return f"{self._shown} North is up, east is left."

    @property
    def tiled_alt(self) -> str:
        """The tiles in words: these are the mosaics' own pixels, never turned."""
        if not self.is_turned:
            return self.alt
        return f"{self._shown} North is {self.north:.1f} degrees from up, clockwise."

    @property
    def _shown(self) -> str:
        shown = ", ".join(f"{one.filter} in {one.colour}" for one in self.channels)
        width, height = (f"{side * self.pixel_scale:.0f}" for side in (self.columns, self.rows))
        return (
            f"Colour picture of {self.field}: {shown}. The mosaics are {width} by {height} arcsec."
        )

    @property
    def sentences(self) -> list[str]:
        """How the picture was made."""
        turned = f"The pixels are turned by {self.north:.2f} degrees, so that north is up."
        return [*self.tiled_sentences, turned] if self.is_turned else self.tiled_sentences

    @property
    def tiled_sentences(self) -> list[str]:
        """How the tiles were made."""
        lines = [
            f"{one.colour.capitalize()}: {one.group} (filter {one.filter}, sky method "
            f"{one.method}), from {one.low:.4g} to {one.high:.4g} {one.unit}."
            for one in self.channels
        ]
        if len(self.channels) == 2:
            lines.append("Green: the mean of red and blue.")
        low, high = self.percentiles
        return [
            *lines,
            f"These limits are the percentiles {low:g} and {high:g} of the pixels that all filters "
            "have.",
            _STRETCHES[self.stretch].format(linear_to=self.linear_to, q=self.q),
            "Where a filter has no data, the picture is grey; where all lack, black.",
        ]


_STRETCHES = {
    "lupton": (
        "Stretch: asinh of the mean of the three colours, which keeps their ratios (Lupton et al. "
        "2004, PASP 116, 133), with stretch {linear_to:g} of the range between the limits and Q "
        "{q:g}."
    ),
    "linear": "Stretch: linear, each colour by itself.",
    "log": "Stretch: log, each colour by itself, linear up to {linear_to:g} of the range.",
    "asinh": "Stretch: asinh, each colour by itself, linear up to {linear_to:g} of the range.",
}


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
    told = PngImagePlugin.PngInfo()
    told.add_itxt("Title", facts.title)
    told.add_itxt("Description", facts.alt)
    told.add_itxt("Comment", " ".join(facts.sentences))
    told.add_text("Software", "skymosaic")
    file = io.BytesIO()
    picture.save(file, format="PNG", pnginfo=told, optimize=True)
    return file.getvalue()


def small_jpeg(picture: Image.Image) -> bytes:
    """Return a picture small enough to be part of a page."""
    small = picture.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL))
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
