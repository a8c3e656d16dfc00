"""What a report is made from; every part of it may be missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from skymosaic.evidence.reduction import Floats
from skymosaic.report.parts import Part

if TYPE_CHECKING:
    # Every task reads findings, whose parts are told here; what measures takes a second to import.
    from skymosaic.evidence.evidence import Evidence
    from skymosaic.report.invariants import Invariant

Parameter = bool | int | float | str | None
"""Value of a parameter of drizzlepac's."""
Polygons = Mapping[str, Sequence[NDArray[np.float64]]]


@dataclass(frozen=True)
class Missing:
    """A part of the run that the report has to do without."""

    part: str
    """Such as ``drizzle match``."""
    state: str
    """failed, not run, or outdated: made before what it depends on."""
    why: str
    """What went wrong and what to do, as the error said it; empty where nothing did."""


@dataclass(frozen=True)
class RunFacts:
    """What the run itself knows, beside sky values and mosaics.

    Parameters
    ----------
    campaign : str
        Name of the campaign.
    created : str
        When the report was made, as it is to be printed.
    tables : mapping of Part to Table or None
        What its steps recorded; of a part without a table nothing is known.
    verified : sequence of str
        What was verified of the sky values and mosaics, and how.
    engine : str
        The engine that made the mosaics; empty where that is not known.
    aligned : bool or None
        Whether the campaign aligns the exposures; None where that is not known.
    output_grid : mapping of str to float or str
        The grid of the mosaics: shape, scale, centre, orientation, ...
    transfers : mapping of str to float
        What all steps moved to and from the store, and what they had to.
    versions : mapping of str to str
        Version of each software.
    dashboard : str
        Address of the Dask dashboard at which the run could be watched.
    mosaics : mapping of str to str
        File of each method's mosaic, below the campaign's folder.
    parameters : mapping of str to mapping
        Parameters by the program that they are for.
    campaign_file : str
        The resolved campaign file as text.
    warnings : sequence of str
        What other stages want the reader to know first.
    missing : sequence of Missing
        What failed or was not run.
    """

    campaign: str
    created: str
    tables: Mapping[Part, Table | None] = field(default_factory=dict)
    verified: Sequence[str] = ()
    engine: str = ""
    aligned: bool | None = None
    output_grid: Mapping[str, float | str] = field(default_factory=dict)
    transfers: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    dashboard: str = ""
    mosaics: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Mapping[str, Parameter]] = field(default_factory=dict)
    campaign_file: str = ""
    warnings: Sequence[str] = ()
    missing: Sequence[Missing] = ()

    def table(self, part: Part) -> Table | None:
        """Return a table; None where nothing is known."""
        return self.tables.get(part)


@dataclass(frozen=True)
class Report:
    """Everything that the pages and documents tell.

    Parameters
    ----------
    run : RunFacts
        What the run itself knows.
    summary : sequence of str
        What the sky values say, a sentence or two each.
    warnings : sequence of str
        What must be read first; those of the run come after them.
    mdrizsky : astropy.table.Table or None
        A table of `mdrizsky.mdrizsky_table`; None where no method has finished.
    groups : sequence of sequences of str
        Rootnames of the exposures that overlap one another.
    pairs : mapping of (str, str) to float
        Area that two exposures share, arcsec^2.
    invariants : sequence of Invariant
        The relations between the methods that were checked.
    polygons : mapping of str to sequence of ndarray of shape (n, 2)
        Corners of each chip of an exposure: right ascension and declination in degrees.
    images : mapping of str to ndarray of shape (ny, nx)
        The reduced mosaic of each method, NaN where there is no data.
    image_unit : str
        Unit of the mosaics.
    evidence : Evidence or None
        What the exposures' overlaps say of the methods, and the advice; None where that was not
        measured.
    """

    run: RunFacts
    summary: Sequence[str] = ()
    warnings: Sequence[str] = ()
    mdrizsky: Table | None = None
    groups: Sequence[Sequence[str]] = ()
    pairs: Mapping[tuple[str, str], float] = field(default_factory=dict)
    invariants: Sequence[Invariant] = ()
    polygons: Polygons = field(default_factory=dict)
    images: Mapping[str, Floats] = field(default_factory=dict)
    image_unit: str = "electron / s"
    evidence: Evidence | None = None
