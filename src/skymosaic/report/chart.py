"""An interactive figure of the page, as plain values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Chart:
    """A figure of the page: interactive, and as a picture for print."""

    name: str
    item: str
    """What Bokeh embeds."""
    picture: str
    """The same figure as a ``data:`` URI."""
    alt: str
    caption: str
