"""How a run grows with the exposures: time of each stage, memory, messages, sizes of what it keeps.

    python benchmarks/scale.py                              # 125 and 1,000 exposures
    python benchmarks/scale.py --sizes 1000 10000 --folder FOLDER

A survey of small exposures (`survey.py`) is mosaicked by engine onepass with six methods on a grid
with north up, without alignment, by `skymosaic run`. The times are those of the run's own record;
a stage is a kind of steps, with the time of all its steps together, and from the start of the first
to the end of the last. The driver has the Dask scheduler in its process, as on every one machine.

Growth is that of a stage's summed time from the smaller to the larger of two sizes, as a power of
ten: at most 12 for ten times as many. All lies below `--folder`, else TMPDIR: 6 MB an exposure. Its
exposures are removed as soon as the run has copied them, and what it has made before the next size
begins; with `--keep` both stay. Every minute a line tells how far the run is.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from survey import write_survey

from skymosaic.host import limits
from skymosaic.methods import METHODS, OWN

MB = 1e6
GROWTH = 12.0
"""The most that a stage's time may grow for ten times as many exposures."""
CPU_GROWTH = 1.1
"""The most that the CPU time of an exposure may grow from the first size to the second."""
DRIVER_MB = 1000
WALL = {1000: 250.0, 10_000: 3600.0}
"""Seconds."""
_PRELOAD = Path(__file__).with_name("watched_scheduler.py").resolve()
_SET_CHILD_SUBREAPER = 36  # of Linux' prctl
_PROGRESS = 60.0  # s
_LEAST = 2.0  # s: of a stage that is shorter growth tells nothing


def campaign_of(folder: Path, data: Path, name: str, settings: dict[str, Any]) -> Path:
    """Write the campaign file of one size."""
    values: dict[str, Any] = {
        "campaign": {"name": name},
        "source": {"kind": "directory", "path": str(data)},
        "store": {"uri": str(folder / "store")},
        "align": {"method": "none"},
        "sky": {"methods": [*METHODS, *OWN]},
        "drizzle": {
            "engine": "onepass",
            "max_output_megapixels": 5000,
            "parameters": {"final_rot": 0, "final_bits": 64},
        },
        "compute": {"workers": limits.cores(), "scratch": str(folder / "scratch")},
    }
    for text, value in settings.items():
        *sections, key = text.split(".")
        at = values
        for section in sections:
            at = at.setdefault(section, {})
        at[key] = yaml.safe_load(value)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def measure(
    folder: Path, count: int, settings: dict[str, Any], *, keep: bool = True
) -> dict[str, Any]:
    """Run the campaign of one size, and return what it took; `keep`: exposures stay there."""
    data, name = folder / f"data-{count}", f"survey-{count}"
    written = write_survey(data, count)
    print(f"{count} exposures written in {written:.0f} s", flush=True)
    shutil.rmtree(folder / "store" / name, ignore_errors=True)
    (folder / "scratch").mkdir(exist_ok=True)
    config = campaign_of(folder, data, name, settings)
    watched = folder / f"{name}.json"
    environment = {
        "DASK_DISTRIBUTED__SCHEDULER__PRELOAD": str(
            Path(__file__).with_name("watched_scheduler.py")
        ),
        "WATCHED_SCHEDULER": str(watched),
    }
    before, started = cpu_of_children(), time.monotonic()
    command = [sys.executable, "-m", "skymosaic", "--quiet", "run", str(config)]
    with (folder / f"{name}.log").open("w") as log:
        driver = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=log, stderr=log
        )
        peak, told = 0, started
        while driver.poll() is None:
            peak = max(peak, _peak(driver.pid))
            if time.monotonic() - told > _PROGRESS:
                told = time.monotonic()
                print(progress_of(folder / "store" / name, told - started, peak), flush=True)
                if not keep and _has_all(folder / "store" / name, count):
                    shutil.rmtree(data, ignore_errors=True)
            time.sleep(0.5)
    wall = time.monotonic() - started
    wait_for_orphans()
    cpu = cpu_of_children() - before
    if driver.returncode:
        raise SystemExit(f"the run failed; see {folder / name}.log")
    place = folder / "store" / name
    seen = json.loads(watched.read_text())
    return {
        "exposures": count,
        "wall_s": round(wall, 1),
        "cpu_s": round(cpu, 1),
        "cpu_s_an_exposure": round(cpu / count, 4),
        "driver_peak_mb": round(peak / MB),
        "tasks": len(seen["tasks"]),
        "message_mb": {way: round(size / MB, 2) for way, size in seen["messages"].items()},
        "stages": stages_of(place),
        "sizes_mb": sizes_of(place),
        "writing_s": round(written, 1),
    }


def progress_of(place: Path, seconds: float, peak: int) -> str:
    """Return a line on how far a run is: finished steps by kind, driver's memory, free disk."""
    kinds = sorted((place / "manifests").iterdir()) if (place / "manifests").is_dir() else []
    steps = ", ".join(
        f"{kind.name} {sum(1 for _ in os.scandir(kind))}" if kind.is_dir() else kind.stem
        for kind in kinds
    )
    free = shutil.disk_usage(place.parent if place.parent.exists() else "/").free
    return (
        f"  {seconds:.0f} s: {steps or 'no step yet'}; driver {peak / MB:.0f} MB, "
        f"{free / 1e9:.0f} GB free"
    )


def _has_all(place: Path, count: int) -> bool:
    """Tell whether a run has copied all exposures: it does not look at their folder again."""
    copied = place / "manifests" / "pristine"
    return copied.is_dir() and sum(1 for _ in os.scandir(copied)) >= count


