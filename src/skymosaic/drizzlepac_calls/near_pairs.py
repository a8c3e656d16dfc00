"""TweakReg's histogram of offsets, from the sources of the catalogue that are near the image.

`drizzlepac.imgclasses._xy_2dhist` subtracts every source of the growing catalogue from every source
of the image, and then counts the differences that are within the search radius. Those that lie
further from all of the image's sources than that count nowhere: without them it is the same.
"""

from __future__ import annotations

from typing import Any

_SPARE = 1.0  # pixels: for what rounding does at the rim


def count_near_pairs_alone() -> None:
    """Make `imgclasses._xy_2dhist` of this process look at sources near the image alone."""
    import numpy as np
    from drizzlepac import imgclasses

    every = imgclasses._xy_2dhist
    if getattr(every, "near_alone", False):
        return

    def near_alone(imgxy: Any, refxy: Any, r: float) -> Any:
        reach = np.ceil(r) + 0.5 + _SPARE
        low, high = np.nanmin(imgxy, axis=0) - reach, np.nanmax(imgxy, axis=0) + reach
        near = ((refxy >= low) & (refxy <= high)).all(axis=1)
        return every(imgxy, refxy[near], r)

    near_alone.near_alone = True  # type: ignore[attr-defined]
    imgclasses._xy_2dhist = near_alone
