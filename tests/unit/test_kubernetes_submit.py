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
from skymosaic.config import load_campaign, resolved_yaml
from skymosaic.errors import ComputeError, InstallationError, LockedError
from skymosaic.journal.submission import Submission
from skymosaic.runs.driver import drive
from tests.conftest import write_campaign

Calls = Callable[[], list[dict[str, Any]]]

# It answers `create` as the API server does, with an uid for each object, and `get` from a file.
# What fails is said in a file: `error` for whatever is asked, `error-VERB`, `error-VERB-KIND`.
KUBECTL = """#!{python}
import json, pathlib, sys, uuid
import yaml
here = pathlib.Path({folder!r})
given = "" if sys.stdin.isatty() else sys.stdin.read()
with (here / "asked").open("a") as asked:
    asked.write(json.dumps({{"arguments": sys.argv[1:], "given": given}}) + "\\n")
verb = sys.argv[1]
made = list(yaml.safe_load_all(given))
names = ["error", f"error-{{verb}}", *(f"error-{{verb}}-{{one['kind']}}" for one in made)]
for error in [here / name for name in names if (here / name).exists()]:
    sys.exit(error.read_text())
if verb == "get":
    file = here / sys.argv[2]
    print(file.read_text() if file.exists() else "", end="")
if verb == "create":
    for one in made:
        one["metadata"]["uid"] = str(uuid.uuid4())
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


def given(call: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the objects that a call hands over."""
    return list(yaml.safe_load_all(call["given"]))


def test_everything_belongs_to_the_job_which_begins_last(kubectl_calls: Calls, job: Job) -> None:
    submitted = submit.submit(job)
    assert submitted.what == "Kubernetes job skymosaic-field in namespace skymosaic"
    assert "--selector app.kubernetes.io/instance=skymosaic-field" in submitted.follow
    look, first, secret, others, last = kubectl_calls()
    assert look["arguments"][:3] == ["get", "job", "skymosaic-field"]
    [waiting] = given(first)
    assert waiting["kind"] == "Job" and waiting["spec"]["suspend"] is True
    assert last["arguments"][:3] == ["patch", "job", "skymosaic-field"]
    assert '--patch={"spec": {"suspend": false}}' in last["arguments"]
    # A Job of somebody else must be left alone, and `apply` keeps and prints what it is given.
    assert [call["arguments"][0] for call in (first, secret, others)] == [*["create"] * 2, "apply"]
    owned = [*given(secret), *given(others)]
    for one in owned:
        [owner] = one["metadata"].pop("ownerReferences")
        assert owner["kind"] == "Job" and owner["name"] == "skymosaic-field" and owner["uid"]
    kinds = [one["kind"] for one in owned]
    # Pods are told only of Services that were there before them, and wait for Secrets.
    assert kinds[0] == "Secret" and kinds.index("Service") < kinds.index("Deployment")
    printed = [one for text in submit.documents(job).values() for one in yaml.safe_load_all(text)]
    cluster_wide = {"Namespace", "ServiceAccount", "PriorityClass"}
    assert {*kinds, "Job"} == {one["kind"] for one in printed} - cluster_wide | {"Secret"}


def test_each_submission_has_certificates_of_its_own_in_nothing_but_its_secret(
    kubectl_calls: Calls, job: Job
) -> None:
    for _ in range(2):
        submit.submit(job)
    calls = kubectl_calls()
    keys, names = set(), set()
    for number in (0, 5):
        first, create, apply = calls[number + 1 : number + 4]
        [secret] = given(create)
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
    assert len(elsewhere) == 8
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
    [secret] = [
        one for call in kubectl_calls() for one in given(call) if one and one["kind"] == "Secret"
    ]
    text = secret["stringData"]["certificate.pem"]
    ends = x509.load_pem_x509_certificate(text.encode()).not_valid_after_utc
    assert ends > datetime.now(UTC) + timedelta(days=2 * 366)


@pytest.mark.parametrize("step", ["create-Secret", "apply-Service", "patch"])
def test_of_a_submission_that_fails_nothing_is_left(
    kubectl_calls: Calls, job: Job, tmp_path: Path, step: str
) -> None:
    (tmp_path / f"error-{step}").write_text("error: no")
    with pytest.raises(ComputeError, match="error: no"):
        submit.submit(job)
    last = kubectl_calls()[-1]["arguments"]
    # All else belongs to the Job.
    assert last[:3] == ["delete", "job", "skymosaic-field"] and "--namespace=skymosaic" in last


def test_a_job_that_came_meanwhile_is_left_alone(
    kubectl_calls: Calls, job: Job, tmp_path: Path
) -> None:
    (tmp_path / "error-create-Job").write_text('jobs.batch "skymosaic-field" already exists')
    with pytest.raises(ComputeError, match="exists already"):
        submit.submit(job)
    assert [call["arguments"][0] for call in kubectl_calls()] == ["get", "create"]


def test_what_could_not_be_taken_back_is_named(
    kubectl_calls: Calls, job: Job, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "error-apply").write_text("error: no")
    (tmp_path / "error-delete").write_text("error: nor that")
    with pytest.raises(ComputeError, match="error: no"):
        submit.submit(job)
    assert "nor that" in caplog.text
    assert "`kubectl --namespace skymosaic delete job skymosaic-field` removes it" in caplog.text
    # Unless it is removed, the next one is told so.
    suspended = json.loads(job_state(None)) | {"spec": {"suspend": True}}
    (tmp_path / "job").write_text(json.dumps(suspended))
    with pytest.raises(LockedError, match=r"suspended.*kubectl --namespace skymosaic delete job"):
        submit.submit(job)
    assert submit.fate(handed_over(job)).message == "Kubernetes says: the job is suspended"


def test_a_job_that_is_at_work_is_left_alone(
    kubectl_calls: Calls, job: Job, tmp_path: Path
) -> None:
    (tmp_path / "job").write_text(job_state(None))
    with pytest.raises(LockedError, match="skymosaic-field is running"):
        submit.submit(job)
    assert [call["arguments"][0] for call in kubectl_calls()] == ["get"]
    assert submit.fate(handed_over(job)) == Fate("alive")


@pytest.mark.parametrize("condition", ["Complete", "Failed"])
def test_a_job_that_has_ended_is_replaced(
    kubectl_calls: Calls, job: Job, tmp_path: Path, condition: str
) -> None:
    (tmp_path / "job").write_text(job_state(condition))
    assert submit.fate(handed_over(job)).state == "ended"
    submit.submit(job)
    verbs = [call["arguments"][0] for call in kubectl_calls()]
    assert verbs == ["get", "get", "delete", "create", "create", "apply", "patch"]


def test_why_a_job_ended_is_told_with_where_its_logs_are(
    kubectl_calls: Calls, job: Job, tmp_path: Path
) -> None:
    failed = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "late"}
    (tmp_path / "job").write_text(json.dumps({"status": {"conditions": [failed]}}))
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


def test_cancel_removes_what_belongs_to_the_campaign_only(kubectl_calls: Calls, job: Job) -> None:
    submit.cancel(job)
    [call] = kubectl_calls()
    assert call["arguments"][0] == "delete"
    assert "--selector=app.kubernetes.io/instance=skymosaic-field" in call["arguments"]
    assert "--namespace=skymosaic" in call["arguments"]


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
