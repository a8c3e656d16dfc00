"""Handing a campaign over by kubectl: a script that plays kubectl notes what it is asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from skymosaic.clusters.base import Fate, Job
from skymosaic.clusters.kubernetes import submit
from skymosaic.config import load_campaign, resolved_yaml
from skymosaic.errors import ComputeError, InstallationError, LockedError
from skymosaic.journal.submission import Submission
from skymosaic.runs.driver import drive
from tests.conftest import write_campaign

Asked = Callable[[], list[dict[str, Any]]]

# It answers `apply` as the API server does, with an uid for each object, and `get` from a file.
KUBECTL = """#!{python}
import json, pathlib, sys, uuid
import yaml
here = pathlib.Path({folder!r})
given = "" if sys.stdin.isatty() else sys.stdin.read()
with (here / "asked").open("a") as asked:
    asked.write(json.dumps({{"arguments": sys.argv[1:], "given": given}}) + "\\n")
if (here / "error").exists():
    sys.exit((here / "error").read_text())
if sys.argv[1] == "get":
    file = here / sys.argv[2]
    print(file.read_text() if file.exists() else "", end="")
if sys.argv[1] == "apply":
    made = list(yaml.safe_load_all(given))
    for one in made:
        one["metadata"]["uid"] = str(uuid.uuid4())
    print(json.dumps({{"kind": "List", "items": made}}))
"""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
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
    return json.dumps({"kind": "Job", "status": {"conditions": conditions}})


def test_everything_is_applied_and_belongs_to_the_job(asked: Asked, job: Job) -> None:
    submitted = submit.submit(job)
    assert submitted.what == "Kubernetes job skymosaic-field in namespace skymosaic"
    assert "--selector app.kubernetes.io/instance=skymosaic-field" in submitted.follow
    look, first, second = asked()
    assert look["arguments"][:3] == ["get", "job", "skymosaic-field"]
    made, owned = (list(yaml.safe_load_all(call["given"])) for call in (first, second))
    kinds = [one["kind"] for one in made]
    # Pods are told only of Services that were there before them.
    assert kinds.index("Service") < kinds.index("Deployment") < kinds.index("Job")
    assert "Namespace" not in kinds and "PriorityClass" not in kinds
    assert len(owned) == len(made) - 1
    for one in owned:
        [owner] = one["metadata"].pop("ownerReferences")
        assert owner["kind"] == "Job" and owner["name"] == "skymosaic-field" and owner["uid"]
    assert owned == [one for one in made if one["kind"] != "Job"]


def test_a_job_that_is_at_work_is_left_alone(asked: Asked, job: Job, tmp_path: Path) -> None:
    (tmp_path / "job").write_text(job_state(None))
    with pytest.raises(LockedError, match="skymosaic-field is at work"):
        submit.submit(job)
    assert [call["arguments"][0] for call in asked()] == ["get"]
    assert submit.fate(handed_over(job)) == Fate("alive")


@pytest.mark.parametrize("condition", ["Complete", "Failed"])
def test_a_job_that_has_ended_is_replaced(
    asked: Asked, job: Job, tmp_path: Path, condition: str
) -> None:
    (tmp_path / "job").write_text(job_state(condition))
    assert submit.fate(handed_over(job)).state == "ended"
    submit.submit(job)
    verbs = [call["arguments"][0] for call in asked()]
    assert verbs == ["get", "get", "delete", "apply", "apply"]


def test_why_a_job_ended_is_told_with_where_its_logs_are(
    asked: Asked, job: Job, tmp_path: Path
) -> None:
    failed = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "late"}
    (tmp_path / "job").write_text(json.dumps({"status": {"conditions": [failed]}}))
    told = submit.fate(handed_over(job)).told
    assert "DeadlineExceeded: late" in told
    assert "kubectl --namespace skymosaic logs" in told
    # While it is handed over, that is the job of the last time.
    assert submit.fate(handed_over(job, what="")) == Fate("unknown")
    (tmp_path / "job").unlink()
    gone = submit.fate(handed_over(job))
    assert gone.state == "unknown" and "skymosaic-field in namespace skymosaic" in gone.told
    assert submit.fate(handed_over(job, what="")) == Fate("unknown")


def test_what_keeps_pods_from_starting_is_told(asked: Asked, job: Job, tmp_path: Path) -> None:
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
        "Kubernetes says: pod a Unschedulable: 0/3 nodes are available; "
        "pod b ImagePullBackOff: no such image",
    )


def test_cancel_removes_what_belongs_to_the_campaign_only(asked: Asked, job: Job) -> None:
    submit.cancel(job)
    [call] = asked()
    assert call["arguments"][0] == "delete"
    assert "--selector=app.kubernetes.io/instance=skymosaic-field" in call["arguments"]
    assert "--namespace=skymosaic" in call["arguments"]


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ('Error from server (NotFound): namespaces "skymosaic" not found', "An administrator"),
        ('Error from server (Forbidden): jobs.batch is forbidden: User "me"', "auth can-i"),
        ("error: You must be logged in to the server (Unauthorized)", "Log in"),
        ("The connection to the server 10.0.0.1:6443 was refused", "Is the cluster up"),
        ("error: something else", "current-context"),
    ],
)
def test_what_kubectl_says_becomes_one_message_with_a_remedy(
    asked: Asked, job: Job, tmp_path: Path, said: str, remedy: str
) -> None:
    (tmp_path / "error").write_text(f"W0101 00:00:00 error: a retry\nWarning: {{}}\n{said}\n")
    with pytest.raises(ComputeError) as caught:
        submit.submit(job)
    text = str(caught.value)
    assert said in text and remedy in text
    assert "\n" not in text and "a retry" not in text and "Warning" not in text


def test_no_kubectl(job: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InstallationError, match="kubectl is not on the PATH"):
        submit.submit(job)
