"""How a campaign goes, asked from anywhere: status and cancel, where need be of its cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from skymosaic.errors import ComputeError, MissingError
from skymosaic.journal import cancellation
from skymosaic.journal import submission as submissions
from skymosaic.journal.runs import RunState, Status, campaign_lock, last_status
from skymosaic.journal.submission import Submission
from skymosaic.results.housekeeping import find_place, stored_campaign
from skymosaic.runs import handover
from skymosaic.steps.failures import as_record
from skymosaic.steps.place import Place
from skymosaic.store import lease


def find_status(uri: str, s3: Mapping[str, Any] | None = None) -> Status:
    """Return the status of a campaign's last run; parameters and errors as `find_place`."""
    return status_of(find_place(uri, s3))


def status_of(place: Place, *, ask: bool = True) -> Status:
    """Return the status of a campaign's last run, or of its submission where none has begun.

    Parameters
    ----------
    place : Place
        The campaign's.
    ask : bool
        Whether to ask the cluster, too, what became of a submission.

    Raises
    ------
    MissingError
        There is neither.
    StoreError
        The store cannot be read.
    """
    submission = submissions.read(place)
    if submission is not None and submission.error is not None:
        return _submitted(RunState.FAILED, submission)
    if submission is not None and submission.is_pending(place):
        fate = handover.fate_of(submission) if ask else None
        # Its run may have begun, and even ended, while the cluster was asked.
        if submission == submissions.read(place) and submission.is_pending(place):
            message = "" if fate is None else fate.message
            if fate is not None and fate.state == "ended" and message:
                error = as_record(ComputeError(f"it ended before its run began. {message}"))
                return _submitted(RunState.FAILED, replace(submission, error=error))
            return _submitted(RunState.SUBMITTED, submission, message)
        return status_of(place, ask=ask)
    status = last_status(place)
    if status is None:
        address = place.store.address(place.campaign)
        raise MissingError(f"{address} holds no record of a run; run the campaign")
    return status


def _submitted(state: RunState, submission: Submission, message: str = "") -> Status:
    what = f"{submission.what or 'being handed over'}, by {submission.by}"
    what += f". {message}" if message else ""
    return Status(state, submission.submitted, None, what, 0, [], submission.error)


def cancel(uri: str, s3: Mapping[str, Any] | None = None) -> str:
    """Ask a campaign's run to end in order, or take back its submission; return what was done.

    Parameters
    ----------
    uri, s3
        As for `find_place`.

    Raises
    ------
    MissingError
        Neither runs nor waits to; there is no campaign.
    SkymosaicError
        The store or the cluster failed.
    """
    place = find_place(uri, s3)
    lock = lease.look(place.store, campaign_lock(place))
    if lock.holder is not None and lock.holder.what == "run":
        cancellation.request(place, lock.number)
        return f"asked {lock.holder} to stop; `skymosaic status {uri}` shows when it has stopped"
    last = submissions.read(place)
    if last is not None and handover.is_waiting(place, last):
        handover.cancel(place, last, stored_campaign(uri, s3))
        return f"withdrew {last.what or 'a submission that was being handed over'}"
    raise MissingError(f"{uri} is neither running nor queued: there is nothing to cancel")
