"""Sky-matched mosaics of HST exposures: retrieve, align, drizzle once per skymethod, compare.

`load` gives what a run made: ``skymosaic.load("store/horsehead-demo").mdrizsky``.
"""

from __future__ import annotations

# As type checkers know it: an import of `typing` would come before a command handles its signals.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from skymosaic.api import Mosaic, Run, load
    from skymosaic.versions import __version__

__all__ = ["Mosaic", "Run", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """Import what is asked for: the programming interface takes astropy."""
    if name == "__version__":
        from skymosaic.versions import __version__

        return __version__
    if name not in ("Mosaic", "Run", "load"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from skymosaic import api

    return getattr(api, name)
