"""What one exposure more costs: CPU time of the drizzle of all, and of the same with one added.

    python benchmarks/update.py --exposures 125 --method localmin
    python benchmarks/update.py --exposures 125 --method match
    python benchmarks/update.py --exposures 1000 --method match --run

A survey of small exposures (`survey.py`) is drizzled by engine onepass on a given grid, with
one sky method and no static mask: a mask of all exposures changes with each. Then there is one
exposure more. The calls of the graph are made in this process, one after the other, from plan to
mosaics; comparison, witness and positions of stars are left out. CPU time is that of this process
and of drizzlepac's. It prints which steps were made.

With `--run` the same is done by `skymosaic run`, from the exposures to the report. CPU time is then
that of all its processes from start to end, less the wall time of the steps of the comparison, each
of which has a core of its own where nothing else runs. Then all is made from scratch in another
store, and the products are compared byte for byte.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scale import adopt_orphans, cpu_of_children, wait_for_orphans
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
COMPARED = {"comparison", "evidence", "figures", "levels"}
"""How the names of the steps of the comparison begin."""


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


def run_all(path: Path, store: Path) -> dict[str, Any]:
    """Run the campaign as its user does; return what it cost."""
    place = store / "survey"
    before, used = manifests(str(place)), cpu_of_children()
    started = time.monotonic()
    command = [
        sys.executable,
        "-m",
        "skymosaic",
        "--quiet",
        "run",
        str(path),
        "--store",
        str(store),
    ]
    with (path.parent / "run.log").open("a") as log:
        code = subprocess.run(command, stdout=log, stderr=log).returncode
    wall = time.monotonic() - started
    wait_for_orphans()
    if code:
        raise SystemExit(f"the run failed:\n{(path.parent / 'run.log').read_text()}")
    cpu = cpu_of_children() - used
    after = manifests(str(place))
    new = [name for name in after if before.get(name) != after[name]]
    compared = sum(
        json.loads((place / "manifests" / f"{name}.json").read_text())["seconds"]
        for name in new
        if name.split("/")[0] in COMPARED
    )
    made = Counter(name.split("/")[0] for name in new)
    return {
        "cpu_s": round(cpu - compared, 2),
        "cpu_of_all_s": round(cpu, 2),
        "comparison_s": round(compared, 2),
        "wall_s": round(wall, 1),
        "steps_made": dict(made),
    }


def products(place: Path) -> dict[str, str]:
    """Return the SHA-256 of all products but those of the comparison, which has times in it."""
    found = {}
    for path in (place / "manifests").rglob("*.json"):
        manifest = json.loads(path.read_text())
        if manifest["step"].split("/")[0] not in COMPARED:
            found |= {each["key"]: each["sha256"] for each in manifest["products"].values()}
    return {key: sha256 for key, sha256 in found.items() if not key.endswith(".log")}


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
    parser.add_argument("--run", action="store_true", help="by `skymosaic run`, all of it")
    parser.add_argument("--folder", type=Path, help="for everything; default: TMPDIR")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="update-", dir=options.folder) as temporary:
        folder = Path(temporary)
        (folder / "scratch").mkdir()
        path = campaign_of(folder, folder / "data", options.exposures + 1, options.method)
        measure = _measure_runs if options.run else _measure_steps
        results, same = measure(path, options.exposures)
    share = results[1]["cpu_s"] / results[0]["cpu_s"]
    print(
        json.dumps(
            {
                "method": options.method,
                "exposures": options.exposures,
                "results": results,
                "share": round(share, 4),
                "target": TARGETS.get(options.method),
                "same_bytes": same,
            }
        )
    )


def _measure_steps(path: Path, count: int) -> tuple[list[dict[str, Any]], None]:
    """Measure both runs in this process."""
    folder = path.parent
    watch()
    process.call("versions", folder, {}, folder / "call.log")  # it has been imported
    results = []
    for exposures in (count, count + 1):
        write_survey(folder / "data", exposures)
        results.append(run(path))
        print(json.dumps({"exposures": exposures, **results[-1]}), flush=True)
    return results, None


def _measure_runs(path: Path, count: int) -> tuple[list[dict[str, Any]], bool]:
    """Measure both runs as whole ones; tell whether a third, from scratch, makes the same."""
    folder = path.parent
    adopt_orphans()
    results = []
    for exposures, store in ((count, "store"), (count + 1, "store"), (count + 1, "scratch-store")):
        write_survey(folder / "data", exposures)
        results.append(run_all(path, folder / store))
        print(json.dumps({"exposures": exposures, **results[-1]}), flush=True)
    found, wanted = (products(folder / one / "survey") for one in ("store", "scratch-store"))
    others = sorted(key for key in found | wanted if found.get(key) != wanted.get(key))
    print(f"{len(wanted)} products from scratch, {len(others)} of them others: {others[:5]}")
    return results, not others


if __name__ == "__main__":
    main()
