"""What a cluster holds of a campaign of which its store has no record, asked by labels."""

from __future__ import annotations

import shutil

from skymosaic.clusters.base import Fate, Found
from skymosaic.clusters.kubernetes.existing import KINDS, Existing, named, remove
from skymosaic.clusters.kubernetes.fate import fate_of
from skymosaic.clusters.kubernetes.kubectl import answer_of
from skymosaic.clusters.kubernetes.names import INSTANCE, STORE, object_name, store_label
from skymosaic.config.kubernetes import Kubernetes

_PATIENCE = 10.0  # s for an answer: it may be that no campaign of this name was ever submitted


def find(store: str, campaign: str) -> Found | None:
    """Return what the cluster that kubectl looks at holds of a campaign; None where it has nothing.

    Parameters
    ----------
    store : str
        Address of the store.
    campaign : str
        The campaign's name.

    Raises
    ------
    ComputeError
        The cluster does not answer.
    """
    if shutil.which("kubectl") is None:
        return None
    there = [one for one in _labelled(store, campaign) if not one.being_deleted]
    if not there:
        return None
    # Of one name in several namespaces each is told of, and removed, in its turn.
    namespace = next((one.namespace for one in there if one.kind == "Job"), there[0].namespace)
    there = [one for one in there if one.namespace == namespace]
    name = next((one.name for one in there if one.kind == "Job"), None)
    if name is None:
        what, known = named(there), Fate("ended", "They belong to no Job: nothing runs them")
    else:
        what, known = f"Kubernetes job {name}", fate_of(name, namespace)
    since = min(one.created for one in there)
    return Found(f"{what} in namespace {namespace}", since, known, lambda: remove(there))


def _labelled(store: str, campaign: str) -> list[Existing]:
    """Return the objects with the labels of a campaign, in the namespaces that the user may see."""
    labels = f"--selector={INSTANCE}={object_name(campaign)},{STORE}={store_label(store)}"
    usual = Kubernetes().namespace
    # All; or else that of kubectl's context; or that which campaigns have if they name none.
    for namespace in ("--all-namespaces", "", f"--namespace={usual}"):
        answer = answer_of(
            *("get", ",".join(KINDS), labels, "--output=json"),
            *((namespace,) if namespace else ()),
            patience=_PATIENCE,
            limit=2 * _PATIENCE,
        )
        if answer.failed and answer.reasons != {"Forbidden"}:
            raise answer.error()
        if answer.objects or not answer.failed:
            return [Existing.of(one) for one in answer.objects]
    return []
