"""The pods of a campaign: its scheduler, its workers, and its driver."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from skymosaic.clusters import certificates
from skymosaic.clusters.kubernetes.planning import (
    CAMPAIGN_FOLDER,
    SCHEDULER_HEALTH,
    SCHEDULER_PORT,
    SCRATCH,
    TLS_FOLDER,
    WORKER_HEALTH,
    WORKER_PORT,
    Plan,
)
from skymosaic.clusters.kubernetes.retirement import SPARE, WORKER_NAME
from skymosaic.clusters.kubernetes.workers import ADDRESS

Data = dict[str, Any]

USER = 10001  # no user of any host
CAMPAIGN_FILE = "campaign.yaml"
_FAREWELL = 120  # s for the driver to write its record
_OURS_TO_READ = 0o440  # for the group of the pod's volumes (fsGroup)
_SECRETS = {"AWS_ACCESS_KEY_ID": False, "AWS_SECRET_ACCESS_KEY": False} | dict.fromkeys(
    ("AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL_S3", "MAST_API_TOKEN"), True
)
"""Keys of the campaign's Secret, and whether one may be missing."""


def scheduler(plan: Plan) -> Data:
    """Return the spec of the scheduler's pod."""
    container = {
        **_container(plan, "scheduler", cpu="250m", most_cpu="1", memory="1Gi", disk="1Gi"),
        "args": [
            *("dask", "scheduler"),
            *("--port", str(SCHEDULER_PORT), "--dashboard-address", f":{SCHEDULER_HEALTH}"),
            # What is left there is /health, for the probes.
            "--no-dashboard",
            *(("--protocol", "tls") if plan.tls else ()),
        ],
        "ports": [
            {"name": "scheduler", "containerPort": SCHEDULER_PORT},
            {"name": "health", "containerPort": SCHEDULER_HEALTH},
        ],
        **_probes(),
    }
    container["env"] += [
        _only_health("SCHEDULER"),
        # Workers on spot nodes come and go; a task that kills them still ends as such.
        {"name": "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "value": "5"},
    ]
    return _pod(plan, container, steady=True, grace=30, disk="1Gi")


def worker(plan: Plan) -> Data:
    """Return the spec of a worker's pod."""
    settings = plan.settings
    container = {
        **_container(
            plan,
            "worker",
            cpu=settings.cpu,
            most_cpu=settings.cpu,
            memory=plan.memory,
            disk=plan.scratch,
        ),
        "args": [
            *("dask", "worker", f"$({ADDRESS})"),
            *("--name", f"$({WORKER_NAME})", "--nworkers", "1", "--nthreads", "1", "--no-nanny"),
            # The limit is the pod's: drizzlepac's processes are not Dask's to count.
            *("--memory-limit", "0", "--local-directory", SCRATCH),
            *("--worker-port", str(WORKER_PORT), "--dashboard-address", f":{WORKER_HEALTH}"),
            *("--no-dashboard", "--death-timeout", "120"),
        ],
        "ports": [
            {"name": "worker", "containerPort": WORKER_PORT},
            {"name": "health", "containerPort": WORKER_HEALTH},
        ],
        **_probes(),
        # `dask worker` ends at once on SIGTERM; before, its task is finished and handed over.
        "lifecycle": {
            "preStop": {
                "exec": {
                    "command": [
                        *("python", "-m", "skymosaic.clusters.kubernetes.retirement"),
                        f"{settings.grace:.0f}",
                    ]
                }
            }
        },
    }
    container["env"] = [_field(WORKER_NAME, "metadata.name"), *container["env"]]
    container["env"] += [_only_health("WORKER")]
    container["env"] += _scheduler_address(plan) + _secrets(plan)
    pod = _pod(plan, container, steady=False, grace=int(settings.grace) + SPARE, disk=plan.scratch)
    _add_data(plan, pod)
    selector = {"matchLabels": plan.labels("worker")}
    pod["topologySpreadConstraints"] = [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": selector,
        }
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]
    return pod


def driver(plan: Plan) -> Data:
    """Return the spec of the driver's pod, which runs the campaign on the workers."""
    container = {
        **_container(plan, "driver", cpu="250m", most_cpu="1", memory="2Gi", disk="5Gi"),
        # The lock of a driver that was lost ends by itself: it is waited for.
        "args": ["skymosaic", "--log-json", "run", f"{CAMPAIGN_FOLDER}/{CAMPAIGN_FILE}", "--wait"],
    }
    container["env"] += _scheduler_address(plan) + _secrets(plan)
    container["volumeMounts"].append(
        {"name": "campaign", "mountPath": CAMPAIGN_FOLDER, "readOnly": True}
    )
    pod = _pod(plan, container, steady=True, grace=_FAREWELL, disk="5Gi")
    _add_data(plan, pod)
    pod["restartPolicy"] = "Never"
    pod["volumes"].append({"name": "campaign", "configMap": {"name": plan.name}})
    return pod


