"""What a campaign asks of Kubernetes: `compute.kubernetes`."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field

from skymosaic.config.fields import AnyText, Count, Natural, PositiveNumber, Seconds, Text
from skymosaic.config.sections import OptionalSection

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_SUBDOMAIN = rf"(?=.{{1,253}}$){_LABEL}([.]{_LABEL})*"
_LABEL_NAME = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_QUANTITY = r"[0-9]+([.][0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?"
_CIDR = r"[0-9a-fA-F:.]+/(0|[1-9][0-9]{0,2})"
LINK_LOCAL = (
    ipaddress.ip_network("169.254.0.0/16"),
    ipaddress.ip_network("fd00:ec2::254/128"),
    ipaddress.ip_network("fe80::/10"),
)
"""Networks that pods never reach: who does, gets the credentials of the node."""
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_TAKEN = frozenset(
    {
        *("scratch", "campaign", "tls"),
        *("bin", "dev", "etc", "lib", "lib64", "opt", "proc", "sbin", "sys", "usr"),
    }
)
_UNITS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTP", start=1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTP", start=1)},
}


def parse_quantity(text: str) -> Decimal:
    """Return what a quantity such as 500m, 2 or 3Gi amounts to.

    Raises
    ------
    ValueError
        It is none that Kubernetes reads.
    """
    found = re.fullmatch(_QUANTITY, text)
    if not found:
        raise ValueError(f"must be a quantity of Kubernetes such as 500m, 2 or 3Gi, not {text!r}")
    unit = found[2] or ""
    return Decimal(text.removesuffix(unit)) * _UNITS[unit]


def _cores(text: str) -> str:
    if not Decimal("0.01") <= parse_quantity(text) <= 1024:
        raise ValueError(f"must be from 10m to 1024 cores, not {text!r}")
    return text


def _bytes_or_auto(text: str) -> str:
    # A quantity without a unit is in bytes: 4 is next to nothing.
    if text != "auto" and not 256_000_000 <= parse_quantity(text) <= 10**15:
        raise ValueError(f"must be auto, or from 256M to 1000T, not {text!r}")
    return text


def _matching(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"must be {what}, not {text!r}")
        return text

    return AfterValidator(check)


def _label_key(text: str) -> str:
    prefix, slash, name = text.rpartition("/")
    if (slash and not re.fullmatch(_SUBDOMAIN, prefix)) or not re.fullmatch(_LABEL_NAME, name):
        raise ValueError(f"must be a label's key such as example.org/pool, not {text!r}")
    return text


def _network(text: str) -> str:
    """Check a network as the API server does: an address, and how many of its bits count."""
    example = "must be a network such as 10.0.0.0/8 or 2001:db8::/32"
    try:
        found = ipaddress.ip_interface(re.sub(r"%[^/]*", "", text))
    except ValueError as error:
        raise ValueError(f"{example}: {error}") from None
    network = found.network
    for link in LINK_LOCAL:
        if network.version == link.version and network.subnet_of(link):  # type: ignore[arg-type]
            raise ValueError(
                f"{text} is within {link}, which pods may not reach, as the keys of a cloud's "
                "nodes are there: take it out of the list"
            )
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        raise ValueError(f"{example}, not IPv4 addresses written as IPv6: {text!r}")
    # Python takes masks, zones and single addresses, too.
    if found.ip != network.network_address or not re.fullmatch(_CIDR, text):
        raise ValueError(f"{example}, not {text!r}: write {network}, if you mean that")
    return text


def _volume_path(text: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9][A-Za-z0-9._-]*)+", text):
        raise ValueError(
            f"must be an absolute path of letters, digits and . _ - only, not {text!r}"
        )
    if text.split("/")[1] in _TAKEN:
        raise ValueError(f"{text} is taken in the pods; /data is free")
    return text


DnsLabel = Annotated[
    Text,
    _matching(re.compile(_LABEL), "lower-case letters, digits and '-' (at most 63)"),
    Field(json_schema_extra={"pattern": f"^{_LABEL}$"}),
]
DnsName = Annotated[Text, _matching(re.compile(_SUBDOMAIN), "a DNS name in lower case")]
Image = Annotated[
    Text,
    _matching(
        re.compile(r"[a-z0-9][a-zA-Z0-9._:/-]{0,254}(@sha256:[0-9a-f]{64})?"),
        "the name of an image such as registry.example.org/skymosaic@sha256:...",
    ),
]
Labels = Mapping[
    Annotated[Text, AfterValidator(_label_key)],
    Annotated[AnyText, _matching(re.compile(rf"({_LABEL_NAME})?"), "a label's value")],
]
Annotations = Mapping[Annotated[Text, AfterValidator(_label_key)], AnyText]
Cpu = Annotated[Text, AfterValidator(_cores)]
Bytes = Annotated[Text, AfterValidator(_bytes_or_auto)]
VolumePath = Annotated[Text, AfterValidator(_volume_path)]
Port = Annotated[Count, Field(le=65535)]
Network = Annotated[Text, AfterValidator(_network)]


class Kubernetes(OptionalSection):
    """Where and how a campaign runs on Kubernetes."""

    namespace: DnsLabel = Field(
        default="skymosaic", description="Namespace that the campaign runs in; it must be there."
    )
    cluster: DnsName | None = Field(
        default=None,
        description=(
            "For `skymosaic run` outside the cluster: the DaskCluster of dask-kubernetes' operator "
            "whose workers it uses; null: the driver is a pod of the campaign."
        ),
    )
    image: Image | None = Field(
        default=None,
        description=(
            "Image of scheduler, workers and driver, best by digest (NAME@sha256:...); null: "
            "skymosaic with this version as its tag."
        ),
    )
    registry_keys: DnsName | None = Field(
        default=None, description="Secret that the registry asks for; null: none."
    )
    service_account: DnsName = Field(
        default="skymosaic",
        description="Service account of the pods; a role bound to it may give access to S3.",
    )
    service_account_annotations: Annotations = Field(
        default_factory=dict,
        description="Its annotations, such as eks.amazonaws.com/role-arn, by which it has a role.",
    )
    keys: DnsName | None = Field(
        default=None,
        description=(
            "Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and if need be "
            "AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL_S3, MAST_API_TOKEN; null: the service "
            "account's role is enough."
        ),
    )
    volume_claim: DnsName | None = Field(
        default=None,
        description="Claim of a volume that all pods can write, for a store or data in a folder.",
    )
    volume_path: VolumePath = Field(
        default="/data", description="Where that volume is in the pods."
    )
    cpu: Cpu = Field(default="1", description="Cores of a worker.")
    memory: Bytes = Field(
        default="auto", description="Memory of a worker such as 4Gi; auto: as projected."
    )
    scratch_size: Bytes = Field(
        default="auto", description="Disk of a worker such as 20Gi; auto: as projected."
    )
    max_workers: Count | None = Field(
        default=None,
        description="Scale from one worker to this number, by load; null: a fixed number.",
    )
    deadline_hours: PositiveNumber = Field(
        default=24, le=8784, description="The campaign is stopped when it takes longer (hours)."
    )
    keep_minutes: PositiveNumber = Field(
        default=2,
        le=527_040,
        description=(
            "How long the finished job is kept, with its log, its scheduler and its workers "
            "(minutes)."
        ),
    )
    retries: Natural = Field(
        default=3,
        description=(
            "How often the driver is started again after a failure that may not happen again; "
            "disruptions of the cluster do not count."
        ),
    )
    patience: Seconds = Field(
        default=900, description="How long to wait for the scheduler and the first worker (s)."
    )
    grace: Seconds = Field(
        default=600,
        description="How long a worker that must leave may take to finish its task (s).",
    )
    priority_class: DnsName | None = Field(
        default=None, description="Priority class of the workers; null: the cluster's default."
    )
    steady_priority_class: DnsName | None = Field(
        default=None, description="Priority class of scheduler and driver."
    )
    spot_nodes: Labels = Field(
        default_factory=dict,
        description="Labels of the nodes for the workers, which may be taken away at any time.",
    )
    spot_taints: Labels = Field(
        default_factory=dict,
        description="Taints of those nodes (NoSchedule) that workers tolerate.",
    )
    steady_nodes: Labels = Field(
        default_factory=dict,
        description="Labels of the nodes for scheduler and driver, which should stay.",
    )
    egress_ports: tuple[Port, ...] = Field(
        default=(443,),
        min_length=1,
        description="Ports by which workers and driver may leave the cluster: S3's, MAST's.",
    )
    egress_networks: tuple[Network, ...] = Field(
        default=("0.0.0.0/0", "::/0"),
        min_length=1,
        description="Networks that they may reach so; link-local addresses are always left out.",
    )
