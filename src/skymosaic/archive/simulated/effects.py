"""What a real detector adds to exposures: options, and what is drawn of them for each exposure.

Flat residuals are fixed to the detector; all else is drawn anew for each exposure. Offsets have no
mean over an exposure, so that its sky stays what it was; what changes the sky is in the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from skymosaic.archive.simulated.names import LARGEST_ORDER
from skymosaic.archive.simulated.plane import FloatArray
from skymosaic.archive.simulated.seeds import generator
from skymosaic.errors import CampaignError

_STRENGTHS = (0.3, 1.0)  # of the size that was asked for: exposures differ
_BLOB_RADIUS = 0.12  # of the frame's shorter side
_TRAIL_SIGMA = 2.0  # pixels
_BROKEN = 0.25  # share of pixels whose ramp is cut in two where the background changes


@dataclass(frozen=True)
class Effects:
    """Sizes of what a real detector does; 0: it does not.

    Attributes
    ----------
    flat : float
        What is left of the flat field: rms over the frame, as a fraction.
    flat_order : int
        Half waves across the frame of its finest pattern.
    blob : float
        Depth of one round blob of less sensitivity, as a fraction.
    amplifiers : float
        Offset of the part of the frame that an amplifier reads, rms, e-/s.
    chips : float
        Offset of each of two chips, rms, e-/s.
    stripes : float
        Offset of each row, rms, e-/s.
    gradient : float
        Largest difference of the sky across the frame, as a fraction of it: the Earth's limb.
    helium : float
        Airglow that comes and goes within an exposure (He I at 1083 nm): the largest mean that it
        adds, as a fraction of the sky.
    persistence : float
        What a pixel that was full in the exposure before gives in the next one, e-/s.
    trail : float
        Brightness of a satellite's trail in one exposure of each visit, e-/s a pixel.
    """

    flat: float = 0.0
    flat_order: int = 3
    blob: float = 0.0
    amplifiers: float = 0.0
    chips: float = 0.0
    stripes: float = 0.0
    gradient: float = 0.0
    helium: float = 0.0
    persistence: float = 0.0
    trail: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 <= value < 1e6:
                raise CampaignError(
                    f"simulated detector: {field.name} {value} is out of range; choose 0 to 1e6"
                )
        if not 1 <= self.flat_order <= LARGEST_ORDER:
            raise CampaignError(
                f"simulated detector: flat_order {self.flat_order} is out of range; "
                f"choose 1 to {LARGEST_ORDER}"
            )

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return self != Effects(flat_order=self.flat_order)


def read_effects(words: Sequence[str]) -> Effects:
    """Return effects from words such as ``flat=0.005``.

    Raises
    ------
    CampaignError
        A word is not of this form, or names no effect.
    """
    names = {field.name for field in fields(Effects)}
    values: dict[str, Any] = {}
    for word in words:
        name, _, size = word.partition("=")
        if name not in names:
            raise CampaignError(
                f"simulated detector: {name!r} is unknown; choose from {', '.join(sorted(names))}"
            )
        try:
            values[name] = int(size) if name == "flat_order" else float(size)
        except ValueError:
            raise CampaignError(
                f"simulated detector: {word!r} has no number; write such as {name}=0.01"
            ) from None
    return Effects(**values)


@dataclass(frozen=True)
class Frame:
    """Pixels of one chip in one exposure."""

    seed: int
    detector: str
    """Whose flat field it is: detector and filter."""
    rootname: str
    chip: int
    shape: tuple[int, int]
    """Rows, columns."""
    sky: float
    """e-/s."""
    part: tuple[float, float] = (-1.0, 1.0)
    """Where its first and last row lie in the whole camera, whose rows reach from -1 to 1."""
    halves: int = 2
    """Amplifiers along the columns; along the rows there are two."""

    def places(self) -> tuple[FloatArray, FloatArray]:
        """Return x of each column and y of each row, within the chip from -1 to 1."""
        rows, columns = self.shape
        return np.linspace(-1.0, 1.0, columns), np.linspace(-1.0, 1.0, rows)

    def random(self, *names: str | int) -> np.random.Generator:
        """Return the random numbers of an effect in this exposure, of all of its chips alike."""
        return generator(self.seed, self.rootname, "detector", *names)


@dataclass(frozen=True)
class Drawn:
    """What happens to one frame: light is added to, then multiplied; counts get the offset.

    Each array has the shape of the frame.
    """

    light: FloatArray
    """e-/s, before the flat."""
    flat: FloatArray
    """Factor."""
    offset: FloatArray
    """e-/s, after the noise."""
    sky: float
    """What the mean sky of the frame gained, e-/s."""
    truth: dict[str, Any]
    """Sizes in this exposure, for the file of true values."""


def draw(effects: Effects, frame: Frame, *, trailed: bool = False) -> Drawn:
    """Draw what the detector does to a frame.

    Parameters
    ----------
    effects : Effects
        Sizes.
    frame : Frame
        Of which exposure and chip.
    trailed : bool
        Whether this is the visit's exposure with the satellite's trail.
    """
    light, sky = np.zeros(frame.shape), 0.0
    truth: dict[str, Any] = {}
    if effects.gradient:
        plane, slopes = _gradient(effects.gradient * frame.sky, frame)
        light, sky = light + plane, sky + float(plane.mean())
        truth["gradient"] = slopes
    if effects.helium:
        glow, level = _helium(effects.helium * frame.sky, frame)
        light, sky = light + glow, sky + level
        truth["helium"] = level
    if effects.trail and trailed:
        light = light + _trail(effects.trail, frame)
        truth["trail"] = effects.trail
    offset = np.zeros(frame.shape)
    if effects.amplifiers:
        offsets = _without_mean(frame.random("amplifiers", frame.chip), (frame.halves, 2))
        offset += _amplifiers(effects.amplifiers * offsets, frame)
        truth["amplifiers"] = (effects.amplifiers * offsets).tolist()
    if effects.chips:
        # That of one chip is the other's with the other sign.
        step = float(frame.random("chips").normal()) * (1.0 if frame.chip == 1 else -1.0)
        offset += effects.chips * step
        sky += effects.chips * step
        truth["chip"] = effects.chips * step
    if effects.stripes:
        rows = frame.random("stripes", frame.chip).standard_normal(frame.shape[0])
        offset += effects.stripes * (rows - rows.mean())[:, None]
        truth["stripes"] = effects.stripes
    return Drawn(light, flat_field(effects, frame), offset, sky, truth)


def flat_field(effects: Effects, frame: Frame) -> FloatArray:
    """Return what is left of the flat field: the same in all exposures of a detector and filter.

    The pattern is a sum of cosines with a mean of 1 over the frame, and one blob.
    """
    field = np.ones(frame.shape)
    random = generator(frame.seed, frame.detector, "flat", frame.chip)
    if effects.flat:
        order = effects.flat_order
        weights = random.standard_normal((order + 1, order + 1))
        i, j = np.indices(weights.shape)
        weights[(i + j == 0) | (i + j > order)] = 0.0
        x, y = ((place + 1.0) / 2.0 for place in frame.places())
        numbers = np.arange(order + 1)
        waves = np.cos(np.pi * np.outer(y, numbers)) @ weights
        pattern = waves @ np.cos(np.pi * np.outer(numbers, x))
        pattern -= pattern.mean()
        field += effects.flat * pattern / pattern.std()
    if effects.blob:
        x, y = frame.places()
        x0, y0 = generator(frame.seed, frame.detector, "blob", frame.chip).uniform(-0.6, 0.6, 2)
        away = np.hypot((x - x0)[None, :] * frame.shape[1], (y - y0)[:, None] * frame.shape[0])
        radius = _BLOB_RADIUS * 2.0 * min(frame.shape)
        field -= effects.blob * np.exp(-0.5 * (away / radius) ** 2)
    return field


def persistence(effects: Effects, before: FloatArray, full: float) -> FloatArray:
    """Return what an exposure leaves in the next one, e-/s.

    Parameters
    ----------
    effects : Effects
        Its size.
    before : array
        What the exposure before collected, e-.
    full : float
        What a full pixel holds, e-. Below half of it nothing is left.
    """
    return effects.persistence * np.clip(2.0 * before / full - 1.0, 0.0, 1.0)


def trailed_of(seed: int, rootnames: Sequence[str]) -> str:
    """Return the exposure of a visit that has a satellite's trail."""
    number = generator(seed, rootnames[0], "trailed").integers(len(rootnames))
    return rootnames[int(number)]


