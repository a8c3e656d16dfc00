"""A whole campaign in the pods that are rendered for it, each played by a process of its own."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from skymosaic.config import load_campaign
from tests.conftest import SMALL, skymosaic, wait_for, write_campaign
from tests.kubernetes.manifests import rendered
from tests.kubernetes.node import Node, why_not

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(why_not()), reason=f"pods cannot be played: {why_not()}"),
]


def test_the_pods_make_what_one_machine_makes(tmp_path: Path) -> None:
    what = {"source": {**SMALL, "tiles": ["54", "51"]}, "align": {"order": ["54", "51"]}}
    here = write_campaign(tmp_path / "small.yaml", **what)
    ended = skymosaic("run", here, "--store", tmp_path / "store", "--workers", "2")
    assert ended.code == 0, ended.err
    file = write_campaign(
        tmp_path / "small.yaml",
        **what,
        store={"uri": "/data/store"},
        compute={
            "backend": "kubernetes",
            "kubernetes": {"volume_claim": "mosaics", "patience": 240, "grace": 200},
        },
    )
    objects = rendered(load_campaign(file))
    specs = {
        one["metadata"]["labels"]["app.kubernetes.io/component"]: one["spec"]["template"]["spec"]
        for one in objects
        if one["kind"] in ("Deployment", "Job")
    }
    config = {one["metadata"]["name"]: one["data"] for one in objects if one["kind"] == "ConfigMap"}
    [service] = [one["metadata"]["name"] for one in objects if one["kind"] == "Service"]
    data = tmp_path / "data"
    with Node(tmp_path / "node", data, config) as node:
        scheduler = node.run(specs["scheduler"])
        node.services[service] = scheduler.address
        workers = [node.run(specs["worker"]), node.run(specs["worker"])]
        for pod in (scheduler, *workers):
            wait_for(lambda pod=pod: node.is_ready(pod), f"{pod.name} to be ready")
        driver = node.run(specs["driver"])
        manifests = data / "store" / "small" / "manifests"
        ended = driver.process.poll
        wait_for(
            lambda: (manifests / "plan.json").exists() or ended() is not None, "drizzle runs", 300
        )
        assert ended() is None, driver.log.read_text()
        time.sleep(2)  # so that each worker has one

        said = node.stop(workers[0])
        assert "has left in order" in said
        node.run(specs["worker"])

        assert driver.process.wait(timeout=250) == 0, driver.log.read_text()
        # What its Deployment would start again is still there.
        assert scheduler.process.poll() is None and workers[1].process.poll() is None
    made, wanted = (
        (folder / "comparison" / "mdrizsky.csv").read_bytes()
        for folder in (data / "store" / "small", tmp_path / "store" / "small")
    )
    assert made == wanted
    shutil.rmtree(data)
