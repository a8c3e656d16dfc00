"""What a colour picture of a field shows and how it was made: as values, and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

StretchName = Literal["lupton", "linear", "log", "asinh"]

_UPRIGHT = 0.5  # degrees that north may be off, unseen


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