def clean(folder: Path, count: int) -> None:
    """Remove the exposures of a size and what its campaign made; its record and log stay."""
    shutil.rmtree(folder / f"data-{count}", ignore_errors=True)
    shutil.rmtree(folder / "store" / f"survey-{count}", ignore_errors=True)


def stages_of(place: Path) -> dict[str, dict[str, float]]:
    """Return the stages of a run by its record: steps, their summed time, from start to end, s."""
    record = json.loads(max((place / "records").glob("*.json")).read_text())
    found: dict[str, list[tuple[float, float]]] = {}
    for name, step in record["steps"].items():
        start = datetime.fromisoformat(str(step["started"])).timestamp()
        found.setdefault(name.split("/")[0], []).append((start, float(step["seconds"])))
    return {
        kind: {
            "steps": len(times),
            "summed_s": round(sum(seconds for _, seconds in times), 2),
            "span_s": round(max(s + t for s, t in times) - min(s for s, _ in times), 1),
            "peak_mb": round(
                max(
                    float(step["peak_memory"])
                    for name, step in record["steps"].items()
                    if name.split("/")[0] == kind
                )
                / MB
            ),
        }
        for kind, times in found.items()
    }


def sizes_of(place: Path) -> dict[str, float]:
    """Return the sizes of what a run writes of itself, MB."""
    manifests = sorted((place / "manifests").rglob("*.json"), key=lambda path: path.stat().st_size)
    return {
        "manifests": round(sum(path.stat().st_size for path in manifests) / MB, 2),
        "largest_manifest": round(manifests[-1].stat().st_size / MB, 2),
        "record": round(max((place / "records").glob("*.json")).stat().st_size / MB, 2),
        "report": round((place / "comparison" / "report.html").stat().st_size / MB, 2),
    }


def adopt_orphans() -> None:
    """Become the parent of what a run leaves: nobody waits for the server that forks workers.

    Only what was waited for counts in the CPU time of children.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def wait_for_orphans() -> None:
    """Wait until all that was started here has ended."""
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def cpu_of_children() -> float:
    """Return the CPU time of all that was started here and has ended, s."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _peak(pid: int) -> int:
    """Return the largest resident set of a process so far, bytes; 0 where it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = (line.split() for line in status.splitlines() if line.startswith("VmHWM"))
    return next((int(line[1]) * 1024 for line in lines), 0)


def growth_of(small: dict[str, Any], large: dict[str, Any]) -> dict[str, float]:
    """Return by how much each stage grew for ten times as many exposures."""
    tens = math.log10(large["exposures"] / small["exposures"])
    found = {}
    for kind, stage in large["stages"].items():
        before = small["stages"].get(kind)
        if before and before["summed_s"] > 0 and stage["summed_s"] >= _LEAST:
            found[kind] = round((stage["summed_s"] / before["summed_s"]) ** (1 / tens), 2)
    return found


def missed_by(results: list[dict[str, Any]], growth: dict[str, float]) -> list[str]:
    """Return the targets that were missed, a line each."""
    missed = [
        f"{kind} grew by {times} for ten times as many, at most {GROWTH:g}"
        for kind, times in growth.items()
        if times > GROWTH
    ]
    first = results[0]["cpu_s_an_exposure"]
    for one in results:
        count = one["exposures"]
        if one["cpu_s_an_exposure"] > CPU_GROWTH * first:
            missed.append(
                f"{one['cpu_s_an_exposure']} s of CPU an exposure at {count}, {first} at "
                f"{results[0]['exposures']}: at most {CPU_GROWTH} of that"
            )
        if one["driver_peak_mb"] > DRIVER_MB:
            missed.append(f"the driver took {one['driver_peak_mb']} MB at {count}")
        if count in WALL and one["wall_s"] > WALL[count]:
            missed.append(f"{count} exposures took {one['wall_s']} s, at most {WALL[count]:g}")
    return missed


def main() -> None:
    """Measure each size, print a table, and say which targets were missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[125, 1000])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--keep", action="store_true", help="exposures and stores stay there")
    parser.add_argument("--set", nargs=2, action="append", default=[], metavar=("KEY", "VALUE"))
    options = parser.parse_args()
    load = os.getloadavg()[0]
    adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="scale-") as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        results = []
        for count in sorted(options.sizes):
            results.append(measure(folder, count, dict(options.set), keep=options.keep))
            print_one(results[-1])
            if not options.keep:
                clean(folder, count)
    growth = growth_of(results[-2], results[-1]) if len(results) > 1 else {}
    for kind, times in growth.items():
        print(f"growth {kind:<12} {times:6.2f} for ten times as many exposures")
    missed = missed_by(results, growth)
    for line in missed:
        print(f"MISSED: {line}")
    print(
        json.dumps(
            {
                "results": results,
                "growth": growth,
                "missed": missed,
                "cores": limits.cores(),
                "load_before": round(load, 1),
            }
        )
    )


def print_one(result: dict[str, Any]) -> None:
    """Print what one size took."""
    rest = {key: value for key, value in result.items() if key != "stages"}
    print(json.dumps(rest), flush=True)
    for kind, stage in result["stages"].items():
        print(
            f"  {kind:<12} {stage['steps']:6} steps {stage['summed_s']:9.1f} s summed "
            f"{stage['span_s']:8.1f} s from start to end, peak {stage['peak_mb']:.0f} MB",
            flush=True,
        )


if __name__ == "__main__":
    main()
