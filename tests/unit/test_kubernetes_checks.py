"""Each of the project's own checks of manifests finds the fault that it is for."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.kubernetes.checks import CHECKS, faults
from tests.kubernetes.manifests import demo, rendered

Objects = dict[str, dict[str, Any]]
NAME = "skymosaic-horsehead-demo"


@pytest.fixture(scope="module")
def good() -> Objects:
    objects = rendered(demo("local"))
    return {
        f"{one['kind']} {one['metadata']['name'].removeprefix(NAME + '-')}": one for one in objects
    }


def pod(objects: Objects, name: str) -> dict[str, Any]:
    return objects[name]["spec"]["template"]["spec"]


def container(objects: Objects, name: str) -> dict[str, Any]:
    return pod(objects, name)["containers"][0]


WORKERS, SCHEDULER, JOB = "Deployment workers", "Deployment scheduler", f"Job {NAME}"


def variable(objects: Objects, name: str, variable: str) -> dict[str, Any]:
    [found] = [one for one in container(objects, name)["env"] if one["name"] == variable]
    return found


MUTATIONS: dict[str, tuple[Callable[[Objects], Any], str]] = {
    "memory of no unit that there is": (
        lambda o: container(o, WORKERS)["resources"]["limits"].update(memory="4GiB"),
        "quantities: Deployment skymosaic-horsehead-demo-workers: memory '4GiB' is no quantity",
    ),
    "more requested than allowed": (
        lambda o: container(o, WORKERS)["resources"]["requests"].update(memory="9Ti"),
        "more memory is requested than its limit allows",
    ),
    "no limit": (
        lambda o: container(o, JOB)["resources"]["limits"].pop("memory"),
        "has no limits of memory",
    ),
    "unbounded scratch": (
        lambda o: pod(o, WORKERS)["volumes"][0].update(emptyDir={}),
        "the sizeLimit None of scratch is no quantity",
    ),
    "a Deployment that does not restart": (
        lambda o: pod(o, SCHEDULER).update(restartPolicy="Never"),
        "restarts: Deployment skymosaic-horsehead-demo-scheduler: restartPolicy Never",
    ),
    "a Job that always restarts": (
        lambda o: pod(o, JOB).update(restartPolicy="Always"),
        "restartPolicy Always does not go with Job",
    ),
    "no probe": (
        lambda o: container(o, WORKERS).pop("livenessProbe"),
        "probes: Deployment skymosaic-horsehead-demo-workers: worker has no livenessProbe",
    ),
    "a probe of another port": (
        lambda o: container(o, SCHEDULER)["readinessProbe"]["httpGet"].update(port=9999),
        "readinessProbe asks port 9999, which is not there",
    ),
    "root": (
        lambda o: pod(o, JOB)["securityContext"].update(runAsUser=0),
        "security: Job skymosaic-horsehead-demo: may run as root",
    ),
    "no seccomp": (
        lambda o: pod(o, WORKERS)["securityContext"].pop("seccompProfile"),
        "has no seccomp profile",
    ),
    "a token": (
        lambda o: pod(o, WORKERS).pop("automountServiceAccountToken"),
        "gets a token for Kubernetes",
    ),
    "the host's network": (lambda o: pod(o, WORKERS).update(hostNetwork=True), "hostNetwork"),
    "more privileges": (
        lambda o: container(o, JOB)["securityContext"].pop("allowPrivilegeEscalation"),
        "may gain privileges",
    ),
    "a root that can be written": (
        lambda o: container(o, JOB)["securityContext"].update(readOnlyRootFilesystem=False),
        "driver can write its root",
    ),
    "capabilities": (
        lambda o: container(o, JOB)["securityContext"]["capabilities"].update(add=["NET_RAW"]),
        "driver has capabilities",
    ),
    "a mount of nothing": (
        lambda o: container(o, JOB)["volumeMounts"][1].update(name="other"),
        "volumes: Job skymosaic-horsehead-demo: the volume other is not there",
    ),
    "a volume of nobody": (
        lambda o: pod(o, JOB)["volumes"].append({"name": "more", "emptyDir": {"sizeLimit": "1Gi"}}),
        "the volume more is not used",
    ),
    "a home that cannot be written": (
        lambda o: variable(o, WORKERS, "HOME").update(value="/root"),
        "HOME (/root) cannot be written",
    ),
    "another Service's variable": (
        lambda o: variable(o, JOB, "SKYMOSAIC_SCHEDULER_ADDRESS").update(
            value="tls://$(OTHER_SERVICE_HOST):8786"
        ),
        "variables: Job skymosaic-horsehead-demo: $(OTHER_SERVICE_HOST) is not known there",
    ),
    "no Services in the environment": (
        lambda o: pod(o, WORKERS).update(enableServiceLinks=False),
        "SERVICE_HOST) is not known there",
    ),
    "another port than the Service's": (
        lambda o: o["Service scheduler"]["spec"]["ports"][0].update(port=80),
        "has no port 8786",
    ),
    "a secret in the manifest": (
        lambda o: variable(o, JOB, "AWS_SECRET_ACCESS_KEY").update(value="abc"),
        "AWS_SECRET_ACCESS_KEY is written out",
    ),
    "no hand-over": (
        lambda o: container(o, WORKERS).pop("lifecycle"),
        "farewells: Deployment skymosaic-horsehead-demo-workers: a worker is ended without",
    ),
    "too little grace": (
        lambda o: pod(o, WORKERS).update(terminationGracePeriodSeconds=30),
        "it is killed before its preStop hook may have ended",
    ),
    "an address without TLS": (
        lambda o: variable(o, WORKERS, "SKYMOSAIC_SCHEDULER_ADDRESS").update(
            value="tcp://$(SKYMOSAIC_HORSEHEAD_DEMO_SCHEDULER_SERVICE_HOST):8786"
        ),
        "encryption: Deployment skymosaic-horsehead-demo-workers: worker has an address without",
    ),
    "a scheduler that listens openly": (
        lambda o: container(o, SCHEDULER)["args"].remove("tls"),
        "skymosaic-horsehead-demo-scheduler: listens without TLS",
    ),
    "a driver that would talk openly": (
        lambda o: variable(o, JOB, "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION").update(
            value="False"
        ),
        f"{JOB}: driver would talk without TLS",
    ),
    "no certificates": (
        lambda o: container(o, WORKERS)["volumeMounts"].pop(1),
        "KEY of TLS (/tls/key.pem) is in no Secret",
    ),
    "a key that others can read": (
        lambda o: pod(o, JOB)["volumes"][1]["secret"].update(defaultMode=0o444),
        "others can read the files of tls",
    ),
    "certificates of another campaign": (
        lambda o: pod(o, JOB)["volumes"][1]["secret"].update(secretName="skymosaic-other-tls"),
        f"references: {JOB}: there is no Secret skymosaic-other-tls",
    ),
    "no DNS label": (
        lambda o: o[JOB]["metadata"].update(name="Horsehead_Demo"),
        "names: Job Horsehead_Demo: no DNS label",
    ),
    "a Service that begins with a digit": (
        lambda o: o["Service scheduler"]["metadata"].update(name="1-scheduler"),
        "a Service's name begins with a letter",
    ),
    "a label that is too long": (
        lambda o: o[JOB]["metadata"]["labels"].update(more="a" * 64),
        "is no label's value",
    ),
    "another namespace": (
        lambda o: o[JOB]["metadata"].update(namespace="default"),
        "its namespace default is not there",
    ),
    "twice": (
        lambda o: o.update(again=o[JOB]),
        f"{JOB} is there 2 times",
    ),
    "a Deployment of other pods": (
        lambda o: o[WORKERS]["spec"]["selector"]["matchLabels"].update(more="x"),
        "selectors: Deployment skymosaic-horsehead-demo-workers: does not select its own pods",
    ),
    "a Service of no pods": (
        lambda o: o["Service scheduler"]["spec"]["selector"].update(more="x"),
        "Service skymosaic-horsehead-demo-scheduler: selects no pod",
    ),
    "a budget of no pods": (
        lambda o: o["PodDisruptionBudget worker"]["spec"]["selector"]["matchLabels"].update(a="b"),
        "PodDisruptionBudget skymosaic-horsehead-demo-worker: selects no pod",
    ),
    "a policy for no pods": (
        lambda o: o["NetworkPolicy driver"]["spec"]["podSelector"]["matchLabels"].update(a="b"),
        "NetworkPolicy skymosaic-horsehead-demo-driver: selects no pod",
    ),
    "a policy that lets strangers in": (
        lambda o: o["NetworkPolicy scheduler"]["spec"]["ingress"][0]["from"][0]["podSelector"][
            "matchLabels"
        ].update(a="b"),
        "NetworkPolicy skymosaic-horsehead-demo-scheduler: selects no pod",
    ),
    "spread by other pods": (
        lambda o: pod(o, WORKERS)["topologySpreadConstraints"][0]["labelSelector"][
            "matchLabels"
        ].update(a="b"),
        "is spread by the labels of other pods",
    ),
    "a Service to a port of nobody": (
        lambda o: o["Service scheduler"]["spec"]["ports"][0].update(targetPort=1),
        "ports: Service skymosaic-horsehead-demo-scheduler",
    ),
    "a policy that opens another port": (
        lambda o: o["NetworkPolicy worker"]["spec"]["ingress"][0]["ports"][0].update(port=1),
        "ports: NetworkPolicy skymosaic-horsehead-demo-worker",
    ),
    "no ConfigMap": (
        lambda o: o.pop(f"ConfigMap {NAME}"),
        f"references: {JOB}: there is no ConfigMap {NAME}",
    ),
    "a Secret that nobody makes": (
        lambda o: variable(o, JOB, "AWS_REGION")["valueFrom"]["secretKeyRef"].update(name="x"),
        "there is no Secret x",
    ),
    "no ServiceAccount": (
        lambda o: o.pop("ServiceAccount skymosaic"),
        "there is no ServiceAccount skymosaic",
    ),
    "no PriorityClass": (
        lambda o: o.pop("PriorityClass skymosaic-workers"),
        "there is no PriorityClass skymosaic-workers",
    ),
    "a Secret in the manifests": (
        lambda o: o.update(
            more={"kind": "Secret", "metadata": {"name": "s", "namespace": "skymosaic"}}
        ),
        "secrets do not belong into manifests",
    ),
    "disruptions that count": (
        lambda o: o[JOB]["spec"]["podFailurePolicy"]["rules"].pop(0),
        f"jobs: {JOB}: counts disruptions as failures",
    ),
    "trying again what does not pass": (
        lambda o: o[JOB]["spec"]["podFailurePolicy"]["rules"][1]["onExitCodes"]["values"].remove(5),
        "differ by {5}",
    ),
    "not trying again what passes": (
        lambda o: o[JOB]["spec"]["podFailurePolicy"]["rules"][1]["onExitCodes"]["values"].append(
            12
        ),
        "differ by {12}",
    ),
    "no deadline": (lambda o: o[JOB]["spec"].pop("activeDeadlineSeconds"), "activeDeadlineSeconds"),
    "nothing denied": (
        lambda o: o.pop("NetworkPolicy deny-all"),
        "isolation: no policy denies what is not allowed",
    ),
    "everybody let in": (
        lambda o: o["NetworkPolicy scheduler"]["spec"]["ingress"].append(
            {"ports": [{"protocol": "TCP", "port": 8786}]}
        ),
        "lets others in than the campaign's pods",
    ),
    "the node's credentials": (
        lambda o: o["NetworkPolicy worker"]["spec"]["egress"][3]["to"][0]["ipBlock"].pop("except"),
        "reaches the credentials of the node",
    ),
    "a namespace that takes any pod": (
        lambda o: o["Namespace skymosaic"]["metadata"]["labels"].pop(
            "pod-security.kubernetes.io/enforce"
        ),
        "does not enforce restricted pods",
    ),
}


def test_good_manifests_have_no_fault(good: Objects) -> None:
    assert faults(list(good.values())) == []


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_fault_is_found(good: Objects, name: str) -> None:
    mutate, said = MUTATIONS[name]
    objects = copy.deepcopy(good)
    mutate(objects)
    found = faults(list(objects.values()))
    assert any(said in fault for fault in found), found


def test_each_check_is_shown_to_find_something(good: Objects) -> None:
    found = set()
    for mutate, _ in MUTATIONS.values():
        objects = copy.deepcopy(good)
        mutate(objects)
        found |= {fault.split(":")[0] for fault in faults(list(objects.values()))}
    assert found == {check.__name__ for check in CHECKS}
