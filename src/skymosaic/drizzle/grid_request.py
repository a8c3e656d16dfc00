"""What a campaign file asks of the output grid, in one form for all of its ways to say it.

`drizzle.grid`, or AstroDrizzle's own ``final_*``, which mean what they mean there: drizzlepac's
``wcs_functions.mergeWCS`` changes the grid that holds the exposures, or that of
``final_refimage``, by what is given. ``final_ra`` and ``final_dec`` are the sky of the reference
pixel, ``final_outnx`` and ``final_outny`` put it into the middle of a new frame, ``final_crpix1``
and ``final_crpix2`` to a place in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from skymosaic.config import Drizzle
from skymosaic.config.grid import (
    PLACE,
    REFERENCE,
    GridAround,
    GridByMatrix,
    GridLike,
    GridOfSkyCell,
    known_shape,
)
from skymosaic.drizzle import parameters as pars
from skymosaic.drizzle.grid import Grid
from skymosaic.sky.pixel_grid import NEAREST_TO_POLE
from skymosaic.sky.projection_cells import Scale


@dataclass(frozen=True)
class GridRequest:
    """What a file asks of the output grid.

    Parameters
    ----------
    like : str
        An image, or ``STORE/CAMPAIGN``; empty where none is named.
    only_image : bool
        Whether `like` can be an image alone.
    grid : Grid or None
        A grid that the file gives with all of its numbers.
    choice : mapping of str to object
        What is asked for beside, under the names of drizzlepac's mergeWCS.
    skycell : str
        Name of a sky cell; empty where none is named.
    cell_scale : {"fine", "coarse"} or None
        Its pixels; None: as MAST has them for the detector.
    crop : bool
        Whether the mosaic is the part of the cell that exposures touch.
    shape : (int, int) or None
        Columns, rows; None where the file alone does not tell them.
    """

    like: str = ""
    only_image: bool = False
    grid: Grid | None = None
    choice: Mapping[str, Any] = field(default_factory=dict)
    skycell: str = ""
    cell_scale: Scale | None = None
    crop: bool = False
    shape: tuple[int, int] | None = None

    @staticmethod
    def of(drizzle: Drizzle, parameters: Mapping[str, Any]) -> GridRequest:
        """Return what a file asks.

        Parameters
        ----------
        drizzle : Drizzle
            The section of the file.
        parameters : mapping
            AstroDrizzle's, as far as they are known; those that the file sets among them.
        """
        section, given = drizzle.grid, drizzle.parameters
        own, usual = pars.grid_choice(given), pars.grid_choice(parameters)
        shape = known_shape(section, given)
        if isinstance(section, GridLike):
            return GridRequest(section.like)
        if isinstance(section, GridOfSkyCell):
            return GridRequest(skycell=section.skycell, cell_scale=section.scale, crop=section.crop)
        if isinstance(section, GridByMatrix):
            return GridRequest(
                grid=Grid.of_matrix(section.crval, section.crpix, section.cd, section.shape),
                shape=shape,
            )
        if isinstance(section, GridAround):
            sizes = {"scale": section.scale, "rot": section.rotation}
            choice = {
                **{
                    "ra": section.ra,
                    "dec": section.dec,
                    "outnx": section.columns,
                    "outny": section.rows,
                },
                **usual,
                **{name: value for name, value in sizes.items() if value is not None},
            }
            return GridRequest(choice=_off_the_pole(choice), shape=shape)
        places = {
            name.removeprefix("final_"): given[name]
            for name in PLACE
            if name != REFERENCE and given.get(name) is not None
        }
        if reference := str(given.get(REFERENCE) or ""):
            # The image tells the size and the angle of pixels, unless the user does.
            choice = _off_the_pole({**own, **places})
            return GridRequest(reference, True, choice=choice, shape=shape)
        return GridRequest(choice=_off_the_pole({**usual, **places}), shape=shape)

    @property
    def is_given(self) -> bool:
        """Whether the grid is the user's own, and not the one that holds the exposures."""
        named = self.like or self.skycell or self.grid is not None
        return bool(named or {"ra", "outnx", "crpix1"} & {*self.choice})


def _off_the_pole(choice: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is asked for with the reference pixel beside the pole; see `NEAREST_TO_POLE`."""
    dec = choice.get("dec")
    return {**choice, **({} if dec is None else {"dec": min(float(dec), NEAREST_TO_POLE)})}
