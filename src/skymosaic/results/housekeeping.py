"""What people do with a campaign in its store, from anywhere: find it, read its file, clean."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from skymosaic.config import Campaign, load_campaign_text
from skymosaic.errors import (
    CampaignError,
    DamagedError,
    LockedError,
    MissingError,
    SkymosaicError,
)
from skymosaic.host import scratch
from skymosaic.journal import submission as submissions
from skymosaic.journal.runs import campaign_lock
from skymosaic.pipeline.places import parse_place
from skymosaic.steps.failures import as_record
from skymosaic.steps.manifests import manifest_at
from skymosaic.steps.place import Place
from skymosaic.store import Store, lease, open_store
from skymosaic.store.base import is_ours

log = logging.getLogger(__name__)

KEPT = {
    *("campaign.yaml", "groups.json", "index.html", submissions.NAME),
    *("locks", "manifests", "records", "failed", "logs"),
}
"""Files and folders of a campaign that are no products, and that `clean` leaves alone."""


@dataclass(frozen=True)
class Cleaned:
    """What `clean` removed, or would remove."""

    keys: list[str]
    """Files that no manifest names."""
    uploads: int
    """Parts of uploads, or of files, that never ended."""
    scratch: int
    """Scratch folders of dead processes on this host."""
    others: list[str]
    """Files that cannot be this project's, by their names: they are left alone."""


def find_place(uri: str, s3: Mapping[str, Any] | None = None) -> Place:
    """Return the place of a campaign that a store holds.

    Parameters
    ----------
    uri : str
        The store and the campaign's name in it: ``STORE/CAMPAIGN``, a folder or ``s3://...``.
    s3 : mapping, optional
        How to reach it, as for `skymosaic.store.open_store`.

    Raises
    ------
    CampaignError
        It does not name both.
    MissingError
        There is no campaign.
    """
    root, name = parse_place(uri)
    place = Place(open_store(root, s3), name, None)
    if _text(place) is None:
        raise MissingError(f"{place.store.address(name)} holds no campaign; run one there first")
    return place


def settle(campaign: Campaign) -> None:
    """Forget a submission that waits for nothing: all it asks for has been done before."""
    if campaign.compute.share is not None:  # others of the job array may be at work, or wait
        return
    store = open_store(campaign.store.uri, campaign.store.model_dump(exclude={"uri"}))
    place = Place(store, campaign.name, None)
    try:
        submission = submissions.read(place)
    except DamagedError as error:
        log.warning("%s; it is not queued any more, so its record is removed", error)
        submissions.forget(place)
        return
    if submission is not None and submission.is_pending(place):
        submissions.forget(place)


def note_failure(campaign: Campaign, error: SkymosaicError) -> None:
    """Note in the store why a driver on Kubernetes will not begin its run: its pod goes soon.

    Parameters
    ----------
    campaign : Campaign
        As it is driven.
    error : SkymosaicError
        Why it ended; after some, Kubernetes starts it again.
    """
    in_pod = campaign.compute.backend == "kubernetes" and "KUBERNETES_SERVICE_HOST" in os.environ
    if error.passes_by_itself or not in_pod:
        return
    try:
        store = open_store(campaign.store.uri, campaign.store.model_dump(exclude={"uri"}))
        place = Place(store, campaign.name, None)
        submission = submissions.read(place)
        if submission is not None and submission.is_pending(place):
            submission.failed(place, as_record(error))
    except SkymosaicError as other:
        log.warning("the store does not tell of this failure: %s", other)


def stored_campaign(
    uri: str,
    s3: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    settings: Sequence[str] = (),
) -> Campaign:
    """Return the campaign file that a store holds; errors as `find_place`.

    Parameters
    ----------
    uri : str
        As for `find_place`. The campaign's store is the one that it was found in, wherever it was
        when the file was written.
    s3 : mapping, optional
        As for `find_place`; overrides the file, too.
    overrides : mapping, optional
        Values by dotted key, which override the file.
    settings : sequence of str
        ``KEY=VALUE`` each, as after ``--set``; they override the file, too.
    """
    place = find_place(uri, s3)
    return _load(place, _text(place) or "", s3, overrides, settings)


def submitted_campaign(
    uri: str,
    s3: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    settings: Sequence[str] = (),
) -> Campaign:
    """Return the campaign file as it was last submitted, or run where it never was.

    A run in a cluster knows the scheduler that drove it; a submission the cluster itself.
    Parameters and errors as `stored_campaign`.
    """
    place = find_place(uri, s3)
    submission = submissions.read(place)
    text = submission.text if submission is not None else _text(place)
    return _load(place, text or "", s3, overrides, settings)


