"""Campaigns handed over to Kubernetes: rendered from Python data, applied by kubectl."""

from __future__ import annotations

from skymosaic.clusters.base import Job, Submitted
from skymosaic.clusters.kubernetes import objects
from skymosaic.clusters.kubernetes.existing import existing, remove
from skymosaic.clusters.kubernetes.fate import fate, name_and_namespace
from skymosaic.clusters.kubernetes.finding import find
from skymosaic.clusters.kubernetes.handing_over import hand_over
from skymosaic.clusters.kubernetes.names import INSTANCE
from skymosaic.clusters.kubernetes.planning import plan
from skymosaic.clusters.kubernetes.text import as_yaml

__all__ = ["cancel", "documents", "fate", "find", "submit"]

NAMESPACE = "namespace.yaml"
"""What an administrator applies once; `submit` does not."""
_BY_HAND = "a Secret that `submit` makes; who applies this by hand: docs/kubernetes.md"


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
    """Hand the campaign over to the cluster, all or nothing, and return.

    Raises
    ------
    CampaignError
        The campaign needs what pods do not have.
    LockedError
        Its Job is at work, or objects of it are there that belong to no Job.
    InstallationError, ComputeError
        There is no kubectl; the cluster did not take it.
    """
    planned = plan(job.campaign).submitted()
    hand_over(planned, job.address)
    return Submitted(
        f"Kubernetes job {planned.name} in namespace {planned.settings.namespace}",
        f"kubectl --namespace {planned.settings.namespace} get jobs,pods "
        f"--selector {INSTANCE}={planned.name}",
    )


def cancel(job: Job) -> str:
    """End the campaign, and remove its objects; what is finished stays in the store.

    Returns
    -------
    str
        What was removed; empty where nothing of it was there.
    """
    name, namespace = name_and_namespace(
        job.campaign.name, job.campaign.compute.kubernetes.namespace
    )
    store = job.campaign.store.uri
    there = existing(name, namespace, seen_only=True)
    return remove([one for one in there if one.is_of(store) and not one.being_deleted])
