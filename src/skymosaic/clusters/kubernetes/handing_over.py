"""One submission of a campaign to Kubernetes: all of its objects are made, or none stays.

Before anything is made the API server checks everything, in a dry run. Then the Job is made,
suspended; everything else belongs to it, by its UID, so that Kubernetes removes all of it with the
Job. The policies come before the pods, and the Job begins last. Where a part cannot be made, the
Job is deleted by its UID: nothing goes that this submission did not make.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from skymosaic.clusters.kubernetes import objects
from skymosaic.clusters.kubernetes.existing import (
    Existing,
    delete_job,
    existing,
    named,
    wait_until_gone,
)
from skymosaic.clusters.kubernetes.kubectl import answer_of, kubectl, objects_of
from skymosaic.clusters.kubernetes.planning import Plan
from skymosaic.clusters.kubernetes.text import as_yaml
from skymosaic.errors import ComputeError, LockedError, SkymosaicError

log = logging.getLogger(__name__)

Data = dict[str, Any]

_MANAGER = "--field-manager=skymosaic"
# Not kubectl's own way, which copies all of an object into an annotation of at most 256 KiB.
_APPLY = "apply", "--server-side", "--filename=-", _MANAGER
_CREATE = "create", "--filename=-", _MANAGER
_DRY_RUN = "--dry-run=server"
_SUBMISSION = "skymosaic/submission"  # annotation of a Job: by it a submission knows its own
_WITH_PODS = {"Deployment", "HorizontalPodAutoscaler"}
_ELSEWHERE = (
    "Nothing was submitted: give this campaign another name, or set compute.kubernetes.namespace"
)
_SOON = 10.0  # s for a question after a failure


@dataclass(frozen=True)
class _Parts:
    """The objects of a submission, in the order in which they are made."""

    job: Data
    """Suspended."""
    secret: Data
    before_pods: list[Data]
    pods: list[Data]

    @classmethod
    def of(cls, planned: Plan) -> _Parts:
        manifests = [one for its in objects.campaign(planned).values() for one in its]
        [job] = [one for one in manifests if one["kind"] == "Job"]
        marked = {**job["metadata"]["annotations"], _SUBMISSION: planned.tls}
        others = [one for one in manifests if one is not job]
        return cls(
            job={
                **job,
                "metadata": {**job["metadata"], "annotations": marked},
                "spec": {**job["spec"], "suspend": True},
            },
            secret=objects.secret(planned),
            before_pods=[one for one in others if one["kind"] not in _WITH_PODS],
            pods=[one for one in others if one["kind"] in _WITH_PODS],
        )

    @property
    def kinds(self) -> list[str]:
        """What can be listed of them."""
        listed = [self.job, *self.before_pods, *self.pods]
        return list(dict.fromkeys(one["kind"].lower() for one in listed))


def hand_over(planned: Plan, address: str) -> None:
    """Make all objects of a campaign, and begin; or leave none.

    Parameters
    ----------
    planned : Plan
        Of this submission.
    address : str
        ``STORE/CAMPAIGN``, as commands name it.

    Raises
    ------
    LockedError
        Its Job is at work, or objects of it are there that belong to no Job.
    InstallationError, ComputeError
        There is no kubectl; the cluster did not take it, in its own words.
    """
    parts = _Parts.of(planned)
    _require_namespace(planned.settings.namespace)
    _make_way(planned, parts, address)
    _require_accepted(parts)
    job = _make_job(planned, parts)
    try:
        # `apply` would print the key where it fails.
        kubectl(*_CREATE, given=as_yaml([_owned(parts.secret, job)]))
        for some in (parts.before_pods, parts.pods):
            kubectl(*_APPLY, given=as_yaml([_owned(one, job) for one in some]))
        _begin(job)
    except BaseException:
        _take_back(job)
        raise


def _require_namespace(namespace: str) -> None:
    """Ask for the namespace by itself: each object would say that there is none."""
    answer = answer_of("get", "namespace", namespace, "--output=name")
    # Who may work in a namespace need not be allowed to look at it.
    if answer.failed and answer.reasons != {"Forbidden"}:
        raise answer.error()


def _make_way(planned: Plan, parts: _Parts, address: str) -> None:
    """Remove the campaign's last Job, if it has ended; require that nothing else is there."""
    name, namespace = planned.name, planned.settings.namespace
    found = existing(name, namespace, parts.kinds)
    jobs = [one for one in found if one.kind == "Job"]
    _require_idle(jobs, planned, address)
    stray = [one for one in found if one.kind != "Job" and not (one.owners or one.being_deleted)]
    if stray:
        raise LockedError(_stray_message(stray, planned, address))
    for job in jobs:
        if not job.being_deleted:
            # A Job cannot be changed. What belongs to it goes with it.
            delete_job(job, "Foreground")
    if found:
        # Those whose Job is gone are being deleted, too.
        wait_until_gone(name, namespace, {one.uid for one in found}, parts.kinds)


