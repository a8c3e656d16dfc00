"""The same campaign for dask-kubernetes' operator, which makes scheduler and workers by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from skymosaic.clusters.kubernetes import pods
from skymosaic.clusters.kubernetes.planning import SCHEDULER_HEALTH, SCHEDULER_PORT, Plan
from skymosaic.clusters.kubernetes.retirement import WORKER_NAME

Data = dict[str, Any]

_API = "kubernetes.dask.org/v1"


def dask_cluster(plan: Plan) -> Data:
    """Return a DaskCluster: scheduler and workers that stay until they are deleted.

    They talk without TLS: the client that opens a tunnel to them (dask-kubernetes) has none.
    """
    plan = replace(plan, tls=None)
    return {
        "apiVersion": _API,
        "kind": "DaskCluster",
        "metadata": plan.metadata(plan.name),
        "spec": _cluster(plan),
    }


def dask_job(plan: Plan) -> Data:
    """Return a DaskJob: a DaskCluster that is there for as long as the campaign's driver runs.

    The operator starts a driver once, so what would be tried again by a Job is not.
    """
    return {
        "apiVersion": _API,
        "kind": "DaskJob",
        "metadata": plan.metadata(plan.name),
        "spec": {
            "job": {
                "metadata": {"labels": plan.labels("driver")},
                "spec": pods.driver(plan),
            },
            "cluster": {"spec": _cluster(plan)},
        },
    }


def _cluster(plan: Plan) -> Data:
    selector = {"dask.org/cluster-name": plan.name, "dask.org/component": "scheduler"}
    # The operator looks for these names.
    ports = (
        ("tcp-comm", SCHEDULER_PORT, "scheduler"),
        ("http-dashboard", SCHEDULER_HEALTH, "health"),
    )
    return {
        "worker": {
            "replicas": plan.workers,
            "metadata": {"labels": plan.labels("worker")},
            "spec": _named_by_the_operator(pods.worker(plan)),
        },
        "scheduler": {
            "metadata": {"labels": plan.labels("scheduler")},
            "spec": pods.scheduler(plan),
            "service": {
                "type": "ClusterIP",
                "selector": selector,
                "ports": [
                    {"name": name, "protocol": "TCP", "port": port, "targetPort": target}
                    for name, port, target in ports
                ],
            },
        },
    }


def _named_by_the_operator(pod: Data) -> Data:
    """Return a worker's pod whose name is left to the operator, which retires it by that name."""
    [container] = pod["containers"]
    env = [entry for entry in container["env"] if entry["name"] != WORKER_NAME]
    return {**pod, "containers": [{**container, "env": env}]}
