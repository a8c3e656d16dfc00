"""How much memory and disk a worker needs, before anything is started.

AstroDrizzle holds the planes of its output and what it keeps of every input chip. In bytes,

    memory = BASELINE + INPUT P + 4 (2 + C) Q,

where P are the pixels of all input chips, Q those of the output, with a science and a weight plane
(float32) and C context planes (int32): one for every 32 chips with ``context``, and one without
(drizzlepac/adrizzle.py, run_driz). The constants are from ``python benchmarks/memory.py``, which
measures a worker's processes on simulated exposures and prints this formula beside.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astropy.io import fits

from skymosaic.archive.packing import plain_name
from skymosaic.archive.simulated.names import CCDS
from skymosaic.archive.tree import files_below
from skymosaic.config import Campaign, DirectorySource, MastSource, S3Source, SimulatedSource
from skymosaic.config.detectors import named_detectors
from skymosaic.drizzle.order import as_far_as_known, may_look_for_cosmic_rays
from skymosaic.errors import InputError
from skymosaic.host.counting import counted
from skymosaic.hst.exposure import EXPOSURE_SUFFIXES, suffix_of
from skymosaic.hst.imagers import imager_of

BASELINE = 380e6
"""Bytes of a worker, the drizzlepac process and its child with everything imported."""
INPUT = 10.5
"""Bytes that AstroDrizzle keeps of each input pixel: measured."""
_PLANE = 4  # bytes per pixel, float32 or int32
_UNPACKED = 3  # times the size of a packed exposure: more than what was seen
_CHIPS_PER_CONTEXT = 32
MARGIN = 1.3
"""What a worker gets is this times what is projected: transfers, and what no benchmark saw."""
_LEAST = 1.5e9  # bytes of a worker's memory: alignment and comparison need about a third of it

_FILE = 16.0  # bytes per pixel of a WFC3/IR FLT: SCI, ERR, TIME, DQ, SAMP; CCDs have less
_DRIZZLED = 12.0  # bytes per pixel of a DRZ: SCI, WHT, CTX
_LEAST_DISK = 2e9

# Where the number of files is not bounded by who asked for them.
_MANY_EXPOSURES = 100
_MOST_FILES = MastSource.model_fields["max_files"].default
_IR_PIXELS = 1014**2  # of a WFC3/IR chip
_CCD_PIXELS = 2051 * 4096  # of a WFC3/UVIS or ACS/WFC chip
# The simulated field has 2946 x 3047 pixels; turned by 45 degrees its box has twice as many.
_SIMULATED_PIXELS = 2 * 2946 * 3047
# A simulated CCD camera's side with its dithers, small and full, in pixels.
_CCD_SIDES = {"small": 690, "full": 4350}
_CCD_SMALL = 256 * 512


@dataclass(frozen=True)
class Work:
    """What is drizzled in one go."""

    chips: int
    """Of all exposures (count)."""
    input_pixels: int
    """Of all chips (count)."""
    output_pixels: int
    """Of the mosaic (count)."""
    context: bool = False
    """Whether a context image is made."""
    cosmic_rays: bool = False
    """Whether AstroDrizzle looks for cosmic rays, with one more drizzled image at a time."""
    known_by: str = ""
    """How the numbers are known, for people."""


@dataclass(frozen=True)
class Needs:
    """What a worker must have."""

    memory: int
    """Bytes, with a margin."""
    disk: int
    """Bytes of scratch."""
    work: Work


def drizzle_memory(work: Work) -> int:
    """Return what one drizzle step is projected to need, bytes, without a margin."""
    contexts = -(-work.chips // _CHIPS_PER_CONTEXT) if work.context else 1
    planes = 2 + max(contexts, 1) + (3 if work.cosmic_rays else 0)
    return round(BASELINE + INPUT * work.input_pixels + _PLANE * planes * work.output_pixels)


def scratch_disk(work: Work) -> int:
    """Return what the scratch folder of one worker is projected to hold at most, bytes.

    A private copy of every exposure and drizzled image, the same once more in the host's cache, and
    the mosaic's science and weight planes, staged and cached.
    """
    inputs = 2 * (_FILE + _DRIZZLED) * work.input_pixels
    planes = 4 if work.cosmic_rays else 2
    return round(max(_LEAST_DISK, 1.2 * (inputs + 2 * planes * _PLANE * work.output_pixels)))


def needs(work: Work) -> Needs:
    """Return what a worker must have."""
    memory = round(max(_LEAST, MARGIN * drizzle_memory(work)))
    return Needs(memory=memory, disk=scratch_disk(work), work=work)


def of_campaign(campaign: Campaign) -> Needs:
    """Return what a worker of a campaign must have, as far as its file tells.

    Nothing is read but the names and sizes of a folder's files. Where the file does not tell how
    large the mosaic is, it is as large as ``drizzle.max_output_megapixels`` allows.
    """
    given = {**campaign.drizzle.parameters, **campaign.sky.parameters}
    detectors = named_detectors(campaign.source)
    if isinstance(campaign.source, DirectorySource):
        detectors = detectors or _detector_in(campaign.source.path)
    parameters = as_far_as_known(detectors, given)
    chips, pixels, known_by = _inputs(campaign)
    most = int(campaign.drizzle.max_output_megapixels * 1e6)
    if campaign.source.kind == "simulated":
        most = min(most, _simulated_output(campaign.source, parameters.get("final_scale")))
    else:
        known_by += f"; the mosaic has {most / 1e6:g} megapixels, as drizzle allows at most"
    return needs(
        Work(
            chips=chips,
            input_pixels=pixels,
            output_pixels=most,
            context=bool(parameters.get("context")),
            cosmic_rays=may_look_for_cosmic_rays(detectors, given),
            known_by=known_by,
        )
    )


def _inputs(campaign: Campaign) -> tuple[int, int, str]:
    """Return the chips of all exposures, their pixels, and how these are known."""
    source = campaign.source
    if isinstance(source, DirectorySource):
        return _in_folder(source.path)
    if isinstance(source, MastSource | S3Source):
        bounded = source.max_files < _MOST_FILES
        count = source.max_files if bounded else _MANY_EXPOSURES
        instruments = source.instrument if isinstance(source, MastSource) else ()
        infrared = bool(instruments) and all("IR" in name for name in instruments)
        chips, each = (1, _IR_PIXELS) if infrared else (2, _CCD_PIXELS)
        why = "source.max_files" if bounded else f"taken for {_MANY_EXPOSURES} exposures"
        return count * chips, count * chips * each, why
    if source.instrument in CCDS:
        count = 2 * (len(source.tiles) or 2) * source.dithers
        each = _CCD_PIXELS if source.size == "full" else _CCD_SMALL
    else:
        count = (len(source.tiles) or 9) * source.dithers
        each = _IR_PIXELS if source.size == "full" else 256**2
    return count, count * each, "the simulation"


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


def _in_folder(folder: Path) -> tuple[int, int, str]:
    sizes = []
    for path in _exposures_below(folder):
        with contextlib.suppress(OSError):
            packed = plain_name(path.name) != path.name
            sizes.append(path.stat().st_size * (_UNPACKED if packed else 1))
    if not sizes:
        pixels = _MANY_EXPOSURES * _IR_PIXELS
        return _MANY_EXPOSURES, pixels, f"taken for {_MANY_EXPOSURES} WFC3/IR exposures"
    # A CCD's files have SCI, ERR and DQ: 10 bytes per pixel, the fewest of all.
    return 2 * len(sizes), sum(sizes) // 10, f"{counted(len(sizes), 'file')} in {folder}"
