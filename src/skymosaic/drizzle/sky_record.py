"""What sky AstroDrizzle subtracted: read from its three records, which must agree.

The FLT headers get MDRIZSKY, the product's HDRTAB repeats it, and the log says 'Applying sky value'
when the pixels are drizzled. A run that fell back to another method may leave them disagreeing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from skymosaic.errors import SkyError
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.opened import opened_chips
from skymosaic.sky.values import SkyValue


@dataclass(frozen=True)
class SkyCheck:
    """What the three records of a run say of the sky of one chip."""

    rootname: str
    chip: int
    """EXTVER of the SCI extension."""
    header: float | None
    """MDRIZSKY in the header of the exposure, in its data units; None: there is none."""
    hdrtab: float | None
    """MDRIZSKY in HDRTAB of the mosaic; None: there is none."""
    log: float | None
    """The value that the log says was applied; None: it says nothing."""

    @property
    def agree(self) -> bool:
        """Whether all three are one number in three spellings."""
        # No keyword: nothing was subtracted, and the log says so with a zero.
        expected = self.header or 0.0
        return same_sky(expected, self.hdrtab or 0.0) and same_sky(
            expected, math.nan if self.log is None else self.log
        )


_LOG_PRECISION = 0.5e-6 + 1e-12  # half of the log's last digit, and what doubles lose of it
_APPLYING = re.compile(r"Applying sky value of (\S+) to (\S+?)\[sci,(\d+)\]", re.IGNORECASE)
# Of `match`; of `localmin`, which then subtracts 0.
_UNDETERMINED = "SKY = None (undetermined)", "SKY = None (brightness units)"
_IMAGE = re.compile(r"Image(?:|: *) '([^'\[]+)")
_NO_PIXEL = re.compile(
    r"Not enough data points to compute sky for '([^'\[]+)\['?SCI'?,(\d+)\]'", re.IGNORECASE
)
_FELL_BACK = "Reverting sky computation"
_Values = dict[tuple[str, int], float | None]


def same_sky(one: float, other: float) -> bool:
    """Tell whether two records of a sky are one number.

    skypac's sky is in single precision. astropy writes the shortest text for it into a header
    (68.47241), the log six decimals (68.472412): the two differ by at most half of the log's last
    digit or one step of single precision, whichever is larger.

    Parameters
    ----------
    one, other : float
        In the exposure's data units, whatever they are: the rule does not depend on them. NaN is
        the same as nothing.
    """
    larger = max(abs(one), abs(other))
    return abs(one - other) <= max(_LOG_PRECISION, float(np.spacing(np.float32(larger))))


def read_sky(
    method: str, exposures: Sequence[Exposure], folder: Path, product: Path, log: str
) -> list[SkyValue]:
    """Return the sky values of one AstroDrizzle run.

    Parameters
    ----------
    method : str
        The skymethod that was asked for.
    exposures : sequence of Exposure
        What was drizzled.
    folder : Path
        Holds the exposures as AstroDrizzle left them.
    product : Path
        The mosaic's file that holds HDRTAB.
    log : str
        Everything that AstroDrizzle logged and printed.

    Raises
    ------
    SkyError
        AstroDrizzle computed another method's sky, or the records disagree.
    """
    require_no_fallback(method, log)
    undetermined = _undetermined(log)
    # `localmin` gives a chip without a pixel the sky of the exposure's other chips.
    unseen = chips_without_pixels(log) if method == "localmin" else set()
    header = _from_headers(exposures, folder)
    records = {"HDRTAB": _from_hdrtab(product), "log": _from_log(log)}
    for source, values in records.items():
        _must_agree(method, header, source, values)
    return [
        SkyValue(
            rootname=exposure.rootname,
            chip=chip.extver,
            # Of an exposure without overlap `globalmin+match` subtracts the global minimum,
            # which is no measure of its own sky either.
            mdrizsky=None
            if exposure.name in undetermined or (exposure.name, chip.extver) in unseen
            else header[exposure.rootname, chip.extver],
            brightness_factor=exposure.brightness_factor(chip.extver),
        )
        for exposure in exposures
        for chip in exposure.chips
    ]


def _undetermined(log: str) -> set[str]:
    """Return the names of the files of which AstroDrizzle logged that they have no sky."""
    lines = (line for line in log.split("\n") if any(words in line for words in _UNDETERMINED))
    return {Path(found[1]).name for line in lines if (found := _IMAGE.search(line))}


def chips_without_pixels(log: str) -> set[tuple[str, int]]:
    """Return the chips, by file and EXTVER, in which skypac found no pixel to measure."""
    return {(Path(name).name, int(extver)) for name, extver in _NO_PIXEL.findall(log)}


def require_no_fallback(method: str, log: str) -> None:
    """Refuse a run that computed another method's sky.

    Raises
    ------
    SkyError
        Its log says so.
    """
    if _FELL_BACK in log:
        raise SkyError(
            f"AstroDrizzle could not compute skymethod {method!r} and silently ran another one "
            f"('{_FELL_BACK}' in its log); `skymosaic doctor` tells whether the installation is "
            "at fault"
        )


def read_checks(
    exposures: Sequence[Exposure], folder: Path, product: Path, log: str
) -> list[SkyCheck]:
    """Return what each record of a run says, chip by chip; parameters as for `read_sky`."""
    header, hdrtab = _from_headers(exposures, folder), _from_hdrtab(product)
    applied = _from_log(log)
    return [
        SkyCheck(
            rootname, extver, value, hdrtab.get((rootname, extver)), applied.get((rootname, extver))
        )
        for (rootname, extver), value in header.items()
    ]


def _from_headers(exposures: Sequence[Exposure], folder: Path) -> _Values:
    values: _Values = {}
    for exposure, chip, hdus in opened_chips(folder, exposures):
        value = hdus["SCI", chip.extver].header.get("MDRIZSKY")
        values[exposure.rootname, chip.extver] = None if value is None else float(value)
    return values


def _from_hdrtab(product: Path) -> _Values:
    with fits.open(product) as hdus:
        table = hdus["HDRTAB"].data
        rows = zip(table["ROOTNAME"], table["EXTVER"], table["MDRIZSKY"], strict=True)
        return {
            (str(rootname).strip().lower(), int(extver)): None if math.isnan(sky) else float(sky)
            for rootname, extver, sky in rows
        }


def _from_log(log: str) -> _Values:
    return {
        (file.rsplit("_", 1)[0].lower(), int(extver)): float(value)
        for value, file, extver in _APPLYING.findall(log)
    }


def _must_agree(
    method: str, header: _Values, source: str, values: Mapping[tuple[str, int], float | None]
) -> None:
    missing = sorted(set(header) - set(values))
    if missing:
        rootname, extver = missing[0]
        raise SkyError(
            f"skymethod {method!r}: {rootname}[SCI,{extver}] is not in the {source} of the run, so "
            "what was subtracted from it is unknown"
        )
    for (rootname, extver), expected in header.items():
        found = values[rootname, extver]
        # No keyword: nothing was subtracted, and the log says so with a zero.
        if not same_sky(expected or 0.0, found or 0.0):
            raise SkyError(
                f"skymethod {method!r}: MDRIZSKY of {rootname}[SCI,{extver}] is {expected} in the "
                f"exposure's header and {found} in the {source}; the mosaic cannot be trusted"
            )
