"""What a graph would gain from many workers: Dask runs it again, with tasks that only sleep.

    python benchmarks/scale.py --sizes 1000 --folder FOLDER
    python benchmarks/replay.py FOLDER/survey-1000.json [MORE ...] --workers 32
    python benchmarks/replay.py FOLDER/survey-1000.json --plan     # without Dask, at once

A file is what `watched_scheduler.py` wrote of a run: each task with what it waited for, the time
that it computed (with what it fetched from the store), the bytes of what it gave, and its priority.
The replay gives the same graph to Dask's own scheduler with so many worker processes; a task sleeps
for its time and gives as many bytes. The workers share this machine's cores: what Dask itself
costs them is measured too high. `--stretch 3` makes all times three times as long, and that share
a third.

Speed-up is the sum of the times over the time of the replay. Ideal is the number of workers; no
graph beats the sum over its longest chain, which is shown beside it, with the ten tasks of it that
take longest. `--plan` computes what workers without any cost would take that always begin the first
task, by priority, that waits for nothing. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster, wait

from skymosaic.clusters.local import DASK_SETTINGS

TARGET = 0.75
"""Of the ideal speed-up."""
_LISTED = 10  # tasks of the longest chain
_SAME_TIME = "1h"  # all are submitted within it: priorities are those of the order

Tasks = Mapping[str, Mapping[str, Any]]


def sleep(seconds: float, size: int, _before: list[bytes]) -> bytes:
    """Sleep, and give as many bytes as the task gave."""
    time.sleep(seconds)
    return random.randbytes(size)


def in_order(tasks: Tasks) -> list[str]:
    """Return the keys by priority, each after those that it waits for."""
    found: dict[str, None] = {}
    for key in sorted(tasks, key=lambda one: tasks[one]["priority"]):
        stack = [key]
        while stack:
            top = stack[-1]
            missing = [one for one in tasks[top]["after"] if one in tasks and one not in found]
            if missing:
                stack += missing
            else:
                found[stack.pop()] = None
    return list(found)


def longest_chain(tasks: Tasks, order: list[str]) -> list[str]:
    """Return the tasks that wait for each other and take longest together."""
    ends: dict[str, float] = {}
    before: dict[str, str | None] = {}
    for key in order:
        last = max((one for one in tasks[key]["after"] if one in ends), key=ends.get, default=None)
        before[key] = last
        ends[key] = tasks[key]["seconds"] + (0.0 if last is None else ends[last])
    found, key = [], max(ends, key=ends.get, default=None)
    while key is not None:
        found.append(key)
        key = before[key]
    return found[::-1]


def plan(tasks: Tasks, order: list[str], workers: int) -> float:
    """Return how long workers take that cost nothing: the first that can be begun is, s."""
    after: dict[str, list[int]] = {key: [] for key in order}
    waits = []
    for number, key in enumerate(order):
        known = [one for one in tasks[key]["after"] if one in after]
        waits.append(len(known))
        for one in known:
            after[one].append(number)
    ready = [number for number, count in enumerate(waits) if not count]
    at_work: list[tuple[float, int]] = []
    now, free = 0.0, workers
    while ready or at_work:
        while ready and free:
            number = heapq.heappop(ready)
            heapq.heappush(at_work, (now + tasks[order[number]]["seconds"], number))
            free -= 1
        now, number = heapq.heappop(at_work)
        free += 1
        for one in after[order[number]]:
            waits[one] -= 1
            if not waits[one]:
                heapq.heappush(ready, one)
    return now


def replay(client: Client, tasks: Tasks, order: list[str], stretch: float) -> float:
    """Return how long the graph takes on a client's workers, s."""
    futures: dict[str, Any] = {}
    started = time.monotonic()
    for key in order:
        task = tasks[key]
        before = [futures[one] for one in task["after"] if one in futures]
        futures[key] = client.submit(
            sleep,
            task["seconds"] * stretch,
            task["bytes"],
            before,
            key=f"{key}",
            pure=False,
            fifo_timeout=_SAME_TIME,
        )
    wait(list(futures.values()))
    seconds = time.monotonic() - started
    failed = [key for key, future in futures.items() if future.status != "finished"]
    assert not failed, failed[:3]
    return seconds


def measure(client: Client | None, path: Path, workers: int, stretch: float) -> dict[str, Any]:
    """Replay one run, or only plan it, and return what came of it."""
    tasks: Tasks = json.loads(path.read_text())["tasks"]
    order = in_order(tasks)
    total = sum(task["seconds"] for task in tasks.values()) * stretch
    keys = longest_chain(tasks, order)
    chain = sum(tasks[key]["seconds"] for key in keys) * stretch
    planned = plan(tasks, order, workers) * stretch
    seconds = planned if client is None else replay(client, tasks, order, stretch)
    slow = sorted(keys, key=lambda key: -tasks[key]["seconds"])[:_LISTED]
    for key in (one for one in keys if one in slow):
        print(f"{tasks[key]['seconds'] * stretch:8.2f} s  {key}")
    return {
        "run": path.stem,
        "tasks": len(tasks),
        "summed_s": round(total, 1),
        "longest_chain_s": round(chain, 1),
        "planned_s": round(planned, 1),
        "replay_s": None if client is None else round(seconds, 1),
        "speed_up": round(total / seconds, 2),
        "of_ideal": round(total / seconds / workers, 3),
        "of_what_the_chain_allows": round(max(total / workers, chain) / seconds, 3),
    }


def measure_on_cluster(path: Path, workers: int, stretch: float) -> dict[str, Any]:
    """Replay one run on workers of its own."""
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, memory_limit=0, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(workers)
        return measure(client, path, workers, stretch)


def main() -> None:
    """Replay each run, print what came of it, and say which missed the target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--workers", type=int, default=32)
    parser.add_argument("--stretch", type=float, default=1.0)
    parser.add_argument("--plan", action="store_true", help="compute, and run nothing")
    options = parser.parse_args()
    results = []
    with dask.config.set(DASK_SETTINGS):
        for path in options.runs:
            how = (path, options.workers, options.stretch)
            results.append(measure(None, *how) if options.plan else measure_on_cluster(*how))
            print(json.dumps(results[-1]), flush=True)
    missed = [one["run"] for one in results if one["of_ideal"] < TARGET]
    for run in missed:
        print(f"MISSED: {run} is below {TARGET} of the ideal speed-up")
    print(json.dumps({"results": results, "missed": missed, "workers": options.workers}))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
