"""The mosaics and their differences as pictures of a page, all on one grid."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from skymosaic.evidence.reduction import Floats, reduce_image
from skymosaic.report.densities import MOST_MARKS
from skymosaic.report.difference_images import reference_method, scaled_differences
from skymosaic.report.preview import common_stretch, in_method_order, stretch

MOST_PIXELS = 1000  # along the longer side
LEAST_PIXELS = 240
THUMBNAIL = 240
MOST_PICTURE_BYTES = 5_000_000
"""Of the pictures of mosaics in a page; with them it stays below 10 MB."""
LEAN_PICTURE_BYTES = 1_100_000
"""The same where there are many exposures, whose tables are large."""
BEST = 480  # pixels of the mosaic beside the advice
_NO_DATA = 255
_NO_DATA_COLOUR = (62, 78, 122)
_LAST = 254


@dataclass(frozen=True)
class Picture:
    """One picture of the viewer."""

    kind: str
    """mosaic, or difference."""
    method: str
    title: str
    alt: str
    uri: str
    """The picture itself, as a ``data:`` URI."""
    width: int
    height: int


@dataclass(frozen=True)
class Scale:
    """What the lowest and the highest tone of a picture stand for."""

    low: str
    high: str
    ramp: str
    """The tones from low to high, as a ``data:`` URI."""
    note: str


@dataclass(frozen=True)
class PagePictures:
    """The mosaics and their differences on a page."""

    mosaics: Sequence[Picture]
    tones: Mapping[str, Scale]
    """Of each kind of pictures."""


def pictures_of(images: Mapping[str, Floats], unit: str, most: int) -> PagePictures:
    """Return the mosaics and their differences, and the scale of each kind; nothing of no images.

    Parameters
    ----------
    images : mapping of str to array
        The reduced mosaic of each method.
    unit : str
        Unit of the mosaics.
    most : int
        Bytes that all together may take in a page. They have as many pixels as that allows,
        `MOST_PIXELS` along the longer side at most.
    """
    if not images:
        return PagePictures([], {})
    side = MOST_PIXELS
    for _ in range(4):
        pictures, tone = mosaic_pictures(images, unit, side)
        tones = {"mosaic": tone}
        if len(images) > 1:
            more, tones["difference"] = difference_pictures(images, unit, side)
            pictures += more
        total = sum(len(one.uri) for one in pictures)
        if total <= most or side == LEAST_PIXELS:
            break
        # Bytes grow with the pixels; a little less, as each picture has its own.
        longest = max(max(one.width, one.height) for one in pictures)
        side = max(int(0.97 * longest * (most / total) ** 0.5), LEAST_PIXELS)
    return PagePictures(pictures, tones)


def page_pictures(images: Mapping[str, Floats], unit: str, exposures: int) -> PagePictures:
    """Return the pictures of a page; those of a report of many exposures are smaller."""
    most = MOST_PICTURE_BYTES if exposures <= MOST_MARKS else LEAN_PICTURE_BYTES
    return pictures_of(images, unit, most)


def mosaic_pictures(
    images: Mapping[str, Floats], unit: str, side: int = MOST_PIXELS
) -> tuple[list[Picture], Scale]:
    """Return the mosaic of each method in grey, all on one stretch, and that stretch.

    Raises
    ------
    SkyError
        See `preview.common_stretch`.
    """
    limits = common_stretch(images)
    pictures = []
    for method, image in in_method_order(images).items():
        grey = stretch(_small(image, side), *limits)
        alt = f"Mosaic made with sky method {method}, in grey on the stretch that all share."
        pictures.append(_picture("mosaic", method, method, alt, grey, _greys()))
    ramp = stretch(np.linspace(*limits, 128)[None, :], *limits)
    note = "asinh stretch, the same for all methods; blue-grey: no data"
    shown = f"{limits[1]:.4g} {unit}"
    return pictures, Scale(f"{limits[0]:.4g}", shown, _uri(_indexed(ramp, _greys())), note)


def difference_pictures(
    images: Mapping[str, Floats], unit: str, side: int = MOST_PIXELS
) -> tuple[list[Picture], Scale]:
    """Return each mosaic minus that of the reference, less the median, all on one scale.

    Raises
    ------
    SkyError
        There are fewer than two mosaics, or they share no pixel.
    """
    reference = reference_method(images)
    found, limit = scaled_differences(images)
    palette = _diverging()
    pictures = []
    for method, (median, panel) in found.items():
        tone = np.clip(_small(panel, side) / limit, -1, 1) / 2 + 0.5
        title = f"{method} − {reference}"
        alt = (
            f"Mosaic of {method} minus that of {reference}, less the median difference of "
            f"{median:.4g} {unit}: red where it is higher, blue where it is lower."
        )
        pictures.append(_picture("difference", method, title, alt, tone, palette))
    ramp = np.linspace(0, 1, 128)[None, :]
    note = f"difference from {reference}, less its median; blue-grey: no data"
    high = f"+{limit:.3g} {unit}"
    return pictures, Scale(f"-{limit:.3g}", high, _uri(_indexed(ramp, palette)), note)


def thumbnail(images: Mapping[str, Floats], method: str) -> bytes:
    """Return a small PNG of one method's mosaic, on the stretch that all share."""
    small = reduce_image(images[method], max_side=THUMBNAIL)
    picture = _indexed(stretch(small, *common_stretch(images)), _greys(), levels=32)
    return _png(picture)


