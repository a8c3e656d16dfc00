"""How much there is to drizzle, as far as a campaign file tells, and what a worker needs for it.

Also of exposures that are here: then it is known.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from astropy.io import fits

from skymosaic.archive.packing import plain_name
from skymosaic.archive.simulated.names import CCDS
from skymosaic.archive.tree import files_below
from skymosaic.config import Campaign, DirectorySource, MastSource, S3Source, SimulatedSource
from skymosaic.config.detectors import named_detectors
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.cells import largest_cell
from skymosaic.drizzle.checks.sample_window import MOST, SIDES
from skymosaic.drizzle.grid import Grid
from skymosaic.drizzle.memory import LEAST, Engine, Needs, Work, needs
from skymosaic.drizzle.order import Detector
from skymosaic.drizzle.reference_image import read_reference, split_extension
from skymosaic.drizzle.request import Request
from skymosaic.drizzle.sky_cell import scale_for, sky_cell
from skymosaic.errors import InputError, SkymosaicError
from skymosaic.host.counting import counted
from skymosaic.hst.exposure import EXPOSURE_SUFFIXES, Exposure, suffix_of
from skymosaic.hst.imagers import IMAGERS, imager_of
from skymosaic.hst.opened import opened_chips

_UNPACKED = 3  # times the size of a packed exposure: more than what was seen
_ELONGATED = 4  # times the side of a square that a mosaic of unknown shape has columns

# Where the number of files is not bounded by who asked for them.
_MANY_EXPOSURES = 100
_COARSEST = 0.2  # arcsec, where an imager's scale is not known
_MOST_FILES = MastSource.model_fields["max_files"].default
_IR_PIXELS = 1014**2  # of a WFC3/IR chip
_CCD_PIXELS = 2051 * 4096  # of a WFC3/UVIS or ACS/WFC chip
# The simulated field has 2946 x 3047 pixels; turned by 45 degrees its box has twice as many.
_SIMULATED_PIXELS = 2 * 2946 * 3047
# A simulated CCD camera's side with its dithers, small and full, in pixels.
_CCD_SIDES = {"small": 690, "full": 4350}
_CCD_SMALL = 256 * 512


@dataclass(frozen=True)
class Part:
    """What one task of a kind drizzles."""

    engine: Engine
    """By which it is drizzled."""
    work: Work
    at_once: int | None = None
    """Such tasks at the same time (count); None: as many as there are workers."""


@dataclass(frozen=True)
class Expected:
    """What a worker of a campaign must have, and why."""

    needs: Needs
    engine: Engine
    """The campaign's."""
    parts: tuple[Part, ...]
    """The kinds of tasks that drizzle."""
    work: Work
    """All that the mosaics are made from, and of."""

    def together(self, workers: int) -> int:
        """Return the memory that workers of one host need at the same time, bytes.

        The most demanding tasks that can come together are taken for those at work; a worker that
        does not drizzle has what every worker has.
        """
        total, idle = 0, workers
        each = [(needs(part.engine, part.work).memory, part.at_once) for part in self.parts]
        for memory, at_once in sorted(each, key=lambda one: -one[0]):
            busy = idle if at_once is None else min(idle, at_once)
            total, idle = total + busy * memory, idle - busy
        return total + round(idle * LEAST)


def of_campaign(campaign: Campaign) -> Expected:
    """Return what a worker of a campaign must have, as far as its file tells.

    Nothing is read but the names and sizes of a folder's files. Where the file does not tell how
    large the mosaic is, it is as large as ``drizzle.max_output_megapixels`` allows. Of a program it
    is what its most demanding group needs.
    """
    each = list(map(_of_one, _mosaics_of(campaign)))
    most = max(each, key=lambda one: one.needs.memory)
    disk = max(one.needs.disk for one in each)
    most = replace(most, needs=replace(most.needs, disk=disk))
    if campaign.groups is None:
        return most
    # Those of all groups come together.
    return replace(most, parts=tuple(replace(part, at_once=None) for part in most.parts))


def _mosaics_of(campaign: Campaign) -> Iterator[Campaign]:
    yield campaign
    for name in campaign.groups.parameters if campaign.groups is not None else ():
        with contextlib.suppress(SkymosaicError):  # the group fails, and the others run
            yield campaign.for_group(name)


def _of_one(campaign: Campaign) -> Expected:
    request = Request.of(campaign)
    work = work_of(campaign, request)
    return Expected(needs_of(request, work), request.engine, tuple(_parts(request, work)), work)


def needs_of(request: Request, work: Work) -> Needs:
    """Return what a worker must have that drizzles, or lets one engine check the other."""
    each = [needs(part.engine, part.work) for part in _parts(request, work)]
    return Needs(memory=max(one.memory for one in each), disk=max(one.disk for one in each))


