"""Campaigns handed over to Kubernetes: rendered from Python data, applied by kubectl."""

from __future__ import annotations

from typing import Any

import yaml

from skymosaic.clusters.base import Fate, Job, Submitted
from skymosaic.clusters.kubernetes import objects
from skymosaic.clusters.kubernetes.kubectl import kubectl, kubectl_json
from skymosaic.clusters.kubernetes.names import object_name
from skymosaic.clusters.kubernetes.planning import plan
from skymosaic.clusters.kubernetes.text import as_yaml
from skymosaic.errors import ComputeError, LockedError
from skymosaic.journal.submission import Submission

__all__ = ["cancel", "documents", "fate", "submit"]

NAMESPACE = "namespace.yaml"
"""What an administrator applies once; `submit` does not."""
_KINDS = (
    "job,deployment,horizontalpodautoscaler,poddisruptionbudget,service,networkpolicy,configmap"
)
_LABEL = "app.kubernetes.io/instance"
_STARTING = {"ContainerCreating", "PodInitializing"}
_LONGEST = 300  # characters of why a pod does not start


def documents(job: Job) -> dict[str, str]:
    """Return what would be applied, by file name, and what the namespace has to hold before.

    Raises
    ------
    CampaignError
        The campaign needs what pods do not have.
    """
    planned = plan(job.campaign)
    made = {NAMESPACE: objects.namespace(planned.settings), **objects.campaign(planned)}
    return {name: as_yaml(its) for name, its in made.items()}


def submit(job: Job) -> Submitted:
    """Hand the campaign over to the cluster, and return.

    Everything else belongs to the Job, so that Kubernetes removes all of it with the Job, some
    time after that has ended.

    Raises
    ------
    CampaignError
        The campaign needs what pods do not have.
    LockedError
        Its Job is at work.
    InstallationError, ComputeError
        There is no kubectl; the cluster did not do it.
    """
    planned = plan(job.campaign)
    last = _find_job(planned.name, planned.settings.namespace)
    if last and not _end(last):
        raise LockedError(
            f"the Kubernetes job {planned.name} is at work in namespace "
            f"{planned.settings.namespace}; wait for its end, or `skymosaic cancel` it"
        )
    if last:
        # A Job cannot be changed. What belongs to it goes with it.
        _delete("job", planned.name, planned.settings.namespace)
    made = [made for its in objects.campaign(planned).values() for made in its]
    answer = kubectl_json("apply", "--filename=-", given=as_yaml(made))
    kubectl("apply", "--filename=-", given=as_yaml(_owned(made, answer["items"])))
    return Submitted(
        f"Kubernetes job {planned.name} in namespace {planned.settings.namespace}",
        f"kubectl --namespace {planned.settings.namespace} get jobs,pods "
        f"--selector {_LABEL}={planned.name}",
    )


def cancel(job: Job) -> None:
    """End the campaign, and remove its objects; what is finished stays in the store."""
    name, namespace = _where(job.campaign.name, job.campaign.compute.kubernetes.namespace)
    kubectl(
        "delete",
        _KINDS,
        f"--namespace={namespace}",
        f"--selector={_LABEL}={name}",
        "--ignore-not-found",
        "--wait=false",
    )


def fate(submission: Submission) -> Fate:
    """Return what the cluster knows of a submission's Job, and of pods that do not start.

    Raises
    ------
    InstallationError, ComputeError
        There is no kubectl; the cluster does not answer.
    """
    campaign = yaml.safe_load(submission.text)
    name, namespace = _where(
        campaign["campaign"]["name"], campaign["compute"]["kubernetes"]["namespace"]
    )
    job = _find_job(name, namespace)
    ended = _end(job)
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
        logs = f"kubectl --namespace {namespace} logs --selector {_LABEL}={name} --tail=50"
        return Fate("ended", f"Kubernetes says: {why or 'Failed'}. Logs: {logs}")
    stuck = [told for pod in _pods(name, namespace) if (told := _what_stops(pod))]
    return Fate("alive", f"Kubernetes says: {'; '.join(stuck)}" if stuck else "")


def _where(campaign: str, namespace: str) -> tuple[str, str]:
    return object_name(campaign), namespace


def _find_job(name: str, namespace: str) -> dict[str, Any]:
    return kubectl_json("get", "job", name, f"--namespace={namespace}", "--ignore-not-found")


def _pods(name: str, namespace: str) -> list[dict[str, Any]]:
    """Return a campaign's pods; none where the user may not see them."""
    try:
        found = kubectl_json(
            "get", "pods", f"--namespace={namespace}", f"--selector={_LABEL}={name}"
        )
    except ComputeError:
        return []
    pods: list[dict[str, Any]] = found.get("items", [])
    return pods


def _end(job: dict[str, Any]) -> dict[str, Any] | None:
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
    told = "; ".join(": ".join(word for word in words if word) for words in found)
    return f"pod {pod['metadata']['name']} {' '.join(told.split())[:_LONGEST]}" if told else ""


def _delete(kind: str, name: str, namespace: str) -> None:
    kubectl(
        *("delete", kind, name, f"--namespace={namespace}", "--ignore-not-found"),
        *("--cascade=foreground", "--wait=true", "--timeout=300s"),
    )


def _owned(made: list[dict[str, Any]], applied: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what is not the Job, as belonging to it."""
    [job] = [answer for answer in applied if answer["kind"] == "Job"]
    owner = {
        "apiVersion": job["apiVersion"],
        "kind": "Job",
        "name": job["metadata"]["name"],
        "uid": job["metadata"]["uid"],
        "blockOwnerDeletion": True,
    }
    return [
        {**one, "metadata": {**one["metadata"], "ownerReferences": [owner]}}
        for one in made
        if one["kind"] != "Job"
    ]
