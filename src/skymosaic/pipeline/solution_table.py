"""The table of the WCS solutions that exposures hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from astropy.table import Table

from skymosaic.align.choice import kind_of
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.wcs_solutions import Solution
from skymosaic.report.sheet import Columns, sheet

_COLUMNS: Columns = {
    "rootname": (str, None, "IPPPSSOOT of the exposure; file stem of a drizzled image"),
    "wcsname": (str, None, "WCSNAME of the solution"),
    "kind": (
        str,
        None,
        "what solutions of all exposures that match have in common",
    ),
    "held_as": (str, None, "where it is in the file; the primary one is used"),
    "catalogue": (str, None, "catalogue of stars that it was fitted to"),
    "matches": (int, None, "stars in the fit"),
    "rms_ra": (float, "mas", "rms residual of the fit in right ascension"),
    "rms_dec": (float, "mas", "rms residual of the fit in declination"),
}


def solution_table(images: Sequence[Exposure], held: Mapping[str, Sequence[Solution]]) -> Table:
    """Return a table of the WCS solutions of exposures and drizzled images, a row a solution.

    Parameters
    ----------
    images : sequence of Exposure
        Whose are listed, sorted by rootname.
    held : mapping of str to sequence of Solution
        By file name, the primary one first.
    """
    rows = [
        (
            image.rootname,
            one.name,
            kind_of(one.name),
            one.held_as,
            one.catalogue,
            one.matches,
            one.rms_ra,
            one.rms_dec,
        )
        for image in sorted(images, key=lambda image: image.rootname)
        for one in held.get(image.name, ())
    ]
    table = sheet("WCS solutions", _COLUMNS, rows)
    for name in ("rms_ra", "rms_dec"):
        table[name].info.format = ".1f"
    return table
