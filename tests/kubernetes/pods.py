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

    name: str
    """Such as ``Deployment NAME``."""
    kind: str
    """Deployment or Job; for the operator's pods DaskScheduler, DaskWorker or DaskRunner."""
    labels: Data
    spec: Data

    @property
    def containers(self) -> list[Data]:
        """Its containers, those that come before the others, too."""
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]


def name_of(manifest: Data) -> str:
    """Return kind and name of an object."""
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def pods_of(objects: Sequence[Data]) -> Iterator[Pod]:
    """Yield the pods that objects make."""
    for manifest in objects:
        name, spec = name_of(manifest), manifest.get("spec", {})
        if manifest["kind"] in ("Deployment", "Job"):
            template = spec["template"]
            labels = template["metadata"]["labels"]
            yield Pod(name, manifest["kind"], labels, template["spec"])
        elif manifest["kind"] == "DaskCluster":
            yield from _of_cluster(name, manifest, spec)
        elif manifest["kind"] == "DaskJob":
            yield from _of_cluster(name, manifest, spec["cluster"]["spec"])
            labels = _operators(manifest, spec["job"], "job-runner")
            yield Pod(f"{name} runner", "DaskRunner", labels, spec["job"]["spec"])


def _of_cluster(name: str, manifest: Data, spec: Data) -> Iterator[Pod]:
    for part, kind in (("scheduler", "DaskScheduler"), ("worker", "DaskWorker")):
        labels = _operators(manifest, spec[part], part)
        yield Pod(f"{name} {part}", kind, labels, spec[part]["spec"])


def _operators(manifest: Data, part: Data, component: str) -> Data:
    """Return the labels that dask-kubernetes' operator gives a pod."""
    return {
        **manifest["metadata"]["labels"],
        **part.get("metadata", {}).get("labels", {}),
        "dask.org/cluster-name": manifest["metadata"]["name"],
        "dask.org/component": component,
    }


def services_of(objects: Sequence[Data]) -> list[tuple[str, Data]]:
    """Return name and spec of the Services, those that the operator makes, too."""
    found = []
    for manifest in objects:
        name, spec = manifest["metadata"]["name"], manifest.get("spec", {})
        if manifest["kind"] == "Service":
            found.append((name, spec))
        elif manifest["kind"] == "DaskCluster":
            found.append((f"{name}-scheduler", spec["scheduler"]["service"]))
        elif manifest["kind"] == "DaskJob":
            found.append((f"{name}-scheduler", spec["cluster"]["spec"]["scheduler"]["service"]))
    return found


def selects(selector: Data, labels: Data) -> bool:
    """Whether a plain selector selects what has these labels."""
    return all(labels.get(key) == value for key, value in selector.items())
