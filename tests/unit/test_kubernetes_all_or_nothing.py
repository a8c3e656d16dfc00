"""A submission of which the API server refuses a part, by what it and kubectl said of such ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from skymosaic.clusters.base import Job
from skymosaic.clusters.kubernetes import submit
from skymosaic.clusters.kubernetes.existing import Existing
from skymosaic.clusters.kubernetes.names import STORE, store_label
from skymosaic.config import load_campaign, resolved_yaml
from skymosaic.errors import ComputeError, LockedError, MissingError
from skymosaic.journal.runs import RunState
from skymosaic.runs import asking
from skymosaic.runs.driver import drive
from tests.conftest import write_campaign
from tests.kubernetes.replay import OWN, SHARED, Replay

ADDRESS = "s3://bucket/mosaics/held"
UID = "c4f74db1-4662-4279-832d-e1ed20871c0c"  # of the recorded Job


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Replay:
    return Replay(tmp_path / "bin", monkeypatch)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """The campaign that the recordings have."""
    file = write_campaign(
        tmp_path / "held.yaml",
        campaign={"name": "held"},
        source={"kind": "simulated"},
        store={"uri": "s3://bucket/mosaics"},
        compute={"backend": "kubernetes"},
    )
    campaign = load_campaign(file)
    return Job(campaign, resolved_yaml(campaign), drive, address=ADDRESS)


def nothing_there(kubectl: Replay) -> Replay:
    """The namespace is there, and empty."""
    kubectl.answer("get", "namespace", "skymosaic", stdout="namespace/skymosaic\n")
    return kubectl.recorded("not-there/list", "get", "--namespace=skymosaic")


def accepted(kubectl: Replay) -> Replay:
    """The dry run is good, and the Job is made."""
    nothing_there(kubectl).answer("create", "--dry-run=server")
    kubectl.answer("apply", "--server-side", "--dry-run=server")
    return kubectl.recorded("suspended-first/1-create-job", "create", "--output=json")


def listed(*objects: dict) -> str:
    return json.dumps({"kind": "List", "apiVersion": "v1", "items": list(objects)})


def the_job(store: str = "s3://bucket/mosaics", **own: object) -> dict:
    """Return the recorded Job, as this store's."""
    made = json.loads((OWN / "suspended-first" / "1-create-job-stdout.txt").read_text())
    made["metadata"]["labels"][STORE] = store_label(store)
    made["metadata"]["annotations"][STORE] = store
    return {**made, **own}


@pytest.mark.parametrize(
    ("case", "reasons"),
    [
        (
            "refused-in-part/dry-run-server",
            ["partial-worker", "partial-driver", '"10.0.0.5": must'],
        ),
        ("rbac-forbidden/dry-run-server", ["mine-worker", "cannot patch", "docs/kubernetes.md"]),
    ],
)
def test_what_the_server_refuses_is_refused_before_anything_is_made(
    kubectl: Replay, job: Job, case: str, reasons: list[str]
) -> None:
    nothing_there(kubectl).answer("create", "--dry-run=server").recorded(case)
    with pytest.raises(ComputeError, match="nothing was made on the cluster") as caught:
        submit.submit(job)
    assert all(reason in str(caught.value) for reason in reasons)
    kubectl.require_all_asked()
    # What is made is what was checked: a suspended Job, its Secret, and the rest.
    created, applied = (
        [one["kind"] for one in asked.objects]
        for asked in kubectl.asked
        if "--dry-run=server" in asked.arguments
    )
    assert created == ["Job", "Secret"]
    assert {"NetworkPolicy", "ConfigMap", "Service", "Deployment"} < set(applied)


def test_a_namespace_that_is_not_there_is_told_once(kubectl: Replay, job: Job) -> None:
    kubectl.recorded("namespace-missing/dry-run-server", "get", "namespace", "skymosaic")
    with pytest.raises(ComputeError, match=r"--document namespace\.yaml") as caught:
        submit.submit(job)
    assert str(caught.value).count('namespaces "skymosaic" not found') == 1
    kubectl.require_all_asked()


def test_who_may_not_look_at_the_namespace_may_work_in_it(kubectl: Replay, job: Job) -> None:
    forbidden = 'Error from server (Forbidden): namespaces "skymosaic" is forbidden: User "me"\n'
    kubectl.answer("get", "namespace", stderr=forbidden, exit_code=1)
    kubectl.recorded("token-wrong/get", "get", "--namespace=skymosaic")
    with pytest.raises(ComputeError, match="Log in"):
        submit.submit(job)
    kubectl.require_all_asked()