def _pod(plan: Plan, container: Data, *, steady: bool, grace: int, disk: str) -> Data:
    settings = plan.settings
    spec: Data = {
        "serviceAccountName": settings.service_account,
        # Nothing here talks to Kubernetes. A role for S3 brings a token of its own.
        "automountServiceAccountToken": False,
        # The address of the scheduler's Service is found by these, with or without DNS.
        "enableServiceLinks": True,
        "terminationGracePeriodSeconds": grace,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": disk}}, *_tls_volume(plan)],
    }
    priority = settings.steady_priority_class if steady else settings.priority_class
    if priority is not None:
        spec["priorityClassName"] = priority
    if settings.registry_keys is not None:
        spec["imagePullSecrets"] = [{"name": settings.registry_keys}]
    nodes = settings.steady_nodes if steady else settings.spot_nodes
    if nodes:
        spec["nodeSelector"] = dict(nodes)
    if settings.spot_taints and not steady:
        spec["tolerations"] = [
            {"key": key, "operator": "Equal", "value": value, "effect": "NoSchedule"}
            for key, value in settings.spot_taints.items()
        ]
    return spec


def _add_data(plan: Plan, pod: Data) -> None:
    """Give a pod the volume with the store or the exposures, if there is one."""
    claim = plan.settings.volume_claim
    if claim is not None:
        pod["volumes"].append({"name": "data", "persistentVolumeClaim": {"claimName": claim}})
        [container] = pod["containers"]
        container["volumeMounts"].append({"name": "data", "mountPath": plan.settings.volume_path})


def _container(plan: Plan, name: str, *, cpu: str, most_cpu: str, memory: str, disk: str) -> Data:
    return {
        "name": name,
        "image": plan.image,
        "imagePullPolicy": "IfNotPresent",
        # The image's entry point stays: it reaps what drizzlepac's processes leave.
        "args": [],
        "env": [
            # Whatever wants a home or a temporary folder gets the only one that can be written.
            {"name": "HOME", "value": SCRATCH},
            {"name": "TMPDIR", "value": SCRATCH},
            {"name": "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "value": "30s"},
            *_tls_variables(plan),
        ],
        "resources": {
            "requests": {"cpu": cpu, "memory": memory, "ephemeral-storage": disk},
            # Memory is what is used, not what is hoped for: the limit is the request.
            "limits": {"cpu": most_cpu, "memory": memory, "ephemeral-storage": disk},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "scratch", "mountPath": SCRATCH}, *_tls_mount(plan)],
    }


def _tls_volume(plan: Plan) -> list[Data]:
    if plan.tls is None:
        return []
    return [{"name": "tls", "secret": {"secretName": plan.tls, "defaultMode": _OURS_TO_READ}}]


def _tls_mount(plan: Plan) -> list[Data]:
    return [{"name": "tls", "mountPath": TLS_FOLDER, "readOnly": True}] if plan.tls else []


def _tls_variables(plan: Plan) -> list[Data]:
    """Return the variables that tell Dask where its key is; what it holds is in none."""
    if plan.tls is None:
        return []
    variables = certificates.environment(PurePosixPath(TLS_FOLDER))
    return [{"name": name, "value": value} for name, value in variables.items()]


def _probes() -> Data:
    get = {"httpGet": {"path": "/health", "port": "health"}, "timeoutSeconds": 10}
    return {
        "startupProbe": {**get, "periodSeconds": 5, "failureThreshold": 36},
        "readinessProbe": {**get, "periodSeconds": 10, "failureThreshold": 3},
        "livenessProbe": {**get, "periodSeconds": 20, "failureThreshold": 6},
    }


def _only_health(who: str) -> Data:
    """Return the setting without which Dask would tell names of files and code over HTTP."""
    routes = '["distributed.http.health"]'
    return {"name": f"DASK_DISTRIBUTED__{who}__HTTP__ROUTES", "value": routes}


def _scheduler_address(plan: Plan) -> list[Data]:
    """Return the variables that tell a client of the scheduler where that is."""
    return [
        {"name": ADDRESS, "value": plan.address},
        # There is no dashboard: nobody is to be told of an address of one.
        {"name": "DASK_DISTRIBUTED__DASHBOARD__LINK", "value": ""},
    ]


def _secrets(plan: Plan) -> list[Data]:
    if plan.settings.keys is None:
        return []
    return [
        {
            "name": key,
            "valueFrom": {
                "secretKeyRef": {
                    "name": plan.settings.keys,
                    "key": key,
                    **({"optional": True} if optional else {}),
                }
            },
        }
        for key, optional in _SECRETS.items()
    ]


def _field(name: str, path: str) -> Data:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
