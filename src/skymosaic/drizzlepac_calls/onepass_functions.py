"""What the one-pass engine asks of drizzlepac: see `drizzlepac_calls`, whose rules hold here, too.

AstroDrizzle's last step, taken apart: `onepass_chips` drizzles each chip alone, without its sky, as
``adrizzle.run_driz_chip`` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Values = dict[str, Any]

_MARGIN = 3  # output pixels around a chip's corners, for the distortion of its edges and the kernel


def onepass_chips(
    files: list[str],
    first: int,
    grid: Values,
    parameters: Values,
    low: dict[str, str],
    hits: dict[str, str],
) -> list[Values]:
    """Drizzle each chip of some exposures to a cut-out of the output grid, without sky.

    Parameters
    ----------
    files : list of str
        Names of exposures in the working folder; they are read only.
    first : int
        Number of the first one's first chip; the cut-outs of chip N are ``N_sci.npy`` and
        ``N_wht.npy`` in the working folder.
    grid : dict
        The output grid under the names of ``drizzlepac.wcs_functions.mergeWCS``.
    parameters : dict
        ``pixfrac``, ``kernel``, ``bits``, ``resetbits``, ``wht_type``, ``wt_scl``, ``stepsize``.
    low, hits : dict
        Files of static masks, true where a pixel is left out, and of the masks of cosmic rays that
        AstroDrizzle writes, 0 where one hit; by ``FILE_EXTVER``.

    Returns
    -------
    list of dict
        For each chip ``x``, ``y`` (place of the cut-out on the grid, from 0), ``columns``,
        ``rows`` (0 where it does not meet the grid), ``pixel_ratio`` (output to input scale),
        ``number``, ``version``.
    """
    return [
        drizzle_chip(hdus, extver, wcs, number, grid, parameters, bad)
        for hdus, extver, wcs, number, bad in each_chip(files, first, low, hits)
    ]


def each_chip(
    files: list[str], first: int, low: dict[str, str], hits: dict[str, str]
) -> Iterator[tuple[Any, int, Any, int, Any]]:
    """Open each chip of some exposures: HDUs, EXTVER, WCS, number, and which pixels are left out.

    Parameters as for `onepass_chips`.
    """
    import numpy as np
    from astropy.io import fits
    from stwcs.wcsutil import HSTWCS

    number = first
    for name in files:
        with fits.open(name, memmap=False) as hdus:
            for hdu in hdus:
                if hdu.name == "SCI":
                    wcs = HSTWCS(hdus, ext=("SCI", hdu.ver))
                    key = f"{name}_{hdu.ver}"
                    bad = np.load(low[key]) if key in low else None
                    if key in hits:
                        hit = fits.getdata(hits[key]) == 0
                        bad = hit if bad is None else bad | hit
                    yield hdus, hdu.ver, wcs, number, bad
                    number += 1


def drizzle_chip(
    hdus: Any, extver: int, wcs: Any, number: int, grid: Values, parameters: Values, bad: Any
) -> Values:
    """Drizzle one chip, its pixels that are `bad` left out; all else as for `onepass_chips`."""
    import numpy as np
    from drizzlepac import cdriz

    out, place = place_chip(wcs, grid, parameters)
    result = {"number": number, **place, "version": ""}
    if not (result["columns"] and result["rows"]):
        return result
    ratio = result["pixel_ratio"]
    science = np.asarray(hdus["SCI", extver].data, dtype=np.float32)
    exptime = float(hdus[0].header["EXPTIME"])
    weight, weight_scale = weights_of(hdus, extver, bad, exptime, ratio, parameters)
    units = units_of(hdus, extver)
    shape = (result["rows"], result["columns"])
    # NaN stays where nothing falls; bad pixels leave their value, with no weight.
    sci, wht = np.full(shape, np.nan, dtype=np.float32), np.zeros(shape, dtype=np.float32)
    mapping = cdriz.DefaultWCSMapping(
        wcs, out, wcs.pixel_shape[0], wcs.pixel_shape[1], parameters["stepsize"]
    )
    result["version"], _, _ = cdriz.tdriz(
        *(science, weight, sci, wht, np.zeros(shape, dtype=np.int32), 1, 0, 1, 1),
        *(science.shape[0], ratio, 1.0, 1.0, "center", parameters["pixfrac"]),
        *(parameters["kernel"], units, 1.0 if units == "cps" else exptime, weight_scale),
        *("INDEF", 0, 0, 1, mapping),
    )
    np.save(f"{number}_sci.npy", sci)
    np.save(f"{number}_wht.npy", wht)
    return result


def place_chip(wcs: Any, grid: Values, parameters: Values) -> tuple[Any, Values]:
    """Return the WCS of a chip's cut-out of the mosaic, and where it lies on the grid."""
    out, ratio = output_of(wcs, grid)
    columns, rows = out.pixel_shape
    box = _cut_out(wcs, out, parameters)
    x0, y0 = (max(int(box[axis][0]), 0) for axis in (0, 1))
    x1, y1 = min(int(box[0][1]), columns), min(int(box[1][1]), rows)
    out.wcs.crpix = out.wcs.crpix - [x0, y0]
    size = {"columns": max(x1 - x0, 0), "rows": max(y1 - y0, 0)}
    return out, {"x": x0, "y": y0, **size, "pixel_ratio": ratio}


