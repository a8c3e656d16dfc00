"""AstroDrizzle's steps against cosmic rays, taken apart: rules as for `functions`.

What is done to pixels is done by AstroDrizzle's own functions: `separate_exposure` drizzles an
exposure to a part of the grid, `median_of_stack` makes the median of some rows and columns, and
`cosmic_ray_hits` blots it and compares. None of them holds an image of the whole grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skymosaic.drizzlepac_calls.onepass_functions import reach_on

Values = dict[str, Any]

_MARGIN = 3  # output pixels beyond a chip's edges, for the kernel
_INTERPOLATED = 12  # pixels around a place that its interpolation looks at, and more
_WIDE = {"gaussian": 2.0, "lanczos3": 4.0}  # input pixels that a kernel reaches, and more
_STEP = 10  # of ablot.do_blot: of its map of pixels
_BAND = 2_000_000  # pixels of a stack that are combined at a time


def separate_exposure(
    file: str, grid: Values, parameters: Values, sky: dict[str, list[Any]], low: dict[str, str]
) -> Values:
    """Drizzle all chips of an exposure onto one part of the grid, as ``drizSeparate`` does.

    Writes ``separate_sci.npy`` and ``separate_wht.npy`` into the working folder.

    Parameters
    ----------
    file : str
        Name of the exposure in the working folder; its DQ is changed.
    grid : dict
        As from `separate_grid`.
    parameters : dict
        All of AstroDrizzle's.
    sky : dict
        By EXTVER what AstroDrizzle takes for the sky: the type of the number, and the number.
    low : dict
        Files of static masks by EXTVER, true where a pixel is left out.

    Returns
    -------
    dict
        ``x``, ``y``, ``columns``, ``rows`` of the part, and ``chips``: of each chip what its blot
        looks at, with ``extver``. ``mean_weight``, ``readnoise`` (electrons) and ``background``
        (electrons/s) as ``createMedian`` takes them.
    """
    import math

    import numpy as np
    from drizzlepac import adrizzle

    image, config = _open(file, parameters, sky, low)
    whole = _whole(image, grid)
    single = _single_parameters(adrizzle, config)
    chips = image.returnAllChips(extname=image.scienceExt)
    wide = _WIDE.get(single["kernel"], 0.0) * single["pixfrac"]
    margins = [_MARGIN + math.ceil(wide * chip.wcslin_pscale / whole.pscale) for chip in chips]
    boxes = [_box(c.wcs, whole, margin) for c, margin in zip(chips, margins, strict=True)]
    part = _around(boxes)
    shape = (part["rows"], part["columns"])
    science, weight = (np.zeros(shape, dtype=np.float32) for _ in range(2))
    if all(shape):
        context, headers = np.zeros((1, *shape), dtype=np.int32), list[Any]()
        mapping = _mapping(part, single["stepsize"], rounded=False)
        for number, chip in enumerate(chips):
            adrizzle.run_driz_chip(
                *(image, chip, whole, whole, [], single, True, False, False, {}, {}, 1, number),
                *(science, weight, context, headers, mapping),
            )
    np.save("separate_sci.npy", science)
    np.save("separate_wht.npy", weight)
    seen = [
        {"extver": int(chip.header["extver"]), **_box(chip.wcs, whole, _INTERPOLATED)}
        for chip in chips
    ]
    exptime = image._image["sci", 1]._exptime
    return {**part, "chips": seen, **_for_the_median(weight, chips, exptime)}


def _for_the_median(weight: Any, chips: Sequence[Any], exptime: float) -> Values:
    """Return what ``createMedian`` takes of an exposure, as it computes that."""
    import math

    from stsci.imagestats import ImageStats

    try:
        mean = ImageStats(weight, lower=1e-8, fields="mean", nclip=0).mean
    except ValueError:
        mean = 0.0
    background = None
    for chip in chips:
        if background is None or background > chip.subtractedSky:
            background = chip.subtractedSky * chip._conversionFactor
    assert background is not None
    return {
        "mean_weight": float(mean),
        "readnoise": math.sqrt(sum(chip._rdnoise**2 for chip in chips) / len(chips)),
        "background": float(background / exptime),
    }


def median_of_stack(
    output: str, inner: list[int], members: list[Values], parameters: Values, combine: Values
) -> None:
    """Combine exposures in a rectangle of the grid, as ``createMedian`` does.

    Reads ``stack_sci.npy`` and ``stack_wht.npy``, shape (exposures, rows, columns).

    Parameters
    ----------
    output : str
        File of the result, ``.npy``.
    inner : list of int
        First row, end, first column and end of what of the stack the result is.
    members : list of dict
        Of each plane ``limit`` (weight below which a pixel is left out; none where all are),
        ``readnoise`` and ``background``.
    parameters : dict
        AstroDrizzle's: ``combine_type``, ``combine_nlow``, ``combine_nhigh``, ``combine_nsigma``,
        ``median_newmasks``.
    combine : dict
        ``grow`` (pixels), ``lower`` and ``upper`` (as for ``num_combine``), ``double`` (whether
        backgrounds are in double precision).
    """
    import numpy as np

    stacks = [np.load(f"stack_{word}.npy", mmap_mode="r") for word in ("sci", "wht")]
    rows, columns = stacks[0].shape[1:]
    top, bottom, left, right = inner
    margin = 2 * combine["grow"] + 1
    step = max(_BAND // (len(members) * columns), 1)
    result = np.lib.format.open_memmap(
        output, mode="w+", dtype=np.float32, shape=(bottom - top, right - left)
    )
    for first in range(top, bottom, step):
        last = min(first + step, bottom)
        begin, end = max(first - margin, 0), min(last + margin, rows)
        science, weight = (np.array(one[:, begin:end]) for one in stacks)
        found = _combined(science, weight, members, parameters, combine)
        result[first - top : last - top] = found[first - begin : last - begin, left:right]
    result.flush()


def _combined(
    science: Any, weight: Any, members: list[Values], parameters: Values, combine: Values
) -> Any:
    """Combine some rows."""
    import numpy as np
    from drizzlepac.minmed import min_med
    from stsci.image import numcombine

    kind = parameters["combine_type"].lower()
    masks = None
    if parameters["median_newmasks"]:
        limits = [np.inf if one["limit"] is None else one["limit"] for one in members]
        masks = np.less(weight, np.asarray(limits)[:, None, None]).astype(np.uint8)
    if "minmed" not in kind:
        return numcombine.num_combine(
            science,
            masks=masks,
            combination_type=kind,
            nlow=parameters["combine_nlow"],
            nhigh=parameters["combine_nhigh"],
            upper=combine["upper"],
            lower=combine["lower"],
        )
    precision = np.float64 if combine["double"] else np.float32
    nsigma = [float(one) for one in parameters["combine_nsigma"].split()]
    return min_med(
        science,
        weight,
        [one["readnoise"] for one in members],
        [1.0] * len(members),  # backgrounds are rates already
        [precision(one["background"]) for one in members],
        weight_masks=masks,
        combine_grow=combine["grow"],
        combine_nsigma1=nsigma[0],
        combine_nsigma2=nsigma[1],
        fillval=kind.startswith("i"),
    )


def cosmic_ray_hits(
    file: str,
    grid: Values,
    parameters: Values,
    sky: dict[str, list[Any]],
    regions: dict[str, list[Any]],
) -> dict[str, str]:
    """Blot the median to each chip of an exposure, and find what cosmic rays hit.

    Parameters
    ----------
    file, grid, parameters, sky
        As for `separate_exposure`.
    regions : dict
        By EXTVER what of the median the blot looks at: a file, ``.npy``, and its first column and
        row on the grid, from 0.

    Returns
    -------
    dict
        By EXTVER the file of its mask, as ``driz_cr`` writes it: 0 where a cosmic ray hit.
    """
    import numpy as np
    from astropy.io import fits
    from drizzlepac import ablot, drizCR, util

    image, config = _open(file, parameters, sky, {})
    whole = _whole(image, grid)
    blot = ablot.buildBlotParamDict(config)
    masks = {}
    for chip in image.returnAllChips(extname=image.scienceExt):
        extver = str(int(chip.header["extver"]))
        name, x, y = regions[extver]
        blotted = ablot.do_blot(
            np.load(name),
            whole,
            chip.wcs,
            chip._exptime,
            coeffs=blot["coeffs"],
            interp=blot["blot_interp"],
            sinscl=blot["blot_sinscl"],
            wcsmap=_mapping({"x": x, "y": y}, _STEP, rounded=True),
        )
        # As ablot.run_blot goes on.
        level = chip.computedSky if blot["blot_addsky"] else blot["blot_skyval"]
        blotted /= chip._conversionFactor
        if level is not None:
            blotted += level
        fits.PrimaryHDU(blotted).writeto(chip.outputNames["blotImage"], overwrite=True)
        masks[extver] = chip.outputNames["crmaskImage"]
    found = config[util.getSectionName(config, drizCR.STEP_NUM)]
    found.update({"crbit": config["crbit"], "inmemory": False, "driz_cr_corr": False})
    drizCR._driz_cr(image, image.virtualOutputs, found)
    return masks


def _open(
    file: str, parameters: Values, sky: dict[str, list[Any]], low: dict[str, str]
) -> tuple[Any, Any]:
    """Open an exposure as AstroDrizzle does; return it and all parameters."""
    import numpy as np
    from astropy.io import fits
    from drizzlepac import processInput, util
    from stsci.tools import teal

    task = "astrodrizzle"
    given = {**parameters, "input": [file], "output": "cosmic_rays"}
    given.pop("mdriztab")  # an argument of AstroDrizzle, and no parameter
    config = teal.load(task, defaults=True)
    config["updatewcs"] = False
    config = util.getDefaultConfigObj(task, config, given, loadOnly=True)
    config["mdriztab"] = False
    (image,), _ = processInput.setCommonInput(config, createOutwcs=False)
    numbers = {"none": float, "float32": np.float32, "float64": np.float64}
    for chip in image.returnAllChips(extname=image.scienceExt):
        extver = str(int(chip.header["extver"]))
        kind, value = sky[extver]
        # The type decides in which precision AstroDrizzle goes on.
        chip.computedSky = chip.subtractedSky = numbers[kind](value)
        chip.outputNames["staticMask"] = None
        if extver in low:
            good = (~np.load(low[extver])).astype(np.uint8)
            chip.outputNames["staticMask"] = fits.PrimaryHDU(good)
    return image, config


def _single_parameters(adrizzle: Any, config: Any) -> Values:
    """Return what ``drizSeparate`` hands on."""
    parameters: Values = adrizzle.buildDrizParamDict(config)
    return {
        **parameters,
        "crbit": None,
        "proc_unit": "electrons",
        "wht_type": None,
        "build": False,
        "clean": True,
        "rules_file": None,
        "logfile": None,
    }


def _whole(image: Any, grid: Values) -> Any:
    """Return the WCS of the grid, of which no image is made."""
    import numpy as np
    from stwcs.distortion.utils import output_wcs

    (first, *_) = image.getKeywordList("wcs")
    whole = output_wcs([first.deepcopy()])
    whole.wcs.crval, whole.wcs.crpix = np.array(grid["crval"]), np.array(grid["crpix"])
    whole.wcs.cd = np.array(grid["cd"])
    whole.pixel_shape = tuple(grid["shape"])
    whole.pscale, whole.orientat = grid["scale"], grid["rot"]
    whole.wcs.set()
    return whole


def _box(wcs: Any, whole: Any, margin: int) -> Values:
    """Return what of the grid a chip may reach, from 0; without size where it reaches nothing."""
    columns, rows = whole.pixel_shape
    (left, right), (bottom, top) = reach_on(wcs, whole, margin)
    x, y = max(int(left), 0), max(int(bottom), 0)
    return {
        "x": x,
        "y": y,
        "columns": max(min(int(right), columns) - x, 0),
        "rows": max(min(int(top), rows) - y, 0),
    }


def _around(boxes: list[Values]) -> Values:
    """Return the rectangle around those that have a size."""
    seen = [one for one in boxes if one["columns"] and one["rows"]]
    if not seen:
        return {"x": 0, "y": 0, "columns": 0, "rows": 0}
    x, y = min(one["x"] for one in seen), min(one["y"] for one in seen)
    return {
        "x": x,
        "y": y,
        "columns": max(one["x"] + one["columns"] for one in seen) - x,
        "rows": max(one["y"] + one["rows"] for one in seen) - y,
    }


def _mapping(part: Values, stepsize: int, *, rounded: bool) -> Any:
    """Return AstroDrizzle's map of pixels, from a chip to a part of the grid instead of all of it.

    `rounded`: to single precision, as the blot does with places on the whole grid. On a part they
    would keep more digits, and the interpolated values would be others.
    """
    import numpy as np
    from drizzlepac import cdriz

    x0, y0 = part["x"], part["y"]

    class Mapping:
        def __init__(self, chip: Any, whole: Any) -> None:
            self._whole = cdriz.DefaultWCSMapping(
                chip, whole, chip.pixel_shape[0], chip.pixel_shape[1], stepsize
            )

        def forward(self, x: Any, y: Any) -> Any:
            found = self._whole(x, y)
            if rounded:
                found = [(one - 1.0).astype(np.float32).astype(np.float64) + 1.0 for one in found]
            return found[0] - x0, found[1] - y0

    return Mapping
