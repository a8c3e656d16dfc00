"""A whole campaign as a Dask graph, and how it is run; the only module that knows all others."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from dask import delayed
from dask.utils import parse_bytes
from distributed import Client

from skymosaic import compute, drizzlepac_process, gathering, scratch, stages
from skymosaic.archive.base import Parcel, Source
from skymosaic.archive.directory import Directory
from skymosaic.compute import execution
from skymosaic.config import (
    Campaign,
    DirectorySource,
    SimulatedSource,
    load_campaign_text,
    resolved_yaml,
)
from skymosaic.errors import (
    ComputeError,
    DamagedError,
    LockedError,
    MissingError,
    OutOfMemoryError,
    SkymosaicError,
    StoreError,
)
from skymosaic.exposure import Exposure
from skymosaic.inspection import inspection_table
from skymosaic.installation import require_match
from skymosaic.progress import TOPIC, Event, from_message
from skymosaic.records import Recorder, RunState, both, campaign_lock, last_status
from skymosaic.steps import Finished, NotFinishedError, Place, finished
from skymosaic.store import cached, lease, open_store
from skymosaic.store.lease import Holder, Lease

if TYPE_CHECKING:
    from astropy.table import Table

    from skymosaic.archive.simulated.exposures import Simulation

log = logging.getLogger(__name__)

Tell = Callable[[Event], None]
Expect = Callable[[int], None]

FOREVER = 1e9
"""Seconds to wait for another run, for who means to wait for its end."""
_DAMAGES = 3  # how often what was damaged is made anew in one run
_OUTDATED = "this comparison was made from another campaign file; run again to bring it up to date"


@dataclass(frozen=True)
class Outcome:
    """What a run of a campaign gave."""

    table: str
    """The MDRIZSKY table as text."""
    warnings: Sequence[str]
    report: str
    """Where the report is."""
    folder: str
    """Where all products are."""
    reused: bool
    """Whether everything had been finished before."""


@dataclass(frozen=True)
class Inspection:
    """What is known of a campaign's exposures."""

    tables: dict[str, Table]
    """By title: the exposures and the drizzled images."""
    folder: str
    """Where the tables are stored."""


def open_source(source: SimulatedSource | DirectorySource) -> Source:
    """Return the source that a campaign file names."""
    if isinstance(source, SimulatedSource):
        from skymosaic.archive.simulated.exposures import Simulation
        from skymosaic.archive.simulated.source import SimulatedArchive

        return SimulatedArchive(
            Simulation(source.seed, source.size, source.tiles, source.dithers, source.displace),
            drizzlepac_process.call,
        )
    return Directory(
        path=source.path,
        leave_out_bad=source.on_bad_file == "leave_out",
        filter=source.filter,
        detector=source.detector,
        allow_mixed=source.allow_mixed,
    )


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
    )


@dataclass(frozen=True)
class Prepared:
    """The first half of a campaign's graph: what all sky methods share."""

    retrieved: Sequence[Any]
    inspected: Any
    aligned: Any
    planned: Any


def prepare(
    campaign: Campaign, place: Place, source: Source, parcels: Sequence[Parcel]
) -> Prepared:
    """Return the tasks that retrieve, inspect, align and plan.

    Parameters
    ----------
    campaign : Campaign
        What to do.
    place : Place
        Where.
    source : Source
        Where exposures come from.
    parcels : sequence of Parcel
        What it has.
    """
    retrieved = [delayed(stages.retrieve)(place, source, parcel) for parcel in parcels]
    inspected = delayed(stages.inspect)(place, retrieved)
    aligned = delayed(stages.align)(place, campaign.align, inspected)
    planned = delayed(stages.plan)(place, campaign.drizzle, aligned)
    return Prepared(retrieved, inspected, aligned, planned)


def drizzle_each(campaign: Campaign, place: Place, prepared: Prepared) -> list[Any]:
    """Return the task of each sky method, in the campaign's order."""
    return [
        delayed(stages.drizzle)(
            place,
            campaign.drizzle,
            campaign.sky,
            prepared.aligned,
            prepared.planned,
            method,
            # The name tells the scheduler how long it takes (compute/local.py).
            dask_key_name=f"drizzle{'_pairs' if _looks_at_pairs(method) else ''}-{uuid4().hex}",
        )
        for method in campaign.sky.methods
    ]


def compare(
    campaign: Campaign,
    place: Place,
    source: Source,
    prepared: Prepared,
    drizzled: Sequence[Any],
) -> Any:
    """Return the task that gathers the sky methods, and with it the whole graph."""
    return delayed(gathering.gather)(
        place,
        campaign,
        list(source.left_out),
        prepared.retrieved,
        prepared.inspected,
        prepared.aligned,
        prepared.planned,
        drizzled,
    )


