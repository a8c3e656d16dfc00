"""What an alignment did, as the steps that come after it, reports and notebooks read it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from astropy.table import Table

from skymosaic.align.finding import FinderSettings
from skymosaic.align.gates import Criterion, TileFit

UNITS = {
    "dx": "pix",
    "dy": "pix",
    "rotation": "deg",
    "rms_ra": "mas",
    "rms_dec": "mas",
    "shift": "arcsec",
}


@dataclass(frozen=True)
class Alignment:
    """What the alignment did."""

    order: list[str]
    """Drizzled images in the order that was asked for; the first is the reference."""
    fits: list[TileFit]
    """What was fitted of each tile, in the order of `order`."""
    criteria: list[Criterion]
    dropped: list[str]
    """Tiles that failed a gate and were left out of the mosaic."""
    kept: list[str]
    """Tiles that failed a gate and stay with the WCS they came with."""
    members: dict[str, list[str]]
    """Exposures of each tile."""
    unlike_motion: dict[str, float]
    """By exposure: how its motion differs from its drizzled image's, mas."""
    finding: FinderSettings | None = None
    """How sources were found, and why so; older versions did not tell."""

    def uses(self, rootname: str) -> bool:
        """Tell whether an exposure goes on to the mosaic."""
        return not any(rootname in self.members[tile] for tile in self.dropped)

    @property
    def used(self) -> dict[str, list[str]]:
        """The exposures of each tile that goes on to the mosaic."""
        return {tile: its for tile, its in self.members.items() if tile not in self.dropped}

    def table(self) -> Table:
        """Return the fits with units, a row a tile, in the order asked for."""
        table = Table(rows=[asdict(fit) for fit in self.fits])
        table.rename_column("place", "order")
        if self.finding is not None:
            table.meta["imagefind"] = self.finding.parameters
            table.meta["finding"] = self.finding.why
        table["status"] = [self.status(fit) for fit in self.fits]
        for name, unit in UNITS.items():
            table[name].unit = unit
        return table

    def status(self, fit: TileFit) -> str:
        """Return what became of a tile: reference, aligned, not aligned, or dropped."""
        if fit.tile in self.dropped:
            return "dropped"
        if fit.tile in self.kept:
            return "not aligned"
        return "reference" if fit.reference else "aligned"
