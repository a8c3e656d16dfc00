"""Sky-matched mosaics of HST exposures: retrieve, align, drizzle once per skymethod, compare.

`load` gives what a run made: ``skymosaic.load("store/horsehead-demo").mdrizsky``.
"""

from __future__ import annotations

# As type checkers know it: an import of `typing` would come before a command handles its signals.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    __version__: str
    from skymosaic.api import Mosaic, Run, load

__all__ = ["Mosaic", "Run", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """Import what is asked for: the programming interface takes astropy."""
    if name == "__version__":
        from importlib.metadata import version

        return version("skymosaic")
    if name not in ("Mosaic", "Run", "load"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from skymosaic import api

    return getattr(api, name)
