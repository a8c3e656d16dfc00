"""What the steps of engine onepass cost on full frames, from plan to mosaics, by their kinds.

    python benchmarks/steps.py --dithers 2 --folder FOLDER     # 18 exposures; keeps them

The calls of the graph are made in this process, one after the other; CPU time is that of this
process and of drizzlepac's. Four sky methods, no alignment; comparison and witness are left out.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import yaml
from four_methods import CHOICE, kept_exposures
from update import run, watch

from skymosaic.drizzlepac_calls import process


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dithers", type=int, default=2, help="exposures of each of the 9 tiles")
    parser.add_argument("--folder", type=Path, help="keeps the simulated exposures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="steps-") as name:
        folder = Path(name)
        data, names = kept_exposures(options.folder or folder, options.dithers)
        path = folder / "campaign.yaml"
        values = {
            "campaign": {"name": "steps"},
            "source": {"kind": "directory", "path": str(data)},
            "store": {"uri": str(folder / "store")},
            "align": {"method": "none"},
            "drizzle": {"engine": "onepass", "parameters": CHOICE},
            "compute": {"scratch": str(folder / "scratch")},
        }
        path.write_text(yaml.safe_dump(values))
        (folder / "scratch").mkdir()
        process.call("versions", folder, {}, folder / "call.log")  # it has been imported
        watch()
        found = run(path)
    for kind, seconds in found["by_step"].items():
        print(f"{kind:<12} {found['steps_made'][kind]:5} steps {seconds:8.2f} s")
    print(json.dumps({"exposures": len(names), **found}))


if __name__ == "__main__":
    main()
