"""Handing a campaign over by kubectl: a script that plays kubectl notes what it is asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from skymosaic.clusters.base import Fate, Job
from skymosaic.clusters.kubernetes import submit
from skymosaic.clusters.kubernetes.names import STORE, store_label
from skymosaic.config import load_campaign, resolved_yaml
from skymosaic.errors import ComputeError, InstallationError, LockedError
from skymosaic.journal.submission import Submission
from skymosaic.runs.driver import drive
from tests.conftest import write_campaign

Calls = Callable[[], list[dict[str, Any]]]

# It answers `create` as the API server does, with an uid for each object, and `get` from a file:
# `job`, `pods`, `there` for a list of several kinds; `delete` empties that. What fails is said in a
# file: `error` for whatever is asked; `lost`: a Job is made, and the answer does not come.
KUBECTL = """#!{python}
import json, pathlib, sys, uuid
import yaml
here = pathlib.Path({folder!r})
given = "" if sys.stdin.isatty() else sys.stdin.read()
with (here / "asked").open("a") as asked:
    asked.write(json.dumps({{"arguments": sys.argv[1:], "given": given}}) + "\\n")
verb = sys.argv[1]
made = list(yaml.safe_load_all(given))
if (here / "error").exists():
    sys.exit((here / "error").read_text())
if verb == "get":
    file = here / ("there" if "," in sys.argv[2] else sys.argv[2])
    print(file.read_text() if file.exists() else "", end="")
if verb == "delete":
    (here / "there").unlink(missing_ok=True)
if verb == "create" and "--dry-run=server" not in sys.argv:
    for one in made:
        one["metadata"]["uid"] = str(uuid.uuid4())
    if (here / "lost").exists():
        (here / "job").write_text(json.dumps(made[0]))
        sys.exit((here / "lost").read_text())
    print("\\n".join(json.dumps(one) for one in made))
"""


@pytest.fixture
def kubectl_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    import sys

    program = tmp_path / "kubectl"
    program.write_text(KUBECTL.format(python=sys.executable, folder=str(tmp_path)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    def calls() -> list[dict[str, Any]]:
        file = tmp_path / "asked"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    return calls


@pytest.fixture
def job(tmp_path: Path) -> Job:
    file = write_campaign(
        tmp_path / "field.yaml",
        source={"kind": "simulated"},
        store={"uri": "s3://bucket/mosaics"},
        compute={"backend": "kubernetes"},
    )
    campaign = load_campaign(file)
    return Job(campaign, resolved_yaml(campaign), drive)


def handed_over(job: Job, what: str = "Kubernetes job") -> Submission:
    return Submission("id", "kubernetes", 0, "now", "me", job.text, what=what)


def job_state(condition: str | None) -> str:
    conditions = [] if condition is None else [{"type": condition, "status": "True"}]
    job = {"kind": "Job", "metadata": {"name": "skymosaic-field"}, "spec": {}}
    return json.dumps({**job, "status": {"conditions": conditions}})


def there(state: str, store: str = "s3://bucket/mosaics") -> str:
    """Return a list with a Job of a store's campaign."""
    labels = {STORE: store_label(store)}
    metadata = {"name": "skymosaic-field", "namespace": "skymosaic", "uid": "7", "labels": labels}
    return json.dumps({"items": [{**json.loads(state), "metadata": metadata}]})