def _parts(request: Request, work: Work) -> Iterator[Part]:
    """Return what is drizzled by whom: the mosaics, and what one engine does for the other."""
    if request.engine == "onepass":  # each exposure and each block is a task, of one process
        yield Part("onepass", replace(work, processes=1))
    else:
        yield Part("astrodrizzle", work, len(request.methods))
    if (layout := request.drizzle.cells) is not None:
        (columns, rows), scale = largest_cell(layout, request.detectors)
        ratio = work.scale_ratio if scale is None else _scale_ratio(request.detectors, scale)
        cell = replace(
            work,
            output_pixels=columns * rows,
            columns=columns,
            scale_ratio=ratio,
            cosmic_rays=False,
        )
        # Cells share the cores of a host: one alone has them all.
        yield Part(request.engine, cell, at_once=1)
        yield Part(request.engine, replace(cell, processes=1))
    if request.engine == "onepass" and request.witness:
        # AstroDrizzle on a few exposures of a small window.
        exposures = min(MOST, work.chips)
        pixels = 2 * work.largest_chip * exposures
        sample = Work(2 * exposures, min(pixels, work.input_pixels), SIDES[1] ** 2)
        yield Part("astrodrizzle", sample, at_once=1)
    if request.engine == "astrodrizzle" and (request.own_methods or request.witness):
        yield Part("onepass", replace(work, cosmic_rays=False), at_once=1)  # each chip alone
    if "engines" in request.checks:
        other: Engine = "onepass" if request.engine == "astrodrizzle" else "astrodrizzle"
        yield Part(other, work, at_once=1)


def work_of(campaign: Campaign, request: Request) -> Work:
    """Return what is drizzled in one go, as far as the file tells."""
    source = campaign.source
    if isinstance(source, DirectorySource) and not request.detectors:
        request = request.knowing(_detector_in(source.path))
    parameters = request.parameters
    chips, pixels, largest, known_by = _inputs(campaign)
    most = int(campaign.drizzle.max_output_megapixels * 1e6)
    shape, scale = _given_pixels(request)
    if shape is not None:
        most = math.prod(shape)
        known_by += f"; a mosaic of {shape[0]} x {shape[1]} pixels"
    elif source.kind == "simulated":
        most = min(most, _simulated_output(source, parameters.get("final_scale")))
    elif shape is None:
        known_by += (
            f"; a mosaic of {most / 1e6:g} megapixels is assumed, the most that drizzle allows"
        )
    return Work(
        chips=chips,
        input_pixels=pixels,
        output_pixels=most,
        largest_chip=largest,
        columns=shape[0] if shape is not None else min(most, round(_ELONGATED * math.sqrt(most))),
        mosaics=len(request.choices) if request.engine == "onepass" else 1,
        processes=request.processes_there(chips),
        scale_ratio=_scale_ratio(request.detectors, scale or parameters.get("final_scale")),
        context=bool(parameters.get("context")),
        cosmic_rays=request.may_look_for_cosmic_rays,
        errors=request.errors,
        known_by=known_by,
    )


def _given_pixels(request: Request) -> tuple[tuple[int, int] | None, float | None]:
    """Return shape and pixel size (arcsec) of the user's own grid, None for what is not known yet.

    The campaign file tells them, or an image that it names and that lies on this host.
    """
    given = request.grid
    shape, scale = given.shape, given.choice.get("scale")
    if given.grid is not None:
        return given.grid.shape, given.grid.scale
    if given.skycell and (given.cell_scale or request.detectors):
        whole = sky_cell(given.skycell, given.cell_scale or scale_for(request.detectors)).whole
        return None if given.crop else whole.shape, whole.scale
    file, extension = split_extension(given.like)
    if given.like and Path(file).is_file():
        with contextlib.suppress(InputError):  # of which `plan` tells
            grid = read_reference(Path(file), file, extension).grid
            # With another size or angle of pixels the shape is another.
            own = grid.shape if not given.choice else None
            return shape or own, scale or grid.scale
    return shape, scale


def work_at_hand(
    folder: Path,
    exposures: Sequence[Exposure],
    grid: Grid,
    request: Request,
    parameters: Mapping[str, Any],
) -> Work:
    """Return what the one-pass engine drizzles in one go, of exposures in a folder.

    Parameters
    ----------
    folder : Path
        Holds the exposures.
    exposures : sequence of Exposure
        Which.
    grid : Grid
        The output grid.
    request : Request
        What the campaign asks.
    parameters : mapping
        AstroDrizzle's, as from `Request.decide`.
    """
    pixels, scales = [], []
    for _, chip, hdus in opened_chips(folder, exposures):
        header = hdus["SCI", chip.extver].header
        pixels.append(header["NAXIS1"] * header["NAXIS2"])
        scales.append(chip.scale or grid.scale)
    return Work(
        chips=len(pixels),
        input_pixels=sum(pixels),
        output_pixels=grid.shape[0] * grid.shape[1],
        largest_chip=max(pixels),
        columns=grid.shape[0],
        mosaics=len(request.choices),
        processes=request.processes(len(exposures)),
        scale_ratio=max(scales) / grid.scale,
        context=bool(parameters.get("context", True)),
        cosmic_rays=pars.has_cr_steps(parameters),
        errors=request.errors,
        known_by="the exposures",
    )


