"""The objects of a campaign on Kubernetes, and those that its namespace has for all campaigns."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from skymosaic.clusters import certificates
from skymosaic.clusters.kubernetes import network, pods
from skymosaic.clusters.kubernetes.planning import SCHEDULER_PORT, Plan
from skymosaic.config.kubernetes import Kubernetes
from skymosaic.errors import OutOfMemoryError, exit_code_table

Data = dict[str, Any]

_SECURITY = "pod-security.kubernetes.io"
_EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict"
_DISRUPT = "karpenter.sh/do-not-disrupt"
_MOVE_NOT = {_EVICT: "false", _DISRUPT: "true"}


def campaign(plan: Plan) -> dict[str, list[Data]]:
    """Return the objects of a campaign by file name, in the order in which they are made.

    The Service comes before the pods, which are told of those Services only that were there first.
    """
    return {
        "network.yaml": network.policies(plan),
        "campaign.yaml": [_config_map(plan)],
        "scheduler.yaml": [_service(plan), _scheduler(plan), _budget(plan, "scheduler")],
        "workers.yaml": [_workers(plan), _budget(plan, "worker"), *_autoscaler(plan)],
        "job.yaml": [_job(plan), _budget(plan, "driver")],
    }


def secret(plan: Plan) -> Data:
    """Return new certificates by which the pods of one submission talk; they outlast its Job.

    They are for `submit` alone: what is printed or kept must not hold them.
    """
    settings = plan.settings
    lasting = timedelta(hours=settings.deadline_hours, minutes=settings.keep_minutes)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": plan.metadata(str(plan.tls)),
        "type": "Opaque",
        "immutable": True,
        "stringData": certificates.files_of(certificates.of_run(lasting)),
    }


def namespace(settings: Kubernetes) -> list[Data]:
    """Return what an administrator makes once for all campaigns of a namespace."""
    labels = {"app.kubernetes.io/name": "skymosaic"}
    annotations = settings.service_account_annotations
    levels = {f"{_SECURITY}/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": settings.namespace, "labels": {**labels, **levels}},
        },
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {
                "name": settings.service_account,
                "namespace": settings.namespace,
                "labels": labels,
                **({"annotations": dict(annotations)} if annotations else {}),
            },
            "automountServiceAccountToken": False,
        },
        network.deny_all(settings.namespace, labels),
        *_priority_classes(settings, labels),
    ]


def _priority_classes(settings: Kubernetes, labels: Data) -> list[Data]:
    # Workers go before anything else of the cluster does; scheduler and driver after them.
    wanted = [
        (settings.priority_class, -100, "Workers of skymosaic: work that can wait."),
        (settings.steady_priority_class, -10, "Schedulers and drivers of skymosaic."),
    ]
    return [
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name, "labels": labels},
            "value": value,
            "globalDefault": False,
            "preemptionPolicy": "Never",
            "description": description,
        }
        for name, value, description in wanted
        if name is not None
    ]


def failing_codes() -> list[int]:
    """Return the exit codes after which doing the same again is no use.

    A pod that ran out of memory has as much the next time.
    """
    hopeless = [code for code, _, _, passes in exit_code_table() if code != 0 and not passes]
    return sorted([*hopeless, OutOfMemoryError.exit_code])


def _config_map(plan: Plan) -> Data:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": plan.metadata(plan.name),
        "data": {pods.CAMPAIGN_FILE: plan.text},
    }


def _service(plan: Plan) -> Data:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": plan.metadata(plan.scheduler, "scheduler"),
        "spec": {
            "type": "ClusterIP",
            "selector": plan.labels("scheduler"),
            "ports": [{"name": "scheduler", "port": SCHEDULER_PORT, "targetPort": "scheduler"}],
        },
    }


def _template(plan: Plan, component: str, spec: Data, annotations: Data) -> Data:
    return {
        "metadata": {"labels": plan.labels(component), "annotations": annotations},
        "spec": spec,
    }


def _scheduler(plan: Plan) -> Data:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": plan.metadata(plan.scheduler, "scheduler"),
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 1,
            # Two schedulers at once would each have some of the workers.
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": plan.labels("scheduler")},
            "template": _template(plan, "scheduler", pods.scheduler(plan), _MOVE_NOT),
        },
    }


def _workers(plan: Plan) -> Data:
    scaled = plan.settings.max_workers is not None
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": plan.metadata(plan.workers_name, "worker"),
        "spec": {
            # Where an autoscaler decides, a number here would undo what it has decided.
            **({} if scaled else {"replicas": plan.workers}),
            "revisionHistoryLimit": 1,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            "selector": {"matchLabels": plan.labels("worker")},
            # They may be moved in spite of their emptyDir.
            "template": _template(plan, "worker", pods.worker(plan), {_EVICT: "true"}),
        },
    }


def _budget(plan: Plan, component: str) -> Data:
    # Workers go one at a time, so that what they hold finds a place. The other two stay: a drain
    # waits for them, at most until the deadline. A Job's pods can be counted by minAvailable only.
    bound = {"maxUnavailable": 1} if component == "worker" else {"minAvailable": 1}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": plan.metadata(f"{plan.name}-{component}"),
        "spec": {**bound, "selector": {"matchLabels": plan.labels(component)}},
    }


def _autoscaler(plan: Plan) -> list[Data]:
    most = plan.settings.max_workers
    if most is None:
        return []
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": plan.workers_name}
    busy = {"type": "Utilization", "averageUtilization": 50}
    return [
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": plan.metadata(plan.workers_name, "worker"),
            "spec": {
                "scaleTargetRef": target,
                "minReplicas": 1,
                "maxReplicas": max(most, 1),
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": busy}}],
                "behavior": {
                    # A worker between two tasks is idle for moments only.
                    "scaleDown": {
                        "stabilizationWindowSeconds": 600,
                        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
                    }
                },
            },
        }
    ]


def _job(plan: Plan) -> Data:
    settings = plan.settings
    digest = hashlib.sha256(plan.text.encode()).hexdigest()
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": plan.metadata(plan.name, "driver"),
        "spec": {
            "parallelism": 1,
            "completions": 1,
            "backoffLimit": settings.retries,
            "activeDeadlineSeconds": max(round(settings.deadline_hours * 3600), 1),
            "ttlSecondsAfterFinished": round(settings.keep_minutes * 60),
            # Never two drivers at once.
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {
                "rules": [
                    {
                        "action": "Ignore",
                        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                    },
                    {
                        "action": "FailJob",
                        "onExitCodes": {
                            "containerName": "driver",
                            "operator": "In",
                            "values": failing_codes(),
                        },
                    },
                ]
            },
            "template": _template(
                plan, "driver", pods.driver(plan), {**_MOVE_NOT, "skymosaic/sha256": digest}
            ),
        },
    }
