"""Many small files from a stand-in for MAST with latency: ours against astroquery's own way.

astroquery's `download_products` fetches one file after the other. Ours is `skymosaic inspect` with
``source.downloads`` at once: the start of the workers, the query, the downloads with their checks,
a manifest for each file, the tables. Both ask the same stand-in, one after the other.

    python benchmarks/downloads.py                      # 500 files, 50 ms a request, 8 at once

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from astropy.io import fits

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

from tests.mast_standin import Archive, configuration, mast_standin  # noqa: E402

TARGET = 6.0
"""Least ratio of times, astroquery's to ours."""
ASTROQUERY = """
import sys
from astroquery.mast import Observations
found = Observations.query_criteria(obs_collection="HST", proposal_id="12812", filters="F160W")
products = Observations.get_product_list(found)
products = Observations.filter_products(
    products, productSubGroupDescription=["FLT", "DRZ"], project="CALWF3"
)
Observations.download_products(products, download_dir=sys.argv[1], verbose=False)
"""


def make_archive(folder: Path, count: int) -> Archive:
    """Fill an archive with exposures cut to a few pixels, each under a name of its own."""
    subprocess.run(
        [sys.executable, "-m", "skymosaic.cli", "simulate", str(folder / "one"),
         "--size", "small", "--tile", "54"],
        check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    whole = folder / "one" / "ibxl54bgq_flt.fits"
    paths = []
    with fits.open(whole) as hdus:
        for hdu in hdus[1:]:
            if hdu.data is not None:
                hdu.data = hdu.data[:16, :16].copy()
        for number in range(count):
            name = f"ib{number:05d}aq"
            hdus[0].header["ROOTNAME"] = name.upper()
            hdus[0].header["FILENAME"] = f"{name}_flt.fits"
            paths.append(folder / f"{name}_flt.fits")
            hdus.writeto(paths[-1])
        header = hdus[0].header
    archive = Archive()
    archive.add(paths, header, "HORSEHEAD", (85.25, -2.45))
    return archive


def fetch_ours(folder: Path, environment: dict[str, str], downloads: int) -> float:
    """Fetch with skymosaic; return the time in s."""
    (folder / "many.yaml").write_text(
        yaml.safe_dump(
            {
                "campaign": {"name": "many"},
                "source": {"kind": "mast", "proposal_id": ["12812"], "filters": ["F160W"],
                           "download": "mast", "downloads": downloads, "max_files": 100000},
            }
        )
    )  # fmt: skip
    return timed(
        [sys.executable, "-m", "skymosaic.cli", "-q", "inspect", str(folder / "many.yaml"),
         "--store", str(folder / "store")],
        environment,
    )  # fmt: skip


def timed(command: list[str], environment: dict[str, str]) -> float:
    """Run a command; return its time in s."""
    started = time.monotonic()
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{command[:4]} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return time.monotonic() - started


def main() -> None:
    """Measure both sides, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--latency", type=float, default=0.05, help="s before each answer")
    parser.add_argument("--downloads", type=int, default=8, help="files at once")
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    times: dict[str, list[float]] = {"astroquery": [], "skymosaic": []}
    with tempfile.TemporaryDirectory(prefix="downloads-") as name:
        folder = Path(name)
        archive = make_archive(folder, options.files)
        archive.latency = options.latency
        with mast_standin(archive) as url:
            environment = configuration(folder / "home", url)
            for _ in range(options.repeats):
                archive.most_at_once = 0
                times["skymosaic"].append(fetch_ours(folder, environment, options.downloads))
                most = archive.most_at_once
                shutil.rmtree(folder / "store")
                times["astroquery"].append(
                    timed([sys.executable, "-c", ASTROQUERY, str(folder / "theirs")], environment)
                )
                shutil.rmtree(folder / "theirs")
                print({side: round(values[-1], 1) for side, values in times.items()}, flush=True)
    median = {side: statistics.median(values) for side, values in times.items()}
    ratio = median["astroquery"] / median["skymosaic"]
    print(
        json.dumps(
            {
                "files": options.files,
                "latency_s": options.latency,
                "wall_s": {side: round(value, 1) for side, value in median.items()},
                "ratio": round(ratio, 2),
                "target_ratio": TARGET,
                "target_met": ratio >= TARGET,
                "most_connections_at_once": most,
                "allowed_at_once": options.downloads,
            }
        )
    )


if __name__ == "__main__":
    main()
