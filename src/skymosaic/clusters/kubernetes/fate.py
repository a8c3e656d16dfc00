"""What a cluster knows of a campaign that was handed over to it: its Job, and its pods."""

from __future__ import annotations

from typing import Any

import yaml

from skymosaic.clusters.base import Fate
from skymosaic.clusters.kubernetes.kubectl import kubectl_json
from skymosaic.clusters.kubernetes.names import object_name
from skymosaic.errors import ComputeError
from skymosaic.journal.submission import Submission

LABEL = "app.kubernetes.io/instance"
_STARTING = {"ContainerCreating", "PodInitializing"}
_LONGEST = 300  # characters of why a pod does not start


def fate(submission: Submission) -> Fate:
    """Return what the cluster knows of a submission's Job, and of pods that do not start.

    Raises
    ------
    InstallationError, ComputeError
        There is no kubectl; the cluster does not answer.
    """
    campaign = yaml.safe_load(submission.text)
    name, namespace = name_and_namespace(
        campaign["campaign"]["name"], campaign["compute"]["kubernetes"]["namespace"]
    )
    job = find_job(name, namespace)
    ended = end_of(job)
    if not submission.what and (ended or not job):
        return Fate("unknown")  # it is being handed over; a job may be there of the last time
    if not job:
        # kubectl may look at another cluster now.
        return Fate(
            "unknown",
            f"There is no Kubernetes job {name} in namespace {namespace} of the cluster that "
            "`kubectl config current-context` names",
        )
    if ended:
        if ended["type"] == "Complete":
            return Fate("ended")
        why = ": ".join(ended[key] for key in ("reason", "message") if ended.get(key))
        logs = f"kubectl --namespace {namespace} logs --selector {LABEL}={name} --tail=50"
        return Fate("ended", f"Kubernetes says: {why or 'Failed'}. Logs: {logs}")
    stuck = ["the job is suspended"] if job["spec"].get("suspend") else []
    stuck += [reason for pod in _pods(name, namespace) if (reason := _what_stops(pod))]
    return Fate("alive", f"Kubernetes says: {'; '.join(stuck)}" if stuck else "")


def name_and_namespace(campaign: str, namespace: str) -> tuple[str, str]:
    """Return the name of a campaign's Job, and its namespace."""
    return object_name(campaign), namespace


def find_job(name: str, namespace: str) -> dict[str, Any]:
    """Return a Job; empty where there is none."""
    return kubectl_json("get", "job", name, f"--namespace={namespace}", "--ignore-not-found")


def _pods(name: str, namespace: str) -> list[dict[str, Any]]:
    """Return a campaign's pods; none where the user may not see them."""
    try:
        found = kubectl_json(
            "get", "pods", f"--namespace={namespace}", f"--selector={LABEL}={name}"
        )
    except ComputeError:
        return []
    pods: list[dict[str, Any]] = found.get("items", [])
    return pods


def end_of(job: dict[str, Any]) -> dict[str, Any] | None:
    """Return the condition that says how a Job ended; None while it has not."""
    conditions = job.get("status", {}).get("conditions", [])
    ends = (c for c in conditions if c["type"] in ("Complete", "Failed") and c["status"] == "True")
    return next(ends, None)


def _what_stops(pod: dict[str, Any]) -> str:
    """Return why a pod does not start, in a line; empty where nothing stops it."""
    status = pod.get("status", {})
    found = [
        (condition.get("reason"), condition.get("message"))
        for condition in status.get("conditions", [])
        if condition["type"] == "PodScheduled" and condition["status"] == "False"
    ]
    for container in status.get("containerStatuses", []):
        waiting = container.get("state", {}).get("waiting", {})
        if waiting.get("reason") not in (None, *_STARTING):
            found.append((waiting["reason"], waiting.get("message")))
    reasons = "; ".join(": ".join(word for word in words if word) for words in found)
    return (
        f"pod {pod['metadata']['name']} {' '.join(reasons.split())[:_LONGEST]}" if reasons else ""
    )