def _looks_at_pairs(method: str) -> bool:
    """Whether a method measures every pair of exposures that overlap, which takes long."""
    return "match" in method


def run(
    campaign: Campaign,
    tell: Tell,
    expect: Expect,
    *,
    wait: float = 0.0,
    on_wait: Callable[[Holder], None] = lambda _holder: None,
) -> Outcome:
    """Run a campaign, or what is not yet finished of it.

    Parameters
    ----------
    campaign : Campaign
        What to do.
    tell : callable
        Gets every event of every task, from a thread of its own.
    expect : callable
        Gets the number of tasks before the first one starts.
    wait : float
        How long to wait for another run of this campaign to end, s.
    on_wait : callable
        Gets who runs it, when waiting begins.

    Raises
    ------
    LockedError
        Another run of this campaign is at work.
    SkymosaicError
        The class tells the kind of failure; finished steps stay in the store.
    """
    require_match()
    place, source = open_place(campaign), open_source(campaign.source)
    parcels = source.parcels()
    done = None
    try:
        done = execution.compute_here(_graph(campaign, place.only_finished(), source, parcels))
        if _is_told(campaign, place):
            return _outcome(place, done, reused=True)
    except NotFinishedError as first:
        log.info("first step to run: %s", first)
    with _locked(place, "run", wait, on_wait) as held, _recorded(place, campaign, held) as recorder:
        place.store.write_text(place.key("campaign.yaml"), resolved_yaml(campaign))
        if done is not None:
            return _outcome(place, done, reused=True)
        with _workers(campaign, place.topic, both(tell, recorder.tell), len(parcels)) as client:
            # inspect, align, plan and gather are one task each
            both(expect, recorder.expect)(len(parcels) + len(campaign.sky.methods) + 4)
            done = _with_second_chances(
                client, lambda share: _compute(client, campaign, place, source, parcels, share)
            )
    return _outcome(place, done, reused=False)


def _is_told(campaign: Campaign, place: Place) -> bool:
    """Whether the store tells that this campaign is done, as asked for and by its last run."""
    status, text = last_status(place), place.store.read_text(place.key("campaign.yaml"))
    if status is None or status.state is not RunState.DONE or text is None:
        return False
    stored = load_campaign_text(text, place.store.where(place.campaign), {})
    return gathering.what_is_asked(stored) == gathering.what_is_asked(campaign)


def inspect(campaign: Campaign, tell: Tell, expect: Expect) -> Inspection:
    """Retrieve the exposures of a campaign and tabulate them; parameters and errors as `run`."""
    place, source = open_place(campaign), open_source(campaign.source)
    parcels = source.parcels()
    graph = prepare(campaign, place, source, parcels).inspected
    with _locked(place, "inspect"), _workers(campaign, place.topic, tell, len(parcels)) as client:
        expect(len(parcels) + 1)
        done = execution.compute_on(client, graph)
    exposures, drizzled = (
        inspection_table([Exposure.from_dict(record) for record in done.result[kind]])
        for kind in ("exposures", "drizzled")
    )
    return Inspection(
        tables={"exposures": exposures, "drizzled images": drizzled},
        folder=place.store.where(place.key("inspection")),
    )


def simulate(
    folder: Path,
    simulation: Simulation,
    say: Callable[[str], None],
) -> None:
    """Write simulated exposures, their drizzled images and the truth into a folder.

    Parameters
    ----------
    folder : Path
        Made if absent; files of the same names are replaced.
    simulation : Simulation
        What to make.
    say : callable
        Gets a line for each visit.

    Raises
    ------
    SkymosaicError
        The simulation asks for what is not there, or AstroDrizzle failed.
    """
    from skymosaic.archive.simulated.source import SimulatedArchive

    source = SimulatedArchive(simulation, drizzlepac_process.call)
    folder.mkdir(parents=True, exist_ok=True)
    for parcel in source.parcels():
        with scratch.folder(None, "simulate") as work:
            source.fetch(parcel, folder, work / "simulate.log")
        say(f"{parcel.name}: {', '.join(sorted(p.name for p in folder.glob(parcel.name + '*')))}")


