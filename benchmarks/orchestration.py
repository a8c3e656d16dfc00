"""What it costs to hand out work: independent steps on four workers, and the driver's memory.

Steps are the project's own (`run_step` with events, slots, a manifest in a store), on worker
processes of this machine; what they do is to sleep, or nothing. The driver's memory is that of a
process that retrieves 1,000 or 10,000 exposures of no pixels, with the Dask scheduler in it, as
`skymosaic run` on one machine has it.

    python benchmarks/orchestration.py            # all of it, minutes
    python benchmarks/orchestration.py --steps 1000 --exposures 100 1000

The last line is one JSON object with the figures, the targets, and the load of the machine before:
where others use its cores, the figures tell of them, too.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from distributed import Client

from skymosaic import clusters
from skymosaic.archive.base import Parcel
from skymosaic.config import Campaign, Compute
from skymosaic.host import limits
from skymosaic.journal.runs import both
from skymosaic.pipeline import graph as pipeline
from skymosaic.pipeline.places import open_place
from skymosaic.runs.supervision import locked, recorded, workers
from skymosaic.steps import execution, progress
from skymosaic.steps.execution import OnWorkers
from skymosaic.steps.step import Bench, Place, run_step
from skymosaic.steps.tasks import Step, Task
from skymosaic.store import LocalStore

WORKERS = 4
SLEEPERS = 200
TARGETS = {"sleeping_to_ideal": 0.9, "empty_task_ms": 2.0, "driver_peak_mb": 1000}
MB = 1_000_000


def sleeper(place: Place, seconds: float, number: int) -> str:
    """Sleep as a step of the project, with its events, its slot and its manifest."""

    def work(_bench: Bench) -> dict[str, int]:
        with execution.slot(f"{place.topic}-bench", WORKERS):
            time.sleep(seconds)
        return {}

    name = f"sleep/{number:06d}"
    step, tasks = Step(name, dict[str, int], name), [Task("retrieve", name)]
    done = run_step(place, step, tasks=tasks, inputs={}, parameters={}, versions={}, work=work)
    return done.key


def empty(topic: str, number: int) -> int:
    """Do nothing, and tell the events of it."""
    with progress.task(f"empty {number}", topic):
        return number


def identity(number: int) -> int:
    """Do nothing, as Dask alone does it."""
    return number


def total(parts: list[Any]) -> int:
    """Gather what tasks returned, on a worker."""
    return len(parts)


@dataclass(frozen=True)
class Cost:
    """What a number of tasks took, a task."""

    wall: float
    """s"""
    cpu: float
    """Of driver, scheduler and workers together, s; of others' load it tells little."""


def timed(client: Client, work: Callable[[int], Any], numbers: range) -> Cost:
    """Run a task for each number and gather them; return what they cost."""
    started, before, calls = time.monotonic(), _cpu(), OnWorkers(client)
    tasks = calls.each(work, numbers)
    assert execution.result_of(calls.call(total, tasks)) == len(numbers)
    wall, cpu = time.monotonic() - started, _cpu() - before
    return Cost(wall / len(numbers), cpu / len(numbers))


def _cpu() -> float:
    """Return the CPU time of this process and all that it started, s."""
    me = psutil.Process()
    times = [process.cpu_times() for process in (me, *me.children(recursive=True))]
    return sum(time_.user + time_.system for time_ in times)


def median(costs: list[Cost]) -> Cost:
    """Return the median of what repeats cost."""
    return Cost(
        statistics.median(cost.wall for cost in costs),
        statistics.median(cost.cpu for cost in costs),
    )


def measure_steps(folder: Path, count: int, repeats: int) -> dict[str, Any]:
    """Measure sleeping steps, tasks without work and steps without work.

    Tasks without work alternate with those of Dask alone.
    """
    heard: list[Any] = []
    place = Place(LocalStore(folder / "store"), "bench", folder / "scratch")
    place = replace(place, topic=f"{place.topic}-bench")
    with clusters.client(Compute(workers=WORKERS, scratch=folder / "scratch"), WORKERS) as client:
        client.subscribe_topic(place.topic, heard.append)
        # Imports, connections.
        timed(client, partial(sleeper, place, 0.0), range(2 * 10**6, 2 * 10**6 + 4 * WORKERS))
        slept = timed(client, partial(sleeper, place, 1.0), range(SLEEPERS))
        bares, nothings = [], []
        for _ in range(repeats):
            bares.append(timed(client, identity, range(count)))
            nothings.append(timed(client, partial(empty, place.topic), range(count)))
            print(f"a task: {bares[-1]} of Dask alone, {nothings[-1]} with events", flush=True)
        bare, nothing = median(bares), median(nothings)
        stepped = timed(client, partial(sleeper, place, 0.0), range(10**6, 10**6 + count))
    ideal = 1.0 / WORKERS
    return {
        "sleeping_s": round(slept.wall * SLEEPERS, 2),
        "sleeping_to_ideal": round(ideal / slept.wall, 3),
        "bare_dask_task_ms": round(bare.wall * 1000, 3),
        "bare_dask_task_cpu_ms": round(bare.cpu * 1000, 3),
        "empty_task_ms": round(nothing.wall * 1000, 3),
        "empty_task_cpu_ms": round(nothing.cpu * 1000, 3),
        "empty_tasks_ms": [round(cost.wall * 1000, 3) for cost in nothings],
        "empty_to_bare": round(nothing.wall / bare.wall, 3),
        "empty_step_with_manifest_ms": round(stepped.wall * 1000, 3),
        "empty_step_with_manifest_cpu_ms": round(stepped.cpu * 1000, 3),
        "events_heard": len(heard),
    }