def _scale_ratio(detectors: Sequence[Detector], final_scale: Any) -> float:
    """Return the largest ratio of an exposure's scale to the mosaic's, of any imager if need be."""
    known = [imager_of(*detector) for detector in detectors] or IMAGERS
    scales = [imager.scale for imager in known if imager is not None and imager.scale is not None]
    if final_scale is None:
        return 1.0 if len(detectors) < 2 or not scales else max(scales) / min(scales)
    return max(scales, default=_COARSEST) / float(final_scale)


def _inputs(campaign: Campaign) -> tuple[int, int, int, str]:
    """Return the chips of all exposures, their pixels, the largest's, and how these are known."""
    source = campaign.source
    if isinstance(source, DirectorySource):
        return _in_folder(source.path)
    if isinstance(source, MastSource | S3Source):
        bounded = source.max_files < _MOST_FILES
        count = source.max_files if bounded else _MANY_EXPOSURES
        instruments = source.instrument if isinstance(source, MastSource) else ()
        infrared = bool(instruments) and all("IR" in name for name in instruments)
        chips, each = (1, _IR_PIXELS) if infrared else (2, _CCD_PIXELS)
        why = "source.max_files" if bounded else f"assumed: {_MANY_EXPOSURES} exposures"
        return count * chips, count * chips * each, each, why
    if source.instrument in CCDS:
        count = 2 * (len(source.tiles) or 2) * source.dithers
        each = _CCD_PIXELS if source.size == "full" else _CCD_SMALL
    else:
        every = list(source.filters.values()) or [source.tiles]  # a mosaic each
        count = max(len(tiles or source.tiles) or 9 for tiles in every) * source.dithers
        each = _IR_PIXELS if source.size == "full" else 256**2
    return count, count * each, each, "the simulation"


def _simulated_output(source: SimulatedSource, final_scale: Any) -> int:
    """Return the pixels of the mosaic of a simulation."""
    [detector] = named_detectors(source)
    imager = imager_of(*detector)
    assert imager is not None and imager.scale is not None  # of all that is simulated it is known
    finer = (imager.scale / float(final_scale or imager.scale)) ** 2
    if source.instrument not in CCDS:
        share = _IR_PIXELS if source.size == "full" else 256**2
        return int(_SIMULATED_PIXELS * share / _IR_PIXELS * finer)
    # Tiles are half a camera apart in a square of three by three; a turned box is twice as large.
    last = max((int(tile) for tile in source.tiles), default=2)
    tiles = min(4.0, 0.5 + 0.6 * last)
    return int(2 * tiles * _CCD_SIDES[source.size] ** 2 * finer)


def _detector_in(folder: Path) -> list[tuple[str, str]]:
    """Return INSTRUME and DETECTOR of a folder's first exposure.

    Where none is seen they are taken for WFC3/IR's, as in `_in_folder`.
    """
    try:
        paths = _exposures_below(folder)
        if paths:
            header = fits.getheader(min(paths))
            return [(str(header.get("INSTRUME", "")), str(header.get("DETECTOR", "")))]
    except OSError:  # damaged, of which inspect tells
        pass
    return [("WFC3", "IR")]


def _exposures_below(folder: Path) -> list[Path]:
    """Return the exposures of a folder and of those below; none where workers alone see it."""
    try:
        files = files_below(folder, lambda _path, _why: None)
    except InputError:  # of which inspect tells
        return []
    return [path for path in files if suffix_of(plain_name(path.name)) in EXPOSURE_SUFFIXES]


def _in_folder(folder: Path) -> tuple[int, int, int, str]:
    sizes = []
    for path in _exposures_below(folder):
        with contextlib.suppress(OSError):
            packed = plain_name(path.name) != path.name
            sizes.append(path.stat().st_size * (_UNPACKED if packed else 1))
    if not sizes:
        pixels = _MANY_EXPOSURES * _IR_PIXELS
        why = f"assumed: {_MANY_EXPOSURES} WFC3/IR exposures"
        return _MANY_EXPOSURES, pixels, _IR_PIXELS, why
    # A CCD's files have SCI, ERR and DQ: 10 bytes per pixel, the fewest of all.
    largest = min(max(sizes) // 10, _CCD_PIXELS)  # no chip has more
    return 2 * len(sizes), sum(sizes) // 10, largest, f"{counted(len(sizes), 'file')} in {folder}"