def given(call: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the objects that a call hands over."""
    return list(yaml.safe_load_all(call["given"]))


def without_owner(one: dict[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in one["metadata"].items() if key != "ownerReferences"}
    return {**one, "metadata": metadata}


def test_each_submission_has_certificates_of_its_own_in_nothing_but_its_secret(
    kubectl_calls: Calls, job: Job
) -> None:
    for _ in range(2):
        submit.submit(job)
    calls = kubectl_calls()
    keys, names = set(), set()
    for number in (0, 9):
        first, create, _, apply = calls[number + 4 : number + 8]
        [secret] = given(create)
        # What is checked before is what is made then.
        assert given(calls[number + 2]) == [*given(first), without_owner(secret)]
        assert secret["immutable"] is True
        name = secret["metadata"]["name"]
        specs = [
            one["spec"]["template"]["spec"]
            for one in given(apply) + given(first)
            if one["kind"] in ("Deployment", "Job")
        ]
        mounted = [one["secret"] for spec in specs for one in spec["volumes"] if "secret" in one]
        assert mounted == [{"secretName": name, "defaultMode": 0o440}] * 3
        keys.add(secret["stringData"]["key.pem"])
        names.add(name)
    assert len(keys) == len(names) == 2
    elsewhere = [str(call) for call in calls if "kind: Secret" not in call["given"]]
    assert len(elsewhere) == 14
    elsewhere += submit.documents(job).values()
    for text in elsewhere:
        assert "PRIVATE KEY" not in text and "CERTIFICATE-----" not in text


def test_certificates_outlast_the_job(kubectl_calls: Calls, tmp_path: Path) -> None:
    compute = {
        "backend": "kubernetes",
        "kubernetes": {"deadline_hours": 8784, "keep_minutes": 527_040},
    }
    file = write_campaign(
        tmp_path / "long.yaml",
        source={"kind": "simulated"},
        store={"uri": "s3://bucket/mosaics"},
        compute=compute,
    )
    campaign = load_campaign(file)
    submit.submit(Job(campaign, resolved_yaml(campaign), drive))
    objects = [one for call in kubectl_calls() for one in given(call) if one]
    _, secret = [one for one in objects if one["kind"] == "Secret"]
    text = secret["stringData"]["certificate.pem"]
    ends = x509.load_pem_x509_certificate(text.encode()).not_valid_after_utc
    assert ends > datetime.now(UTC) + timedelta(days=2 * 366)


def test_a_job_that_is_at_work_is_left_alone(
    kubectl_calls: Calls, job: Job, tmp_path: Path
) -> None:
    (tmp_path / "there").write_text(there(job_state(None)))
    with pytest.raises(LockedError, match="skymosaic-field is running"):
        submit.submit(job)
    assert [call["arguments"][0] for call in kubectl_calls()] == ["get", "get"]
    (tmp_path / "job").write_text(job_state(None))
    assert submit.fate(handed_over(job)) == Fate("alive")


@pytest.mark.parametrize("condition", ["Complete", "Failed"])
def test_a_job_that_has_ended_is_replaced(
    kubectl_calls: Calls, job: Job, tmp_path: Path, condition: str
) -> None:
    (tmp_path / "job").write_text(job_state(condition))
    assert submit.fate(handed_over(job)).state == "ended"
    (tmp_path / "there").write_text(there(job_state(condition)))
    submit.submit(job)
    verbs = [call["arguments"][0] for call in kubectl_calls()][1:]
    assert verbs[:4] == ["get", "get", "delete", "get"] and verbs[-1] == "patch"
    [deleted] = [call for call in kubectl_calls() if call["arguments"][0] == "delete"]
    assert json.loads(deleted["given"])["preconditions"] == {"uid": "7"}


def test_a_job_whose_making_was_not_answered_is_looked_for(
    kubectl_calls: Calls, job: Job, tmp_path: Path
) -> None:
    (tmp_path / "lost").write_text("error: timed out waiting for the server")
    with pytest.raises(ComputeError, match="timed out"):
        submit.submit(job)
    made = json.loads((tmp_path / "job").read_text())
    look, last = kubectl_calls()[-2:]
    assert look["arguments"][:3] == ["get", "job", "skymosaic-field"]
    assert json.loads(last["given"])["preconditions"] == {"uid": made["metadata"]["uid"]}


def test_why_a_job_ended_is_told_with_where_its_logs_are(
    kubectl_calls: Calls, job: Job, tmp_path: Path
) -> None:
    failed = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "late"}
    ended = {"metadata": {"name": "skymosaic-field"}, "status": {"conditions": [failed]}}
    (tmp_path / "job").write_text(json.dumps(ended))
    message = submit.fate(handed_over(job)).message
    assert "DeadlineExceeded: late" in message
    assert "kubectl --namespace skymosaic logs" in message
    # While it is handed over, that is the job of the last time.
    assert submit.fate(handed_over(job, what="")) == Fate("unknown")
    (tmp_path / "job").unlink()
    gone = submit.fate(handed_over(job))
    assert gone.state == "unknown" and "skymosaic-field in namespace skymosaic" in gone.message
    assert submit.fate(handed_over(job, what="")) == Fate("unknown")


def test_what_keeps_pods_from_starting_is_told(
    kubectl_calls: Calls, job: Job, tmp_path: Path
) -> None:
    def pod(name: str, **status: Any) -> dict[str, Any]:
        return {"metadata": {"name": name}, "status": status}

    def waiting(reason: str, message: str = "") -> dict[str, Any]:
        return {"state": {"waiting": {"reason": reason, "message": message}}}

    unscheduled = {
        **{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"},
        "message": "0/3 nodes are available",
    }
    pods = [
        pod("a", conditions=[unscheduled]),
        pod("b", containerStatuses=[waiting("ImagePullBackOff", "no such\nimage")]),
        pod("c", containerStatuses=[waiting("ContainerCreating")]),
        pod("d", containerStatuses=[{"state": {"running": {}}}]),
    ]
    (tmp_path / "job").write_text(job_state(None))
    (tmp_path / "pods").write_text(json.dumps({"items": pods}))
    assert submit.fate(handed_over(job)) == Fate(
        "alive",
        "Kubernetes says: pod a: Unschedulable: 0/3 nodes are available; "
        "pod b: ImagePullBackOff: no such image",
    )


def test_cancel_removes_what_belongs_to_the_campaign_only(
    kubectl_calls: Calls, job: Job, tmp_path: Path
) -> None:
    (tmp_path / "there").write_text(there(job_state(None)))
    assert submit.cancel(job) == "Job skymosaic-field"
    look, _ = kubectl_calls()
    assert "--selector=app.kubernetes.io/instance=skymosaic-field" in look["arguments"]
    assert "--namespace=skymosaic" in look["arguments"]


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ('Error from server (NotFound): namespaces "skymosaic" not found', "An administrator"),
        ('Error from server (Forbidden): jobs.batch is forbidden: User "me"', "can-i create jobs"),
        (
            'Error from server (Forbidden): secrets is forbidden: User "me" cannot create resource '
            '"secrets" in API group "" in the namespace "sky"',
            "can-i create secrets",
        ),
        ("error: You must be logged in to the server (Unauthorized)", "Log in"),
        ("The connection to the server 10.0.0.1:6443 was refused", "Is the cluster up"),
        ("error: error reading input for Password", "Log in"),
        ("error: something else", "current-context"),
    ],
)
def test_what_kubectl_says_becomes_one_message_with_a_remedy(
    kubectl_calls: Calls, job: Job, tmp_path: Path, said: str, remedy: str
) -> None:
    (tmp_path / "error").write_text(f"W0101 00:00:00 error: a retry\nWarning: {{}}\n{said}\n")
    with pytest.raises(ComputeError) as caught:
        submit.submit(job)
    text = str(caught.value)
    assert said in text and remedy in text
    assert "\n" not in text and "a retry" not in text and "Warning" not in text


_MAY_NOT = (
    'networkpolicies.networking.k8s.io "skymosaic-mine-{}" is forbidden: User "astronomer" cannot '
    'get resource "networkpolicies" in API group "networking.k8s.io" in the namespace "sky-user"'
)
_FOUR_LINES = """\
Error from server (Forbidden): error when retrieving current configuration of:
Resource: "networking.k8s.io/v1, Resource=networkpolicies", GroupVersionKind: "networking.k8s.io/v1\
, Kind=NetworkPolicy"
Name: "skymosaic-mine-{0}", Namespace: "sky-user"
from server for: "STDIN": {1}
"""


def test_the_line_that_says_why_is_told(kubectl_calls: Calls, job: Job, tmp_path: Path) -> None:
    """As kubectl 1.36 says it, of two objects."""
    pods = "scheduler", "worker"
    said = "".join(_FOUR_LINES.format(pod, _MAY_NOT.format(pod)) for pod in pods)
    (tmp_path / "error").write_text(said)
    with pytest.raises(ComputeError) as caught:
        submit.submit(job)
    reasons = "; ".join(_MAY_NOT.format(pod) for pod in pods)
    assert f" failed: {reasons}. Your account has no permission" in str(caught.value)
    assert "can-i get networkpolicies --namespace" in str(caught.value)


@pytest.mark.parametrize(
    "name", ["refused", "forbidden", "timeout", "immutable", "unauthorized", "credentials"]
)
def test_the_remedy_is_for_the_reason_not_for_a_name(
    kubectl_calls: Calls, job: Job, tmp_path: Path, name: str
) -> None:
    (tmp_path / "error").write_text(
        f'Error from server (Invalid): error when creating "STDIN": Job.batch "skymosaic-{name}" '
        "is invalid: spec.parallelism: must be greater than or equal to 0\n"
    )
    with pytest.raises(ComputeError, match=r"current-context` tells which cluster was asked$"):
        submit.submit(job)


def test_no_kubectl(job: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InstallationError, match="kubectl is not on the PATH"):
        submit.submit(job)


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("/bin/cat > /dev/null", "did not say which Job it made"),
        ("echo Welcome", "printed no objects as JSON, but 'Welcome'"),
        ("echo '{\"items\": null}'", "printed no objects as JSON"),
        (
            r"printf 'error: f\374r\n' >&2; exit 1",
            "kubectl get failed: error: f\N{REPLACEMENT CHARACTER}r",
        ),
        ("kill -9 $$", "it was ended by signal 9"),
    ],
)
def test_a_kubectl_that_answers_in_another_way_is_told_of(
    job: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str, says: str
) -> None:
    (tmp_path / "kubectl").write_text(f"#!/bin/sh\n{program}\n")
    (tmp_path / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ComputeError) as caught:
        submit.submit(job)
    assert says in str(caught.value)


@pytest.mark.parametrize("mode", [0o644, 0o755])
def test_a_kubectl_that_cannot_be_started_is_told_of(
    job: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: int
) -> None:
    (tmp_path / "kubectl").write_bytes(b"\x7fELF of another machine")
    (tmp_path / "kubectl").chmod(mode)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InstallationError, match="kubectl cannot be started"):
        submit.submit(job)
