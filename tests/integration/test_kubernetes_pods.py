"""A whole campaign in the pods that are rendered for it, each played by a process of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from skymosaic.config import load_campaign
from skymosaic.errors import ComputeError
from tests.conftest import SMALL, skymosaic, wait_for, write_campaign
from tests.kubernetes.manifests import rendered
from tests.kubernetes.node import Node, Running, why_not

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(why_not()), reason=f"pods cannot be played: {why_not()}"),
]


TABLE = "small/comparison/mdrizsky.csv"
WHAT = {"source": {**SMALL, "tiles": ["54", "51"]}, "align": {"order": ["54", "51"]}}


@dataclass(frozen=True)
class Rendered:
    """A campaign's pods, and what they need of other objects."""

    pods: dict[str, Any]
    """Specs by component."""
    config: dict[str, Any]
    service: str


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The table that one machine makes."""
    folder = tmp_path_factory.mktemp("here")
    file = write_campaign(folder / "small.yaml", **WHAT)
    ended = skymosaic("run", file, "--store", folder / "store", "--workers", "2")
    assert ended.code == 0, ended.err
    return (folder / "store" / TABLE).read_bytes()


@pytest.fixture
def campaign(tmp_path: Path) -> Rendered:
    file = write_campaign(
        tmp_path / "small.yaml",
        **WHAT,
        store={"uri": "/data/store"},
        compute={
            "backend": "kubernetes",
            "kubernetes": {"volume_claim": "mosaics", "patience": 240, "grace": 200},
        },
    )
    objects = rendered(load_campaign(file))
    [service] = [one["metadata"]["name"] for one in objects if one["kind"] == "Service"]
    return Rendered(
        pods={
            one["metadata"]["labels"]["app.kubernetes.io/component"]: one["spec"]["template"][
                "spec"
            ]
            for one in objects
            if one["kind"] in ("Deployment", "Job")
        },
        config={
            one["metadata"]["name"]: one["data"] for one in objects if one["kind"] == "ConfigMap"
        },
        service=service,
    )


def start(
    node: Node, campaign: Rendered, *, at: str | None = None
) -> tuple[Running, list[Running]]:
    """Run the scheduler, behind its Service, and two workers; return them when they are ready."""
    scheduler = node.run(campaign.pods["scheduler"], at)
    node.services[campaign.service] = scheduler.address
    workers = [node.run(campaign.pods["worker"]) for _ in range(2)]
    for pod in (scheduler, *workers):
        wait_for(lambda pod=pod: node.is_ready(pod), f"{pod.name} to be ready")
    return scheduler, workers


def wait_for_drizzle(driver: Running, data: Path) -> None:
    """Wait until the sky methods are drizzled."""
    planned, ended = data / "store/small/manifests/plan.json", driver.process.poll
    wait_for(lambda: planned.exists() or ended() is not None, "drizzle runs", 300)
    assert ended() is None, driver.log.read_text()
    time.sleep(2)  # so that each worker has one


def test_a_worker_leaves_and_the_table_is_that_of_one_machine(
    campaign: Rendered, table: bytes, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with Node(tmp_path / "node", data, campaign.config) as node:
        scheduler, workers = start(node, campaign)
        driver = node.run(campaign.pods["driver"])
        wait_for_drizzle(driver, data)
        assert "has left in order" in node.stop(workers[0])
        node.run(campaign.pods["worker"])  # as its Deployment does
        assert driver.process.wait(timeout=250) == 0, driver.log.read_text()
        assert scheduler.process.poll() is None and workers[1].process.poll() is None
    assert (data / "store" / TABLE).read_bytes() == table


def test_the_next_driver_goes_on_when_the_scheduler_is_lost(
    campaign: Rendered, table: bytes, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with Node(tmp_path / "node", data, campaign.config) as node:
        scheduler, workers = start(node, campaign)
        driver = node.run(campaign.pods["driver"])
        wait_for_drizzle(driver, data)
        node.kill(scheduler)
        # One that can pass by itself, after which the Job starts another driver.
        assert driver.process.wait(timeout=250) == ComputeError.exit_code, driver.log.read_text()
        for worker in workers:
            worker.process.wait(timeout=250)  # its Deployment starts another container
        aligned = (data / "store/small/manifests/aligned.json").stat().st_mtime_ns
        start(node, campaign, at=scheduler.address)
        driver = node.run(campaign.pods["driver"])
        assert driver.process.wait(timeout=250) == 0, driver.log.read_text()
        assert (data / "store/small/manifests/aligned.json").stat().st_mtime_ns == aligned
    assert (data / "store" / TABLE).read_bytes() == table
