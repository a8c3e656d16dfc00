"""Whole campaigns from pixels, aligned together to a synthetic Gaia, against the truth.

    python -m benchmarks.astrometry_pixels --seeds 10000 10001 10002 --size small

Each seed is a campaign: half of them WFC3/IR, half ACS/WFC, tiles of which some are observed ten
years after the others, stars that move by 5 mas/yr, a catalogue as Gaia would have it. The steps
are those of a run, up to the alignment. Of each exposure the offset of its WCS from the true one is
told, at points all over its chips: rms of its length, and that of their mean, in mas. Undersampled
pixels and the drizzle make errors of their own, which catalogues do not have.

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from skymosaic.archive.simulated.residuals import alignment_residuals
from skymosaic.archive.simulated.simulation import Simulation
from skymosaic.config import load_campaign_text
from skymosaic.errors import SkymosaicError
from skymosaic.pipeline import sources
from skymosaic.pipeline.graph import begin
from skymosaic.steps.execution import Here
from skymosaic.steps.place import Place
from skymosaic.store import LocalStore

TEXT = """
campaign: {{name: field}}
source: {{kind: directory, path: {folder}/files}}
align:
  solve: {solve}
  reference: {{kind: catalog, path: {folder}/gaia.ecsv, name: GAIA DR3}}
  on_failure: keep
  min_sources: 5
"""
MATCHES = 10
EPOCHS = (2012.0, 2022.5)
MOTION = 5.0  # mas/yr


def simulation_of(seed: int, size: str) -> Simulation:
    """Return what a seed's campaign is: an instrument, and tiles of two epochs."""
    infrared = seed % 2 == 0
    tiles = ("54", "51", "57", "53") if infrared else ("01", "02", "03")
    late = tiles[seed % len(tiles) :: 2]
    return Simulation(
        seed=seed,
        size=size,  # type: ignore[arg-type]
        tiles=tiles,
        scene="sparse",
        instrument="wfc3-ir" if infrared else "acs-wfc",
        motion=MOTION,
        epochs={tile: EPOCHS[tile in late] for tile in tiles},
    )


def measure(folder: Path, simulation: Simulation, solve: str) -> dict[str, Any]:
    """Simulate a campaign into a folder, align it, and return how far its exposures are off."""
    sources.simulate(folder / "files", simulation, lambda _: None)
    sources.write_gaia(folder / "gaia.ecsv", simulation, lambda _: None)
    text = TEXT.format(folder=folder, solve=solve)
    campaign = load_campaign_text(text, "field.yaml", {})
    (folder / "scratch").mkdir()
    place = Place(LocalStore(folder / "store"), campaign.name, folder / "scratch")
    source = sources.open_source(campaign.source)
    found: dict[str, Any] = {"seed": simulation.seed, "instrument": simulation.instrument}
    started = time.process_time()
    try:
        calls = Here()
        first = begin(calls, campaign, place, source, source.parcels())
        aligned = calls.result(first.aligned)
    except SkymosaicError as error:
        return {**found, "rows": [], "failed": [str(error)]}
    alignment = aligned.result.alignment
    rows = []
    for fit in alignment.fits:
        if alignment.status(fit) != "aligned":
            continue
        for rootname in alignment.members[fit.tile]:
            [path] = (folder / "store").rglob(f"aligned/**/{rootname}_fl?.fits")
            [truth] = (folder / "files").rglob(f"{rootname}_truth.json")
            away = np.concatenate(list(alignment_residuals(path, truth).values()))
            rms = float(np.sqrt((away**2).sum(axis=1).mean()))
            rows.append((rms, float(np.hypot(*away.mean(axis=0))), fit.matches, rootname))
    return {
        **found,
        "rows": rows,
        "failed": [f"{name} is not aligned" for name in alignment.kept],
        "seconds": time.process_time() - started,
    }


def main() -> None:
    """Measure each seed, and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--size", default="small", choices=("full", "small"))
    parser.add_argument("--solve", default="together", choices=("together", "in-order"))
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    results = []
    for seed in options.seeds:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            simulation = simulation_of(seed, options.size)
            results.append(measure(Path(folder), simulation, options.solve))
        rows = results[-1]["rows"]
        print(
            f"seed {seed}, {simulation.instrument}: {len(rows)} exposures aligned, rms (mean) "
            f"{[f'{rms:.1f} ({mean:.1f}) of {n}' for rms, mean, n, _ in rows]}, "
            f"failed {results[-1]['failed']}",
            flush=True,
        )
    enough = np.array([row[:2] for one in results for row in one["rows"] if row[2] >= MATCHES])
    summary: dict[str, Any] = {"exposures": len(enough), "solve": options.solve}
    if len(enough):
        summary["rms"] = float(np.sqrt((enough[:, 0] ** 2).mean()))
        summary["mean_offset_rms"] = float(np.sqrt((enough[:, 1] ** 2).mean()))
        summary["largest"] = float(enough[:, 0].max())
    print(json.dumps({**summary, "campaigns": results}))


if __name__ == "__main__":
    main()
