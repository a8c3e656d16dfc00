"""The order in which drizzled images are aligned: the reference first, then the best connected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from skymosaic.errors import CampaignError
from skymosaic.sky.overlaps import Polygon, overlap_area, overlaps


def choose_order(footprints: Mapping[str, Sequence[Polygon]], wanted: Sequence[str]) -> list[str]:
    """Return the images in the order of their alignment.

    The user's images come first, in the user's order. Each further one is that which shares the
    largest area with what comes before it, because its sources are matched with theirs.

    Parameters
    ----------
    footprints : mapping
        Rootname of each drizzled image to its footprints.
    wanted : sequence of str
        The user's order, complete or not; each a part of one rootname that no other has.
        The first is the reference. When empty, the image with the largest overlap with all others
        is.

    Raises
    ------
    CampaignError
        A name in `wanted` fits no image, several, or one already named.
    """
    order = [_identify(word, list(footprints)) for word in wanted]
    for i, name in enumerate(order):
        if name in order[:i]:
            raise CampaignError(f"align.order names {name} twice ({wanted[i]!r}); remove one")
    shared: dict[str, dict[str, float]] = {name: {} for name in footprints}
    for (a, b), area in overlaps(footprints).items():
        shared[a][b] = shared[b][a] = area
    if not order:
        order = [max(sorted(footprints), key=lambda name: sum(shared[name].values()))]
    while len(order) < len(footprints):
        rest = sorted(set(footprints) - set(order))
        order.append(max(rest, key=lambda name: sum(shared[name].get(done, 0.0) for done in order)))
    return order


def overlap_shares(
    footprints: Mapping[str, Sequence[Polygon]], order: Sequence[str]
) -> dict[str, float]:
    """Return what part of each image (0 to 1) overlaps those before it; of the first, the rest.

    Parameters
    ----------
    footprints : mapping
        Rootname of each drizzled image to its footprints.
    order : sequence of str
        All rootnames, in the order of their alignment.
    """
    shared = dict.fromkeys(order, 0.0)
    for (a, b), area in overlaps({name: footprints[name] for name in order}).items():
        shared[b] += area
        if a == order[0]:
            shared[a] += area
    whole = {
        name: sum(overlap_area(polygon, polygon) for polygon in footprints[name]) for name in order
    }
    return {name: min(1.0, shared[name] / whole[name]) for name in order}


def _identify(word: str, names: Sequence[str]) -> str:
    wanted = word.lower().removesuffix(".fits").removesuffix("_drz").removesuffix("_drc")
    # An exact name or a tile's number after the proposal's letters beats a part anywhere.
    for fits in (
        [name for name in names if name == wanted],
        [name for name in names if name[4:].startswith(wanted)],
        [name for name in names if wanted in name],
    ):
        if len(fits) == 1:
            return fits[0]
        if len(fits) > 1:
            raise CampaignError(
                f"align.order: {word!r} fits several drizzled images ({', '.join(sorted(fits))}); "
                "write more of the name"
            )
    raise CampaignError(
        f"align.order: {word!r} fits no drizzled image; there are {', '.join(sorted(names))}"
    )
