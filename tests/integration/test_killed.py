"""A driver or a worker killed during the four runs: the next run ends as if nothing was."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.conftest import TILES, manifests, skymosaic, tree, wait_for, write_campaign


def campaign(folder: Path) -> Path:
    return write_campaign(folder / "tiles.yaml", **TILES)


def drizzling(pid: int) -> list[psutil.Process]:
    """The processes in which AstroDrizzle runs: children of the drizzlepac servers."""
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it ended while we looked
            if "skymosaic.drizzlepac_calls.server" in " ".join(process.cmdline()):
                found += process.children()
    return found


def servers(pid: int) -> list[psutil.Process]:
    """The drizzlepac servers themselves, without the children that they fork for calls."""
    found = {}
    for process in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "skymosaic.drizzlepac_calls.server" in " ".join(process.cmdline()):
                found[process.pid] = process
    return [process for process in found.values() if process.ppid() not in found]


def wait_for_the_runs(process: subprocess.Popen[str], store: Path) -> list[psutil.Process]:
    """Wait until the four runs have begun: the plan is there, and AstroDrizzle is running."""
    wait_for(lambda: (store / "tiles" / "manifests" / "plan.json").exists(), "the plan")
    return wait_for(lambda: drizzling(process.pid), "a running AstroDrizzle")


def workers(pid: int) -> list[psutil.Process]:
    """The Dask workers, which are forked from a process that the driver keeps for that."""
    return [
        worker
        for process in psutil.Process(pid).children()
        if any("forkserver" in part for part in process.cmdline())
        for worker in process.children()
    ]


def gone(processes: list[psutil.Process]) -> bool:
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


def every_manifest_is_whole(store: Path) -> None:
    for manifest in manifests(store / "tiles").values():
        for product in manifest["products"].values():
            assert (store / product["key"]).stat().st_size == product["size"]


@pytest.mark.campaign
def test_killed_driver(
    started: Callable[..., subprocess.Popen[str]], undisturbed: bytes, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    file = campaign(tmp_path)
    process = started("run", file, "--store", store, "--workers", "2")
    wait_for_the_runs(process, store)
    assert len(servers(process.pid)) == 1  # both workers have called that of their driver
    children = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_for(lambda: gone(children), "the workers to end with their driver", 60)
    every_manifest_is_whole(store)
    assert not (store / "tiles" / "comparison").exists()
    ended = skymosaic("run", file, "--store", store, "--workers", "2")
    assert ended.code == 0, ended.err
    assert (store / "tiles" / "comparison" / "mdrizsky.csv").read_bytes() == undisturbed
    assert not [name for name in tree(store) if ".part" in name or "/staging/" in name]


@pytest.mark.slow
def test_killed_worker(
    started: Callable[..., subprocess.Popen[str]], undisturbed: bytes, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    process = started("run", campaign(tmp_path), "--store", store, "--workers", "2")
    running = wait_for_the_runs(process, store)
    victim = workers(process.pid)[0]
    calls = [p for p in running if p.is_running()]
    victim.send_signal(signal.SIGKILL)
    wait_for(lambda: any(gone([call]) for call in calls), "the end of the victim's call", 20)
    assert process.poll() is None
    _out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    every_manifest_is_whole(store)
    assert (store / "tiles" / "comparison" / "mdrizsky.csv").read_bytes() == undisturbed


@pytest.mark.parametrize(("end", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_terminated_driver_stops_its_workers(
    started: Callable[..., subprocess.Popen[str]], tmp_path: Path, end: int, code: int
) -> None:
    store = tmp_path / "store"
    process = started("run", campaign(tmp_path), "--store", store, "--workers", "2")
    wait_for(lambda: drizzling(process.pid), "a running AstroDrizzle")
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(end)
    _out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    wait_for(lambda: gone(children), "the workers to end", 30)
