"""Campaigns handed over to Kubernetes: rendered from Python data, applied by kubectl."""

from __future__ import annotations

import logging
from typing import Any

from skymosaic.clusters.base import Job, Submitted
from skymosaic.clusters.kubernetes import objects
from skymosaic.clusters.kubernetes.fate import LABEL, end_of, fate, find_job, name_and_namespace
from skymosaic.clusters.kubernetes.kubectl import kubectl, kubectl_json
from skymosaic.clusters.kubernetes.planning import Plan, plan
from skymosaic.clusters.kubernetes.text import as_yaml
from skymosaic.errors import LockedError, SkymosaicError

__all__ = ["cancel", "documents", "fate", "submit"]

log = logging.getLogger(__name__)

NAMESPACE = "namespace.yaml"
"""What an administrator applies once; `submit` does not."""
_BY_HAND = "a Secret that `submit` makes; who applies this by hand: docs/kubernetes.md"
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
        f"--selector {LABEL}={planned.name}",
    )


def _make_way(planned: Plan) -> None:
    """Remove the campaign's last Job, if it has ended."""
    name, namespace = planned.name, planned.settings.namespace
    last = find_job(name, namespace)
    if last and last.get("spec", {}).get("suspend"):
        raise LockedError(
            f"the Kubernetes job {name} is there in namespace {namespace}, and suspended: somebody "
            "is handing it over, or was interrupted. If nobody is, remove it with `kubectl "
            f"--namespace {namespace} delete job {name}`, and submit again"
        )
    if last and not end_of(last):
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
    name, namespace = name_and_namespace(
        job.campaign.name, job.campaign.compute.kubernetes.namespace
    )
    kubectl(
        "delete",
        _KINDS,
        f"--namespace={namespace}",
        f"--selector={LABEL}={name}",
        "--ignore-not-found",
        "--wait=false",
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
