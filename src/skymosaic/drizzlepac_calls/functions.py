"""What is asked of drizzlepac. Runs in a child of the server only, in a private working folder.

Every function takes short relative file names and plain values, and returns plain values, because
both travel as JSON. drizzlepac is imported inside the functions: this module must stay cheap to
import where only the names of the functions are needed.
"""

from __future__ import annotations

from typing import Any

from skymosaic.drizzlepac_calls import skypac_polygons
from skymosaic.drizzlepac_calls.cosmic_ray_functions import (
    cosmic_ray_hits,
    median_of_stack,
    separate_exposure,
)
from skymosaic.drizzlepac_calls.finite_positions import leave_out_positions_without_a_number
from skymosaic.drizzlepac_calls.header_functions import onepass_headers
from skymosaic.drizzlepac_calls.near_pairs import count_near_pairs_alone
from skymosaic.drizzlepac_calls.noise_functions import onepass_noise
from skymosaic.drizzlepac_calls.onepass_functions import onepass_chips
from skymosaic.drizzlepac_calls.short_numbers import keep_numbers_short
from skymosaic.drizzlepac_calls.solution_functions import restore_solution
from skymosaic.drizzlepac_calls.variance_functions import onepass_variances

Values = dict[str, Any]

_PLACE = ("ra", "dec", "scale", "rot", "outnx", "outny", "crpix1", "crpix2")


def astrodrizzle(files: list[str], output: str, parameters: Values) -> Values:
    """Run AstroDrizzle on `files` in the working folder.

    Parameters
    ----------
    files : list of str
        Names of calibrated exposures in the working folder; their headers are changed.
    output : str
        Root name of the products.
    parameters : dict
        AstroDrizzle parameters under their own names.
    """
    from drizzlepac import astrodrizzle as task

    skypac_polygons.require()
    task.AstroDrizzle(files, output=output, **parameters)
    return {}


def output_grid(
    files: list[str],
    final: Values,
    reference: Values | None = None,
    corners: list[list[float]] | None = None,
) -> Values:
    """Compute the output grid that AstroDrizzle makes for exposures.

    Parameters
    ----------
    files : list of str
        Names of exposures in the working folder, or of copies without pixels (`write_frame` of
        `exposure`).
    final : dict
        User's choice, keys as in ``drizzlepac.wcs_functions.mergeWCS``: ``rot`` (degrees),
        ``scale`` (arcsec), ``ra``, ``dec`` (degrees), ``outnx``, ``outny``, ``crpix1``,
        ``crpix2`` (pixels).
    reference : dict, optional
        What this function returned of another grid, that of ``final_refimage``: the choice is taken
        over it, and not over the grid that holds the exposures.
    corners : list of [float, float], optional
        RA, Dec in degrees of the centres of the corner pixels of all chips, as
        ``calc_footprint`` gives them. Then `files` are no more than the first exposure, which tells
        the scale and the orientation: to open each takes long.

    Returns
    -------
    dict
        ``crval``, ``crpix``, ``cd`` (2 x 2, degrees), ``scale`` (arcsec), ``rot`` (degrees),
        ``shape`` (columns, rows).
    """
    from drizzlepac import wcs_functions
    from stwcs.distortion.utils import output_wcs

    if reference is None:
        chips = [wcs for name in files for wcs in _chip_wcs(name)]
        known = chips if corners is None else [_Recorded(chips[0].wcs, corners)]
        base = output_wcs(known, ref_wcs=chips[0].deepcopy())
    else:
        place = (*reference["crval"], *reference["crpix"], *reference["shape"])
        base = wcs_functions.build_hstwcs(*place, reference["scale"], reference["rot"])
        base.pixel_shape = tuple(reference["shape"])
    return _plain(wcs_functions.mergeWCS(base, {key: final.get(key) for key in _PLACE}))


def separate_grid(files: list[str], given: Values, corners: list[list[float]]) -> Values:
    """Compute the grid on which AstroDrizzle drizzles exposures separately, to find cosmic rays.

    Parameters
    ----------
    files : list of str
        The first exposure, or a copy of it without pixels.
    given : dict
        What ``driz_sep_*`` say of the grid, keys as for `output_grid`.
    corners : list of [float, float]
        Those of all exposures, as for `output_grid`.

    Returns
    -------
    dict
        As from `output_grid`.
    """
    from drizzlepac import wcs_functions
    from stwcs.distortion.utils import output_wcs

    first = _chip_wcs(files[0])[0]
    base = output_wcs([_Recorded(first.wcs, corners)], ref_wcs=first.deepcopy())
    # As wcs_functions.make_outputwcs goes on.
    base.wcs.cd = wcs_functions.make_perfect_cd(base)
    return _plain(wcs_functions.mergeWCS(base, {key: given.get(key) for key in _PLACE}))


def _plain(grid: Any) -> Values:
    return {
        "crval": [float(v) for v in grid.wcs.crval],
        "crpix": [float(v) for v in grid.wcs.crpix],
        "cd": [[float(v) for v in row] for row in grid.wcs.cd],
        "scale": float(grid.pscale),
        "rot": float(grid.orientat),
        "shape": [int(v) for v in grid.pixel_shape],
    }


class _Recorded:
    """Chips whose corners are known, in place of their WCS."""

    def __init__(self, wcs: Any, corners: list[list[float]]) -> None:
        self.wcs, self._corners = wcs, corners

    def calc_footprint(self) -> Any:
        import numpy as np

        return np.array(self._corners, dtype=np.float64)


