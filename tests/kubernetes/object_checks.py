"""What must hold between objects, and schemas and scanners do not see."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from skymosaic.errors import OutOfMemoryError, exit_code_table
from tests.kubernetes.pods import Data, name_of, pods_of, selects, services_of

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_CLUSTER_WIDE = ("Namespace", "PriorityClass")
OUTSIDE = frozenset({"Secret skymosaic-s3", "PersistentVolumeClaim mosaics"})
"""What docs/kubernetes.md tells its reader to make, besides each campaign's certificates."""


def names(objects: Sequence[Data]) -> Iterator[str]:
    """Names and labels are such, nothing is there twice, and all are in one namespace."""
    namespaces = {
        manifest["metadata"]["name"] for manifest in objects if manifest["kind"] == "Namespace"
    }
    for name, count in Counter(map(name_of, objects)).items():
        if count > 1:
            yield f"{name} is there {count} times"
    for manifest in objects:
        metadata = manifest["metadata"]
        if not _LABEL.fullmatch(metadata["name"]):
            yield f"{name_of(manifest)}: no DNS label"
        if manifest["kind"] == "Service" and not metadata["name"][0].isalpha():
            yield f"{name_of(manifest)}: a Service's name begins with a letter"
        for value in metadata.get("labels", {}).values():
            if not _VALUE.fullmatch(value):
                yield f"{name_of(manifest)}: {value!r} is no label's value"
        if manifest["kind"] not in _CLUSTER_WIDE and metadata.get("namespace") not in namespaces:
            yield f"{name_of(manifest)}: its namespace {metadata.get('namespace')} is not there"


def selectors(objects: Sequence[Data]) -> Iterator[str]:
    """Whoever selects pods finds some, and a Deployment its own."""
    pods = list(pods_of(objects))
    for manifest in objects:
        name, spec = name_of(manifest), manifest.get("spec", {})
        if manifest["kind"] == "Deployment":
            labels = spec["template"]["metadata"]["labels"]
            if not selects(spec["selector"]["matchLabels"], labels):
                yield f"{name}: does not select its own pods"
        if manifest["kind"] == "PodDisruptionBudget":
            wanted = [spec["selector"]["matchLabels"]]
        elif manifest["kind"] == "NetworkPolicy":
            wanted = list(_selected_by(spec))
        else:
            continue
        for selector in wanted:
            if not any(selects(selector, pod.labels) for pod in pods):
                yield f"{name}: selects no pod: {selector}"
    for name, spec in services_of(objects):
        if not any(selects(spec["selector"], pod.labels) for pod in pods):
            yield f"Service {name}: selects no pod"
    for pod in pods:
        for spread in pod.spec.get("topologySpreadConstraints", []):
            if not selects(spread["labelSelector"]["matchLabels"], pod.labels):
                yield f"{pod.name}: is spread by the labels of other pods"


def _selected_by(policy: Data) -> Iterator[Data]:
    yield policy["podSelector"].get("matchLabels", {})
    for direction, end in (("ingress", "from"), ("egress", "to")):
        for rule in policy.get(direction, []):
            for peer in rule.get(end, []):
                if "podSelector" in peer and "namespaceSelector" not in peer:
                    yield peer["podSelector"]["matchLabels"]


def ports(objects: Sequence[Data]) -> Iterator[str]:
    """A Service's targets, and the ports that policies open, are ports of the pods."""
    pods = list(pods_of(objects))
    for name, spec in services_of(objects):
        for port in spec["ports"]:
            target = port.get("targetPort", port["port"])
            for pod in pods:
                if selects(spec["selector"], pod.labels) and target not in _ports(pod.containers):
                    yield f"Service {name}: {pod.name} has no port {target}"
    for manifest in objects:
        if manifest["kind"] != "NetworkPolicy":
            continue
        own = manifest["spec"]["podSelector"].get("matchLabels", {})
        for rule in manifest["spec"].get("ingress", []):
            for pod in pods:
                opened = {port["port"] for port in rule.get("ports", [])}
                if selects(own, pod.labels) and not opened <= _ports(pod.containers):
                    yield f"{name_of(manifest)}: {pod.name} has no port {opened}"


def _ports(containers: Sequence[Data]) -> set[int | str]:
    listed = [port for container in containers for port in container.get("ports", [])]
    return {port["containerPort"] for port in listed} | {port["name"] for port in listed}