def units_of(hdus: Any, extver: int) -> str:
    """Return the units of a chip's data, as the resampler names them: ``cps`` or ``counts``."""
    unit = str(hdus["SCI", extver].header.get("BUNIT", "/S")).upper()
    return "cps" if "/S" in unit else "counts"


def output_of(wcs: Any, grid: Values) -> tuple[Any, float]:
    """Return the mosaic's WCS, as a chip's run makes it, and output to input scale."""
    from drizzlepac import wcs_functions
    from stwcs.distortion.utils import output_wcs

    natural = wcs.copy()
    undistort = wcs.sip is not None and wcs.instrument != "DEFAULT"
    if not undistort:
        natural.sip = natural.cpdis1 = natural.cpdis2 = natural.det2im = None
    scale = output_wcs([natural], undistort=undistort).pscale
    out = wcs_functions.mergeWCS(output_wcs([natural], undistort=undistort), grid)
    return out, float(out.pscale / scale)


def _cut_out(wcs: Any, out: Any, parameters: Values) -> Any:
    """Return the range of output pixels, ends excluded, that a chip can reach: ((x), (y))."""
    # Gaussian and Lanczos kernels reach farther than a pixel.
    margin = _MARGIN + (6 if parameters["kernel"] in ("gaussian", "lanczos3") else 0)
    return reach_on(wcs, out, margin)


def reach_on(wcs: Any, out: Any, margin: int) -> Any:
    """Return the range of output pixels about a chip and some more, ends excluded: ((x), (y))."""
    import numpy as np

    columns, rows = wcs.pixel_shape
    # Distortion bends the edges outward: they are followed.
    x, y = np.linspace(0.5, columns + 0.5, 33), np.linspace(0.5, rows + 0.5, 33)
    edge = np.concatenate(
        [
            np.stack([x, np.full(33, 0.5)], axis=1),
            np.stack([x, np.full(33, rows + 0.5)], axis=1),
            np.stack([np.full(33, 0.5), y], axis=1),
            np.stack([np.full(33, columns + 0.5), y], axis=1),
        ]
    )
    found = out.wcs_world2pix(wcs.all_pix2world(edge, 1), 0)
    return np.stack([np.floor(found.min(axis=0)) - margin, np.ceil(found.max(axis=0)) + margin], 1)


def weights_of(
    hdus: Any, extver: int, bad: Any, exptime: float, ratio: float, parameters: Values
) -> Any:
    """Return the weights of a chip's pixels, and the factor that all of them get."""
    import numpy as np
    from drizzlepac.buildmask import buildMask

    from skymosaic.hst.flagging import cleared

    flags = cleared(hdus["DQ", extver].data, parameters["resetbits"])
    good = buildMask(flags, parameters["bits"])
    if bad is not None:
        good &= ~bad
    if parameters["wht_type"] == "ERR":
        error = hdus["ERR", extver].data
        with np.errstate(divide="ignore"):
            weight = (exptime / error) ** 2 * good
        # As in imageObject.buildERRmask
        return weight.astype(np.float32), 1.0 / ratio**4
    return (exptime * good).astype(np.float32), weight_scale_of(parameters["wt_scl"])


def weight_scale_of(given: Any) -> float:
    """Return the factor of all weights of ``final_wt_scl``; 1 for ``exptime``."""
    # imageObject.set_wtscl takes 1 for the exposure time: the mask has it already.
    try:
        return float(given)
    except (TypeError, ValueError):
        return 1.0
