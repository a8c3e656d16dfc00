"""What was drawn before a report is written: nothing that draws is imported for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from skymosaic.report.chart import Chart

if TYPE_CHECKING:
    from skymosaic.report.pictures import PagePictures


@dataclass(frozen=True)
class DrawnFigure:
    """A figure that was drawn before the report is written."""

    files: tuple[Path, ...]
    """PNG and PDF; none where there was nothing to draw."""
    chart: Chart | None
    """Of the page."""


@dataclass(frozen=True)
class DrawnPictures:
    """The pictures of the mosaics, drawn before the report is written."""

    files: tuple[Path, ...]
    """A preview of each method, and a GIF that blinks between them where there are several."""
    page: PagePictures
    """Those of the page."""


@dataclass(frozen=True)
class Drawn:
    """What was drawn before the report is written; the rest is drawn with it."""

    figures: Mapping[str, DrawnFigure] = field(default_factory=dict)
    """By their names."""
    pictures: DrawnPictures | None = None
