"""Names of what can be simulated; cheap to import, for those who only offer them."""

from __future__ import annotations

from typing import Literal, get_args

SceneName = Literal[
    "horsehead", "sparse", "nebula", "equal-skies", "one-sided", "filled", "saturated"
]
SCENES: tuple[SceneName, ...] = get_args(SceneName)

InstrumentName = Literal["wfc3-ir", "acs-wfc", "wfc3-uvis"]
INSTRUMENTS: tuple[InstrumentName, ...] = get_args(InstrumentName)
CCDS: tuple[InstrumentName, ...] = ("acs-wfc", "wfc3-uvis")

FilterName = Literal["F098M", "F105W", "F110W", "F125W", "F140W", "F160W"]
IR_FILTERS: tuple[FilterName, ...] = get_args(FilterName)
IR_FILTER: FilterName = "F160W"
"""What WFC3/IR observes with where nothing else is asked for; CCDs have one filter each."""

# Where nothing is asked for: exposures of each tile, and what there is to see.
DITHERS: dict[InstrumentName, int] = {"wfc3-ir": 2, "acs-wfc": 3, "wfc3-uvis": 3}
MAXIMUM_DITHERS = 28
DEFAULT_SCENES: dict[InstrumentName, SceneName] = {
    "wfc3-ir": "horsehead",
    "acs-wfc": "sparse",
    "wfc3-uvis": "sparse",
}
INFRARED_EFFECTS = ("helium", "persistence")
CCD_EFFECTS = ("chips",)
"""What the detectors of one kind alone do, of `effects.Effects`."""
LARGEST_ORDER = 40
"""Half waves across the frame of the finest pattern that a simulated flat field may have."""
MOST_MOTION = 100.0
"""Of simulated stars, mas/yr."""
HUBBLE = (1990.3, 2100.0)
"""Julian years in which it observes."""