def best_picture(images: Mapping[str, Floats], method: str) -> Picture:
    """Return the mosaic of the advised method as it stands beside the advice."""
    grey = stretch(_small(images[method], BEST), *common_stretch(images))
    alt = f"Mosaic made with sky method {method}, in grey on the stretch that all share."
    return _picture("mosaic", method, method, alt, grey, _greys())


def with_few_colours(figure: Path) -> bytes:
    """Return a figure, a PNG, with 128 colours: a third of its bytes, for the print of a page."""
    with Image.open(figure) as picture:
        return _png(picture.convert("RGB").quantize(128, dither=Image.Dither.NONE))


def _small(image: Floats, side: int) -> NDArray[np.float64]:
    return np.asarray(reduce_image(image, max_side=side), dtype=np.float64)


def _picture(
    kind: str, method: str, title: str, alt: str, tone: NDArray[np.float64], palette: list[int]
) -> Picture:
    picture = _indexed(tone, palette)
    return Picture(kind, method, title, alt, _uri(picture), picture.width, picture.height)


def _indexed(tone: NDArray[np.float64], palette: list[int], levels: int = 128) -> Image.Image:
    """Return tones from 0 to 1 as a picture with a palette; NaN has a colour of its own.

    An eye tells 128 greys apart at most, and noise that is not kept makes smaller files.
    """
    steps = np.rint(np.nan_to_num(tone) * (levels - 1)) / (levels - 1)
    pixels = np.where(np.isnan(tone), _NO_DATA, np.rint(steps * _LAST)).astype(np.uint8)
    picture = Image.fromarray(pixels[::-1])
    picture.putpalette(palette)
    return picture


def _greys() -> list[int]:
    return [value for grey in range(255) for value in (grey,) * 3] + list(_NO_DATA_COLOUR)


def _diverging() -> list[int]:
    colours = matplotlib.colormaps["RdBu_r"](np.linspace(0, 1, 255))[:, :3]
    return [int(v) for v in np.rint(colours.ravel() * 255)] + list(_NO_DATA_COLOUR)


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, format="PNG", optimize=True)
    return file.getvalue()


def _uri(picture: Image.Image) -> str:
    return as_uri(_png(picture))


def as_uri(picture: bytes, kind: str = "png") -> str:
    """Return a PNG, or a ``jpeg``, as a ``data:`` URI, so that a page is one file."""
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"
