"""Which exposures each drizzled image was made from: they are moved as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from skymosaic.errors import AlignmentError
from skymosaic.hst.exposure import Exposure


def members_of(tile: Exposure, exposures: Sequence[Exposure]) -> list[Exposure]:
    """Return the exposures that a drizzled image was made from: those it names, else by ASN_ID."""
    if tile.members:
        return [exposure for exposure in exposures if exposure.rootname in tile.members]
    return [exposure for exposure in exposures if tile.asn_id and exposure.asn_id == tile.asn_id]


def members_of_all(
    drizzled: Sequence[Exposure], exposures: Sequence[Exposure]
) -> dict[str, list[str]]:
    """Return the rootnames of the exposures of each drizzled image, by its rootname.

    Raises
    ------
    AlignmentError
        An exposure is part of none of them, or of several.
    """
    members = {
        tile.rootname: [exposure.rootname for exposure in members_of(tile, exposures)]
        for tile in drizzled
    }
    _require_one_each(exposures, members)
    return members


def _require_one_each(exposures: Sequence[Exposure], members: Mapping[str, list[str]]) -> None:
    owners: dict[str, list[str]] = {exposure.rootname: [] for exposure in exposures}
    for tile, its in members.items():
        for name in its:
            owners[name].append(tile)
    lost = [name for name, tiles in owners.items() if not tiles]
    if lost:
        raise AlignmentError(
            f"no drizzled image was made from {', '.join(lost)}: TweakReg aligns drizzled images; "
            "add the DRZ/DRC files of these exposures to the source, or set `align: none`"
        )
    shared = {name: tiles for name, tiles in owners.items() if len(tiles) > 1}
    if shared:
        name, tiles = next(iter(shared.items()))
        raise AlignmentError(
            f"{name} is part of several drizzled images ({', '.join(tiles)}) and cannot follow "
            "them all; keep one of them in the source"
        )
