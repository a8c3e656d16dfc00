"""Another WCS of a file made its primary one, by stwcs: rules as for `functions`."""

from __future__ import annotations

from typing import Any

Values = dict[str, Any]

_FIT = ("RMS_RA", "RMS_DEC", "CRDER1", "CRDER2", "NMATCH", "NMATCHES", "FITGEOM", "CATALOG")
"""What a header tells of the fit of its primary WCS."""
_KEPT = ("IDCSCALE",)
"""What drizzlepac needs, and a headerlet may lack: it is the scale of the distortion model."""
_OF_PRIMARY = ("IDCTAB", "NPOLFILE", "D2IMFILE")
"""What stwcs writes into headers of chips, as N/A; it belongs into the primary one."""


def restore_solution(
    file: str, name: str, headerlet: int, alternate: str, fit: Values
) -> dict[str, str]:
    """Make a WCS that a file holds its primary one, in all chips.

    Parameters
    ----------
    file : str
        Name of an exposure in the working folder; its headers are changed.
    name : str
        WCSNAME that is wanted.
    headerlet : int
        EXTVER of the HDRLET extension that holds it; 0: there is none, and it is `alternate`.
    alternate : str
        The letter of the alternate WCS.
    fit : dict
        What the headers of the chips are to tell of the fit, by keyword.

    Returns
    -------
    dict
        By EXTVER of the chip: the WCSNAME that its primary WCS has now.
    """
    from astropy.io import fits

    with fits.open(file) as hdus:
        chips = [hdu for hdu in hdus if hdu.name == "SCI"]
        kept = {c.ver: {key: c.header[key] for key in _KEPT if key in c.header} for c in chips}
        strange = [key for key in _OF_PRIMARY if all(key not in c.header for c in chips)]
    if headerlet:
        _apply_headerlet(file, headerlet)
    else:
        _restore_alternate(file, alternate, sorted(kept))
    names = {}
    with fits.open(file, mode="update") as hdus:
        for number, cards in kept.items():
            header = hdus["SCI", number].header
            for keyword in (*_FIT, *strange):
                header.remove(keyword, ignore_missing=True)
            for keyword, value in cards.items():
                if keyword not in header:
                    header[keyword] = value
            header.update(fit)
            if not headerlet:
                header.remove("HDRNAME", ignore_missing=True)
                header["WCSNAME"] = name
            names[str(number)] = str(header.get("WCSNAME", "")).strip()
    return names


def _apply_headerlet(file: str, number: int) -> None:
    """Apply a headerlet of the file, with its distortion model.

    `stwcs.wcsutil.headerlet.restore_from_headerlet` finds it by HDRNAME, which several may share,
    and fails where the primary header lacks DISTNAME.
    """
    from astropy.io import fits
    from stwcs.wcsutil import headerlet as headerlets

    with fits.open(file, mode="update") as hdus:
        hdu = hdus["HDRLET", number]
        inside = headerlets.Headerlet(hdu.hdulist)
        inside.init_attrs()
        inside.apply_as_primary(hdus, attach=False, archive=False, force=True)


def _restore_alternate(file: str, key: str, chips: list[int]) -> None:
    from stwcs.wcsutil import altwcs

    altwcs.restoreWCS(file, [("SCI", number) for number in chips], wcskey=key)
