"""The two CCD cameras: what their handbooks say, and which part of the chips is read."""

from __future__ import annotations

from dataclasses import dataclass

from skymosaic.archive.simulated.names import InstrumentName
from skymosaic.archive.simulated.simulation import Simulation

SMALL = (256, 512)  # rows and columns of each chip that a small frame keeps


@dataclass(frozen=True)
class Camera:
    """A camera of two chips; chip 1 lies above chip 2, and is the second in the file."""

    name: str
    """As the templates of headers are called."""
    letter: str
    """First letter of rootnames."""
    shape: tuple[int, int]
    """Rows and columns of a chip."""
    offset: tuple[float, float]
    """Reference pixel of chip 1 minus that of chip 2 along x and y, arcsec."""
    dither: tuple[float, float]
    """Step between two dithers along x and y, pixels: over the gap, and by a part of a pixel."""
    v3_angle: float
    """Position angle of the y axis minus that of V3, degrees."""
    fwhm: float
    """Width of the point-spread function, arcsec."""
    sky: float
    """Usual sky, e-/s a pixel."""
    dark: float
    """Dark current, e-/s a pixel."""
    read_noise: tuple[float, float, float, float]
    """Of amplifiers A, B, C and D, e-."""
    full_well: float
    """Where pixels saturate, e-."""
    hit_share: tuple[float, float]
    """Share of the pixels that cosmic rays affect in 1000 s: least and most."""


# ACS Instrument Handbook, section 4.3, CCD operations and limitations: saturation (4.3.1), cosmic
# rays (1.5 to 3% of the pixels in 1000 s). Read noise as in headers of 2018. The offset is that of
# the chips' reference points in headers made with the IDCTAB 11d1433lj.
ACS_WFC = Camera(
    name="acs_wfc",
    letter="j",
    shape=(2048, 4096),
    offset=(4.29701, 103.89151),
    dither=(5.33, 56.67),  # the gap is 53 pixels wide
    v3_angle=177.7223,
    fwhm=0.10,
    sky=0.1,
    dark=0.0125,
    read_noise=(4.35, 3.75, 4.05, 5.05),
    full_well=77400.0,
    hit_share=(0.015, 0.03),
)
# WFC3 Instrument Handbook, section 5.4: saturation (5.4.5), read noise (5.4.7), cosmic rays
# (5.4.10: 5 to 9% of the pixels in 1800 s). The offset follows from the IDCTAB 2731450pi.
WFC3_UVIS = Camera(
    name="wfc3_uvis",
    letter="i",
    shape=(2051, 4096),
    offset=(0.28287, 82.45204),
    dither=(5.33, 35.67),  # the gap is 31 pixels wide
    v3_angle=-315.1633,
    fwhm=0.075,
    sky=0.05,
    dark=0.0025,
    read_noise=(3.08, 3.18, 3.10, 3.19),
    full_well=68000.0,
    hit_share=(0.05 / 1.8, 0.09 / 1.8),
)
_CAMERAS: dict[InstrumentName, Camera] = {"acs-wfc": ACS_WFC, "wfc3-uvis": WFC3_UVIS}


def camera_of(simulation: Simulation) -> Camera:
    """Return the camera of a simulation of CCDs."""
    return _CAMERAS[simulation.instrument]


@dataclass(frozen=True)
class CameraChip:
    """A chip, and the part of it that is read."""

    camera: Camera
    extver: int
    """EXTVER in the file: chip 2 is SCI,1."""
    corner: tuple[int, int]
    """First column and row that are read, counted from 0."""
    shape: tuple[int, int]
    """Rows and columns that are read."""

    @property
    def number(self) -> int:
        """CCDCHIP."""
        return 3 - self.extver

    @property
    def read_noise(self) -> tuple[float, float]:
        """Of the left and the right half, e-: amplifiers A and B read chip 1, C and D chip 2."""
        noise = self.camera.read_noise
        return (noise[0], noise[1]) if self.number == 1 else (noise[2], noise[3])


def chips_of(simulation: Simulation) -> tuple[CameraChip, CameraChip]:
    """Return both chips in the order of the file; small frames keep what lies at the gap."""
    camera = camera_of(simulation)
    rows, columns = camera.shape
    if simulation.size == "full":
        return CameraChip(camera, 1, (0, 0), camera.shape), CameraChip(
            camera, 2, (0, 0), camera.shape
        )
    left = (columns - SMALL[1]) // 2
    return CameraChip(camera, 1, (left, rows - SMALL[0]), SMALL), CameraChip(
        camera, 2, (left, 0), SMALL
    )


def shrink_of(simulation: Simulation) -> float:
    """Return the factor by which the pattern of tiles and the scene are shrunk; 1 at full size."""
    return 1.0 if simulation.size == "full" else SMALL[1] / camera_of(simulation).shape[1]
