"""What a campaign's objects on Kubernetes are made from: decided once, before any is rendered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from secrets import token_hex
from typing import Any

from skymosaic.clusters.kubernetes.names import (
    INSTANCE,
    STORE,
    object_name,
    service_variable,
    store_label,
)
from skymosaic.config import Campaign, DirectorySource, resolved_yaml
from skymosaic.config.kubernetes import Kubernetes
from skymosaic.drizzle.expected import of_campaign
from skymosaic.errors import CampaignError

SCRATCH = "/scratch"
CAMPAIGN_FOLDER = "/campaign"
TLS_FOLDER = "/tls"
SCHEDULER_PORT = 8786
SCHEDULER_HEALTH = 8787
WORKER_PORT = 8788
WORKER_HEALTH = 8789
_LONGEST_CAMPAIGN = 2**20  # bytes: the API server's limit for the values of a ConfigMap
_MIB = 2**20


@dataclass(frozen=True)
class Plan:
    """Names and numbers of a campaign's objects."""

    campaign: str
    """The campaign's own name."""
    name: str
    """What the names of its objects begin with."""
    store: str
    """The address of its store."""
    text: str
    """The campaign file as its driver reads it; YAML."""
    image: str
    workers: int
    memory: str
    """Of a worker; a quantity."""
    scratch: str
    """Disk of a worker; a quantity."""
    settings: Kubernetes
    tls: str | None
    """Name of the Secret with the certificates by which the pods talk; None: they talk openly."""

    @property
    def scheduler(self) -> str:
        """Name of the scheduler's Deployment and Service."""
        return f"{self.name}-scheduler"

    @property
    def workers_name(self) -> str:
        """Name of the workers' Deployment."""
        return f"{self.name}-workers"

    @property
    def address(self) -> str:
        """The scheduler's address, from the variables that every pod of the namespace has."""
        host = service_variable(self.scheduler, "HOST")
        return f"{'tls' if self.tls else 'tcp'}://$({host}):{SCHEDULER_PORT}"

    def submitted(self) -> Plan:
        """Return the plan of one submission, whose certificates are no other's.

        Nodes keep what an immutable Secret held for as long as a pod has it, by its name.
        """
        return replace(self, tls=f"{self.tls}-{token_hex(4)}")

    def labels(self, component: str | None = None) -> dict[str, str]:
        """Return the labels of an object, with the pods' `component` where it has pods."""
        own = {"app.kubernetes.io/name": "skymosaic", INSTANCE: self.name}
        return own if component is None else {**own, "app.kubernetes.io/component": component}

    def metadata(self, name: str, component: str | None = None) -> dict[str, Any]:
        """Return the metadata of an object of the campaign."""
        return {
            "name": name,
            "namespace": self.settings.namespace,
            "labels": {
                **self.labels(component),
                "app.kubernetes.io/managed-by": "skymosaic",
                STORE: store_label(self.store),
            },
            # Annotations may hold any text.
            "annotations": {"skymosaic/campaign": self.campaign, STORE: self.store},
        }


def plan(campaign: Campaign) -> Plan:
    """Return what a campaign's objects are made from.

    Raises
    ------
    CampaignError
        The campaign needs what pods do not have: a folder of this machine, or a profile of ~/.aws.
    """
    settings = campaign.compute.kubernetes
    _require_within_reach(campaign)
    there = campaign.model_copy(
        update={
            # Folders of the user's machine mean nothing in a pod.
            "compute": campaign.compute.model_copy(
                update={
                    "backend": "kubernetes",
                    "address": None,
                    "scratch": Path(SCRATCH),
                    "cache": None,
                }
            )
        }
    )
    text = resolved_yaml(there)
    if len(text.encode()) > _LONGEST_CAMPAIGN:
        raise CampaignError(
            f"the campaign file has {len(text.encode())} bytes, and a ConfigMap takes "
            f"{_LONGEST_CAMPAIGN}; shorten it, such as its lists of tiles or groups"
        )
    needed = of_campaign(there).needs
    workers, name = campaign.compute.workers, object_name(campaign.name)
    return Plan(
        campaign=campaign.name,
        name=name,
        store=campaign.store.uri.rstrip("/"),
        text=text,
        image=settings.image or f"skymosaic:{version('skymosaic')}",
        # What is not yet known, such as how many files there are, is at least the sky methods.
        workers=len(campaign.sky.methods) if workers == "auto" else int(workers),
        memory=_or_mebibytes(settings.memory, needed.memory),
        scratch=_or_mebibytes(settings.scratch_size, needed.disk),
        settings=settings,
        tls=f"{name}-tls",
    )


def _or_mebibytes(given: str, projected: int) -> str:
    return f"{-(-projected // _MIB)}Mi" if given == "auto" else given


def _require_within_reach(campaign: Campaign) -> None:
    settings = campaign.compute.kubernetes
    if campaign.store.profile is not None:
        raise CampaignError(
            f"store.profile is {campaign.store.profile!r}, and pods have no ~/.aws; leave it out, "
            "and name a Secret (compute.kubernetes.keys) or bind a role to the service account"
        )
    folders = [] if campaign.store.uri.startswith("s3://") else [("store.uri", campaign.store.uri)]
    if isinstance(campaign.source, DirectorySource):
        folders.append(("source.path", str(campaign.source.path)))
    for key, folder in folders:
        inside = PurePosixPath(folder).is_relative_to(settings.volume_path)
        if settings.volume_claim is None or not inside:
            raise CampaignError(
                f"{key} is {folder}, a folder that pods do not see; use s3://BUCKET/PREFIX, or a "
                f"folder below {settings.volume_path} on a volume "
                "(compute.kubernetes.volume_claim and volume_path)"
            )
