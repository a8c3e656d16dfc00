"""Campaigns that a cluster has, and whose store has no record of them: asked from what is here."""

from __future__ import annotations

import logging

from skymosaic.clusters.base import Found
from skymosaic.clusters.table import HAND_OVERS, hand_over_of
from skymosaic.errors import ComputeError, SkymosaicError
from skymosaic.journal.runs import RunState, Status
from skymosaic.steps.failures import as_record

log = logging.getLogger(__name__)


def find(store: str, campaign: str) -> Found | None:
    """Return what the clusters that are in reach from here hold of a campaign; None for nothing.

    Parameters
    ----------
    store : str
        Address of the store.
    campaign : str
        The campaign's name.
    """
    for backend in HAND_OVERS:
        try:
            found = hand_over_of(backend).find(store, campaign)
        except SkymosaicError as error:  # no cluster that is asked on every typing error
            log.info("%s was not asked for %s: %s", backend, campaign, error)
            continue
        if found is not None:
            return found
    return None


def status_of(found: Found) -> Status:
    """Return the status of a campaign that its cluster alone knows."""
    words = f"its store has no record of it. {found.fate.message}".rstrip()
    if found.fate.state != "ended":
        return Status(RunState.SUBMITTED, found.since, None, found.what, 0, [], None, cluster=words)
    error = as_record(ComputeError(f"{found.what} is left of it: {words}"))
    return Status(RunState.FAILED, found.since, None, found.what, 0, [], error)
