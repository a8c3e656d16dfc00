"""What one exposure more costs: CPU time of the drizzle of all, and of the same with one added.

    python benchmarks/update.py --exposures 125 --method localmin
    python benchmarks/update.py --exposures 125 --method match

A survey of small exposures (`survey.py`) is drizzled by engine onepass on a given grid, with
one sky method and no static mask: a mask of all exposures changes with each. Then there is one
exposure more. The calls of the graph are made in this process, one after the other, from plan to
mosaics; comparison, witness and positions of stars are left out. CPU time is that of this process
and of drizzlepac's. It prints which steps were made.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from survey import SCALE, SIDE, layout, write_survey

from skymosaic.archive.simulated.plane import deproject
from skymosaic.archive.simulated.proposal import field_center
from skymosaic.config import load_campaign
from skymosaic.drizzlepac_calls import process
from skymosaic.pipeline.graph import PreparedTasks, drizzle_each
from skymosaic.pipeline.groups import groups_of
from skymosaic.pipeline.places import open_place
from skymosaic.pipeline.plan import on_grid, plan
from skymosaic.pipeline.sources import open_source
from skymosaic.runs.mosaic import MosaicRun
from skymosaic.steps import step
from skymosaic.steps.execution import Here

TARGETS = {"localmin": 0.02, "match": 0.15}
"""The most that the second run may cost of the first."""


def campaign_of(folder: Path, data: Path, count: int, method: str) -> Path:
    """Write the campaign file: a grid that holds `count` exposures."""
    places = [(one.east, one.north) for one in layout(count)]
    (left, right), (low, high) = ((min(axis), max(axis)) for axis in zip(*places, strict=True))
    middle = np.array([(left + right) / 2, (low + high) / 2])
    ra, dec = (float(value) for value in deproject(middle, field_center()))
    sides = [round((b - a) / SCALE) + 2 * SIDE for a, b in ((left, right), (low, high))]
    grid = {"ra": ra, "dec": dec, "scale": SCALE, "columns": sides[0], "rows": sides[1]}
    values = {
        "campaign": {"name": "survey"},
        "source": {"kind": "directory", "path": str(data)},
        "store": {"uri": str(folder / "store")},
        "align": {"method": "none"},
        "sky": {"methods": [method], "static": "none"},
        "drizzle": {
            "engine": "onepass",
            "grid": grid,
            "max_output_megapixels": 5000,
            "parameters": {"final_bits": 64},
        },
        "compute": {"scratch": str(folder / "scratch")},
    }
    path = folder / "campaign.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def run(path: Path) -> dict[str, Any]:
    """Make all steps from plan to mosaics that are not finished; return what they cost."""
    campaign = load_campaign(path)
    place = open_place(campaign)
    source = open_source(campaign.source, place=place)
    (group,) = groups_of(campaign, source.parcels())
    mosaic, calls = MosaicRun.of(campaign, place, source, group), Here()
    first, _ = mosaic.begin(calls, lambda one: one)
    before = manifests(place.store.address(place.campaign))
    forked.clear()
    spent.clear()
    started = time.process_time()
    planned = plan(mosaic.place, mosaic.campaign, first.aligned)
    prepared = PreparedTasks(
        first.retrieved, first.inspected, on_grid(first.aligned, planned), planned
    )
    drizzle_each(calls, mosaic.campaign, mosaic.place, prepared)
    cpu = time.process_time() - started + sum(forked)
    after = manifests(place.store.address(place.campaign))
    made = Counter(name.split("/")[0] for name in after if before.get(name) != after[name])
    parts = {kind: round(seconds, 2) for kind, seconds in spent.most_common()}
    return {"cpu_s": round(cpu, 2), "by_step": parts, "steps_made": dict(made)}


def manifests(place: str) -> dict[str, int]:
    """Return when each step of a campaign was written, ns."""
    root = Path(place) / "manifests"
    return {
        one.relative_to(root).with_suffix("").as_posix(): one.stat().st_mtime_ns
        for one in root.rglob("*.json")
    }


forked: list[float] = []
"""CPU time of drizzlepac's processes, s."""
spent: Counter[str] = Counter()
"""That of steps by kind, with their drizzlepac, s."""


def watch() -> None:
    """Take down what drizzlepac's processes and steps cost from now on."""
    plain_call, plain_make = process.call, step._make

    def call(*arguments: Any) -> Any:
        done = plain_call(*arguments)
        forked.append(done.cpu)
        return done

    def make(place: Any, one: Any, *rest: Any) -> Any:
        before = time.process_time() + sum(forked)
        try:
            return plain_make(place, one, *rest)
        finally:
            spent[one.name.split("/")[0]] += time.process_time() + sum(forked) - before

    process.call, step._make = call, make


def main() -> None:
    """Measure both runs, and say whether the target was met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--exposures", type=int, default=125)
    parser.add_argument("--method", default="localmin")
    options = parser.parse_args()
    watch()
    with tempfile.TemporaryDirectory(prefix="update-") as temporary:
        folder = Path(temporary)
        data = folder / "data"
        path = campaign_of(folder, data, options.exposures + 1, options.method)
        (folder / "scratch").mkdir()
        process.call("versions", folder, {}, folder / "call.log")  # it has been imported
        results = []
        for count in (options.exposures, options.exposures + 1):
            write_survey(data, count)
            results.append(run(path))
            print(json.dumps({"exposures": count, **results[-1]}), flush=True)
    share = results[1]["cpu_s"] / results[0]["cpu_s"]
    target = TARGETS.get(options.method)
    print(
        json.dumps(
            {
                "method": options.method,
                "exposures": options.exposures,
                "results": results,
                "share": round(share, 4),
                "target": target,
            }
        )
    )


if __name__ == "__main__":
    main()
