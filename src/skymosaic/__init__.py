"""Sky-matched mosaics of HST exposures: retrieve, align, drizzle once per skymethod, compare.

`load` gives what a run made: ``skymosaic.load("store/horsehead-demo").mdrizsky``.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skymosaic.api import Mosaic, Run, load

__version__ = version("skymosaic")
__all__ = ["Mosaic", "Run", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """Import the programming interface when it is asked for: it takes astropy."""
    if name not in ("Mosaic", "Run", "load"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from skymosaic import api

    return getattr(api, name)