def _chip_wcs(name: str) -> list[Any]:
    """Return the WCS of each chip of an exposure, with its tables."""
    import numpy as np
    from astropy.io import fits
    from stwcs.wcsutil import HSTWCS

    with fits.open(name, memmap=False) as hdus:
        chips = [index for index, hdu in enumerate(hdus) if hdu.name == "SCI"]
        for index in chips:
            header = hdus[index].header
            if "NPIX1" in header and header["NAXIS"] == 0:
                # A header has its size only with pixels; these take no memory.
                size = (header["NPIX2"], header["NPIX1"])
                pixels = np.broadcast_to(np.float32(0), size)
                hdus[index] = fits.ImageHDU(pixels, header)
        return [HSTWCS(hdus, ext=index) for index in chips]


def find_sources(
    files: list[str], parameters: Values, imagefind: Values
) -> dict[str, list[list[float]]]:
    """Return the sources that TweakReg would find in each file, none where its finder fails.

    Parameters
    ----------
    files : list of str
        Names of drizzled images in the working folder.
    parameters, imagefind : dict
        TweakReg's and its source finder's parameters under their own names.

    Returns
    -------
    dict
        By name the sources: x, y (pixels, that of the first one is 1), RA, Dec (degrees) and flux.
    """
    from drizzlepac import imgclasses, tweakreg, tweakutils
    from stsci.tools import teal

    leave_out_positions_without_a_number()
    config = teal.load(tweakreg.__taskname__, defaults=True)
    tweakreg._managePsets(
        config, tweakreg.PSET_SECTION, "imagefindpars", iparsobj=dict(imagefind), input_dict={}
    )
    keywords = tweakutils.get_configobj_root(config)
    keywords.pop("exclusions")
    keywords.update(config[tweakreg.PSET_SECTION])
    keywords.update(xyunits="pixels", updatehdr=False, writecat=False, clean=True)
    keywords.update({k: v for k, v in parameters.items() if k in keywords})
    found: dict[str, list[list[float]]] = {}
    for name in files:
        try:
            image = imgclasses.Image(name, input_catalogs=None, exclusions=None, **keywords)
        except (ValueError, IndexError, TypeError) as error:
            # The finder unpacks an empty list when nothing is above the threshold.
            print(f"{name}: the source finder failed: {error!r}")  # noqa: T201 (the call's log)
            found[name] = []
            continue
        its = (*image.xy_catalog[:2], *image.all_radec[:3]) if image.num_sources else ()
        found[name] = [[float(v) for v in row] for row in zip(*its, strict=True)]
        image.close()
    return found


def tweakreg(files: list[str], parameters: Values, imagefind: Values) -> Values:
    """Run TweakReg on `files`, in their order, updating their headers.

    Parameters
    ----------
    files : list of str
        Names of drizzled images in the working folder; the first is the reference.
    parameters, imagefind : dict
        TweakReg's and its source finder's parameters under their own names.
    """
    from drizzlepac import tweakreg as task

    leave_out_positions_without_a_number()
    keep_numbers_short()
    count_near_pairs_alone()
    task.TweakReg(files, imagefindcfg=dict(imagefind), **parameters)
    return {}


def tweakback(
    drizzled: str, files: list[str], original: str, wcs: dict[str, list[float]], wcsname: str
) -> Values:
    """Move exposures as the drizzled image was moved that was made from them.

    Parameters
    ----------
    drizzled : str
        Name of the drizzled image, which gets the new WCS as TweakReg would write it.
    files : list of str
        Names of its exposures.
    original : str
        WCSNAME of the drizzled image.
    wcs : dict
        Its new WCS: ``crval`` (degrees), ``crpix`` (pixels, that of the first one is 1), ``cd``
        (CD1_1, CD1_2, CD2_1, CD2_2, degrees).
    wcsname : str
        WCSNAME that all get.
    """
    from astropy.io import fits
    from drizzlepac import tweakback as task
    from stwcs.wcsutil import altwcs

    with fits.open(drizzled, mode="update") as hdus:
        place = ("SCI", 1) if any(hdu.name == "SCI" for hdu in hdus) else 0
        altwcs.archive_wcs(hdus, place, wcsname=original, mode=altwcs.ArchiveMode.NO_CONFLICT)
        header = hdus[place].header
        (header["CRVAL1"], header["CRVAL2"]), (header["CRPIX1"], header["CRPIX2"]) = (
            wcs["crval"],
            wcs["crpix"],
        )
        for name, value in zip(("CD1_1", "CD1_2", "CD2_1", "CD2_2"), wcs["cd"], strict=True):
            header[name] = value
        header["WCSNAME"] = wcsname
    task.apply_tweak(
        drizzled + ("[sci,1]" if place else "[0]"),
        orig_wcs_name=original,
        output_wcs_name=wcsname,
        input_files=",".join(files),
    )
    return {}


def versions() -> dict[str, str]:
    """Return the versions of drizzlepac as it says itself, proving that it can be imported."""
    import drizzlepac

    return {"drizzlepac": str(drizzlepac.__version__)}


CALLS = {
    f.__name__: f
    for f in (
        astrodrizzle,
        output_grid,
        find_sources,
        tweakreg,
        tweakback,
        versions,
        onepass_chips,
        onepass_headers,
        onepass_noise,
        onepass_variances,
        separate_grid,
        separate_exposure,
        median_of_stack,
        cosmic_ray_hits,
        restore_solution,
    )
}
