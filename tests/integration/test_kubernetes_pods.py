"""A whole campaign in the pods that are rendered for it, each played by a process of its own."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from skymosaic.config import load_campaign
from tests.conftest import ORDER, SMALL, wait_for, write_campaign
from tests.kubernetes.manifests import rendered
from tests.kubernetes.node import Node, why_not

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(why_not()), reason=f"pods cannot be played: {why_not()}"),
]


def test_the_pods_make_what_one_machine_makes(small: Path, tmp_path: Path) -> None:
    file = write_campaign(
        tmp_path / "small.yaml",
        source=SMALL,
        align={"order": ORDER},
        drizzle={"parameters": {"final_rot": 257, "final_bits": 64}},
        store={"uri": "/data/store"},
        compute={
            "backend": "kubernetes",
            "kubernetes": {"volume_claim": "mosaics", "patience": 120, "grace": 200},
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
        wait_for((manifests / "plan.json").exists, "the drizzle runs", 200)
        time.sleep(2)  # so that each worker has one

        said = node.stop(workers[0])
        assert "has left in order" in said
        assert workers[0].process.returncode == 0
        node.run(specs["worker"])

        assert driver.process.wait(timeout=250) == 0, driver.log.read_text()
        # What its Deployment would start again is still there.
        assert scheduler.process.poll() is None and workers[1].process.poll() is None
    made, wanted = (
        (folder / "comparison" / "mdrizsky.csv").read_bytes()
        for folder in (data / "store" / "small", small)
    )
    assert made == wanted
    shutil.rmtree(data)