def references(objects: Sequence[Data]) -> Iterator[str]:
    """What objects refer to is there, or the documentation tells how it is made."""
    known = set(map(name_of, objects)) | OUTSIDE
    for pod in pods_of(objects):
        spec = pod.spec
        wanted = {f"ServiceAccount {spec.get('serviceAccountName', 'default')}"}
        if "priorityClassName" in spec:
            wanted.add(f"PriorityClass {spec['priorityClassName']}")
        wanted |= {f"Secret {secret['name']}" for secret in spec.get("imagePullSecrets", [])}
        for volume in spec.get("volumes", []):
            if "configMap" in volume:
                wanted.add(f"ConfigMap {volume['configMap']['name']}")
            if "secret" in volume:
                wanted.add(f"Secret {volume['secret']['secretName']}")
            if "persistentVolumeClaim" in volume:
                wanted.add(f"PersistentVolumeClaim {volume['persistentVolumeClaim']['claimName']}")
        for container in pod.containers:
            for entry in container.get("env", []):
                source = entry.get("valueFrom", {})
                for key, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
                    if key in source:
                        wanted.add(f"{kind} {source[key]['name']}")
        certificates = f"Secret {pod.labels['app.kubernetes.io/instance']}-tls"
        for name in sorted(wanted - known - {certificates}):
            yield f"{pod.name}: there is no {name}"
    for manifest in objects:
        if manifest["kind"] == "HorizontalPodAutoscaler":
            target = manifest["spec"]["scaleTargetRef"]
            if f"{target['kind']} {target['name']}" not in known:
                yield f"{name_of(manifest)}: there is no {target['kind']} {target['name']}"
        if manifest["kind"] == "Secret":
            yield f"{name_of(manifest)}: secrets do not belong into manifests"


def jobs(objects: Sequence[Data]) -> Iterator[str]:
    """A Job ends some day, ignores disruptions, and fails at once of what does not pass."""
    hopeless = {code for code, _, _, passes in exit_code_table() if code and not passes}
    hopeless.add(OutOfMemoryError.exit_code)  # the next pod has no more memory
    for manifest in objects:
        if manifest["kind"] != "Job":
            continue
        name, spec = name_of(manifest), manifest["spec"]
        for key in ("backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"):
            if key not in spec:
                yield f"{name}: has no {key}"
        rules = spec.get("podFailurePolicy", {}).get("rules", [])
        if not rules or rules[0].get("action") != "Ignore" or "onPodConditions" not in rules[0]:
            yield f"{name}: counts disruptions as failures"
        failing: set[int] = set()
        for rule in rules:
            if rule["action"] == "FailJob":
                failing |= set(rule["onExitCodes"]["values"])
        if failing != hopeless:
            yield f"{name}: the exit codes that fail it at once differ by {failing ^ hopeless}"
        if spec["template"]["spec"].get("restartPolicy") != "Never":
            yield f"{name}: a podFailurePolicy needs restartPolicy Never"


def isolation(objects: Sequence[Data]) -> Iterator[str]:
    """The namespace denies what nobody allows, and the campaign allows nobody else in."""
    policies = [manifest for manifest in objects if manifest["kind"] == "NetworkPolicy"]
    denying = [
        manifest
        for manifest in policies
        if not manifest["spec"]["podSelector"]
        and set(manifest["spec"]["policyTypes"]) == {"Ingress", "Egress"}
        and not manifest["spec"].get("ingress")
        and not manifest["spec"].get("egress")
    ]
    if not denying:
        yield "no policy denies what is not allowed"
    for manifest in policies:
        for rule in manifest["spec"].get("ingress", []):
            for peer in rule.get("from", [{}]):
                if set(peer) != {"podSelector"} or not peer["podSelector"].get("matchLabels"):
                    yield f"{name_of(manifest)}: lets others in than the campaign's pods"
        for rule in manifest["spec"].get("egress", []):
            for peer in rule.get("to", [{}]):
                block = peer.get("ipBlock", {})
                if block.get("cidr") == "0.0.0.0/0" and "169.254.0.0/16" not in block.get(
                    "except", []
                ):
                    yield f"{name_of(manifest)}: reaches the credentials of the node"
    for manifest in objects:
        if manifest["kind"] == "Namespace":
            enforced = (
                manifest["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce")
            )
            if enforced != "restricted":
                yield f"{name_of(manifest)}: does not enforce restricted pods"


CHECKS = (names, selectors, ports, references, jobs, isolation)