def sizes(effects: Effects) -> dict[str, float]:
    """Return the options that are set, for the file of true values."""
    usual = asdict(Effects())
    return {name: value for name, value in asdict(effects).items() if value != usual[name]}


def _strength(random: np.random.Generator) -> float:
    return float(random.uniform(*_STRENGTHS))


def _without_mean(random: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    values = random.standard_normal(shape)
    return np.asarray(values - values.mean())


def _gradient(size: float, frame: Frame) -> tuple[FloatArray, list[float]]:
    """Return a plane over the camera with no mean, and how much it rises along x and y."""
    random = frame.random("gradient")
    angle = random.uniform(0.0, 2 * np.pi)
    rise = _strength(random) * size / (abs(np.cos(angle)) + abs(np.sin(angle)))
    along = rise * np.array([np.cos(angle), np.sin(angle)])
    x, _ = frame.places()
    y = np.linspace(*frame.part, frame.shape[0])
    return 0.5 * (along[0] * x[None, :] + along[1] * y[:, None]), along.tolist()


def _helium(size: float, frame: Frame) -> tuple[FloatArray, float]:
    """Return the glow in the fitted rates, and its mean.

    Where the fit to the reads takes the change for a cosmic ray it keeps the reads before, or
    those after: these pixels have the rate of a part of the exposure (Brammer et al. 2014, ISR
    WFC3 2014-03).
    """
    random = frame.random("helium")
    level = _strength(random) * size
    change = random.uniform(0.2, 0.8)  # of the level: by how much the parts differ from it
    own = frame.random("helium", frame.chip, "pixels")
    sign = np.where(own.uniform(size=frame.shape) < 0.5, 1.0, -1.0)
    broken = own.uniform(size=frame.shape) < _BROKEN
    return level * (1.0 + np.where(broken, change * sign, 0.0)), level


def _trail(size: float, frame: Frame) -> FloatArray:
    random = frame.random("trail")
    rows, columns = frame.shape
    angle, aside = random.uniform(0.0, np.pi), random.uniform(-0.2, 0.2) * columns
    first, last = frame.part
    x = frame.places()[0] * columns / 2.0
    y = np.linspace(first, last, rows) * rows / (last - first)
    away = x[None, :] * np.sin(angle) - y[:, None] * np.cos(angle) - aside
    return np.asarray(size * np.exp(-0.5 * (away / _TRAIL_SIGMA) ** 2))


def _amplifiers(offsets: FloatArray, frame: Frame) -> FloatArray:
    """Return the offset of each pixel; `offsets` has shape (halves, 2)."""
    rows, columns = frame.shape
    part = np.arange(rows) * frame.halves // rows
    side = np.arange(columns) * 2 // columns
    return np.asarray(offsets[part[:, None], side[None, :]])
