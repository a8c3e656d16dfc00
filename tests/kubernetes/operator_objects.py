"""What dask-kubernetes' operator makes of a DaskCluster or a DaskJob, by its own functions.

``python operator_objects.py FILE`` checks those in a file against the operator's own definitions,
in which nothing unknown is allowed, and prints the objects that it would make, for scanners to look
at. It runs where dask-kubernetes is installed (scripts/test-kubernetes) and knows nothing else.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import dask_kubernetes
import jsonschema
import yaml
from dask_kubernetes.operator.controller.controller import (
    build_default_worker_group_spec,
    build_job_pod_spec,
    build_scheduler_deployment_spec,
    build_scheduler_service_spec,
    build_worker_deployment_spec,
)
from dask_kubernetes.operator.validation import validate_cluster_name

Data = dict[str, Any]

CRDS = Path(dask_kubernetes.__file__).parent / "operator/deployment/helm"
CRDS = CRDS / "dask-kubernetes-operator/crds"


def schema_of(kind: str) -> Data:
    """Return the operator's schema of a kind; what it does not know is an error in it."""
    definition = yaml.safe_load((CRDS / f"{kind.lower()}.yaml").read_text())
    schema: Data = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    _close(schema["properties"]["spec"])
    return schema


def _close(schema: Any) -> None:
    if isinstance(schema, dict):
        if "properties" in schema and "x-kubernetes-preserve-unknown-fields" not in schema:
            schema.setdefault("additionalProperties", False)
        for value in schema.values():
            _close(value)
    elif isinstance(schema, list):
        for value in schema:
            _close(value)


def objects_of_cluster(name: str, namespace: str, metadata: Data, spec: Data) -> list[Data]:
    """Return the scheduler, its Service, and the first worker of a cluster."""
    annotations, labels = metadata["annotations"], metadata["labels"]
    own = {part: labels | spec[part]["metadata"]["labels"] for part in ("scheduler", "worker")}
    scheduler, worker = spec["scheduler"], spec["worker"]
    group = build_default_worker_group_spec(name, worker, annotations, own["worker"])
    return [
        build_scheduler_deployment_spec(name, scheduler["spec"], annotations, own["scheduler"]),
        build_scheduler_service_spec(name, scheduler["service"], annotations, own["scheduler"]),
        build_worker_deployment_spec(
            worker_group_name=group["metadata"]["name"],
            namespace=namespace,
            cluster_name=name,
            uuid="0123456789",
            pod_spec=worker["spec"],
            annotations=annotations,
            labels=own["worker"],
        ),
    ]


def objects_of(one: Data) -> list[Data]:
    """Return what the operator makes of one of its objects."""
    jsonschema.validate(one, schema_of(one["kind"]))
    metadata, spec = one["metadata"], one["spec"]
    name, namespace = metadata["name"], metadata["namespace"]
    validate_cluster_name(name)
    if one["kind"] == "DaskCluster":
        return objects_of_cluster(name, namespace, metadata, spec)
    labels = metadata["labels"] | spec["job"]["metadata"]["labels"]
    runner = build_job_pod_spec(
        name, name, namespace, spec["job"]["spec"], metadata["annotations"], labels
    )
    return [*objects_of_cluster(name, namespace, metadata, spec["cluster"]["spec"]), runner]


def main() -> None:
    """Print a file's objects, with those in place of the operator's that it makes of them."""
    objects: list[Data] = []
    for one in yaml.safe_load_all(Path(sys.argv[1]).read_text()):
        own = objects_of(one) if one["kind"].startswith("Dask") else [one]
        for each in own:
            each["metadata"].setdefault("namespace", "skymosaic")
            if one["kind"] == "Namespace" or one["kind"] == "PriorityClass":
                each["metadata"].pop("namespace")
        objects += own
    print(yaml.safe_dump_all(objects, sort_keys=False))


if __name__ == "__main__":
    main()
