"""How the skies of an exposure's chips may differ: names of the models of `sky.chips`."""

from __future__ import annotations

from typing import Literal

Model = Literal["exposures", "step", "chips"]
"""One sky an exposure; with a step between its chips; one sky a chip."""
PerChip = bool | Literal["auto"]
"""Whether chips have skies of their own; auto: where the differences call for it."""
