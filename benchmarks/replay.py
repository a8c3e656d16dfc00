"""What a graph would gain from many workers: Dask runs it again, with tasks that only sleep.

    python benchmarks/scale.py --sizes 1000 --folder FOLDER
    python benchmarks/replay.py FOLDER/survey-1000.json [MORE ...] --workers 32

A file is what `watched_scheduler.py` wrote of a run: each task with what it waited for, the time
that it computed (with what it fetched from the store), the bytes of what it gave, and its priority.
The replay gives the same graph to Dask's own scheduler with so many worker processes; a task sleeps
for its time and gives as many bytes. The workers share this machine's cores: what Dask itself
costs them is measured too high. `--stretch 3` makes all times three times as long, and that share
a third.

Speed-up is the sum of the times over the time of the replay. Ideal is the number of workers; no
graph beats the sum over its longest chain, which is shown beside it. The last line is one JSON
object.
"""

from __future__ import annotations

import argparse
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


def longest_chain(tasks: Tasks, order: list[str]) -> float:
    """Return the time of the longest chain of tasks that wait for each other, s."""
    ends: dict[str, float] = {}
    for key in order:
        before = max((ends[one] for one in tasks[key]["after"] if one in ends), default=0.0)
        ends[key] = before + tasks[key]["seconds"]
    return max(ends.values(), default=0.0)


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


def measure(client: Client, path: Path, workers: int, stretch: float) -> dict[str, Any]:
    """Replay one run, and return what came of it."""
    tasks: Tasks = json.loads(path.read_text())["tasks"]
    order = in_order(tasks)
    total = sum(task["seconds"] for task in tasks.values()) * stretch
    chain = longest_chain(tasks, order) * stretch
    seconds = replay(client, tasks, order, stretch)
    return {
        "run": path.stem,
        "tasks": len(tasks),
        "summed_s": round(total, 1),
        "longest_chain_s": round(chain, 1),
        "replay_s": round(seconds, 1),
        "speed_up": round(total / seconds, 2),
        "of_ideal": round(total / seconds / workers, 3),
        "of_what_the_chain_allows": round(max(total / workers, chain) / seconds, 3),
    }


def main() -> None:
    """Replay each run, print what came of it, and say which missed the target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--workers", type=int, default=32)
    parser.add_argument("--stretch", type=float, default=1.0)
    options = parser.parse_args()
    results = []
    with dask.config.set(DASK_SETTINGS):
        for path in options.runs:
            cluster = LocalCluster(
                n_workers=options.workers,
                threads_per_worker=1,
                memory_limit=0,
                dashboard_address=None,
            )
            with cluster, Client(cluster) as client:
                client.wait_for_workers(options.workers)
                results.append(measure(client, path, options.workers, options.stretch))
            print(json.dumps(results[-1]), flush=True)
    missed = [one["run"] for one in results if one["of_ideal"] < TARGET]
    for run in missed:
        print(f"MISSED: {run} is below {TARGET} of the ideal speed-up")
    print(json.dumps({"results": results, "missed": missed, "workers": options.workers}))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