def test_all_is_made_as_the_jobs_own_policies_before_pods_and_then_it_begins(
    kubectl: Replay, job: Job
) -> None:
    accepted(kubectl).answer("create").answer("apply", "--server-side").answer("apply")
    kubectl.recorded("suspended-first/4b-resume-with-uid")
    submit.submit(job)
    kubectl.require_all_asked()
    made, secret, first, pods, begun = kubectl.asked[4:]
    [suspended] = made.objects
    assert suspended["kind"] == "Job" and suspended["spec"]["suspend"] is True
    owned = [*secret.objects, *first.objects, *pods.objects]
    owners = [one["metadata"]["ownerReferences"] for one in owned]
    assert {owner["uid"] for [owner] in owners} == {UID}
    kinds = [one["kind"] for one in first.objects]
    assert "NetworkPolicy" in kinds and "Service" in kinds and "Deployment" not in kinds
    assert {one["kind"] for one in pods.objects} == {"Deployment"}
    assert {"--field-manager=skymosaic", "--server-side"} < set(pods.arguments)
    assert begun.verb == "patch"


def require_taken_back(kubectl: Replay) -> None:
    """Require that the recorded Job, and nothing else, was deleted at last."""
    last = kubectl.asked[-1]
    assert last.verb == "delete"
    assert "--raw=/apis/batch/v1/namespaces/skymosaic/jobs/skymosaic-held" in last.arguments
    options = json.loads(last.given)
    assert options["preconditions"] == {"uid": UID}
    assert options["propagationPolicy"] == "Foreground"
    assert [one.verb for one in kubectl.asked].count("delete") == 1
    kubectl.require_all_asked()