def find_outcome(campaign: Campaign) -> Outcome:
    """Return what the campaign's last finished run gave; nothing is run.

    Raises
    ------
    StoreError
        No run has finished.
    """
    place = open_place(campaign)
    done = finished(place, "comparison")
    if done is None:
        raise StoreError(
            f"{place.store.where(place.campaign)} holds no finished comparison; "
            "make it with `skymosaic run`"
        )
    outcome = _outcome(place, done, reused=True)
    if gathering.asked_for(done) != gathering.what_is_asked(campaign):
        return replace(outcome, warnings=[_OUTDATED, *outcome.warnings])
    return outcome


@contextmanager
def _locked(
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
                f"another run took over {place.store.where(place.campaign)}, because this one "
                "could not give a sign of life for too long; it goes on there"
            ) from None


def _interrupt() -> None:
    """Interrupt the main thread by a signal that it handles; background jobs have no Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if callable(signal.getsignal(number)):
            os.kill(os.getpid(), number)
            return


@contextmanager
def _recorded(place: Place, campaign: Campaign, held: Lease) -> Iterator[Recorder]:
    """Keep a record of the run, whatever comes of it."""
    recorder = Recorder(place, held.number, campaign.model_dump(mode="json"))
    try:
        yield recorder
    except BaseException as error:
        recorder.end(error)
        raise
    recorder.end(None)


@contextmanager
def _workers(campaign: Campaign, topic: str, tell: Tell, parcels: int) -> Iterator[Client]:
    """Yield a client of the campaign's workers; what their tasks tell a topic goes to `tell`."""
    # Importing drizzlepac takes seconds: it begins while the workers start.
    if campaign.compute.backend == "local":
        drizzlepac_process.warm()
    try:
        with compute.client(campaign.compute, max(parcels, len(campaign.sky.methods))) as client:
            client.subscribe_topic(topic, lambda message: tell(from_message(message)))
            yield client
    finally:
        scratch.sweep_now(campaign.compute.scratch)  # what killed workers left, and the cache


def _graph(campaign: Campaign, place: Place, source: Source, parcels: Sequence[Parcel]) -> Any:
    prepared = prepare(campaign, place, source, parcels)
    return compare(campaign, place, source, prepared, drizzle_each(campaign, place, prepared))


def _with_second_chances(client: Client, attempt: Callable[[int], Any]) -> Any:
    """Compute again what can succeed then; finished steps are not done again.

    What was damaged in the store was put aside, and is made anew. What ran out of memory, or lost
    its worker again and again, gets twice the memory: half as many workers of each host drizzle at
    once, in the end one.

    Parameters
    ----------
    client : Client
        The workers'.
    attempt : callable
        Computes. Gets how many workers have to share what one of them uses.
    """
    share, damages = 1, 0
    while True:
        try:
            return attempt(share)
        except (DamagedError, MissingError) as error:
            # One task found it and put it aside; for another it is then missing.
            damages += 1
            if damages > _DAMAGES:
                raise
            why: SkymosaicError = error
        except (OutOfMemoryError, ComputeError) as error:
            if share >= execution.most_on_a_host(client):
                raise
            share *= 2
            why = error
        again = f"; again, with {share} times the memory" if share > 1 else ""
        log.warning("%s: %s%s", type(why).__name__, why, again)


def _compute(
    client: Client, campaign: Campaign, place: Place, source: Source, parcels: Any, share: int
) -> Any:
    """Compute the graph on the workers, in the order that keeps them all busy."""
    some = execution.one_of(client, share)
    prepared = prepare(campaign, place, source, parcels)
    *retrieved, inspected, aligned, planned = execution.start(
        client, [*prepared.retrieved, prepared.inspected, prepared.aligned, prepared.planned], some
    )
    execution.wait_for_all([*retrieved, planned])
    execution.hold_everywhere(client, [aligned, planned])
    prepared = Prepared(retrieved, inspected, aligned, planned)
    methods = campaign.sky.methods
    drizzled = dict(zip(methods, drizzle_each(campaign, place, prepared), strict=True))
    # The longest first, so that none of them is left alone at the end.
    longest_first = sorted(methods, key=lambda method: not _looks_at_pairs(method))
    started = execution.start(client, [drizzled[method] for method in longest_first], some)
    execution.wait_for_all(started)
    drizzled = dict(zip(longest_first, started, strict=True))
    in_order = [drizzled[method] for method in methods]
    return execution.compute_on(client, compare(campaign, place, source, prepared, in_order))


def _outcome(place: Place, done: Finished, *, reused: bool) -> Outcome:
    return Outcome(
        table=done.result["table"],
        warnings=done.result["warnings"],
        report=place.store.where(done.products["report.html"].key),
        folder=place.store.where(place.campaign),
        reused=reused,
    )
