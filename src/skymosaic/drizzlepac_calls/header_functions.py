"""The headers of AstroDrizzle's products, for the one-pass engine: rules as for `functions`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from skymosaic.drizzlepac_calls.onepass_functions import weight_scale_of

Values = dict[str, Any]

_CHIP_VALUES = ("EXPTIME", "EXPSTART", "EXPEND", "BUNIT")


def onepass_headers(files: list[str], output: str, grid: Values, parameters: Values) -> None:
    """Make the headers that AstroDrizzle's products of these exposures would have.

    The version of the resampler (DnnnVER) is left empty: it tells it only while it works.
    Writes ``headers_sci.fits`` (with HDRTAB), ``headers_wht.fits`` and, with ``context``,
    ``headers_ctx.fits`` into the working folder, each with one pixel for its data.

    Parameters
    ----------
    files : list of str
        Names of exposures in the working folder.
    output : str
        Name of the product without extension, such as ``field_match_drz``.
    grid : dict
        As for `onepass_chips`.
    parameters : dict
        AstroDrizzle's ``final_*`` without the prefix, and ``context``, ``proc_unit``, ``coeffs``,
        ``wcskey``, ``build``, ``stepsize``, ``runfile``.
    """
    from astropy.io import fits
    from drizzlepac import wcs_functions
    from stwcs.distortion.utils import output_wcs
    from stwcs.wcsutil import HSTWCS

    from skymosaic.drizzlepac_calls.quick_headers import QuickImage, QuickTemplates

    QuickTemplates().install()
    exposures = [_chip_values(name) for name in files]
    chips = [chip for exposure in exposures for chip in exposure]
    with fits.open(files[0], memmap=False) as hdus:
        out = wcs_functions.mergeWCS(output_wcs([HSTWCS(hdus, ext=("SCI", 1))]), grid)
    with fits.open(files[-1], memmap=False) as hdus:
        idcscale = HSTWCS(hdus, ext=("SCI", chips[-1]["extver"])).idcscale
    scale = weight_scale_of(parameters["wt_scl"])
    if parameters["wht_type"] == "ERR":
        natural = output_wcs([HSTWCS(files[0], ext=("SCI", 1))]).pscale
        scale = 1.0 / (out.pscale / natural) ** 4
    common = _common_values(output, exposures, out, parameters)
    image = QuickImage(
        [{**common, **chip, "wt_scl_val": scale} for chip in chips],
        {**parameters, "idcscale": idcscale},
        build=False,
        wcs=out,
        single=False,
    )
    image.set_bunit(_bunit_of(chips[-1]["bunit"], parameters["units"]))
    image.set_units(parameters["units"])
    _write_headers(image, chips, parameters["runfile"])


def _common_values(
    output: str, exposures: list[list[Values]], out: Any, parameters: Values
) -> Values:
    """Return what an output header tells of all chips alike."""
    chips = [chip for exposure in exposures for chip in exposure]
    columns, rows = out.pixel_shape
    return {
        "output": f"{output}.fits",
        "outFinal": f"{output}.fits",
        "outSci": f"{output}_sci.fits",
        "outWeight": f"{output}_wht.fits",
        "outContext": f"{output}_ctx.fits" if parameters["context"] else None,
        "outnx": columns,
        "outny": rows,
        "texptime": sum(exposure[0]["exptime"] for exposure in exposures),
        "texpstart": min(chip["expstart"] for chip in chips),
        "texpend": max(chip["expend"] for chip in chips),
        "nimages": len(exposures),
        "scale": out.pscale,
        "driz_version": "",
        "driz_wcskey": parameters["wcskey"],
    }


def _bunit_of(bunit: str, units: str) -> str | None:
    """Return the BUNIT of a product where it is not that of its exposures; None: it is."""
    rate = bunit.find("/") > 0
    if units == "cps":
        return None if rate else bunit + "/S"
    return bunit[: bunit.find("/")] if rate else None


def _write_headers(image: Any, chips: list[Values], logfile: str) -> None:
    import numpy as np
    from drizzlepac import __version__, util

    pixel = np.zeros((1, 1), dtype=np.float32)
    products = image.writeFITS(
        [chip["data"] for chip in chips],
        pixel,
        pixel,
        ctxarr=np.zeros((1, 1, 1), dtype=np.int32),
        versions={
            "AstroDrizzle": __version__,
            "PyFITS": util.__fits_version__,
            "Numpy": util.__numpy_version__,
        },
        virtual=True,
        rules_file=None,
        logfile=logfile,
    )
    for name, hdus in products.items():
        kind = name.removesuffix(".fits")[-3:]
        path = Path(f"headers_{kind}.fits")
        hdus.writeto(path, output_verify="silentfix")
        image.expand(path)


def _chip_values(name: str) -> list[Values]:
    """Return what an output header tells of each chip of an exposure."""
    from skymosaic.drizzlepac_calls.quick_headers import read_values

    root = name.rsplit("_", 1)[0]
    primary, *others = read_values(Path(name), _CHIP_VALUES)
    found = []
    for header in others:
        if str(header.get("EXTNAME", "")).strip().upper() != "SCI":
            continue
        times, version = primary if "EXPSTART" in primary else header, header.get("EXTVER", 1)
        found.append(
            {
                "data": f"{name}[sci,{version}]",
                "extver": version,
                "exptime": float(primary["EXPTIME"]),
                "expstart": float(times["EXPSTART"]),
                "expend": float(times["EXPEND"]),
                "finalMask": f"{root}_sci{version}_final_mask.fits",
                "singleDrizMask": f"{root}_sci{version}_single_mask.fits",
                "blotImage": f"{root}_sci{version}_blt.fits",
                "bunit": str(header.get("BUNIT", "ELECTRONS/S")),
            }
        )
    return found
