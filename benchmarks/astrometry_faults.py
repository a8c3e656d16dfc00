"""Images of a random campaign with a fault: far off, empty, ghosts, doubled names."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray

from skymosaic.align.moves import ARCSEC, Move, basis_of, project, sky_of

if TYPE_CHECKING:
    from benchmarks.astrometry_fields import Field

Floats = NDArray[np.float64]


def corners_of(wcs: WCS, side: tuple[int, int]) -> Floats:
    """Return RA, Dec of the corners of an image, degrees, shape (4, 2)."""
    x, y = side
    return np.asarray(wcs.wcs_pix2world([[0.5, 0.5], [x, 0.5], [x, y], [0.5, y]], 1))


def spoil(random: np.random.Generator, field_: Field, sides: list[tuple[int, int]]) -> None:
    """Make some images bad: of every campaign of four images or more one in three, of each kind."""
    count = len(field_.images)
    order = random.permutation(count).tolist()
    kinds = [kind for kind in SPECIAL if random.random() < 1 / 3]
    if count < 4:
        return
    for kind in kinds[: count // 4]:
        number = order.pop()
        _SPOILERS[kind](random, field_, number, sides[number])
        field_.special[number] = kind
        if kind == "doubled name":
            other = order.pop()
            name = field_.images[number].name
            field_.images[other] = replace(field_.images[other], name=name)
            field_.special[other] = kind


def _shift_far(
    random: np.random.Generator, field_: Field, number: int, side: tuple[int, int]
) -> None:
    """Point an image 20 arcsec away from where its header says."""
    image, truth = field_.images[number], field_.truth[number]
    angle = random.uniform(0, 2 * np.pi)
    far = Move.none(truth.centre).then(
        20.0 * np.cos(angle) / ARCSEC, 20.0 * np.sin(angle) / ARCSEC, 0.0
    )
    wcs = far.wcs(image.wcs)
    pixels = image.wcs.wcs_world2pix(image.sky, 1) if len(image.sky) else np.empty((0, 2))
    field_.images[number] = replace(
        image,
        wcs=wcs,
        sky=np.asarray(wcs.wcs_pix2world(pixels, 1)).reshape(-1, 2),
        footprint=[corners_of(wcs, side)],
    )
    back = replace(truth, centre=far.matrix @ truth.centre, matrix=truth.matrix @ far.matrix.T)
    field_.truth[number] = back


def _empty(random: np.random.Generator, field_: Field, number: int, side: tuple[int, int]) -> None:
    image = field_.images[number]
    field_.images[number] = replace(image, sky=image.sky[:0], flux=image.flux[:0])


def _ghost(random: np.random.Generator, field_: Field, number: int, side: tuple[int, int]) -> None:
    """Give an image the sources of another: the ghost of a field that is not there.

    Turned over, where the other looks at the same place.
    """
    image = field_.images[number]
    other = field_.images[int(random.integers(len(field_.images)))]
    pixels = other.wcs.wcs_world2pix(other.sky, 1) if len(other.sky) else np.empty((0, 2))
    if image.centre @ other.centre > np.cos(60.0 / ARCSEC):
        pixels = np.array(side) + 1.0 - pixels[:, ::-1]
    sky = np.asarray(image.wcs.wcs_pix2world(pixels, 1)).reshape(-1, 2)
    field_.images[number] = replace(image, sky=sky, flux=other.flux)


def _copies(random: np.random.Generator, field_: Field, number: int, side: tuple[int, int]) -> None:
    """Give every source of an image a ghost, all at one offset."""
    image = field_.images[number]
    basis = basis_of(image.centre)
    angle = random.uniform(0, 2 * np.pi)
    plane = project(image.vectors, basis) + 1.5 * np.array([np.cos(angle), np.sin(angle)])
    vectors = np.column_stack([plane / ARCSEC, np.ones(len(plane))]) @ basis
    field_.images[number] = replace(
        image,
        sky=np.concatenate([image.sky, sky_of(vectors)]),
        flux=np.concatenate([image.flux, image.flux]),
    )


def _rename(random: np.random.Generator, field_: Field, number: int, side: tuple[int, int]) -> None:
    """Leave it: another image gets its name."""


_SPOILERS = {
    "20 arcsec off": _shift_far,
    "no sources": _empty,
    "ghost of a field": _ghost,
    "ghost of each source": _copies,
    "doubled name": _rename,
}
SPECIAL = tuple(_SPOILERS)
