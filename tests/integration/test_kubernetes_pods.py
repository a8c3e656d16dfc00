"""A whole campaign in the pods that are rendered for it, each played by a process of its own."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from skymosaic.clusters import certificates
from skymosaic.clusters.kubernetes import objects
from skymosaic.clusters.kubernetes.planning import plan
from skymosaic.config import load_campaign
from skymosaic.errors import ComputeError
from tests import strangers
from tests.conftest import SMALL, skymosaic, wait_for, write_campaign
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
    texts: dict[str, dict[str, str]]
    """What ConfigMap and Secret hold."""
    service: str

    @property
    def secret(self) -> dict[str, str]:
        """The certificate and the key by which the pods talk."""
        [texts] = [texts for name, texts in self.texts.items() if name.startswith("Secret ")]
        return texts


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
            # So long a driver looks for a scheduler that is lost; it is waited for less than 250 s.
            "kubernetes": {"volume_claim": "mosaics", "patience": 120, "grace": 200},
        },
    )
    planned = plan(load_campaign(file)).submitted()
    manifests = [one for its in objects.campaign(planned).values() for one in its]
    secret = objects.secret(planned)
    [config] = [one for one in manifests if one["kind"] == "ConfigMap"]
    [service] = [one["metadata"]["name"] for one in manifests if one["kind"] == "Service"]
    return Rendered(
        pods={
            one["metadata"]["labels"]["app.kubernetes.io/component"]: one["spec"]["template"][
                "spec"
            ]
            for one in manifests
            if one["kind"] in ("Deployment", "Job")
        },
        texts={
            f"ConfigMap {config['metadata']['name']}": config["data"],
            f"Secret {secret['metadata']['name']}": secret["stringData"],
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
    with Node(tmp_path / "node", data, campaign.texts) as node:
        scheduler, workers = start(node, campaign)
        driver = node.run(campaign.pods["driver"])
        wait_for_drizzle(driver, data)
        assert "has left in order" in node.stop(workers[0])
        node.run(campaign.pods["worker"])  # as its Deployment does
        assert driver.process.wait(timeout=250) == 0, driver.log.read_text()
        assert scheduler.process.poll() is None and workers[1].process.poll() is None
    assert (data / "store" / TABLE).read_bytes() == table
    key = campaign.secret["key.pem"].splitlines()[1]
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "key.pem"]
    assert {driver.log, data / "store" / TABLE} < set(written)
    assert [path for path in written if key.encode() in path.read_bytes()] == []


_JOIN = """
import json, sys
from distributed import Client
from distributed.security import Security
address, texts = json.load(sys.stdin)
security = Security(
    require_encryption=True,
    tls_ca_file=texts["certificate.pem"],
    tls_client_cert=texts["certificate.pem"],
    tls_client_key=texts["key.pem"],
) if texts else None
with Client(address, security=security, timeout=10) as client:
    print(client.submit(sum, [1, 2]).result(timeout=30))
"""


def test_who_has_no_certificate_of_the_campaign_gets_no_word_of_its_pods(
    campaign: Rendered, tmp_path: Path
) -> None:
    with Node(tmp_path / "node", tmp_path / "data", campaign.texts) as node:
        scheduler, workers = start(node, campaign)
        ports = {
            f"{pod.address}:{port['containerPort']}": port["name"]
            for pod in (scheduler, *workers)
            for port in pod.spec["containers"][0]["ports"]
        }
        assert sorted(ports.values()) == [
            "health",
            "health",
            "health",
            "scheduler",
            *["worker"] * 2,
        ]
        heard = strangers.answers({"tcp": list(ports)}, node.outside)
        answering = {question.split()[0] for question in heard}
        assert {place for place, name in ports.items() if name == "health"} == answering, heard

        def join(scheme: str, texts: dict[str, str] | None) -> str:
            address = f"{scheme}://{scheduler.address}:8786"
            done = node.outside(_JOIN, json.dumps([address, texts]))
            return done.stdout or done.stderr.strip().splitlines()[-1]

        others = certificates.files_of(certificates.of_run())
        refused = [join("tcp", None), join("tls", others)]
        assert join("tls", campaign.secret).strip() == "3"
        assert all("Error" in said for said in refused), refused


def test_the_next_driver_goes_on_when_the_scheduler_is_lost(
    campaign: Rendered, table: bytes, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with Node(tmp_path / "node", data, campaign.texts) as node:
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
