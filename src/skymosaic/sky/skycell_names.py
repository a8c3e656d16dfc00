"""Names of sky cells, and of the mosaics that MAST makes of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from skymosaic.sky.projection_cells import Scale, Tessellation

_NAME = re.compile(r"skycell-p(\d{4})x(\d{2})y(\d{2})", re.ASCII)


@dataclass(frozen=True, order=True)
class SkyCellName:
    """What the name of a sky cell says."""

    projection_cell: int
    """Number of the projection cell, from 0 at the south pole."""
    x: int
    """Column of the sky cell in it, from 1 in the east."""
    y: int
    """Row of the sky cell in it, from 1 in the south."""

    def __str__(self) -> str:
        return f"skycell-p{self.projection_cell:04d}x{self.x:02d}y{self.y:02d}"

    @staticmethod
    def parse(name: str, tessellation: Tessellation) -> SkyCellName:
        """Read a name such as ``skycell-p1889x07y19``.

        drizzlepac's ``SkyCell.from_name`` takes digits at fixed places and looks at nothing else:
        ``x00`` gives the grid of ``x01``, and ``x22`` one outside of the projection cell.

        Raises
        ------
        ValueError
            This is no name of a sky cell; the message says what one looks like.
        """
        found = _NAME.fullmatch(name)
        last, side = tessellation.count - 1, tessellation.cells_a_side
        cell = SkyCellName(*map(int, found.groups())) if found else None
        if (
            cell is None
            or cell.projection_cell > last
            or not (1 <= cell.x <= side and 1 <= cell.y <= side)
        ):
            raise ValueError(
                f"{name!r} is no sky cell: a name looks like skycell-p1889x07y19, from p0000 to "
                f"p{last:04d}, x01 to x{side:02d} and y01 to y{side:02d}"
            )
        return cell


def default_scale(instrument: str, detector: str) -> Scale:
    """Return the scale that MAST makes the mosaics of a detector at.

    WFC3/IR and WFPC2 are ``coarse``, all others ``fine`` (``haputils/poller_utils.py`` of
    drizzlepac, ``parse_mvm_tree``: ``multi_scale``). Of the coarse ones MAST makes a ``fine``
    mosaic, too.

    Parameters
    ----------
    instrument, detector : str
        INSTRUME and DETECTOR; WFPC2's four chips are one imager, whatever DETECTOR says.
    """
    # MAST calls the detector of WFPC2 PC.
    coarse = detector.upper() == "IR" or instrument.upper() == "WFPC2"
    return "coarse" if coarse else "fine"


@dataclass(frozen=True)
class HapMosaic:
    """What the name of a mosaic of a sky cell is made of."""

    cell: str
    """``skycell-p1889x07y19``."""
    instrument: str
    """INSTRUME."""
    detector: str
    """DETECTOR."""
    filter: str
    """The filters in the light, joined by ``+``: ``F814W``, ``POL60V+F606W``, ``CLEAR``."""
    scale: Scale
    suffix: str
    """``drz``, ``drc`` or ``drw``."""


def hap_filter(filters: str) -> str:
    """Return what HAP calls filters that are joined by ``+`` (``CLEAR``: none).

    As ``determine_filter_name`` of drizzlepac's ``haputils/poller_utils.py``: small letters, joined
    by ``-``, a polariser last, ``clear`` only where there is no other.
    """
    names = [name for name in filters.lower().split("+")[:2] if "clear" not in name and name]
    names = [name for name in names if "n/a" not in name]
    if names and names[0].startswith("pol"):
        names.reverse()
    return "-".join(names) or "clear"


def hap_name(mosaic: HapMosaic, rootname: str | None = None) -> str:
    """Return the file name that the Hubble Advanced Products give a mosaic of a sky cell.

    ``hst_skycell-p0081x14y15_wfc3_ir_f128n_coarse-all_drz.fits``, and at the fine scale
    ``hst_skycell-p1253x05y09_acs_wfc_f658n_all_drc.fits`` (``SkyCellProduct`` of drizzlepac's
    ``haputils/product.py``).

    Parameters
    ----------
    mosaic : HapMosaic
        What it is made of.
    rootname : str or None
        Where it holds one exposure alone: that of the exposure. Eight letters of it follow ``all``
        (``SkyCellExposure``).
    """
    detector = "pc" if mosaic.instrument.upper() == "WFPC2" else mosaic.detector.lower()
    layer = [*(["coarse"] if mosaic.scale == "coarse" else []), "all"]
    layer += [rootname.lower()[:8]] if rootname else []
    parts = ["hst", mosaic.cell, mosaic.instrument.lower(), detector, hap_filter(mosaic.filter)]
    return "_".join([*parts, "-".join(layer), mosaic.suffix]) + ".fits"
