"""How a run is watched over: its lock, its record, its workers, and what is tried again."""

from __future__ import annotations

import logging
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

from distributed import Client

from skymosaic import clusters
from skymosaic.clusters.local import choose_workers
from skymosaic.config import Campaign
from skymosaic.drizzlepac_calls import process
from skymosaic.errors import (
    ComputeError,
    DamagedError,
    LockedError,
    MissingError,
    OutOfMemoryError,
    SkymosaicError,
)
from skymosaic.host import scratch
from skymosaic.host.disk import SCRATCH_REMEDY, require_space
from skymosaic.host.logs import in_run
from skymosaic.journal import metrics, runlog
from skymosaic.journal.cancellation import cancellable
from skymosaic.journal.runs import Recorder, campaign_lock
from skymosaic.runs.warming import warm_workers
from skymosaic.steps import execution
from skymosaic.steps.place import Place
from skymosaic.steps.progress import Event, from_message, with_counts
from skymosaic.store import lease
from skymosaic.store.lease import Holder, Lease

log = logging.getLogger(__name__)

Tell = Callable[[Event], None]

_DAMAGES = 3  # how often one thing that was damaged is made anew in one run
_ALL_DAMAGES = 100  # how often anything is: a store that damages more is no store


@contextmanager
def locked(
    place: Place,
    what: str,
    wait: float = 0.0,
    on_wait: Callable[[Holder], None] = lambda _holder: None,
) -> Iterator[Lease]:
    """Hold the campaign's lock; should another take it over, stop.

    Raises
    ------
    LockedError
        Another run holds it, or took it over.
    """
    with lease.held(
        place.store,
        campaign_lock(place),
        what,
        wait=wait,
        on_wait=on_wait,
        on_lost=_interrupt,
    ) as held:
        try:
            yield held
        except (KeyboardInterrupt, SystemExit):
            if not held.lost:
                raise
            raise LockedError(
                f"another run has replaced this run of {place.store.address(place.campaign)}, "
                "because this one could not renew its lock for too long; the other run continues"
            ) from None


def _interrupt() -> None:
    """Interrupt the main thread by a signal that it handles; background jobs have no Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if callable(signal.getsignal(number)):
            os.kill(os.getpid(), number)
            return


@contextmanager
def recorded(place: Place, campaign: Campaign, held: Lease) -> Iterator[Recorder]:
    """Keep a record of the run, whatever comes of it."""
    with (
        in_run(place.topic, place.campaign, held.number),
        runlog.kept(place, held.number),
        metrics.served(campaign.compute, place.campaign) as (measured, address),
    ):
        recorder = Recorder(place, held.number, campaign.model_dump(mode="json"), measured)
        recorder.watch(metrics=address)
        try:
            with cancellable(place, held.number, _interrupt):
                yield recorder
        except BaseException as error:
            log.info("ended by %s: %s", type(error).__name__, error)
            recorder.end(error)
            raise
        recorder.end(None)


@contextmanager
def workers(
    campaign: Campaign, place: Place, tell: Tell, parcels: int, *, drizzlepac: bool = True
) -> Iterator[Client]:
    """Yield a client of the campaign's workers; what their tasks tell goes to `tell`."""
    # Importing drizzlepac takes seconds: it begins while the workers start.
    here = campaign.compute.backend == "local"
    if drizzlepac and here:
        process.warm()
    clusters.warm(campaign.compute)
    tasks = max(parcels, len(campaign.sky.methods))
    try:
        settings = clusters.settings_of(campaign)
        with clusters.client(settings, tasks, min(place.downloads or 0, parcels)) as client:
            client.forward_logging("skymosaic", logging.WARNING)
            listen = with_counts(tell)
            client.subscribe_topic(place.topic, lambda message: listen(from_message(message)))
            with warm_workers(client) if drizzlepac and not here else nullcontext():
                yield client
    except (ComputeError, OutOfMemoryError):
        if campaign.compute.backend == "local":
            require_space(scratch.base(campaign.compute.scratch), SCRATCH_REMEDY)
        raise
    finally:
        scratch.sweep_now(campaign.compute.scratch)  # what killed workers left, and the cache


def with_slots(place: Place, client: Client, campaign: Campaign, share: int) -> Place:
    """Return the place, told how many tasks may compute at once on a host, and download anywhere.

    Parameters
    ----------
    place : Place
        The campaign's.
    client : Client
        The workers'.
    campaign : Campaign
        What is run.
    share : int
        How many workers have to share what one of them uses.
    """
    downloads = place.downloads
    if campaign.compute.backend == "local":
        cores = choose_workers(campaign.compute, len(campaign.sky.methods))
        if downloads is not None and execution.most_on_a_host(client) <= downloads:
            downloads = 0  # there are not so many workers, and none will join
    elif campaign.compute.backend == "slurm" and share == 1:
        # No limit: each worker has a core and memory of its own, and more may come.
        return replace(place, computing=0)
    else:
        cores = execution.most_on_a_host(client)
    return replace(place, computing=max(1, cores // share), downloads=downloads)


def with_second_chances(client: Client, attempt: Callable[[int], Any]) -> Any:
    """Compute again what can succeed then; finished steps are not done again.

    What was damaged in the store was put aside, and is made anew. What ran out of memory, or lost
    its worker again and again, gets twice the memory: half as many workers of each host compute at
    once, in the end one.

    Parameters
    ----------
    client : Client
        The workers'.
    attempt : callable
        Computes. Gets how many workers have to share what one of them uses.
    """
    share, damages = 1, Counter[str]()
    while True:
        try:
            return attempt(share)
        except (DamagedError, MissingError) as error:
            # One task found it and put it aside; for another it is then missing.
            damages[str(error)] += 1
            if damages[str(error)] > _DAMAGES or damages.total() > _ALL_DAMAGES:
                raise
            why: SkymosaicError = error
        except (OutOfMemoryError, ComputeError) as error:
            if share >= execution.most_on_a_host(client):
                raise
            share *= 2
            why = error
        again = f"; trying again, with {share} times the memory" if share > 1 else ""
        log.warning("%s: %s%s", type(why).__name__, why, again)