def _stray_message(stray: Sequence[Existing], planned: Plan, address: str) -> str:
    there = f"{named(stray)} are there in namespace {planned.settings.namespace}"
    if not all(one.is_of(planned.store) for one in stray):
        return f"{there}{_of_other(stray[0])}. {_ELSEWHERE}"
    return (
        f"{there}, and belong to no Job: they were applied by hand, or left. Nothing was "
        f"submitted. `skymosaic cancel {address}` removes them"
    )


def _require_idle(jobs: Sequence[Existing], planned: Plan, address: str) -> None:
    """Refuse where a Job of this name is not to be replaced."""
    for job in jobs:
        there = f"the Kubernetes job {job.name} is there in namespace {job.namespace}"
        if not job.is_of(planned.store):
            raise LockedError(f"{there}{_of_other(job)}. {_ELSEWHERE}")
        if job.being_deleted or job.ended:
            continue
        if job.suspended:
            raise LockedError(
                f"{there}, and suspended: somebody is handing it over, or was interrupted. If "
                f"nobody is, remove it with `skymosaic cancel {address}`, and submit again"
            )
        raise LockedError(
            f"the Kubernetes job {job.name} is running in namespace {job.namespace}; wait for its "
            f"end, or end it with `skymosaic cancel {address}`"
        )


def _of_other(one: Existing) -> str:
    return f", of a campaign of the same name in another store ({one.address or 'unknown'})"


def _require_accepted(parts: _Parts) -> None:
    """Let the API server check everything; nothing is made.

    Raises
    ------
    ComputeError
        It would not take all.
    """
    answers = [
        answer_of(*_CREATE, _DRY_RUN, given=as_yaml([parts.job, parts.secret])),
        answer_of(*_APPLY, _DRY_RUN, given=as_yaml([*parts.before_pods, *parts.pods])),
    ]
    for answer in answers:
        if answer.failed:
            raise ComputeError(f"nothing was made on the cluster: {answer.error()}")


def _make_job(planned: Plan, parts: _Parts) -> Existing:
    """Make the Job, which must not be there; return it as it is then."""
    try:
        # `apply` onto one that is being deleted would do nothing, and say nothing.
        jobs = objects_of(*_CREATE, given=as_yaml([parts.job]))
        if not jobs:
            raise ComputeError(
                "kubectl create did not say which Job it made: is the `kubectl` on the PATH the "
                "one of Kubernetes? Nothing was begun"
            )
        return Existing.of(jobs[0])
    except BaseException:
        _look_for_lost(planned)
        raise


def _look_for_lost(planned: Plan) -> None:
    """Remove the Job if it was made all the same: an answer can be lost on its way."""
    namespace = planned.settings.namespace
    answer = answer_of(
        *("get", "job", planned.name, f"--namespace={namespace}"),
        *("--ignore-not-found", "--output=json"),
        patience=_SOON,
    )
    for there in () if answer.failed else answer.objects:
        if there["metadata"].get("annotations", {}).get(_SUBMISSION) == planned.tls:
            _take_back(Existing.of(there))


def _begin(job: Existing) -> None:
    # The UID is a precondition: another Job of this name is refused.
    patch = {"metadata": {"uid": job.uid}, "spec": {"suspend": False}}
    kubectl(
        *("patch", "job", job.name, f"--namespace={job.namespace}"),
        *("--type=merge", f"--patch={json.dumps(patch, separators=(',', ':'))}", _MANAGER),
    )


def _take_back(job: Existing) -> None:
    """Remove what a submission that failed has made, all of which belongs to its Job."""
    try:
        delete_job(job, "Foreground")
    except SkymosaicError as error:
        log.warning(
            "what was made of the campaign may be there still (%s): "
            "`kubectl --namespace %s delete job %s` removes it",
            *(error, job.namespace, job.name),
        )


def _owned(one: Data, job: Existing) -> Data:
    """Return an object as belonging to a Job that is there."""
    owner = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": job.name,
        "uid": job.uid,
        "blockOwnerDeletion": True,
    }
    return {**one, "metadata": {**one["metadata"], "ownerReferences": [owner]}}
