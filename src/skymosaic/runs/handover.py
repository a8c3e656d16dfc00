"""Handing a campaign over: what every back end has in common."""

from __future__ import annotations

from dataclasses import replace

from skymosaic.clusters.base import Fate, Job, Submitted
from skymosaic.clusters.table import hand_over_of
from skymosaic.config import Campaign, resolved_yaml
from skymosaic.errors import CampaignError, LockedError, SkymosaicError
from skymosaic.journal import submission as submissions
from skymosaic.journal.runs import campaign_lock
from skymosaic.journal.submission import Submission
from skymosaic.pipeline.places import open_place
from skymosaic.runs.driver import drive
from skymosaic.steps.place import Place
from skymosaic.store import lease

_HANDING_OVER = 60.0  # s to wait for another submission of the same campaign to be handed over


def job_of(campaign: Campaign) -> Job:
    """Return what would be handed over.

    Raises
    ------
    CampaignError
        The campaign is not for a cluster.
    """
    if campaign.compute.backend == "local":
        raise CampaignError(
            "compute.backend is local, so there is no cluster to submit to: start it with "
            "`skymosaic run`, or name a cluster, such as compute: {backend: scheduler, address: tls://HOST:8786}"
        )
    return Job(campaign, resolved_yaml(campaign), drive)


def documents(campaign: Campaign) -> dict[str, str]:
    """Return what would be submitted, by file name; nothing is."""
    job = job_of(campaign)
    return hand_over_of(campaign.compute.backend).documents(job)


def submit(campaign: Campaign) -> Submitted:
    """Hand a campaign over to its cluster; return as soon as that has it.

    Raises
    ------
    CampaignError
        The campaign is not for a cluster.
    LockedError
        It is running, or was handed over and has not begun.
    SkymosaicError
        The cluster or the store failed.
    """
    job, place = job_of(campaign), open_place(campaign)
    cluster = hand_over_of(campaign.compute.backend)
    cluster.documents(job)  # what cannot be written down leaves no trace in the store
    # Two users may submit at once: one of them finds what the other has handed over.
    with lease.held(place.store, place.key("locks", "submission"), "submit", wait=_HANDING_OVER):
        _require_idle(place)
        submission = Submission.of(place, campaign.compute.backend, job.text)
        submission.write(place)
        try:
            address = place.store.address(place.campaign)
            submitted = cluster.submit(replace(job, submission=submission, address=address))
        except BaseException:
            submissions.forget(place)
            raise
        replace(submission, what=submitted.what).write(place)
    return submitted


def cancel(place: Place, submission: Submission, campaign: Campaign) -> None:
    """Take back a submission of which no run has begun.

    Parameters
    ----------
    place : Place
        The campaign's.
    submission : Submission
        Its last one.
    campaign : Campaign
        As it was handed over.
    """
    address = place.store.address(place.campaign)
    job = Job(campaign, submission.text, drive, submission, address)
    hand_over_of(submission.backend).cancel(job)
    submissions.forget(place)


def remove(submission: Submission, campaign: Campaign) -> str:
    """Remove what the cluster holds still of a submission that has ended; return what that was.

    Parameters
    ----------
    submission : Submission
        The campaign's last one.
    campaign : Campaign
        As it was handed over.
    """
    job = Job(campaign, submission.text, drive, submission)
    return hand_over_of(submission.backend).cancel(job)


def _require_idle(place: Place) -> None:
    address = place.store.address(place.campaign)
    holder = lease.look(place.store, campaign_lock(place)).holder
    if holder is not None:
        raise LockedError(
            f"{address} is running already ({holder}); nothing was submitted. Follow it with "
            f"`skymosaic status {address}`, or end it with `skymosaic cancel {address}`"
        )
    last = submissions.read(place)
    if last is not None and is_waiting(place, last, fate_of(last)):
        raise LockedError(
            f"{address} was submitted at {last.submitted} by {last.by} "
            f"({last.what or 'being handed over'}) and is still queued; nothing was submitted now. "
            f"Withdraw it with `skymosaic cancel {address}` first"
        )


def is_waiting(place: Place, submission: Submission, known: Fate) -> bool:
    """Whether a run of a submission, which does not run now, can still begin by itself.

    Where the cluster cannot be asked, that is so until a first run has begun.

    Parameters
    ----------
    place : Place
        The campaign's.
    submission : Submission
        Its last one.
    known : Fate
        What its cluster knows of it.
    """
    if submission.error:
        return False
    return submission.is_pending(place) if known.state == "silent" else known.state == "alive"


def fate_of(submission: Submission) -> Fate:
    """Return what the cluster knows of a submission, or why it cannot be asked from here."""
    try:
        return hand_over_of(submission.backend).fate(submission)
    except SkymosaicError as error:
        return Fate("silent", f"It cannot be asked from here: {error}")
