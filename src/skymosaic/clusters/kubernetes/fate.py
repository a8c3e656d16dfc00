"""What a cluster knows of a campaign that was handed over to it: its Job, and its pods."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import yaml

from skymosaic.clusters.base import Fate
from skymosaic.clusters.kubernetes.kubectl import objects_of
from skymosaic.clusters.kubernetes.names import INSTANCE, STORE, object_name, store_label
from skymosaic.clusters.kubernetes.pod_words import driver_words, refusals_needed, workers_words
from skymosaic.errors import ComputeError
from skymosaic.journal.submission import Submission

_GLANCE = 10.0  # s for a request; kubectl repeats some of them
_LIMIT = 20.0  # s for a question with its repetitions, and with a plugin that logs in


def fate(submission: Submission) -> Fate:
    """Return what the cluster knows of a submission's Job and pods.

    Raises
    ------
    InstallationError, ComputeError
        There is no kubectl; the cluster does not answer.
    """
    campaign = yaml.safe_load(submission.text)
    name, namespace = name_and_namespace(
        campaign["campaign"]["name"], campaign["compute"]["kubernetes"]["namespace"]
    )
    store = campaign.get("store", {}).get("uri", "")
    return fate_of(name, namespace, store, handed_over=bool(submission.what))


def fate_of(name: str, namespace: str, store: str = "", *, handed_over: bool = True) -> Fate:
    """Return what the cluster knows of a Job and its pods.

    Parameters
    ----------
    name, namespace : str
        Of the Job.
    store : str
        Address of the campaign's store: a Job of another store is not this one. Empty: of any.
    handed_over : bool
        Whether it was, for all that is known; the Job of the last time may be there before.

    Raises
    ------
    InstallationError, ComputeError
        There is no kubectl; the cluster does not answer.
    """
    job = find_job(name, namespace)
    if store and _store_of(job) not in (None, store_label(store)):
        job = {}
    ended = end_of(job) or _ending(job)
    if not handed_over and (ended or not job):
        return Fate("unknown")
    if not job:
        return Fate(
            "unknown",
            f"There is no Kubernetes job {name} in namespace {namespace} of the cluster that "
            "`kubectl config current-context` names: it was removed after its end, or kubectl "
            "looks at another cluster now",
        )
    if ended:
        if ended["type"] in ("Complete", "SuccessCriteriaMet"):
            return Fate("ended")
        why = ": ".join(ended[key] for key in ("reason", "message") if ended.get(key))
        logs = f"kubectl --namespace {namespace} logs --selector {INSTANCE}={name} --tail=50"
        return Fate("ended", f"Kubernetes says: {why or 'Failed'}. Logs: {logs}")
    if "deletionTimestamp" in job["metadata"]:
        return Fate("ended", f"Kubernetes says: somebody deleted the job {name}")
    words = ["the job is suspended"] if job["spec"].get("suspend") else _words(job, namespace)
    return Fate("alive", f"Kubernetes says: {'; '.join(words)}" if words else "")


def name_and_namespace(campaign: str, namespace: str) -> tuple[str, str]:
    """Return the name of a campaign's Job, and its namespace."""
    return object_name(campaign), namespace


def find_job(name: str, namespace: str) -> dict[str, Any]:
    """Return a Job; empty where there is none."""
    found = _glanced("job", namespace, name, "--ignore-not-found")
    return found[0] if found else {}


def _store_of(job: dict[str, Any]) -> str | None:
    """Return the label of the store that a Job is for; None where an older version made it."""
    labels: dict[str, str] = job.get("metadata", {}).get("labels", {})
    return labels.get(STORE)


def end_of(job: dict[str, Any]) -> dict[str, Any] | None:
    """Return the condition that says how a Job ended; None while it has not."""
    return _condition(job, "Complete", "Failed")


def _ending(job: dict[str, Any]) -> dict[str, Any] | None:
    """Return the condition that says how a Job will end: only its pods are there still."""
    return _condition(job, "SuccessCriteriaMet", "FailureTarget")


def _condition(job: dict[str, Any], *types: str) -> dict[str, Any] | None:
    conditions = job.get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] in types and c["status"] == "True"), None)


def _words(job: dict[str, Any], namespace: str) -> list[str]:
    """Return how the driver, the workers and the scheduler of a Job are."""
    now, name = datetime.now(UTC), job["metadata"]["name"]
    chosen = f"--selector={INSTANCE}={name}"
    try:
        pods = _glanced("pods", namespace, chosen)
    except ComputeError as error:  # nothing is said of pods that were not seen
        return [f"the job has not ended; how its pods are is not known ({error})"]
    deployments = _listed("deployments", namespace, chosen)
    # Where the Job has no pod, nothing else tells why; events of other Jobs of its name may be
    # there still.
    of_job = f"involvedObject.uid={job['metadata'].get('uid', '')},reason=FailedCreate"
    refused = (
        _listed("events", namespace, f"--field-selector={of_job}") if refusals_needed(job) else []
    )
    words = [driver_words(job, pods, refused, now), *workers_words(pods, deployments, now)]
    return [word for word in words if word]


def _listed(kind: str, namespace: str, chosen: str) -> list[dict[str, Any]]:
    """Return the objects of a kind; none where the user may not see them."""
    try:
        return _glanced(kind, namespace, chosen)
    except ComputeError:
        return []


def _glanced(kind: str, namespace: str, *chosen: str) -> list[dict[str, Any]]:
    return objects_of(
        *("get", kind, *chosen, f"--namespace={namespace}"), patience=_GLANCE, limit=_LIMIT
    )
