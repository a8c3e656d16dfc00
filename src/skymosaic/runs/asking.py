"""How a campaign goes, asked from anywhere: status and cancel, where need be of its cluster."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from skymosaic.clusters.base import Fate
from skymosaic.errors import ComputeError, MissingError
from skymosaic.journal import cancellation
from skymosaic.journal import submission as submissions
from skymosaic.journal.runs import RunState, Status, campaign_lock, last_status
from skymosaic.journal.submission import Submission
from skymosaic.pipeline.places import parse_place
from skymosaic.results.housekeeping import find_place, stored_campaign
from skymosaic.runs import handover, unrecorded
from skymosaic.steps.failures import as_record
from skymosaic.steps.place import Place
from skymosaic.store import lease, open_store

_LOOK = 1.0  # s between two looks for a sign of life
_CLOCK = 1.0  # s by which an age may be wrong: S3 tells whole seconds


def find_status(uri: str, s3: Mapping[str, Any] | None = None) -> Status:
    """Return the status of a campaign's last run; parameters and errors as `find_place`.

    Where the store has no record of one, its cluster may know of a submission.
    """
    try:
        return status_of(find_place(uri, s3))
    except MissingError:
        found = unrecorded.find(*_store_and_name(uri, s3))
        if found is None:
            raise
        return unrecorded.status_of(found)


def _store_and_name(uri: str, s3: Mapping[str, Any] | None) -> tuple[str, str]:
    root, name = parse_place(uri)
    return open_store(root, s3).uri, name


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
        known = handover.fate_of(submission) if ask else Fate("silent")
        # Its run may have begun, and even ended, while the cluster was asked.
        if submission == submissions.read(place) and submission.is_pending(place):
            return _of_pending(submission, known)
        return status_of(place, ask=ask)
    status = last_status(place)
    if status is None:
        address = place.store.address(place.campaign)
        raise MissingError(f"{address} holds no record of a run; run the campaign")
    if submission is not None and ask and may_go_on(status):
        return _with_cluster(status, handover.fate_of(submission))
    return status


def may_go_on(status: Status) -> bool:
    """Whether a cluster may be at work on a run, or on the next after it, or begin that."""
    if status.state is RunState.FAILED:
        return status.error is not None and status.error["passes_by_itself"]
    return status.state in (RunState.RUNNING, RunState.INTERRUPTED)


def _of_pending(submission: Submission, known: Fate) -> Status:
    """Return the status of a submission of which no run has begun."""
    if known.state == "ended" and known.message:
        error = as_record(ComputeError(f"it ended before its run began. {known.message}"))
        return _submitted(RunState.FAILED, replace(submission, error=error))
    return _submitted(RunState.SUBMITTED, submission, known.message)


def _with_cluster(status: Status, known: Fate) -> Status:
    """Return the status of a run that the store does not know to be at its end for good."""
    if status.state is RunState.RUNNING or known.state == "silent":
        return replace(status, cluster=known.message)
    if known.state == "alive":  # the cluster goes on by itself: there is nothing to do
        return replace(status, state=RunState.SUBMITTED, cluster=known.message)
    if known.state == "ended" and known.message and status.state is RunState.INTERRUPTED:
        why = as_record(ComputeError(f"its cluster ended it. {known.message}"))
        return replace(status, error=why)
    return replace(status, cluster=known.message if known.state == "ended" else "")


def _submitted(state: RunState, submission: Submission, message: str = "") -> Status:
    what = f"{submission.what or 'being handed over'}, by {submission.by}"
    return Status(state, submission.submitted, None, what, 0, [], submission.error, cluster=message)


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
    ComputeError
        It does not run, but its cluster may start it again, and cannot be asked from here.
    SkymosaicError
        The store or the cluster failed.
    """
    try:
        return _cancel_recorded(find_place(uri, s3), uri, s3)
    except MissingError:
        found = unrecorded.find(*_store_and_name(uri, s3))
        if found is None:
            raise
        found.remove()
        return f"removed {found.what} from the cluster"


def _cancel_recorded(place: Place, uri: str, s3: Mapping[str, Any] | None) -> str:
    last = submissions.read(place)
    lock = lease.look(place.store, campaign_lock(place))
    while lock.holder is not None and lock.holder.what == "run":
        cancellation.request(place, lock.number)
        # A run that was not handed over is not started again.
        if last is None or _hears(place, lock.number):
            return (
                f"asked {lock.holder} to stop; `skymosaic status {uri}` shows when it has stopped"
            )
        lock = lease.look(place.store, campaign_lock(place))
    nothing = f"{uri} is neither running nor queued: there is nothing to cancel"
    if last is None:
        raise MissingError(nothing)
    known = handover.fate_of(last)
    if handover.is_waiting(place, last, known):
        handover.cancel(place, last, stored_campaign(uri, s3))
        return f"withdrew {last.what or 'a submission that was being handed over'}"
    if removed := _removed_after_the_end(last, known, uri, s3):
        return f"the campaign has ended; removed from the cluster: {removed}"
    status = last_status(place)
    if known.message and (status is None or may_go_on(status)):
        if known.state == "silent":
            raise ComputeError(
                f"nothing was cancelled: {uri} does not run at this moment, but its cluster may "
                f"start it again. {known.message}"
            )
        nothing = f"{nothing}. {known.message}"
    raise MissingError(nothing)


def _hears(place: Place, number: int) -> bool:
    """Wait until a run that was asked to end gives a sign of life, or ends; tell whether it did.

    A cluster may start a driver that was lost again, and nobody has asked the next one to end.
    """
    begun = time.monotonic()
    while True:
        lock = lease.look(place.store, campaign_lock(place))
        if lock.number != number:
            return False
        if lock.holder is None:
            status = last_status(place)
            return status is not None and not may_go_on(status)
        if lock.age + _CLOCK < time.monotonic() - begun:
            return True
        time.sleep(_LOOK)


def clear(uri: str, s3: Mapping[str, Any] | None = None) -> str:
    """Remove what the cluster holds still of a campaign that has ended; return what that was.

    Parameters
    ----------
    uri, s3
        As for `find_place`.

    Raises
    ------
    MissingError
        There is no campaign.
    SkymosaicError
        The store cannot be read; the cluster does not do it.
    """
    last = submissions.read(find_place(uri, s3))
    return "" if last is None else _removed_after_the_end(last, handover.fate_of(last), uri, s3)


def _removed_after_the_end(
    last: Submission, known: Fate, uri: str, s3: Mapping[str, Any] | None
) -> str:
    """Remove what a submission that has ended left; nothing where the cluster cannot be asked."""
    return handover.remove(last, stored_campaign(uri, s3)) if known.state == "ended" else ""
