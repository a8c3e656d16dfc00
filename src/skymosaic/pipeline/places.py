"""Where a campaign lives: as its file says, or as people write it, STORE/CAMPAIGN."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from dask.utils import parse_bytes

from skymosaic.config import Campaign, MastSource, S3Source
from skymosaic.config.fields import checked_store_uri, uri_scheme
from skymosaic.config.paths import absolute
from skymosaic.errors import CampaignError, StoreError
from skymosaic.steps.place import Place
from skymosaic.steps.progress import TOPIC
from skymosaic.store import cached, open_store
from skymosaic.store.base import checked_key

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


def parse_place(text: str, parts: int = 1) -> tuple[str, str]:
    """Return the URI of a store, and the name of a campaign in it, that a text names.

    Parameters
    ----------
    text : str
        ``STORE/CAMPAIGN``: a folder's path, with or without ``file:``, or ``s3://BUCKET/...``. An
        absolute path stays one; ``.`` is the current folder.
    parts : int
        How many parts the name has; 4 for a group of a program.

    Returns
    -------
    (str, str)
        A folder as an absolute path, or ``s3://...``; and the name.

    Raises
    ------
    CampaignError
        It does not name both, or is no place that there can be.
    """
    try:
        scheme = uri_scheme(text)
        if scheme == "s3":
            uri = checked_store_uri(text.rstrip("/"))
            root, *name = uri.rsplit("/", parts)
            if uri.count("/") < 2 + parts:
                raise ValueError("it names only a bucket")
        else:
            root, name = _split_path(checked_store_uri(text), parts)
        return root, checked_key("/".join(name))
    except (ValueError, OSError, RuntimeError, StoreError) as error:
        raise CampaignError(
            f"{text!r} names no campaign ({error}): write STORE/CAMPAIGN, such as "
            "store/horsehead-demo or s3://bucket/prefix/horsehead-demo"
        ) from None


def _split_path(text: str, parts: int) -> tuple[str, list[str]]:
    if not text.strip():
        raise ValueError("it is empty")
    here = Path.cwd()
    path = Path(absolute(text, here, is_uri=True) if uri_scheme(text) else text).expanduser()
    if path.name in ("", ".."):
        path = path.resolve()
    path = here / path
    if len(path.parts) <= parts:
        raise ValueError("it has no name")
    # Where a campaign's own folder is a link, its name is that of the link.
    root = "/" + str(path.parents[parts - 1].resolve()).lstrip("/")
    return root, list(path.parts[-parts:])
