"""The tables of a report, an entry each: their names, and where and how each is shown.

Who adds one adds an entry here, and fills it: in `sheets.sheets` where the report itself knows it,
else in `RunFacts.tables`. Its file and its place in report.json follow, and those on the page and
in report.md, as the entry says.
"""

from __future__ import annotations

from dataclasses import dataclass

from skymosaic.host.counting import counted


@dataclass(frozen=True)
class Part:
    """One table of a report."""

    name: str
    """Of the table, in report.json and for `Run.table`; ``NAME.ecsv`` is its file."""
    heading: str = ""
    """Of the table in report.md; empty: it is not there."""
    section: str = ""
    """The section of the page, by its anchor, that lists it; empty: the page's template has a
    place of its own for it, or shows it within another table."""
    fold: str = ""
    """What the page shows of it until it is opened; empty: all of it."""
    counts: str = ""
    """What its rows are, where `fold` is to end with their number."""
    form: str = "{:.6g}"
    """How the page shows a number that is no integer."""

    def summary(self, rows: int) -> str:
        """Return what the page shows of the table until it is opened."""
        return f"{self.fold} {counted(rows, self.counts)}" if self.counts else self.fold


MDRIZSKY = Part("mdrizsky")
DIFFERENCES = Part("differences")
QUALITY = Part("quality", "How flat the mosaics are", form="{:.4g}")
PAIRS = Part("pairs", form="{:.4g}")
SEAMS = Part("seams", form="{:.4g}")
INVARIANTS = Part("invariants", "Invariants", form="{:.2e}")
GROUPS = Part("groups")
CHECKS = Part("checks")
WITNESS = Part("witness", "The mosaics against the other engine", "checks", form="{:.2g}")
ENGINES = Part("engines", "Both engines on a sample", "checks", form="{:.2g}")
STATIC_MASKS = Part(
    "static_masks",
    "Static masks",
    "checks",
    "Static masks: pixels that are left out of all exposures",
    form="{:.3g}",
)
COSMIC_RAYS = Part(
    "cosmic_rays",
    section="checks",
    fold="Cosmic rays: pixels that were masked in",
    counts="chip",
    form="{:.3g}",
)
WEIGHTS = Part("weights", "Weights of the methods", "checks", form="{:.3g}")
EXPOSURES = Part("exposures")
ALIGNMENT = Part("alignment", "Alignment")
GATES = Part("gates", "Gates of the alignment", "alignment")
ASTROMETRY = Part("astrometry", "What the positions rest on", "alignment", form="{:.2f}")
VISITS = Part("visits", "Residuals of each visit", "alignment", form="{:.2f}")
VECTORS = Part("vectors")
POSITIONS = Part("positions", "Positions of stars", "alignment", form="{:.3f}")
WITHIN = Part("within", "Exposures within associations", "alignment", form="{:.2f}")
CELLS = Part("cells", "Mosaics of cells", "mosaics", "Mosaics of", "cell")
DEFAULTS = Part("defaults", "How the drizzle was set up")
STEPS = Part("steps", "Time and memory")

PARTS = (
    *(MDRIZSKY, DIFFERENCES, QUALITY, PAIRS, SEAMS, INVARIANTS, GROUPS),
    *(CHECKS, WITNESS, ENGINES, STATIC_MASKS, COSMIC_RAYS, WEIGHTS),
    *(EXPOSURES, ALIGNMENT, GATES, ASTROMETRY, VISITS, VECTORS, POSITIONS, WITHIN),
    *(CELLS, DEFAULTS, STEPS),
)
"""In the order of report.json and report.md, and of each section of the page."""
