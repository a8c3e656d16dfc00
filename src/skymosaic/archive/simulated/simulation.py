"""What to simulate: the options of a simulation, and which go together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from skymosaic.archive.simulated.effects import Effects
from skymosaic.archive.simulated.filters import FILTERS
from skymosaic.archive.simulated.names import (
    CCD_EFFECTS,
    CCDS,
    DEFAULT_SCENES,
    DITHERS,
    HUBBLE,
    INFRARED_EFFECTS,
    INSTRUMENTS,
    IR_FILTER,
    MAXIMUM_DITHERS,
    MOST_MOTION,
    SCENES,
    FilterName,
    InstrumentName,
    SceneName,
)
from skymosaic.archive.simulated.proposal import tiles_of_proposal
from skymosaic.errors import CampaignError

DETECTOR_SIZE = 1014
SUBARRAY_SIZE = 256
CCD_TILES = ("01", "02", "03", "04", "05", "06", "07", "08", "09")


@dataclass(frozen=True)
class Simulation:
    """What to simulate.

    Attributes
    ----------
    seed : int
        All that is random follows from it and from names, so that an exposure is the same
        whichever others are made, and in whatever order.
    size : {'full', 'small'}
        ``full``: 1014 x 1014 pixels. ``small``: the 256 x 256 subarray; the mosaic's pattern and
        the scene shrink about the reference tile by the same factor, the point-spread function
        does not. Of CCDs: both chips, or a part of 256 x 512 pixels of each, at the gap.
    tiles : tuple of str
        Last two characters of the visits to make, such as ``('54', '51')``; empty means all nine,
        of CCDs the first two of ``('01', ..., '09')``.
    dithers : int or None
        Exposures a visit; None: two, of CCDs three. WFC3/IR: the first two are the published
        ones; further ones are generated.
    displace : mapping of str to (float, float)
        True offset of a tile on the sky, (east, north) in arcsec, added to its published place.
    scene : str or None
        What is there to see, and what the skies are; None: ``horsehead``, of CCDs ``sparse``.
        ``horsehead``: a nebula everywhere.
        ``sparse``: stars only. ``nebula``: one in the middle. ``equal-skies``: the same, and all
        skies are one. ``one-sided``: emission that rises towards one side. ``filled``: emission
        everywhere, over skies that were subtracted before but for a rest. ``saturated``: stars,
        one of them saturated in the overlap of tiles 54 and 51, with a ghost in the exposures of
        51 alone; of CCDs tiles 01 and 02.
    instrument : {'wfc3-ir', 'acs-wfc', 'wfc3-uvis'}
        What observes. The others' options are those of the two CCD cameras:
    chip_step : float
        Sky of chip 2 (SCI,1) minus sky of chip 1 (SCI,2), over their mean.
    sky : float or None
        Mean sky of the visits, e-/s a pixel; None: what is usual for the instrument.
    cosmic_rays : bool
        Whether there are any.
    filter : str or None
        WFC3/IR: what it observes with; None: F160W. Visits of another filter point where those of
        F160W do, with pointing errors and skies of their own, and see the same scene.
    detector : Effects
        What a real detector adds.
    motion : float
        Proper motion of the stars, rms in either axis, mas/yr. They lie where those without motion
        do at the epoch 2016.0.
    epochs : mapping of str to float
        When a tile is observed, Julian year; the others are observed in 2012, those of CCDs in
        2020.
    """

    seed: int = 12812
    size: Literal["full", "small"] = "full"
    tiles: tuple[str, ...] = ()
    dithers: int | None = None
    displace: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    scene: SceneName | None = None
    instrument: InstrumentName = "wfc3-ir"
    chip_step: float = 0.0
    sky: float | None = None
    cosmic_rays: bool = True
    filter: FilterName | None = None
    detector: Effects = field(default_factory=Effects)
    motion: float = 0.0
    epochs: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.instrument not in INSTRUMENTS:
            raise CampaignError(
                f"simulated instrument: {self.instrument!r} is unknown; "
                f"choose from {', '.join(INSTRUMENTS)}"
            )
        dithers = DITHERS[self.instrument] if self.dithers is None else self.dithers
        object.__setattr__(self, "dithers", dithers)
        if self.scene is None:
            object.__setattr__(self, "scene", DEFAULT_SCENES[self.instrument])
        self._check_filter()
        self._check_ccd_options()
        self._check_detector()
        known = CCD_TILES if self.is_ccd else tiles_of_proposal()
        given = {"tiles": self.tiles, "displace": self.displace, "epochs": self.epochs}
        for name, wanted in given.items():
            unknown = [tile for tile in wanted if tile not in known]
            if unknown:
                raise CampaignError(
                    f"simulated {name}: no tile {unknown[0]!r} in "
                    f"{'the pattern' if self.is_ccd else 'proposal 12812'}; "
                    f"choose from {', '.join(known)}"
                )
        if len(set(self.tiles)) != len(self.tiles):
            raise CampaignError(f"simulated tiles: {self.tiles} names a tile twice; name it once")
        if self.size not in ("full", "small"):
            raise CampaignError(f"simulated size: {self.size!r} is unknown; choose full or small")
        if self.scene not in SCENES:
            raise CampaignError(
                f"simulated scene: {self.scene!r} is unknown; choose from {', '.join(SCENES)}"
            )
        if not 1 <= dithers <= MAXIMUM_DITHERS:
            raise CampaignError(
                f"simulated dithers: {dithers} is out of range; "
                f"choose 1 to {MAXIMUM_DITHERS} exposures a visit"
            )
        self._check_motion()
        if self.seed < 0:
            raise CampaignError(f"simulated seed: {self.seed} is negative; choose 0 or above")

    def _check_motion(self) -> None:
        if not 0.0 <= self.motion <= MOST_MOTION:
            raise CampaignError(
                f"simulated motion: {self.motion} is out of range; choose 0 to {MOST_MOTION:g} "
                "mas/yr"
            )
        first, last = HUBBLE
        for tile, epoch in self.epochs.items():
            if not first <= epoch <= last:
                raise CampaignError(
                    f"simulated epochs: {tile}: {epoch} is out of range; choose a Julian year "
                    f"from {first:g} to {last:g}"
                )

    def _check_filter(self) -> None:
        if self.is_ccd:
            if self.filter is not None:
                raise CampaignError(
                    f"simulated filter: {self.instrument} has one filter only; leave filter "
                    "and filters out, or choose the instrument wfc3-ir"
                )
            return
        if self.filter is None:
            object.__setattr__(self, "filter", IR_FILTER)
        if self.filter not in FILTERS:
            raise CampaignError(
                f"simulated filter: {self.filter!r} is unknown; choose from {', '.join(FILTERS)}"
            )

    def _check_ccd_options(self) -> None:
        plain = self.chip_step == 0.0 and self.sky is None and self.cosmic_rays
        if not self.is_ccd and not plain:
            raise CampaignError(
                f"simulated instrument: chip_step, sky and cosmic_rays are not for "
                f"{self.instrument}; leave them out, or choose {' or '.join(CCDS)}"
            )
        if not -1.0 < self.chip_step < 1.0:
            raise CampaignError(
                f"simulated chip_step: {self.chip_step} is no share of the sky; "
                "choose one between -1 and 1, such as 0.01"
            )
        if self.sky is not None and not 0.0 <= self.sky < 1e6:
            raise CampaignError(
                f"simulated sky: {self.sky} is out of range; choose 0 to 1e6 e-/s a pixel"
            )

    def _check_detector(self) -> None:
        for name in INFRARED_EFFECTS if self.is_ccd else CCD_EFFECTS:
            if getattr(self.detector, name):
                raise CampaignError(
                    f"simulated detector: {name} is not for {self.instrument}; leave it out, or "
                    f"choose {'wfc3-ir' if self.is_ccd else ' or '.join(CCDS)}"
                )

    @property
    def is_ccd(self) -> bool:
        """Whether the instrument has CCDs: two chips, electrons, cosmic rays."""
        return self.instrument in CCDS

    @property
    def ir_filter(self) -> FilterName:
        """The filter of WFC3/IR."""
        return self.filter or IR_FILTER

    @property
    def pixels(self) -> int:
        """Length of each axis of an exposure, in pixels."""
        return DETECTOR_SIZE if self.size == "full" else SUBARRAY_SIZE

    @property
    def shrink(self) -> float:
        """Factor by which the mosaic's pattern and the scene are shrunk; 1 at full size."""
        return self.pixels / DETECTOR_SIZE

    @property
    def corner(self) -> int:
        """First detector pixel of the exposure along each axis, counted from 0."""
        return (DETECTOR_SIZE - self.pixels) // 2
