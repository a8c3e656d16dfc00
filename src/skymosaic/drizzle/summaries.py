"""What drizzles say of themselves beside their mosaics: plain values that manifests hold."""

from __future__ import annotations

from dataclasses import dataclass

from skymosaic.evidence.chips_summary import ChipsSummary
from skymosaic.sky.static_rule import Rule
from skymosaic.steps.results import Omitted


@dataclass(frozen=True)
class Plane:
    """The plane that fits one exposure, e-/s in a pixel of it."""

    edge_to_edge: tuple[float, float]
    """By how much it rises along columns and rows of the grid."""
    error: tuple[float, float]
    """Standard errors of these."""
    chance: float
    """Of noise alone to make a plane fit so well."""


@dataclass(frozen=True)
class PlanesSummary:
    """Planes of exposures, which constant skies leave."""

    chance: float
    """Of noise alone to make them all fit so well."""
    significant: bool
    exposures: dict[str, Plane]
    """By rootname; those of which it is known."""


@dataclass(frozen=True)
class DifferencesSummary:
    """What the differences on the common grid tell beside the skies."""

    noise_factor: float
    """By how much patches of sky differ more than the noise of their pixels allows."""
    patches: int
    """Patches of sky that were compared."""
    doubtful: int
    """Those that disagree with the rest."""
    planes: PlanesSummary | None
    """None where the overlaps are too few to tell."""
    planes_subtracted: bool
    chips: Omitted[ChipsSummary] = None
    """Where exposures have several chips; older versions did not look at these."""


@dataclass(frozen=True)
class SwappedFootprints:
    """What exchanged rows and columns of footprints do to the overlaps."""

    overlap: int
    """Pairs of chips that overlap."""
    missed: list[tuple[str, str]]
    """Those that were not found so."""
    groups: list[list[str]]
    """Rootnames of exposures that the overlaps link that were found."""


@dataclass(frozen=True)
class MaskedChip:
    """How many pixels of a chip were masked as hit by cosmic rays."""

    rootname: str
    chip: int
    """EXTVER."""
    pixels: int | None
    hit: int | None
    """Those of `pixels` that were masked; both None where the chip was compared with nothing."""

    @property
    def share(self) -> float | None:
        """What is masked of the chip."""
        return self.hit / self.pixels if self.hit is not None and self.pixels else None


@dataclass(frozen=True)
class CosmicRaySearch:
    """How cosmic rays were looked for once for all methods."""

    method: str
    """The sky method whose sky was subtracted meanwhile."""
    chips: list[MaskedChip]


@dataclass(frozen=True)
class MaskSummary:
    """One static mask, and the chips that share it."""

    detector: str
    """INSTRUME/DETECTOR."""
    chip: int
    """EXTVER."""
    columns: int
    rows: int
    name: str
    """What people know it as."""
    rule: Rule
    exposures: int
    """Exposures of this chip."""
    needed: int
    """In how many of them a pixel had to be low."""
    masked: int
    """Pixels that are left out."""
    share: float
    """Of the pixels of the chip."""
