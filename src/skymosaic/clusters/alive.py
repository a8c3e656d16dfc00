"""What hosts and schedulers say of themselves: workers, threads, memory, versions."""

from __future__ import annotations

from collections import Counter
from typing import Any

from dask.utils import format_bytes
from distributed import Client

from skymosaic.host import limits
from skymosaic.host.counting import counted
from skymosaic.steps.execution import dashboard_of
from skymosaic.versions import versions


def of_host() -> list[str]:
    """Return what this host offers workers of its own, a line each."""
    memory = format_bytes(limits.memory())
    return [
        f"local: {counted(limits.cores(), 'core')}, {memory} for this process and its own",
        f"versions: {_listed(versions())}",
    ]


def of_scheduler(client: Client) -> list[str]:
    """Return what a scheduler says of itself and its workers, a line each."""
    info = client.scheduler_info(n_workers=-1)
    workers: dict[str, Any] = info["workers"]
    lines = [
        f"scheduler {info['address']}: alive, {counted(len(workers), 'worker')}",
        f"dashboard: {dashboard_of(client) or 'none'}",
    ]
    for host, here in sorted(_by_host(workers).items()):
        threads = sum(worker["nthreads"] for worker in here)
        limit = sum(worker["memory_limit"] or 0 for worker in here)
        used = sum(worker["metrics"].get("memory", 0) for worker in here)
        lines.append(
            f"host {host}: {counted(len(here), 'worker')}, {counted(threads, 'thread')}, memory "
            f"{format_bytes(used)} used of {format_bytes(limit) if limit else 'no limit'}"
        )
    found = client.run(_versions_or_none) if workers else {}
    for text, count in Counter(map(_listed, found.values())).most_common():
        lines.append(f"versions of {counted(count, 'worker')}: {text}")
    ours = _listed(versions())
    if any(_listed(theirs) != ours for theirs in found.values()):
        lines.append(f"versions here, which differ: {ours}")
    return lines


def _versions_or_none() -> dict[str, str]:
    try:
        return versions()
    except Exception as error:  # a worker without some package: that is what is asked
        return {"skymosaic": f"cannot be used ({error})"}


def _by_host(workers: dict[str, Any]) -> dict[str, list[Any]]:
    hosts: dict[str, list[Any]] = {}
    for worker in workers.values():
        hosts.setdefault(worker["host"], []).append(worker)
    return hosts


def _listed(found: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in found.items())
