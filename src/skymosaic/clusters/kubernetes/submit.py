"""Campaigns handed over to Kubernetes: rendered from Python data, applied by kubectl."""

from __future__ import annotations

import logging
from typing import Any

import yaml

from skymosaic.clusters.base import Fate, Job, Submitted
from skymosaic.clusters.kubernetes import objects
from skymosaic.clusters.kubernetes.kubectl import kubectl, kubectl_json
from skymosaic.clusters.kubernetes.names import object_name
from skymosaic.clusters.kubernetes.planning import Plan, plan
from skymosaic.clusters.kubernetes.text import as_yaml
from skymosaic.errors import ComputeError, LockedError, SkymosaicError
from skymosaic.journal.submission import Submission

__all__ = ["cancel", "documents", "fate", "submit"]

log = logging.getLogger(__name__)

NAMESPACE = "namespace.yaml"
"""What an administrator applies once; `submit` does not."""
_BY_HAND = "a Secret that `submit` makes; who applies this by hand: docs/kubernetes.md"
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
    manifests = {NAMESPACE: objects.namespace(planned.settings), **objects.campaign(planned)}
    texts = {name: as_yaml(its) for name, its in manifests.items()}
    return {
        name: f"# Needs {planned.tls}, {_BY_HAND}\n{text}" if str(planned.tls) in text else text
        for name, text in texts.items()
    }


def submit(job: Job) -> Submitted:
    """Hand the campaign over to the cluster, and return.

    Everything else belongs to the Job, so that Kubernetes removes all of it with the Job: some time
    after that has ended, or at once where a part of it could not be made. So the Job comes first,
    suspended, and begins last.

    Raises
    ------
    CampaignError
        The campaign needs what pods do not have.
    LockedError
        Its Job is at work.
    InstallationError, ComputeError
        There is no kubectl; the cluster did not do it.
    """
    planned = plan(job.campaign).submitted()
    _make_way(planned)
    manifests = [one for its in objects.campaign(planned).values() for one in its]
    [its_job] = [one for one in manifests if one["kind"] == "Job"]
    owner = _create({**its_job, "spec": {**its_job["spec"], "suspend": True}})
    try:
        # `apply` would keep the key in an annotation, and print it where it fails.
        _create(_owned(objects.secret(planned), owner))
        others = [_owned(one, owner) for one in manifests if one is not its_job]
        kubectl("apply", "--filename=-", given=as_yaml(others))
        _begin(planned)
    except BaseException:
        _take_back(planned)
        raise
    return Submitted(
        f"Kubernetes job {planned.name} in namespace {planned.settings.namespace}",
        f"kubectl --namespace {planned.settings.namespace} get jobs,pods "
        f"--selector {_LABEL}={planned.name}",
    )


def _make_way(planned: Plan) -> None:
    """Remove the campaign's last Job, if it has ended."""
    name, namespace = planned.name, planned.settings.namespace
    last = _find_job(name, namespace)
    if last and last.get("spec", {}).get("suspend"):
        raise LockedError(
            f"the Kubernetes job {name} is there in namespace {namespace}, and suspended: somebody "
            "is handing it over, or was interrupted. If nobody is, remove it with `kubectl "
            f"--namespace {namespace} delete job {name}`, and submit again"
        )
    if last and not _end(last):
        raise LockedError(
            f"the Kubernetes job {name} is running in namespace {namespace}; wait for its end, or "
            "`skymosaic cancel` it"
        )
    if last:
        # A Job cannot be changed. What belongs to it goes with it.
        _delete(name, namespace, "--cascade=foreground", "--wait=true", "--timeout=300s")


def _create(one: dict[str, Any]) -> dict[str, Any]:
    """Make an object that is not there; return it as it is then."""
    return kubectl_json("create", "--filename=-", given=as_yaml([one]))


def _begin(planned: Plan) -> None:
    kubectl(
        *("patch", "job", planned.name, f"--namespace={planned.settings.namespace}"),
        *("--type=merge", '--patch={"spec": {"suspend": false}}'),
    )


def _take_back(planned: Plan) -> None:
    """Remove what a submission that failed has made, all of which belongs to its Job."""
    name, namespace = planned.name, planned.settings.namespace
    try:
        _delete(name, namespace, "--wait=false")
    except SkymosaicError as error:
        log.warning(
            "what was made of the campaign may be there still (%s): "
            "`kubectl --namespace %s delete job %s` removes it",
            *(error, namespace, name),
        )


def cancel(job: Job) -> None:
    """End the campaign, and remove its objects; what is finished stays in the store."""
    name, namespace = _name_and_namespace(
        job.campaign.name, job.campaign.compute.kubernetes.namespace
    )
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
    name, namespace = _name_and_namespace(
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
    stuck = ["the job is suspended"] if job["spec"].get("suspend") else []
    stuck += [reason for pod in _pods(name, namespace) if (reason := _what_stops(pod))]
    return Fate("alive", f"Kubernetes says: {'; '.join(stuck)}" if stuck else "")


def _name_and_namespace(campaign: str, namespace: str) -> tuple[str, str]:
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
    reasons = "; ".join(": ".join(word for word in words if word) for words in found)
    return (
        f"pod {pod['metadata']['name']} {' '.join(reasons.split())[:_LONGEST]}" if reasons else ""
    )


def _delete(name: str, namespace: str, *how: str) -> None:
    """Remove a Job, and with it what belongs to it."""
    kubectl("delete", "job", name, f"--namespace={namespace}", "--ignore-not-found", *how)


def _owned(one: dict[str, Any], job: dict[str, Any]) -> dict[str, Any]:
    """Return an object as belonging to a Job that is there."""
    owner = {
        "apiVersion": job["apiVersion"],
        "kind": "Job",
        "name": job["metadata"]["name"],
        "uid": job["metadata"]["uid"],
        "blockOwnerDeletion": True,
    }
    return {**one, "metadata": {**one["metadata"], "ownerReferences": [owner]}}
