"""Where a campaign file says that its campaign lives."""

from __future__ import annotations

from uuid import uuid4

from dask.utils import parse_bytes

from skymosaic.config import Campaign, MastSource, S3Source
from skymosaic.progress import TOPIC
from skymosaic.steps import Place
from skymosaic.store import cached, open_store

FAR = (MastSource, S3Source)
"""Sources that files are downloaded from."""


def open_place(campaign: Campaign) -> Place:
    """Return where a campaign's products are and its tasks work."""
    there, here = campaign.store, campaign.compute
    store = open_store(there.uri, there.model_dump(exclude={"uri"}))
    limit = parse_bytes(here.cache_limit)
    return Place(
        cached(store, here.scratch, here.cache, limit),
        campaign.name,
        here.scratch,
        # Runs that share a scheduler do not hear each other.
        topic=f"{TOPIC}-{uuid4().hex}",
        downloads=campaign.source.downloads if isinstance(campaign.source, FAR) else None,
    )
