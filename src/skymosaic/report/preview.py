"""Previews of the mosaics on one common scale, and the GIF that blinks between them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from skymosaic.errors import SkyError
from skymosaic.evidence.reduction import Floats, reduce_image
from skymosaic.methods import ALL

PERCENTILES = (0.5, 99.5)
SOFTENING = 0.1
FRAME_MILLISECONDS = 1000
MOST_BLINK_PIXELS = 800
LEAST_FRAME_PIXELS = 520

# Greys take the indices below; pixels without data have a colour that no brightness has.
_NO_DATA = 255
_NO_DATA_COLOUR = (62, 78, 122)
_TEXT, _BACKGROUND = 254, 0


def common_stretch(images: Mapping[str, Floats]) -> tuple[float, float]:
    """Return the limits of one scale that shows every method.

    Parameters
    ----------
    images : mapping of str to ndarray of shape (ny, nx)
        The reduced mosaic of each method, NaN where there is no data.

    Returns
    -------
    vmin, vmax : float
        The lowest of the methods' low percentiles and the highest of their high ones. Each method
        is taken by itself, so that one which keeps the sky is not cut off by others that remove it.

    Raises
    ------
    SkyError
        If there are no images, their shapes differ, or one has no valid pixel.
    """
    require_one_grid(images)
    limits = []
    for method, image in images.items():
        valid = image[np.isfinite(image)]
        if not valid.size:
            raise SkyError(f"{method}: the mosaic has no valid pixel; look at its weight map")
        limits.append(np.percentile(valid, PERCENTILES))
    vmin, vmax = float(min(low for low, _ in limits)), float(max(high for _, high in limits))
    return (vmin, vmax) if vmax > vmin else (vmin - 0.5, vmax + 0.5)


def require_one_grid(images: Mapping[str, Floats]) -> None:
    """Raise SkyError unless there are images and all have the same two-dimensional shape."""
    shapes = {method: image.shape for method, image in images.items()}
    if not shapes or len(set(shapes.values())) != 1 or len(next(iter(shapes.values()))) != 2:
        raise SkyError(f"the mosaics are not on one grid: {shapes}; drizzle them to the same one")


def in_method_order(images: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return the images in the order of ALL."""
    return {method: images[method] for method in ALL if method in images}


def stretch(image: Floats, vmin: float, vmax: float) -> NDArray[np.float64]:
    """Return asinh(x / a) / asinh(1 / a), with x from 0 at vmin to 1 at vmax and a = 0.1."""
    x = np.clip((np.asarray(image, dtype=np.float64) - vmin) / (vmax - vmin), 0.0, 1.0)
    return np.arcsinh(x / SOFTENING) / np.arcsinh(1.0 / SOFTENING)


def preview(
    image: Floats, method: str, limits: tuple[float, float], unit: str = "electron / s"
) -> Image.Image:
    """Return a picture of one mosaic, its method above and its scale below.

    Parameters
    ----------
    image : ndarray of shape (ny, nx)
        The reduced mosaic, NaN where there is no data; its first row is drawn at the bottom.
    method : str
        Name of the method, written on the frame.
    limits : tuple of float
        Values that are drawn black and white, from `common_stretch`.
    unit : str
        Unit of the mosaic.

    Returns
    -------
    PIL.Image.Image
        In palette mode: greys, and one colour for pixels without data.
    """
    height, width = image.shape
    grey = stretch(image, *limits)
    pixels = np.where(np.isnan(grey), _NO_DATA, np.rint(np.nan_to_num(grey) * _TEXT))
    frame_width = max(width, LEAST_FRAME_PIXELS)
    size = max(15, frame_width // 42)
    bar = 2 * size
    canvas = Image.new("L", (frame_width, height + 2 * bar), _BACKGROUND)
    picture = Image.fromarray(pixels[::-1].astype(np.uint8))
    canvas.paste(picture, ((frame_width - width) // 2, bar))
    draw = ImageDraw.Draw(canvas)
    middle = bar // 2
    draw.text((size, middle), method, fill=_TEXT, font=_font(size, bold=True), anchor="lm")
    _draw_scale(canvas, draw, limits, unit, (height + bar, bar, size))
    # Text is drawn in greys up to 254 only, so the last index stays that of the missing pixels.
    canvas = Image.fromarray(np.asarray(canvas))
    canvas.putpalette([v for grey in range(255) for v in (grey,) * 3] + list(_NO_DATA_COLOUR))
    return canvas


def _draw_scale(
    canvas: Image.Image,
    draw: ImageDraw.ImageDraw,
    limits: tuple[float, float],
    unit: str,
    place: tuple[int, int, int],
) -> None:
    """Draw the greys from the lower to the upper limit with both values and the unit."""
    top, bar, size = place
    font = _font(max(12, int(0.75 * size)))
    middle = top + bar // 2
    low, high = f"{limits[0]:.4g}", f"{limits[1]:.4g} {unit}, asinh; bluish: no data"
    start = size + int(draw.textlength(low, font=font)) + size // 2
    stop = canvas.width - size - int(draw.textlength(high, font=font)) - size // 2
    draw.text((size, middle), low, fill=_TEXT, font=font, anchor="lm")
    draw.text((canvas.width - size, middle), high, fill=_TEXT, font=font, anchor="rm")
    if stop - start < size:
        return
    values = np.linspace(limits[0], limits[1], stop - start)
    ramp = np.rint(stretch(values, *limits) * _TEXT).astype(np.uint8)
    canvas.paste(Image.fromarray(np.tile(ramp, (size, 1))), (start, middle - size // 2))
    outline = (start - 1, middle - size // 2 - 1, stop, middle - size // 2 + size)
    draw.rectangle(outline, outline=_TEXT // 2)


def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return the font that comes with matplotlib: it is there whatever the system has."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


def blink(images: Mapping[str, Floats], path: Path, unit: str = "electron / s") -> Path:
    """Write a GIF that shows the methods in turn, one a second, without end.

    Parameters
    ----------
    images : mapping of str to ndarray of shape (ny, nx)
        The reduced mosaic of each method.
    path : Path
        The file to write.
    unit : str
        Unit of the mosaics.

    Returns
    -------
    Path
        The file written.
    """
    limits = common_stretch(images)
    frames = [
        preview(reduce_image(image, max_side=MOST_BLINK_PIXELS), method, limits, unit)
        for method, image in in_method_order(images).items()
    ]
    frames[0].save(
        path, format="GIF", save_all=True, append_images=frames[1:],
        duration=FRAME_MILLISECONDS, loop=0, optimize=False, disposal=1,
    )  # fmt: skip
    return path
