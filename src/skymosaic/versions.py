"""Versions of what can change a result; they are part of every step's key."""

from __future__ import annotations

import functools
import platform
from importlib.metadata import version

_PACKAGES = (
    "skymosaic",
    "drizzlepac",
    "stsci.skypac",
    "stsci.imagestats",
    "spherical_geometry",
    "stwcs",
    "tweakwcs",
    "astropy",
    "numpy",
    "scipy",
)
__version__ = version("skymosaic")


@functools.cache
def versions() -> dict[str, str]:
    """Return the version of Python and of each package that can change a result."""
    major, minor, _ = platform.python_version_tuple()
    return {"python": f"{major}.{minor}", **{name: version(name) for name in _PACKAGES}}
