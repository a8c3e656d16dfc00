"""Submission to a Dask scheduler that runs already: the driver is a task of its own there."""

from __future__ import annotations

import json
import logging
import time

from distributed import Client, Future, fire_and_forget

from skymosaic.clusters.addresses import require_private
from skymosaic.clusters.base import Fate, Found, Job, Submitted
from skymosaic.clusters.scheduler.workers import GLANCE, connected, glance
from skymosaic.config import load_campaign_text
from skymosaic.errors import ComputeError
from skymosaic.journal.submission import Submission

log = logging.getLogger(__name__)

_PATIENCE = 30.0  # s for the scheduler to say that it has the task


def documents(job: Job) -> dict[str, str]:
    """Return the campaign file and the task that would be submitted.

    Raises
    ------
    CampaignError
        The address is remote and not encrypted, which was not allowed.
    """
    address = str(job.campaign.compute.address)
    require_private(address, insecure=job.campaign.compute.insecure)
    task = {
        "scheduler": address,
        "key": _key(job.campaign.name, "ID"),
        "function": f"{job.drive.__module__}.{job.drive.__qualname__}",
        "command": "skymosaic run campaign.yaml --wait --set compute.backend=scheduler "
        "--set compute.address=ADDRESS",
    }
    return {"campaign.yaml": job.text, "task.json": json.dumps(task, indent=1) + "\n"}


def submit(job: Job) -> Submitted:
    """Give the scheduler the task that drives a campaign; it does not need us any more.

    Raises
    ------
    CampaignError
        The address is remote and not encrypted, which was not allowed.
    ComputeError
        The scheduler does not answer, has no workers, or does not take it.
    """
    if job.submission is None:
        raise ComputeError(f"{job.campaign.name} has no record of its submission; submit it again")
    key = _key(job.campaign.name, job.submission.id)
    with connected(job.campaign.compute) as client:
        try:
            fire_and_forget(
                client.submit(job.drive, job.text, job.submission.id, key=key, pure=False)
            )
            _wait_until_there(client, key, str(job.campaign.compute.address))
        except BaseException:
            # It may arrive later, and its store would know nothing of it.
            _take_back(client, key)
            raise
    return Submitted(
        what=f"Dask task {key} at {job.campaign.compute.address}",
        follow=f"skymosaic status {job.address}",
    )


def _wait_until_there(client: Client, key: str, address: str) -> None:
    end = time.monotonic() + _PATIENCE
    while _state(client, key) is None:
        if time.monotonic() > end:
            raise ComputeError(
                f"the scheduler at {address} did not accept the task {key}; submit again"
            )
        time.sleep(0.05)


def _take_back(client: Client, key: str) -> None:
    try:
        _withdraw(client, key)
    except (OSError, RuntimeError) as error:  # it is away, or the client is closed
        log.warning("the task %s may be on the scheduler still (%s)", key, error)


def cancel(job: Job) -> str:
    """Take the task back, if it has not begun; one that runs sees that its submission is gone."""
    if job.submission is not None:
        with glance(job.campaign.compute) as client:
            _withdraw(client, _key(job.campaign.name, job.submission.id))
    return ""


def _withdraw(client: Client, key: str) -> None:
    # Of a key alone Dask makes nothing: it cancels futures.
    client.cancel([Future(key, client)], force=True)


def find(_store: str, _campaign: str) -> Found | None:
    """Return nothing: which scheduler has the task is in no other place than the store."""
    return None


def fate(submission: Submission) -> Fate:
    """Return what the scheduler knows of the task.

    Raises
    ------
    ComputeError
        It does not answer.
    """
    campaign = load_campaign_text(submission.text, f"submission {submission.id}", {})
    with glance(campaign.compute) as client:
        state = _state(client, _key(campaign.name, submission.id))
    scheduler = f"The scheduler at {campaign.compute.address}"
    if state == "processing":
        return Fate(
            "alive",
            f"{scheduler} gave it to a worker, which is at it, or begins it when it is free",
        )
    if state in ("waiting", "queued", "no-worker"):
        return Fate("alive", f"{scheduler} has no workers for it")
    if not submission.what:
        return Fate("unknown")  # it is being handed over
    return Fate(
        "ended",
        f"{scheduler} does not have its task any more: the task ended (the workers' logs tell "
        "how), or the scheduler was restarted",
    )


def _key(campaign: str, submission: str) -> str:
    return f"skymosaic-{campaign}-{submission}"


def _state(client: Client, key: str) -> str | None:
    """Return what the scheduler knows of a task: its state, None where it has none."""
    try:
        states = client.sync(client.scheduler.get_task_status, keys=[key], callback_timeout=GLANCE)
    except OSError as error:  # TimeoutError, CommClosedError
        raise ComputeError(
            f"the scheduler was lost, or does not answer ({type(error).__name__}); try again"
        ) from None
    state: str | None = states[key]
    return state