def _load(
    place: Place,
    text: str,
    s3: Mapping[str, Any] | None,
    overrides: Mapping[str, Any] | None,
    settings: Sequence[str],
) -> Campaign:
    address = place.store.address(place.key("campaign.yaml"))
    campaign = load_campaign_text(
        text,
        address,
        {
            **(overrides or {}),
            **{f"store.{name}": value for name, value in (s3 or {}).items()},
            "store.uri": place.store.uri,
        },
        settings,
    )
    if campaign.name != place.campaign:
        raise CampaignError(
            f"{address} is the file of {campaign.name}, not of {place.campaign}: use the program "
            "instead of one of its groups; if the folder was renamed, give it its old name"
        )
    return campaign


def _text(place: Place) -> str | None:
    """Return the campaign file of the last run, or of a submission before the first."""
    text = place.store.read_text(place.key("campaign.yaml"))
    if text is None:
        submission = submissions.read(place)
        return None if submission is None else submission.text
    return text


def clean(
    uri: str,
    s3: Mapping[str, Any] | None = None,
    *,
    everything: bool = False,
    pretend: bool = False,
) -> Cleaned:
    """Remove what no manifest names, and scratch folders of dead processes on this host.

    Parameters
    ----------
    uri, s3
        As for `find_place`.
    everything : bool
        Remove the whole campaign instead, products and all.
    pretend : bool
        Remove nothing; tell what would be.

    Raises
    ------
    LockedError
        The campaign is running.
    MissingError
        There is no campaign.
    StoreError
        The store cannot be read or written.
    """
    campaign = stored_campaign(uri, s3)
    # With the settings that the campaign has for what it writes.
    store = open_store(campaign.store.uri, campaign.store.model_dump(exclude={"uri"}))
    place = Place(store, campaign.name, campaign.compute.scratch)
    lock = campaign_lock(place) + "/"
    with lease.held(store, lock[:-1], "clean"):
        require_idle_shares(store, place, "clean")
        there = store.list(place.campaign)
        others = [key for key in there if not is_ours(key)]
        ours = [key for key in there if is_ours(key)]
        keys = ours if everything else _unnamed(store, ours)
        keys = [key for key in keys if not key.startswith(lock)]
        if pretend:
            return Cleaned(keys, 0, 0, others)
        for key in keys:
            store.delete(key)
        uploads = store.sweep(place.campaign)
    if everything:
        # Who waited for the lock has a document of its own there by now: it stays.
        last = lease.look(store, lock[:-1])
        if last.holder is None:
            store.remove(lock[:-1])
    return Cleaned(keys, uploads, scratch.sweep_now(place.scratch), others)


def require_idle(store: Store, place: Place, what: str) -> int:
    """Refuse while a campaign runs, or the program that it is a group of.

    Parameters
    ----------
    store, place
        The campaign's.
    what : str
        What can be done when it has ended.

    Returns
    -------
    int
        The number of its lock, another one after each run.

    Raises
    ------
    LockedError
        It runs.
    """
    program = replace(place, campaign=place.campaign.split("/")[0])
    lock = lease.look(store, campaign_lock(program))
    if lock.holder is not None:
        address = store.address(program.campaign)
        raise LockedError(f"{address} is running ({lock.holder}); {what} when it has ended")
    require_idle_shares(store, program, what)
    return lock.number


def require_idle_shares(store: Store, place: Place, what: str) -> None:
    """Refuse while a share of a program runs, which has a lock of its own; as `require_idle`."""
    keys = [key for key in store.list(place.key("shares")) if is_ours(key)]
    for share in sorted({key.split("/locks/")[0] for key in keys if "/locks/" in key}):
        holder = lease.look(store, campaign_lock(replace(place, campaign=share))).holder
        if holder is not None:
            raise LockedError(
                f"{store.address(share)} is running ({holder}); {what} when it has ended"
            )


def is_manifest(key: str) -> bool:
    """Whether a key is that of a manifest, of a campaign or of a group of a program."""
    return is_ours(key) and "/manifests/" in key and key.endswith(".json")


def _unnamed(store: Store, keys: Sequence[str]) -> list[str]:
    """Return the keys that neither a manifest names nor the campaign needs itself."""
    named = set()
    for key in keys:
        if is_manifest(key):
            manifest = manifest_at(store, key)
            named |= {one.key for one in manifest["products"].values()} if manifest else set()
    return [key for key in keys if key not in named and not KEPT & set(key.split("/")[1:])]