def test_a_part_that_is_refused_takes_the_job_with_it(
    kubectl: Replay, job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    accepted(kubectl).answer("create")
    kubectl.recorded("refused-in-part/apply-server-side-names", "apply", "--server-side")
    kubectl.answer("delete")
    with pytest.raises(ComputeError, match=r'"10\.0\.0\.5": must be a valid CIDR value'):
        submit.submit(job)
    require_taken_back(kubectl)
    # No pod was started: their policies come first.
    assert all("kind: Deployment" not in one.given for one in kubectl.asked[4:])
    assert caplog.text == ""


def test_a_job_of_that_name_which_another_made_is_neither_started_nor_deleted(
    kubectl: Replay, job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    accepted(kubectl).answer("create").answer("apply").answer("apply")
    kubectl.recorded("suspended-first/4c-resume-with-other-uid", "patch")
    # Its own is gone: the server refuses, which is as good as done.
    kubectl.recorded("suspended-first/5-delete-wrong-uid", "delete")
    with pytest.raises(ComputeError, match=r"metadata\.uid.*field is immutable"):
        submit.submit(job)
    require_taken_back(kubectl)
    assert f'"uid":"{UID}"' in " ".join(kubectl.asked[-2].arguments)
    assert caplog.text == ""


@pytest.mark.parametrize(
    "case", ["suspended-first/3-create-job-again", "delete-foreground/create-while-deleting"]
)
def test_a_job_that_came_meanwhile_is_left_alone(kubectl: Replay, job: Job, case: str) -> None:
    nothing_there(kubectl).answer("create", "--dry-run=server").answer("apply", "--dry-run=server")
    kubectl.recorded(case, "create")
    kubectl.recorded("suspended-first/1-create-job", "get", "job", "skymosaic-held")
    with pytest.raises(ComputeError, match="already exists"):
        submit.submit(job)
    kubectl.require_all_asked()


def test_what_could_not_be_taken_back_is_named(
    kubectl: Replay, job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    accepted(kubectl).answer("create", stderr="error: no", exit_code=1)
    kubectl.answer("delete", stderr="error: nor that", exit_code=1)
    with pytest.raises(ComputeError, match="error: no"):
        submit.submit(job)
    assert "nor that" in caplog.text
    assert "`kubectl --namespace skymosaic delete job skymosaic-held` removes it" in caplog.text


def test_objects_of_no_job_are_named_and_left_alone(kubectl: Replay, job: Job) -> None:
    policy = the_job(kind="NetworkPolicy")
    kubectl.answer("get", "namespace").answer("get", stdout=listed(policy))
    with pytest.raises(LockedError, match=rf"NetworkPolicy skymosaic-held.*cancel {ADDRESS}`"):
        submit.submit(job)
    kubectl.require_all_asked()


@pytest.mark.parametrize("kind", ["Job", "ConfigMap"])
def test_objects_of_another_stores_campaign_are_left_alone(
    kubectl: Replay, job: Job, kind: str
) -> None:
    other = the_job("s3://other/mosaics", kind=kind)
    kubectl.answer("get", "namespace").answer("get", stdout=listed(other))
    with pytest.raises(LockedError, match=r"another store \(s3://other/mosaics\).*another name"):
        submit.submit(job)
    # `cancel` leaves them, too.
    kubectl.answer("get", stdout=listed(other))
    assert submit.cancel(job) == ""
    kubectl.require_all_asked()


def test_a_submission_that_was_interrupted_can_be_cancelled(kubectl: Replay, job: Job) -> None:
    kubectl.answer("get", "namespace").answer("get", stdout=listed(the_job()))
    with pytest.raises(LockedError, match=rf"suspended.*skymosaic cancel {ADDRESS}`"):
        submit.submit(job)
    policy = the_job(kind="NetworkPolicy")
    kubectl.answer("get", stdout=listed(the_job(), policy)).answer("delete").answer("delete")
    assert submit.cancel(job) == "Job skymosaic-held, NetworkPolicy skymosaic-held"
    first, second = kubectl.asked[-2:]
    assert json.loads(first.given)["preconditions"] == {"uid": UID}
    assert "networkpolicy/skymosaic-held" in second.arguments
    kubectl.require_all_asked()


def test_who_may_not_list_some_kinds_can_cancel_the_others(kubectl: Replay, job: Job) -> None:
    said = (OWN / "rbac-forbidden" / "delete-all-kinds-stderr.txt").read_text()
    kubectl.answer("get", stdout=listed(the_job()), stderr=said, exit_code=1).answer("delete")
    assert submit.cancel(job) == "Job skymosaic-held"
    kubectl.require_all_asked()


def test_a_job_that_is_being_deleted_is_waited_for(
    kubectl: Replay, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skymosaic.clusters.kubernetes.existing._PAUSE", 0.01)
    going = the_job()
    going["metadata"]["deletionTimestamp"] = "2026-11-29T08:54:50Z"
    kubectl.answer("get", "namespace")
    for _ in range(3):
        kubectl.answer("get", stdout=listed(going))
    kubectl.recorded("not-there/list", "get", "--namespace=skymosaic")
    kubectl.recorded("token-wrong/get", "create")  # what comes then is another matter
    kubectl.answer("apply")
    with pytest.raises(ComputeError, match="Log in"):
        submit.submit(job)
    kubectl.require_all_asked()
    monkeypatch.setattr("skymosaic.clusters.kubernetes.existing._PATIENCE", 0.0)
    kubectl.answer("get", "namespace").answer("get", stdout=listed(going))
    kubectl.answer("get", stdout=listed(going))
    with pytest.raises(ComputeError, match="on a node that does not answer"):
        submit.submit(job)


def test_where_the_store_has_no_record_the_cluster_is_asked_by_labels(
    kubectl: Replay, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    its_job, policy = the_job(str(store)), the_job(str(store), kind="NetworkPolicy")
    kubectl.answer("get", "--all-namespaces", stdout=listed(its_job, policy))
    kubectl.answer("get", "job", "skymosaic-held", stdout=json.dumps(its_job))
    status = asking.find_status(f"{store}/held")
    assert status.state is RunState.SUBMITTED and "the job is suspended" in status.cluster
    assert status.holder == "Kubernetes job skymosaic-held in namespace skymosaic"
    [selector] = [word for word in kubectl.asked[0].arguments if word.startswith("--selector")]
    assert f"{STORE}={store_label(str(store))}" in selector
    # Who may not look at all namespaces looks at one's own, and at the usual one.
    forbidden = (OWN / "rbac-forbidden" / "delete-all-kinds-stderr.txt").read_text()
    kubectl.answer("get", "--all-namespaces", stderr=forbidden, exit_code=1)
    kubectl.answer("get", stderr=forbidden, exit_code=1)
    kubectl.answer("get", "--namespace=skymosaic", stdout=listed(policy), stderr=forbidden)
    kubectl.answer("delete", "networkpolicy/skymosaic-held", "--namespace=skymosaic")
    assert "NetworkPolicy skymosaic-held" in asking.cancel(f"{store}/held")
    kubectl.require_all_asked()


@pytest.mark.parametrize("case", ["not-there/list", "token-wrong/get", "no-credentials/get"])
def test_what_no_cluster_knows_is_not_there(kubectl: Replay, tmp_path: Path, case: str) -> None:
    kubectl.recorded(case, "get", "--all-namespaces")
    with pytest.raises(MissingError, match="holds no campaign"):
        asking.find_status(f"{tmp_path}/store/held")
    kubectl.require_all_asked()


def test_a_cluster_that_does_not_answer_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "kubectl"
    program.write_text("#!/bin/sh\nexec /bin/sleep 3600\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("skymosaic.clusters.kubernetes.finding._PATIENCE", 0.1)
    with pytest.raises(MissingError, match="holds no campaign"):
        asking.find_status(f"{tmp_path}/store/held")


@pytest.mark.parametrize("name", ["driver-deleted/objects-1-terminating", "done/objects"])
def test_recorded_objects_are_read(name: str) -> None:
    if not SHARED.exists():
        pytest.skip(f"the shared recordings are not here: {name}")
    items = json.loads((SHARED / f"{name}.json").read_text())["items"]
    found = [Existing.of(one) for one in items]
    [its_job] = [one for one in found if one.kind == "Job"]
    assert its_job.ended is name.startswith("done")
    owned = [one for one in found if one.kind in ("Deployment", "NetworkPolicy", "ConfigMap")]
    assert owned and all(one.owners == {its_job.uid} for one in owned)


def test_own_recordings_are_the_shared_ones() -> None:
    if not SHARED.exists():
        pytest.skip("the shared recordings are not here: all of the project's own")
    for file in OWN.glob("*/*"):
        assert file.read_bytes() == (SHARED / file.relative_to(OWN)).read_bytes(), file
