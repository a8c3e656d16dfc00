"""What a namespace holds of a campaign, asked by labels, and how it is removed."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from skymosaic.clusters.kubernetes.kubectl import answer_of, kubectl
from skymosaic.clusters.kubernetes.names import INSTANCE, STORE, store_label
from skymosaic.errors import ComputeError

Data = dict[str, Any]

KINDS = (
    *("job", "deployment", "horizontalpodautoscaler", "poddisruptionbudget"),
    *("service", "networkpolicy", "configmap"),
)
"""What a campaign may have; not Secrets: to list them would be to read all of them."""
_GONE = "NotFound", "Conflict"
"""The API server's words for that an object is not there any more, or is another one by now."""
_PAUSE = 2.0  # s between two looks at what is being deleted
_PATIENCE = 300.0  # s for what is being deleted to go
_SHOWN = 8  # objects that a message names


@dataclass(frozen=True)
class Existing:
    """An object of a campaign that is there."""

    kind: str
    name: str
    namespace: str
    uid: str
    store: str | None
    """The label of the campaign's store; None where an older version made it."""
    owners: frozenset[str]
    """UIDs of those with which it is deleted."""
    being_deleted: bool
    suspended: bool
    """Of a Job: whether it was handed over in part only."""
    ended: bool
    """Of a Job: whether it is complete, or has failed."""
    address: str
    """The address of its store; empty where that is not known."""
    created: str
    """When; ISO 8601."""

    @classmethod
    def of(cls, one: Data) -> Existing:
        """Return what there is to know of an object, as the API server has it."""
        metadata = one["metadata"]
        conditions = one.get("status", {}).get("conditions", [])
        ends = (c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in conditions)
        return cls(
            kind=one["kind"],
            name=metadata["name"],
            namespace=metadata.get("namespace", ""),
            uid=metadata.get("uid", ""),
            store=metadata.get("labels", {}).get(STORE),
            owners=frozenset(owner["uid"] for owner in metadata.get("ownerReferences", [])),
            being_deleted="deletionTimestamp" in metadata,
            suspended=bool(one.get("spec", {}).get("suspend")),
            ended=one["kind"] == "Job" and any(ends),
            address=metadata.get("annotations", {}).get(STORE, ""),
            created=metadata.get("creationTimestamp", ""),
        )

    def is_of(self, store: str) -> bool:
        """Whether it belongs to the campaign of a store; what older versions made tells none."""
        return self.store in (None, store_label(store))

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def existing(
    name: str, namespace: str, kinds: Sequence[str] = KINDS, *, seen_only: bool = False
) -> list[Existing]:
    """Return what a namespace holds of the campaigns whose objects have a name.

    Parameters
    ----------
    name : str
        As `names.object_name` makes it of a campaign's.
    namespace : str
        Where to look.
    kinds : sequence of str
        Which objects.
    seen_only : bool
        Leave out those that the user may not list, rather than fail.

    Raises
    ------
    InstallationError, ComputeError
        There is no kubectl; the cluster does not answer, or does not show them.
    """
    selected = f"--namespace={namespace}", f"--selector={INSTANCE}={name}"
    answer = answer_of("get", ",".join(kinds), *selected, "--output=json")
    if answer.failed and not (seen_only and answer.reasons == {"Forbidden"} and answer.printed):
        raise answer.error()
    return [Existing.of(one) for one in answer.objects]


def named(objects: Sequence[Existing]) -> str:
    """Return the names of objects, for a message."""
    more = f" and {len(objects) - _SHOWN} more" if len(objects) > _SHOWN else ""
    return ", ".join(str(one) for one in objects[:_SHOWN]) + more


def remove(objects: Sequence[Existing]) -> str:
    """Delete objects of one namespace, and what belongs to them; return their names.

    Raises
    ------
    InstallationError, ComputeError
        There is no kubectl; the cluster does not do it.
    """
    others = [one for one in objects if one.kind != "Job"]
    for job in objects:
        if job.kind == "Job":
            delete_job(job, "Background")
    if others:
        kubectl(
            *("delete", *(f"{one.kind.lower()}/{one.name}" for one in others)),
            *(f"--namespace={others[0].namespace}", "--ignore-not-found", "--wait=false"),
        )
    return named(objects)


def delete_job(job: Existing, propagation: str) -> None:
    """Delete a Job, and what belongs to it; nothing if another has its name by now.

    Parameters
    ----------
    job : Existing
        The Job.
    propagation : str
        ``Foreground``: it is there until its last pod has ended; ``Background``: it goes at once.

    Raises
    ------
    InstallationError, ComputeError
        There is no kubectl; the cluster does not do it.
    """
    options = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": propagation,
        "preconditions": {"uid": job.uid},
    }
    path = f"/apis/batch/v1/namespaces/{job.namespace}/jobs/{job.name}"
    answer = answer_of("delete", f"--raw={path}", "--filename=-", given=json.dumps(options))
    if answer.failed and not answer.reasons & set(_GONE):
        raise answer.error()


def wait_until_gone(name: str, namespace: str, uids: set[str], kinds: Sequence[str]) -> None:
    """Wait until objects that are being deleted are gone.

    Raises
    ------
    ComputeError
        They are there still: a pod of theirs cannot end.
    """
    end = time.monotonic() + _PATIENCE
    while left := [one for one in existing(name, namespace, kinds) if one.uid in uids]:
        if time.monotonic() > end:
            raise ComputeError(
                f"{named(left)} in namespace {namespace} are being deleted, and are there still "
                f"after {_PATIENCE:.0f} s: a pod may be on a node that does not answer. `kubectl "
                f"--namespace {namespace} get pods --selector {INSTANCE}={name} --output wide` "
                "tells; submit again when they are gone"
            )
        time.sleep(_PAUSE)
