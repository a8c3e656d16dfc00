"""Files of exposures in a folder, opened one after the other for work on their chips."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from astropy.io import fits

from skymosaic.hst.exposure import Chip, Exposure


def opened_chips(
    folder: Path, exposures: Iterable[Exposure], *, update: bool = False
) -> Iterator[tuple[Exposure, Chip, fits.HDUList]]:
    """Yield each chip of some exposures with the open file that it is in.

    A file is closed before the next one is opened.

    Parameters
    ----------
    folder : Path
        Holds the exposures.
    exposures : iterable of Exposure
        Which.
    update : bool
        Whether what is changed is written to the file.
    """
    mode = "update" if update else "readonly"
    for exposure in exposures:
        with fits.open(folder / exposure.name, mode=mode, memmap=False) as hdus:
            for chip in exposure.chips:
                yield exposure, chip, hdus
