"""What must hold in each pod, and schemas and scanners do not see."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from skymosaic.config.kubernetes import parse_quantity
from tests.kubernetes.pods import PERMANENT, Data, Pod, pods_of, services_of

_RESOURCES = ("cpu", "memory", "ephemeral-storage")
_RESTARTS = {"Job": {"Never", "OnFailure"}, "DaskRunner": {"Never", "OnFailure"}}
_SECRET_NAME = re.compile(r"SECRET|TOKEN|PASSWORD|ACCESS_KEY")
_COMM = "DASK_DISTRIBUTED__COMM__"
_ROLES = ("SCHEDULER", "WORKER", "CLIENT")
_WRITABLE = ("emptyDir", "persistentVolumeClaim")


def quantities(objects: Sequence[Data]) -> Iterator[str]:
    """Quantities are such; each has a request and a limit that is not smaller."""
    for pod in pods_of(objects):
        for container in pod.containers:
            resources = container.get("resources", {})
            for resource in _RESOURCES:
                values = {}
                for bound in ("requests", "limits"):
                    text = resources.get(bound, {}).get(resource)
                    if text is None:
                        yield f"{pod.name}: {container['name']} has no {bound} of {resource}"
                        continue
                    try:
                        values[bound] = parse_quantity(str(text))
                    except ValueError:
                        yield f"{pod.name}: {resource} {text!r} is no quantity"
                if len(values) == 2 and values["requests"] > values["limits"]:
                    yield f"{pod.name}: more {resource} is requested than its limit allows"
        for volume in pod.spec.get("volumes", []):
            if "emptyDir" in volume:
                size = (volume["emptyDir"] or {}).get("sizeLimit")
                try:
                    parse_quantity(str(size))
                except ValueError:
                    yield f"{pod.name}: the sizeLimit {size!r} of {volume['name']} is no quantity"


def restarts(objects: Sequence[Data]) -> Iterator[str]:
    """The restartPolicy is one that the kind takes."""
    for pod in pods_of(objects):
        policy = pod.spec.get("restartPolicy", "Always")
        if policy not in _RESTARTS.get(pod.kind, {"Always"}):
            yield f"{pod.name}: restartPolicy {policy} does not go with {pod.kind}"


def probes(objects: Sequence[Data]) -> Iterator[str]:
    """What runs for good has probes, and they ask a port that there is."""
    for pod in pods_of(objects):
        for container in pod.containers:
            ports = {port["name"] for port in container.get("ports", [])}
            ports |= {port["containerPort"] for port in container.get("ports", [])}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                if probe in container:
                    port = container[probe]["httpGet"]["port"]
                    if port not in ports:
                        yield f"{pod.name}: {probe} asks port {port}, which is not there"
                elif pod.kind in PERMANENT:
                    yield f"{pod.name}: {container['name']} has no {probe}"


def security(objects: Sequence[Data]) -> Iterator[str]:
    """Pods are as restricted as the namespace asks, and more: no writable root, no token."""
    for pod in pods_of(objects):
        context = pod.spec.get("securityContext", {})
        if context.get("runAsNonRoot") is not True or context.get("runAsUser", 0) < 10000:
            yield f"{pod.name}: may run as root, or as a user that a host has"
        if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{pod.name}: has no seccomp profile"
        if pod.spec.get("automountServiceAccountToken") is not False:
            yield f"{pod.name}: gets a token for Kubernetes"
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            if pod.spec.get(key):
                yield f"{pod.name}: {key}"
        for container in pod.containers:
            own = container.get("securityContext", {})
            if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
                yield f"{pod.name}: {container['name']} may gain privileges"
            if own.get("readOnlyRootFilesystem") is not True:
                yield f"{pod.name}: {container['name']} can write its root"
            if own.get("capabilities") != {"drop": ["ALL"]}:
                yield f"{pod.name}: {container['name']} has capabilities"


def volumes(objects: Sequence[Data]) -> Iterator[str]:
    """Mounts and volumes agree; HOME and TMPDIR are where something can be written."""
    for pod in pods_of(objects):
        known = {volume["name"]: volume for volume in pod.spec.get("volumes", [])}
        used = set()
        for container in pod.containers:
            writable = []
            for mount in container.get("volumeMounts", []):
                used.add(mount["name"])
                if mount["name"] not in known:
                    yield f"{pod.name}: the volume {mount['name']} is not there"
                elif any(kind in known[mount["name"]] for kind in _WRITABLE):
                    writable.append(mount["mountPath"])
            env = {entry["name"]: entry.get("value", "") for entry in container.get("env", [])}
            for name in ("HOME", "TMPDIR"):
                place = PurePosixPath(env.get(name, "/nowhere"))
                if not any(place.is_relative_to(path) for path in writable):
                    yield f"{pod.name}: {name} ({place}) cannot be written"
        for name in known.keys() - used:
            yield f"{pod.name}: the volume {name} is not used"


def variables(objects: Sequence[Data]) -> Iterator[str]:
    """What is written $(NAME) is known by then: variables before it, or a Service of ours."""
    services = services_of(objects)
    for pod in pods_of(objects):
        links = pod.spec.get("enableServiceLinks", True)
        known = set()
        for name, _ in services if links else ():
            known |= {f"{name.upper().replace('-', '_')}_SERVICE_{end}" for end in ("HOST", "PORT")}
        if pod.kind.startswith("Dask"):
            known |= {"DASK_SCHEDULER_ADDRESS", "DASK_WORKER_NAME"}
        for container in pod.containers:
            defined = set(known)
            for entry in container.get("env", []):
                yield from _unknown(pod, entry.get("value", ""), defined)
                yield from _wrong_port(pod, entry.get("value", ""), services)
                defined.add(entry["name"])
                if "value" in entry and _SECRET_NAME.search(entry["name"]):
                    yield f"{pod.name}: {entry['name']} is written out"
            for text in (*container.get("command", []), *container.get("args", [])):
                yield from _unknown(pod, text, defined)


def _unknown(pod: Pod, text: str, defined: set[str]) -> Iterator[str]:
    for name in re.findall(r"\$\(([^)]*)\)", text):
        if name not in defined:
            yield f"{pod.name}: $({name}) is not known there"


def _wrong_port(pod: Pod, text: str, services: Sequence[tuple[str, Data]]) -> Iterator[str]:
    for service, spec in services:
        address = rf"\$\({service.upper().replace('-', '_')}_SERVICE_HOST\):(\d+)"
        for port in re.findall(address, text):
            if int(port) not in {each["port"] for each in spec["ports"]}:
                yield f"{pod.name}: the Service {service} has no port {port}"


def farewells(objects: Sequence[Data]) -> Iterator[str]:
    """A worker may take as long to leave as its hook waits for its task, and longer."""
    for pod in pods_of(objects):
        for container in pod.containers:
            hook = container.get("lifecycle", {}).get("preStop", {}).get("exec")
            if pod.labels.get("app.kubernetes.io/component") == "worker" and hook is None:
                yield f"{pod.name}: a worker is ended without handing over its work"
            if hook and pod.spec["terminationGracePeriodSeconds"] <= int(hook["command"][-1]):
                yield f"{pod.name}: it is killed before its preStop hook may have ended"


def encryption(objects: Sequence[Data]) -> Iterator[str]:
    """Pods talk by TLS, with keys that they alone can read; not those of a DaskCluster.

    The client that connects to one from outside (dask-kubernetes) knows no TLS.
    """
    for pod in pods_of(objects):
        if pod.name.startswith("DaskCluster "):
            continue
        secrets = {one["name"]: one["secret"] for one in pod.spec["volumes"] if "secret" in one}
        for name, secret in secrets.items():
            if secret.get("defaultMode", 0o644) & ~0o440:
                yield f"{pod.name}: others can read the files of {name}, or write them"
        for container in pod.containers:
            folders = [
                mount["mountPath"]
                for mount in container["volumeMounts"]
                if mount["name"] in secrets and mount.get("readOnly")
            ]
            yield from _open(pod, container, folders)


def _open(pod: Pod, container: Data, folders: Sequence[str]) -> Iterator[str]:
    env = {entry["name"]: entry.get("value", "") for entry in container["env"]}
    if env.get(f"{_COMM}REQUIRE_ENCRYPTION") != "True":
        yield f"{pod.name}: {container['name']} would talk without TLS"
    for name in ("CA_FILE", *(f"{role}__{file}" for role in _ROLES for file in ("CERT", "KEY"))):
        file = PurePosixPath(env.get(f"{_COMM}TLS__{name}", "/nowhere"))
        if not any(file.is_relative_to(folder) for folder in folders):
            yield f"{pod.name}: {name} of TLS ({file}) is in no Secret"
    words = [*env.values(), *container["args"]]
    if any("tcp://" in word for word in words):
        yield f"{pod.name}: {container['name']} has an address without TLS"
    if container["name"] == "scheduler" and "--protocol tls" not in " ".join(words):
        yield f"{pod.name}: listens without TLS"


CHECKS = (quantities, restarts, probes, security, volumes, variables, farewells, encryption)