@dataclass(frozen=True)
class NoPixels:
    """A source of exposures without files."""

    count: int
    left_out: list[str] = field(default_factory=list)

    def parcels(self) -> list[Parcel]:
        """Return what there is."""
        return [Parcel(f"e{i:08d}", {"number": i}, {}) for i in range(self.count)]

    def fetch(self, parcel: Parcel, folder: Path, log: Path) -> int:
        """Fetch nothing."""
        return 0


def drive(count: int) -> None:
    """Retrieve exposures of no pixels as a run does; print the largest resident set, bytes."""
    with tempfile.TemporaryDirectory(prefix="orchestration-") as name:
        folder = Path(name)
        campaign = Campaign.model_validate(
            {
                "campaign": {"name": "many"},
                "source": {"kind": "simulated"},
                "store": {"uri": str(folder / "store")},
                "compute": {"workers": 2, "scratch": folder / "scratch"},
            }
        )
        place, source = open_place(campaign), NoPixels(count)
        events: list[int] = [0]

        def hear(_event: Any) -> None:
            events[0] += 1

        started = time.monotonic()
        with (
            locked(place, "run") as held,
            recorded(place, campaign, held) as recorder,
            workers(campaign, place, both(hear, recorder.tell), count) as client,
        ):
            calls = OnWorkers(client)
            tasks = pipeline.retrieve_each(calls, campaign, place, source, source.parcels())
            execution.wait_for_all(tasks)
            assert execution.result_of(calls.call(total, tasks)) == count
            seconds = time.monotonic() - started
        peak = _peak()
        record = next((folder / "store" / "many" / "records").iterdir()).stat().st_size
    driver = {"peak": peak, "seconds": round(seconds, 1), "events": events[0], "record": record}
    print(json.dumps(driver))


def _peak() -> int:
    """Return the largest resident set of this process, bytes.

    getrusage would tell that of the process that started this one, where that was larger.
    """
    status = Path("/proc/self/status").read_text()
    return next(int(s.split()[1]) * 1024 for s in status.splitlines() if s.startswith("VmHWM"))


def measure_drivers(counts: list[int]) -> dict[str, Any]:
    """Measure the driver's memory for several numbers of exposures."""
    found: dict[str, Any] = {}
    for count in counts:
        done = subprocess.run(
            [sys.executable, __file__, "--drive", str(count)],
            capture_output=True,
            text=True,
            check=True,
        )
        driver = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{count} exposures: driver's peak {driver['peak'] / MB:.0f} MB, {driver}", flush=True
        )
        found[str(count)] = {"peak_mb": round(driver["peak"] / MB), "seconds": driver["seconds"]}
    return found


def main() -> None:
    """Measure, print, and say which targets were missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--exposures", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--drive", type=int)
    given = parser.parse_args()
    if given.drive is not None:
        drive(given.drive)
        return
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="orchestration-") as name:
        figures: dict[str, Any] = measure_steps(Path(name), given.steps, given.repeats)
    print(figures, flush=True)
    drivers = measure_drivers(given.exposures)
    few, many = str(min(given.exposures)), str(max(given.exposures))
    figures["driver_peak_mb"] = drivers[many]["peak_mb"]
    figures["driver_kb_an_exposure"] = round(
        (drivers[many]["peak_mb"] - drivers[few]["peak_mb"]) * 1000 / max(1, int(many) - int(few)),
        2,
    )
    missed = [
        name
        for name, target in TARGETS.items()
        if (figures[name] < target if name == "sleeping_to_ideal" else figures[name] > target)
    ]
    for name in missed:
        print(f"MISSED: {name} is {figures[name]}, the target {TARGETS[name]}")
    results = {
        "figures": figures,
        "drivers": drivers,
        "targets": TARGETS,
        "missed": missed,
        "steps": given.steps,
        "workers": WORKERS,
        "cores": limits.cores(),
        "load_before": round(load, 1),
    }
    print(json.dumps(results))


if __name__ == "__main__":
    main()
