"""One name that stsci.skypac misses in spherical_geometry, given back in drizzlepac's process.

skypac 1.0.12 walks the polygons of an overlap by ``iter_polygons_flat``. spherical_geometry 1.4
iterates over a polygon instead. Without the name drizzlepac catches the AttributeError and computes
``localmin`` where ``match`` was asked for.
"""

from __future__ import annotations

from importlib.metadata import version

NAME = "iter_polygons_flat"


def give_back() -> bool:
    """Give `SphericalPolygon` the name that skypac calls, where it has none.

    Returns
    -------
    bool
        Whether it was missing.
    """
    from spherical_geometry.polygon import SphericalPolygon

    if hasattr(SphericalPolygon, NAME):
        return False
    setattr(SphericalPolygon, NAME, SphericalPolygon.__iter__)
    return True


def require() -> None:
    """Refuse to work where skypac would miss the name.

    Raises
    ------
    RuntimeError
        It is missing.
    """
    from spherical_geometry.polygon import SphericalPolygon

    if not hasattr(SphericalPolygon, NAME):
        raise RuntimeError(
            f"stsci.skypac {version('stsci.skypac')} calls SphericalPolygon.{NAME}, which "
            f"spherical_geometry {version('spherical_geometry')} lacks: AstroDrizzle would "
            "silently compute localmin instead of match"
        )
