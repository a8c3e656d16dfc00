"""The pods that objects of Kubernetes make, whatever kind makes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Data = dict[str, Any]

PERMANENT = ("Deployment", "DaskScheduler", "DaskWorker")


@dataclass(frozen=True)
class Pod:
    """A pod, as the spec of what makes it says."""

    where: str
    """Such as ``Deployment NAME``."""
    kind: str
    """Deployment or Job; for the operator's pods DaskScheduler, DaskWorker or DaskRunner."""
    labels: Data
    spec: Data

    @property
    def containers(self) -> list[Data]:
        """Its containers, those that come before the others, too."""
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]


def name_of(made: Data) -> str:
    """Return kind and name of an object."""
    return f"{made['kind']} {made['metadata']['name']}"


def pods_of(objects: Sequence[Data]) -> Iterator[Pod]:
    """Yield the pods that objects make."""
    for made in objects:
        where, spec = name_of(made), made.get("spec", {})
        if made["kind"] in ("Deployment", "Job"):
            template = spec["template"]
            labels = template["metadata"]["labels"]
            yield Pod(where, made["kind"], labels, template["spec"])
        elif made["kind"] == "DaskCluster":
            yield from _of_cluster(where, made, spec)
        elif made["kind"] == "DaskJob":
            yield from _of_cluster(where, made, spec["cluster"]["spec"])
            labels = _operators(made, spec["job"], "job-runner")
            yield Pod(f"{where} runner", "DaskRunner", labels, spec["job"]["spec"])


def _of_cluster(where: str, made: Data, spec: Data) -> Iterator[Pod]:
    for part, kind in (("scheduler", "DaskScheduler"), ("worker", "DaskWorker")):
        labels = _operators(made, spec[part], part)
        yield Pod(f"{where} {part}", kind, labels, spec[part]["spec"])


def _operators(made: Data, part: Data, component: str) -> Data:
    """Return the labels that dask-kubernetes' operator gives a pod."""
    return {
        **made["metadata"]["labels"],
        **part.get("metadata", {}).get("labels", {}),
        "dask.org/cluster-name": made["metadata"]["name"],
        "dask.org/component": component,
    }


def services_of(objects: Sequence[Data]) -> list[tuple[str, Data]]:
    """Return name and spec of the Services, those that the operator makes, too."""
    found = []
    for made in objects:
        name, spec = made["metadata"]["name"], made.get("spec", {})
        if made["kind"] == "Service":
            found.append((name, spec))
        elif made["kind"] == "DaskCluster":
            found.append((f"{name}-scheduler", spec["scheduler"]["service"]))
        elif made["kind"] == "DaskJob":
            found.append((f"{name}-scheduler", spec["cluster"]["spec"]["scheduler"]["service"]))
    return found


def selects(selector: Data, labels: Data) -> bool:
    """Whether a plain selector selects what has these labels."""
    return all(labels.get(key) == value for key, value in selector.items())
