"""Tiles of a large picture: every level is the picture, at its size."""

from __future__ import annotations

import math
import re
import tracemalloc
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from skymosaic.report.colour_tone import ColourPlane, Limits, Tone
from skymosaic.report.deep_zoom import TiledPicture, write_tiles, zoom_page

TILE = 32


def smooth(rows: int, columns: int) -> np.ndarray:
    """Return a picture that a JPEG keeps well."""
    y, x = np.mgrid[:rows, :columns]
    planes = (x * 200 / columns, y * 200 / rows, (x + y) * 200 / (rows + columns))
    return np.stack(planes, axis=-1).astype(np.uint8)


def joined(folder: Path, level: int) -> np.ndarray:
    """Return a level's tiles as one picture."""
    tiles = {
        tuple(map(int, path.stem.split("_"))): np.asarray(Image.open(path))
        for path in (folder / "sky_files" / str(level)).iterdir()
    }
    rows = max(row for _, row in tiles) + 1
    columns = max(column for column, _ in tiles) + 1
    return np.vstack([np.hstack([tiles[c, r] for c in range(columns)]) for r in range(rows)])


@pytest.mark.parametrize("shape", [(75, 131), (64, 32), (1, 1), (33, 200)])
@pytest.mark.parametrize("strip", [7, 32, 50])
def test_each_level_is_the_picture_at_half_the_size(
    tmp_path: Path, shape: tuple[int, int], strip: int
) -> None:
    rows, columns = shape
    picture = smooth(rows, columns)
    tiled = TiledPicture(tmp_path, "sky", (columns, rows), tile=TILE)
    for top in range(0, rows, strip):
        tiled.add(picture[top : top + strip])
    tiled.close()
    for level in range(tiled.last + 1):
        side = 2 ** (tiled.last - level)
        found = joined(tmp_path, level)
        assert found.shape == (math.ceil(rows / side), math.ceil(columns / side), 3)
        # The last row and column are of what is left.
        down, right = rows // side, columns // side
        blocks = picture[: down * side, : right * side].reshape(down, side, right, side, 3)
        expected = blocks.mean(axis=(1, 3))
        assert np.abs(found[:down, :right] - expected).max(initial=0) < 12
    assert joined(tmp_path, 0).shape == (1, 1, 3)
    assert np.abs(joined(tmp_path, tiled.last).astype(int) - picture).max() < 12
    image = ElementTree.parse(tmp_path / "sky.dzi").getroot()
    assert image.attrib == {"Format": "jpg", "Overlap": "0", "TileSize": str(TILE)}
    assert image[0].attrib == {"Width": str(columns), "Height": str(rows)}


def test_only_a_strip_of_each_level_is_kept(tmp_path: Path) -> None:
    def most_memory(strips: int) -> int:
        picture = smooth(TILE, 640)
        (folder := tmp_path / str(strips)).mkdir()
        tiled = TiledPicture(folder, "sky", (640, strips * TILE), tile=TILE)
        tracemalloc.start()
        for _ in range(strips):
            tiled.add(picture)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        tiled.close()
        return most

    most_memory(2)  # what libraries keep is kept from now on
    # A strip of 640 x 32 pixels has 61 kB: of forty, those that are kept would have 2.4 MB.
    assert most_memory(40) < most_memory(4) + 3 * TILE * 640 * 3


class Watched:
    """An image of which it is known how many pixels were read at most at a time."""

    shape = (2300, 1700)

    def __init__(self) -> None:
        self.most = 0
        self.rows: list[int] = []

    def __getitem__(self, rows: slice) -> np.ndarray:
        height = rows.stop - rows.start
        self.most = max(self.most, height * self.shape[1])
        self.rows += range(rows.start, rows.stop)
        level = np.linspace(0, 1, self.shape[0], dtype=np.float32)[rows, None]
        return np.broadcast_to(level, (height, self.shape[1]))


def test_a_large_mosaic_is_read_in_strips_each_row_once(tmp_path: Path) -> None:
    planes = [ColourPlane(Watched(), Watched()) for _ in range(2)]
    write_tiles(tmp_path, "sky", planes, [Limits(0, 1)] * 2, Tone("linear", 1, 8))
    for plane in planes:
        assert plane.science.most <= 500_000
        assert sorted(plane.science.rows) == list(range(2300))
    last = joined(tmp_path, math.ceil(math.log2(2300)))
    assert last.shape == (2300, 1700, 3)
    tones = last.mean(axis=(1, 2))
    assert (tones[0], tones[-1]) == pytest.approx((255, 0), abs=3)  # the last row is on top
    assert np.diff(tones).max() < 2


def test_the_page_needs_no_network_and_tells_how_it_was_made() -> None:
    text = zoom_page(
        *("M <16>", "Stars & dust.", ["Red: F160W."]),
        name="colour",
        shape=(1000, 700),
        pixel_scale=0.1,
        north=12.0,
    )
    assert "https://" not in text
    assert "http://" not in text
    assert "M &lt;16&gt;" in text
    assert 'aria-label="Stars &amp; dust."' in text
    assert "Red: F160W." in text
    assert "rotate(12.000deg)" in text
    [facts] = re.findall(r"const picture = (\{.*\});", text)
    assert '"last": 10' in facts
