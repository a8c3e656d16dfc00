"""TweakReg in one call on whole drizzled images, and TweakBack, as a notebook runs them.

No code of this project is at work but its fix of the source finder: what the parts of an alignment
give is compared with this.

    python -m tests.tweakreg_whole FOLDER

`FOLDER/call.json` has ``files``, ``parameters`` and ``imagefind`` of TweakReg, and by drizzled
image its exposures as ``members``; the first image is the reference. All are changed in place.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from astropy.io import fits
from drizzlepac import tweakback, tweakreg

from skymosaic.drizzlepac_calls.finite_positions import leave_out_positions_without_a_number


def main() -> None:
    """Align the images in the folder that is given."""
    folder = Path(sys.argv[1])
    call = json.loads((folder / "call.json").read_text())
    os.chdir(folder)
    leave_out_positions_without_a_number()
    before = {name: _wcsname(name) for name in call["files"]}
    tweakreg.TweakReg(call["files"], imagefindcfg=call["imagefind"], **call["parameters"])
    for name in call["files"][1:]:
        tweakback.apply_tweak(
            f"{name}[sci,1]",
            orig_wcs_name=before[name],
            output_wcs_name=call["parameters"]["wcsname"],
            input_files=",".join(call["members"][name]),
        )


def _wcsname(name: str) -> str:
    return str(fits.getheader(name, "SCI")["WCSNAME"])


if __name__ == "__main__":
    main()
