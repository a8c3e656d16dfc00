"""What `status` learns of a campaign from a cluster, as real clusters were recorded."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from skymosaic.clusters.base import Fate
from skymosaic.clusters.kubernetes.fate import fate, fate_of
from skymosaic.clusters.kubernetes.names import STORE, store_label
from skymosaic.clusters.kubernetes.pod_words import what_stops, workers_words
from skymosaic.errors import ComputeError
from skymosaic.journal.submission import Submission
from tests.kubernetes import recorded
from tests.kubernetes.recorded import Cluster

OURS = Path(recorded.__file__).with_name("recordings")
SHARED = Path(__file__).parents[3] / "shared" / "cases" / "kubernetes"
AT_WORK = "driver runs; workers: 2 of 2 run"
ONE_WORKER = "; workers: 1 of 1 run"
NO_OTHER = "(`kubectl delete node n2`)"

ALIVE = {
    "running": AT_WORK,
    "driver-deleted-1-terminating": "driver: leaves: its pod is being deleted" + ONE_WORKER,
    "driver-deleted-2-back-off": "driver lost; Kubernetes starts it again (1 of 3)" + ONE_WORKER,
    "driver-deleted-3-next-pod": "driver starts, started again (1 of 3)" + ONE_WORKER,
    "driver-deleted-4-running-again": "driver runs, started again (1 of 3)" + ONE_WORKER,
    "driver-evicted-1-terminating": "driver: leaves (EvictionByEvictionAPI",
    "driver-evicted-2-after": "there is no driver at this moment; Kubernetes starts one",
    "node-lost-1-notready": "driver: is on node n2, which does not answer (for",
    "node-lost-2-unreachable": NO_OTHER,
    "scheduler-lost-early": "driver lost (exit code 10); Kubernetes starts it again (1 of 3)",
    "worker-oom-start": "ended 3 times, last by OOMKilled, exit code 137; it waits before it "
    "starts again (CrashLoopBackOff); it needs more memory: set compute.kubernetes.memory",
    "quota-exceeded": "is forbidden: exceeded quota: pods, requested: pods=1",
    "service-account-missing": 'serviceaccount "nobody" not found; workers: 0 of 1 run; scheduler: '
    "no more pods",
    "unschedulable": "Unschedulable (for",
    "secret-missing": "driver: CreateContainerConfigError (for",
}
ENDED = {
    "deadline-exceeded": "DeadlineExceeded: Job was active longer than specified deadline",
    "back-off-limit": "BackoffLimitExceeded: Job has reached the specified backoff limit",
    "fail-job": "failed with exit code 5",
    "done": "",
}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return recorded.cluster(tmp_path / "bin", monkeypatch)


def fate_as(cluster: Cluster, recording: Path) -> Fate:
    """Return what is found where a cluster is as it was recorded."""
    cluster.is_as(recording)
    items = json.loads(recording.read_text())["items"]
    [job] = [one["metadata"] for one in items if one["kind"] == "Job"]
    compute = {"kubernetes": {"namespace": job["namespace"]}}
    name = job["name"].removeprefix("skymosaic-")
    text = yaml.safe_dump({"campaign": {"name": name}, "compute": compute})
    return fate(Submission("id", "kubernetes", 0, "now", "me", text, what="Kubernetes job"))


@pytest.mark.parametrize("case", ALIVE)
def test_a_job_that_goes_on_tells_how_its_pods_are(cluster: Cluster, case: str) -> None:
    found = fate_as(cluster, OURS / f"{case}.json")
    assert found.state == "alive" and found.message.startswith("Kubernetes says: ")
    assert ALIVE[case] in found.message and "\n" not in found.message


@pytest.mark.parametrize("case", ENDED)
def test_a_job_that_ended_tells_why(cluster: Cluster, case: str) -> None:
    found = fate_as(cluster, OURS / f"{case}.json")
    assert found.state == "ended" and ENDED[case] in found.message
    assert bool(found.message) is bool(ENDED[case])


@pytest.mark.parametrize("case", [*ALIVE, *ENDED])
def test_whole_recordings_tell_the_same(cluster: Cluster, case: str) -> None:
    """Ours are cut; the shared ones hold all that kubectl prints."""
    for number in range(len(case.split("-"))):
        words = case.split("-")
        folder = SHARED / "-".join(words[: len(words) - number])
        rest = "-".join(["objects", *words[len(words) - number :]])
        if (folder / f"{rest}.json").exists():
            break
    else:
        pytest.skip(f"no recording of {case} in ../shared")
    found = fate_as(cluster, folder / f"{rest}.json")
    assert (ALIVE | ENDED)[case] in found.message


def test_a_job_that_somebody_deletes_does_not_go_on(cluster: Cluster, tmp_path: Path) -> None:
    objects = json.loads((OURS / "running.json").read_text())
    for one in objects["items"]:
        one["metadata"]["deletionTimestamp"] = "2026-11-29T08:56:26Z"
    (tmp_path / "deleting.json").write_text(json.dumps(objects))
    found = fate_as(cluster, tmp_path / "deleting.json")
    assert found == Fate("ended", "Kubernetes says: somebody deleted the job skymosaic-first")


def test_a_job_of_another_store_is_not_ours(cluster: Cluster, tmp_path: Path) -> None:
    objects = json.loads((OURS / "running.json").read_text())
    for one in objects["items"]:
        one["metadata"]["labels"][STORE] = store_label("s3://bucket/theirs")
    (tmp_path / "theirs.json").write_text(json.dumps(objects))
    cluster.is_as(tmp_path / "theirs.json")
    assert fate_of("skymosaic-first", "skymosaic", "s3://bucket/theirs").state == "alive"
    assert fate_of("skymosaic-first", "skymosaic", "s3://bucket/ours").state == "unknown"


def test_a_job_that_is_about_to_fail_is_not_started_again(cluster: Cluster, tmp_path: Path) -> None:
    """Kubernetes says why it will fail while its pods still end."""
    objects = json.loads((OURS / "deadline-exceeded.json").read_text())
    [job] = objects["items"]
    job["status"]["conditions"] = job["status"]["conditions"][:1]
    assert job["status"]["conditions"][0]["type"] == "FailureTarget"
    (tmp_path / "failing.json").write_text(json.dumps(objects))
    found = fate_as(cluster, tmp_path / "failing.json")
    assert found.state == "ended" and "DeadlineExceeded" in found.message


def test_events_of_an_earlier_job_of_the_same_name_are_not_told(
    cluster: Cluster, tmp_path: Path
) -> None:
    objects = json.loads((OURS / "quota-exceeded.json").read_text())
    for one in objects["items"]:
        if one["kind"] == "Event":
            one["involvedObject"]["uid"] = "another"
    (tmp_path / "other.json").write_text(json.dumps(objects))
    message = fate_as(cluster, tmp_path / "other.json").message
    assert "there is no driver at this moment; Kubernetes starts one" in message


def test_a_cluster_that_does_not_answer_says_why(cluster: Cluster) -> None:
    cluster.silent("error: You must be logged in to the server (Unauthorized)")
    text = "campaign: {name: a}\ncompute: {kubernetes: {namespace: b}}\n"
    with pytest.raises(ComputeError, match="must be logged in"):
        fate(Submission("id", "kubernetes", 0, "now", "me", text, what="Kubernetes job"))


def test_a_kubectl_that_hangs_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "kubectl"
    program.write_text("#!/bin/sh\nexec /bin/sleep 3600\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("skymosaic.clusters.kubernetes.fate._LIMIT", 0.2)
    with pytest.raises(ComputeError, match=r"no answer within 0\.2 s. Is the cluster up"):
        fate_of("skymosaic-field", "skymosaic")


def test_of_pods_that_may_not_be_seen_nothing_is_said(cluster: Cluster, tmp_path: Path) -> None:
    running = OURS / "running.json"
    program = tmp_path / "bin" / "kubectl"
    refusal = (
        'Error from server (Forbidden): pods is forbidden: User "me" cannot list resource "pods"'
    )
    program.write_text(
        program.read_text().replace(
            "options = ", f"if kind == 'pods':\n    sys.exit({refusal!r})\noptions = ", 1
        )
    )
    found = fate_as(cluster, running)
    assert found.state == "alive"
    assert "how its pods are is not known" in found.message
    assert "can-i list pods" in found.message
    assert "no driver" not in found.message and "driver lost" not in found.message


def test_how_long_it_has_lasted_and_for_how_many() -> None:
    objects = json.loads((OURS / "unschedulable.json").read_text())["items"]
    [pod] = [one for one in objects if not one["status"].get("containerStatuses", True)]
    begun = datetime.fromisoformat(pod["status"]["conditions"][0]["lastTransitionTime"])
    at = begun.replace(minute=begun.minute + 2)
    assert what_stops(pod, at).startswith("Unschedulable (for 2 min): 0/2 nodes are available")
    assert what_stops(pod, datetime(2026, 1, 1, tzinfo=UTC)).startswith("Unschedulable: 0/2")
    three = [{**pod, "metadata": {**pod["metadata"], "name": name}} for name in "abc"]
    assert workers_words(three, [], at)[0].startswith("pod a and 2 more: Unschedulable")
