"""Campaigns handed over to Kubernetes: rendered from Python data, applied by kubectl."""

from __future__ import annotations

from typing import Any

import yaml

from skymosaic.errors import LockedError
from skymosaic.submission.job import Job, Submitted
from skymosaic.submission.kubernetes import objects
from skymosaic.submission.kubernetes.kubectl import kubectl, kubectl_json
from skymosaic.submission.kubernetes.names import object_name
from skymosaic.submission.kubernetes.plan import plan
from skymosaic.submission.kubernetes.text import as_yaml

__all__ = ["cancel", "documents", "is_known", "submit"]

NAMESPACE = "namespace.yaml"
"""What an administrator applies once; `submit` does not."""
_KINDS = (
    "job,deployment,horizontalpodautoscaler,poddisruptionbudget,service,networkpolicy,configmap"
)


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
    if last and not _has_ended(last):
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
        f"--selector app.kubernetes.io/instance={planned.name}",
    )


def cancel(job: Job) -> None:
    """End the campaign, and remove its objects; what is finished stays in the store."""
    name, namespace = _where(job.campaign.name, job.campaign.compute.kubernetes.namespace)
    kubectl(
        "delete",
        _KINDS,
        f"--namespace={namespace}",
        f"--selector=app.kubernetes.io/instance={name}",
        "--ignore-not-found",
        "--wait=false",
    )


def is_known(submission: Any) -> bool:
    """Tell whether the cluster has a Job of a submission that has not ended.

    Parameters
    ----------
    submission
        Its `text` is the campaign file.
    """
    campaign = yaml.safe_load(submission.text)
    name, namespace = _where(
        campaign["campaign"]["name"], campaign["compute"]["kubernetes"]["namespace"]
    )
    found = _find_job(name, namespace)
    return bool(found) and not _has_ended(found)


def _where(campaign: str, namespace: str) -> tuple[str, str]:
    return object_name(campaign), namespace


def _find_job(name: str, namespace: str) -> dict[str, Any]:
    return kubectl_json("get", "job", name, f"--namespace={namespace}", "--ignore-not-found")


def _has_ended(job: dict[str, Any]) -> bool:
    conditions = job.get("status", {}).get("conditions", [])
    return any(
        condition["type"] in ("Complete", "Failed") and condition["status"] == "True"
        for condition in conditions
    )


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
