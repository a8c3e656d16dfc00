"""What drizzlepac's own cell_utils says of exposures: run as a program, for its imports take long.

``python -m tests.skycell_witness < JSON``: a list of [detector, RA, Dec, roll]; one JSON line each.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from skymosaic.drizzlepac_calls.skypac_polygons import give_back


def grid(cell: Any) -> dict[str, Any]:
    """Return the WCS and the shape of one of drizzlepac's SkyCells."""
    wcs = cell.wcs.wcs
    return {
        "crval": [float(value) for value in wcs.crval],
        "crpix": [float(value) for value in wcs.crpix],
        "cd": [[float(value) for value in row] for row in wcs.cd],
        "shape": [int(value) for value in cell.wcs.pixel_shape],
        "ctype": list(wcs.ctype),
    }


def main() -> None:
    """Answer what standard input asks."""
    give_back()
    from drizzlepac.haputils import cell_utils

    from tests.pointed_frames import write_pointed

    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for number, (detector, *place) in enumerate(json.load(sys.stdin)):
            name = f"i{number:05d}aq"
            start = time.monotonic()
            path = write_pointed(Path(folder), name, detector, tuple(place))
            try:
                found = cell_utils.get_sky_cells([path.name])
            except Exception as error:
                print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
                continue
            cells = {
                name: {
                    "fine": grid(cell),
                    "coarse": grid(cell_utils.SkyCell.from_name(name, scale="coarse")),
                }
                for name, cell in found.items()
            }
            seconds = time.monotonic() - start
            print(json.dumps({"cells": cells, "seconds": seconds}), flush=True)
            path.unlink()


if __name__ == "__main__":
    main()
