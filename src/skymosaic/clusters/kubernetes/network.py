"""Who may talk to whom: a campaign's pods with each other, and with S3 and MAST; nobody else."""

from __future__ import annotations

import ipaddress
from typing import Any

from skymosaic.clusters.kubernetes.planning import SCHEDULER_PORT, WORKER_PORT, Plan
from skymosaic.config.kubernetes import LINK_LOCAL

Data = dict[str, Any]

_NODE_LOCAL_DNS = "169.254.20.10/32"


def policies(plan: Plan) -> list[Data]:
    """Return the network policies of a campaign; the namespace's own denies everything else."""
    to_scheduler = _to(plan, "scheduler", SCHEDULER_PORT)
    to_workers = _to(plan, "worker", WORKER_PORT)
    outside = _outside(plan)
    return [
        _policy(
            plan,
            "scheduler",
            ingress=[_from(plan, ("worker", "driver"), SCHEDULER_PORT)],
            egress=[_DNS, to_workers],
        ),
        _policy(
            plan,
            "worker",
            ingress=[_from(plan, ("scheduler", "worker", "driver"), WORKER_PORT)],
            egress=[_DNS, to_scheduler, to_workers, outside],
        ),
        _policy(plan, "driver", ingress=[], egress=[_DNS, to_scheduler, to_workers, outside]),
    ]


def deny_all(namespace: str, labels: Data) -> Data:
    """Return the policy of a namespace in which nothing is allowed that no other policy allows."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "deny-all", "namespace": namespace, "labels": labels},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    }


_DNS: Data = {
    "to": [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        },
        {"ipBlock": {"cidr": _NODE_LOCAL_DNS}},
    ],
    "ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")],
}


def _policy(plan: Plan, component: str, ingress: list[Data], egress: list[Data]) -> Data:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": plan.metadata(f"{plan.name}-{component}"),
        "spec": {
            "podSelector": {"matchLabels": plan.labels(component)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    }


def _pods(plan: Plan, component: str) -> Data:
    return {"podSelector": {"matchLabels": plan.labels(component)}}


def _from(plan: Plan, components: tuple[str, ...], port: int) -> Data:
    return {
        "from": [_pods(plan, component) for component in components],
        "ports": [{"protocol": "TCP", "port": port}],
    }


def _to(plan: Plan, component: str, port: int) -> Data:
    return {"to": [_pods(plan, component)], "ports": [{"protocol": "TCP", "port": port}]}


def _outside(plan: Plan) -> Data:
    return {
        "to": [{"ipBlock": _block(network)} for network in plan.settings.egress_networks],
        "ports": [{"protocol": "TCP", "port": port} for port in plan.settings.egress_ports],
    }


def _block(text: str) -> Data:
    network = ipaddress.ip_network(text)
    left_out = [
        str(link)
        for link in LINK_LOCAL
        # What is left out must lie inside, or Kubernetes refuses the policy.
        if link.version == network.version and link.subnet_of(network)  # type: ignore[arg-type]
    ]
    return {"cidr": text, **({"except": left_out} if left_out else {})}
