"""Handing over, looking and cancelling by the real kubectl, at an API server that is played."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from skymosaic.clusters.base import Fate, Job
from skymosaic.clusters.kubernetes import submit
from skymosaic.clusters.kubernetes.kubectl import kubectl
from skymosaic.config import load_campaign, resolved_yaml
from skymosaic.errors import ComputeError, LockedError, MissingError
from skymosaic.journal.runs import RunState
from skymosaic.journal.submission import Submission
from skymosaic.runs import asking, preparation
from skymosaic.runs.driver import drive
from tests.conftest import write_campaign
from tests.kubernetes import manifests
from tests.kubernetes.api_server import Cluster, running

pytestmark = [
    pytest.mark.kubectl,
    pytest.mark.skipif(manifests.kubectl() is None, reason="kubectl is not installed"),
]

JOB = "jobs", "skymosaic-field"


def documented() -> dict[str, set[str]]:
    """Return the verbs that docs/kubernetes.md asks for, by resource."""
    text = (manifests.REPOSITORY / "docs" / "kubernetes.md").read_text()
    _, _, table = text.partition("| Objects | Verbs |\n|---|---|\n")
    rows = re.findall(r"^\| (.+) \| (.+) \|$", table.partition("\n\n")[0], re.MULTILINE)
    return {name: set(verbs.split(", ")) for names, verbs in rows for name in names.split(", ")}


@pytest.fixture
def allowed() -> dict[str, set[str]]:
    return documented()


@pytest.fixture
def cluster(
    allowed: dict[str, set[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cluster]:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.setenv("HOME", str(tmp_path))  # kubectl keeps what it learns there
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    cluster = Cluster(allowed)
    with running(cluster, tmp_path / "kubeconfig"):
        yield cluster


@pytest.fixture
def job(tmp_path: Path) -> Job:
    file = write_campaign(
        tmp_path / "field.yaml",
        source={"kind": "simulated"},
        store={"uri": "s3://bucket/mosaics"},
        compute={"backend": "kubernetes", "kubernetes": {"max_workers": 3}},
    )
    campaign = load_campaign(file)
    return Job(campaign, resolved_yaml(campaign), drive)


def end(cluster: Cluster) -> None:
    conditions = [{"type": "Complete", "status": "True"}]
    cluster.objects[JOB]["status"] = {"conditions": conditions}


def secret_of(cluster: Cluster) -> tuple[str, str]:
    """Return name and key of the only Secret."""
    [(name, secret)] = [
        (name, one) for (kind, name), one in cluster.objects.items() if kind == "secrets"
    ]
    return name, secret["stringData"]["key.pem"]


def test_a_campaign_comes_and_goes_with_the_rights_that_the_docs_name(
    cluster: Cluster, job: Job
) -> None:
    submitted = submit.submit(job)
    began = Submission("id", "kubernetes", 0, "now", "me", job.text, what=submitted.what)
    assert submit.fate(began) == Fate("alive", "Kubernetes says: workers: 0 of 1 run")
    assert cluster.objects[JOB]["spec"]["suspend"] is False
    owners = {
        (kind, owner["uid"])
        for (kind, _), one in cluster.objects.items()
        for owner in one["metadata"].get("ownerReferences", [])
    }
    kinds = {kind for kind, _ in cluster.objects} - {"jobs"}
    assert owners == {(kind, cluster.objects[JOB]["metadata"]["uid"]) for kind in kinds}
    with pytest.raises(LockedError, match="is running"):
        submit.submit(job)
    first = secret_of(cluster)
    # Nothing but the Secret's own data holds the key, its annotations neither.
    assert str(cluster.objects).count(repr(first[1])) == 1
    assert str(cluster.objects).count("PRIVATE KEY") == 2  # begin and end
    end(cluster)
    assert submit.fate(began).state == "ended"
    submit.submit(job)
    second = secret_of(cluster)
    assert first[0] != second[0] and first[1] != second[1]
    submit.cancel(job)
    assert cluster.objects == {}
    assert submit.fate(began).state == "unknown"
    # To list Secrets would be to read all of them.
    assert cluster.used["secrets"] == {"create"}


def test_what_the_store_has_no_record_of_is_found_by_its_labels(
    cluster: Cluster, job: Job, tmp_path: Path
) -> None:
    store = str(tmp_path / "store")
    there = job.campaign.store.model_copy(update={"uri": store})
    kubernetes = job.campaign.compute.kubernetes.model_copy(
        update={"volume_claim": "mosaics", "volume_path": str(tmp_path)}
    )
    compute = job.campaign.compute.model_copy(update={"kubernetes": kubernetes})
    campaign = job.campaign.model_copy(update={"store": there, "compute": compute})
    submit.submit(Job(campaign, job.text, drive))
    # Neither all namespaces nor the one of the context may be listed.
    status = asking.find_status(f"{store}/field")
    assert status.state is RunState.SUBMITTED
    assert status.holder == "Kubernetes job skymosaic-field in namespace skymosaic"
    assert "removed Kubernetes job skymosaic-field" in asking.cancel(f"{store}/field")
    assert cluster.objects == {}
    with pytest.raises(MissingError):
        asking.cancel(f"{store}/field")


def test_what_was_applied_by_hand_is_left_alone_until_it_is_cancelled(
    cluster: Cluster, job: Job
) -> None:
    kubectl("apply", "--filename=-", given="\n".join(preparation.lines(job.campaign)))
    kinds = {kind for kind, _ in cluster.objects}
    assert kinds == documented().keys() - {"events", "namespaces", "pods", "secrets"}
    with pytest.raises(LockedError, match="is running"):
        submit.submit(job)
    del cluster.objects[JOB]
    with pytest.raises(LockedError, match=r"belong to no Job.*skymosaic cancel"):
        submit.submit(job)
    assert {kind for kind, _ in cluster.objects} == kinds - {"jobs"}
    submit.cancel(job)
    assert cluster.objects == {}


@pytest.mark.parametrize("kind", ["secrets", "services", "deployments"])
def test_who_may_not_make_a_part_leaves_none(
    cluster: Cluster, allowed: dict[str, set[str]], job: Job, kind: str
) -> None:
    allowed[kind].discard("create")
    with pytest.raises(ComputeError, match=rf"can-i create {kind} --namespace") as caught:
        submit.submit(job)
    assert "PRIVATE" not in str(caught.value)
    assert cluster.objects == {}
