"""Run a campaign of one mosaic, or what is not yet finished of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from distributed import Client

from skymosaic import clusters
from skymosaic.align.solutions import mixed_as_they_are
from skymosaic.archive.base import Parcel, Source
from skymosaic.config import Campaign, SimulatedSource, load_campaign_text, resolved_yaml
from skymosaic.errors import CampaignError, DamagedError
from skymosaic.hst.exposure import Exposure
from skymosaic.journal.runs import RunState, both, last_status
from skymosaic.pipeline import comparison
from skymosaic.pipeline.admission import require_admissible, require_possible
from skymosaic.pipeline.inspection import inspection_table
from skymosaic.pipeline.installation import require_match
from skymosaic.pipeline.place import FAR, open_place
from skymosaic.pipeline.sources import open_source
from skymosaic.results.broken_off import reported_if_broken_off
from skymosaic.results.outcomes import Outcome, outcome_of
from skymosaic.runs.supervision import (
    Tell,
    locked,
    recorded,
    with_second_chances,
    with_slots,
    workers,
)
from skymosaic.steps import execution
from skymosaic.steps.execution import OnWorkers
from skymosaic.steps.step import Finished, NotFinishedError, Place, recorded_parameters
from skymosaic.steps.tasks import tasks_of
from skymosaic.store.lease import Holder

if TYPE_CHECKING:
    from astropy.table import Table
from skymosaic.pipeline.graph import (
    compare,
    drizzle_each,
    inspect_all,
    look_up,
    prepare,
    retrieve_each,
)

log = logging.getLogger(__name__)

Expect = Callable[[int], None]


FOREVER = 1e9
"""Seconds to wait for another run, for who means to wait for its end."""


@dataclass(frozen=True)
class Inspection:
    """What is known of a campaign's exposures."""

    tables: dict[str, Table]
    """By title: the exposures and the drizzled images."""
    folder: str
    """Where the tables are stored."""
    warnings: list[str]
    """What to know of the exposures."""


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
    clusters.join(campaign.compute)
    require_match()
    require_possible(campaign)
    place, source = open_place(campaign), open_source(campaign.source)
    parcels = source.parcels()
    require_admissible(campaign, parcels)
    done = None
    try:
        done = look_up(campaign, place, source, parcels)
        if is_told(campaign, place):
            return outcome_of(place, done, reused=True)
    except NotFinishedError as first:
        log.info("first step to run: %s", first)
    tell_changes(campaign, place, parcels)
    with (
        reported_if_broken_off(place),
        locked(place, "run", wait, on_wait) as held,
        recorded(place, campaign, held) as recorder,
    ):
        place.store.write_text(place.key("campaign.yaml"), resolved_yaml(campaign))
        if done is not None:
            return outcome_of(place, done, reused=True)
        with workers(campaign, place, both(tell, recorder.tell), len(parcels)) as client:
            recorder.watch(dashboard=execution.dashboard_of(client))
            both(expect, recorder.expect)(len(tasks_of(campaign, parcels)))
            done = with_second_chances(
                client, lambda share: compute_graph(client, campaign, place, source, parcels, share)
            )
    return outcome_of(place, done, reused=False)


def tell_changes(campaign: Campaign, place: Place, parcels: Sequence[Parcel]) -> None:
    """Warn of files that the archive has changed since they were fetched: they are fetched anew."""
    if not isinstance(campaign.source, FAR):
        return
    for parcel in parcels:
        was = recorded_parameters(place, f"pristine/{parcel.name}")
        if was is not None and was["parcel"] != parcel.identity:
            log.warning(
                "%s.fits changed in the archive since it was fetched; fetching it again, and "
                "running what depends on it",
                parcel.name,
            )


def is_told(campaign: Campaign, place: Place) -> bool:
    """Whether the store tells that this campaign is done, as asked for and by its last run."""
    try:
        status, text = last_status(place), place.store.read_text(place.key("campaign.yaml"))
        if status is None or status.state is not RunState.DONE or text is None:
            return False
        stored = load_campaign_text(text, place.store.where(place.key("campaign.yaml")), {})
    except (CampaignError, DamagedError) as error:  # or of a version that took other values
        log.warning("%s; it is written anew", error)
        return False
    return comparison.what_is_asked(stored) == comparison.what_is_asked(campaign)


def inspect(campaign: Campaign, tell: Tell, expect: Expect) -> Inspection:
    """Retrieve the exposures of a campaign and tabulate them; parameters and errors as `run`."""
    if campaign.groups is not None:
        raise CampaignError("inspect takes one mosaic; `skymosaic query` shows a program's groups")
    # Who only inspects is not told where to watch, and the dashboard takes long to import.
    unwatched = campaign.compute.model_copy(update={"dashboard": False})
    campaign = campaign.model_copy(update={"compute": unwatched})
    clusters.join(campaign.compute)
    require_possible(campaign)
    place, source = open_place(campaign), open_source(campaign.source)
    parcels = source.parcels()
    require_admissible(campaign, parcels)
    tell_changes(campaign, place, parcels)
    makes = isinstance(campaign.source, SimulatedSource)
    with (
        locked(place, "inspect"),
        workers(campaign, place, tell, len(parcels), drizzlepac=makes) as client,
    ):
        expect(len(parcels) + 1)
        place, calls = with_slots(place, client, campaign, 1), OnWorkers(client)
        retrieved = retrieve_each(calls, campaign, place, source, parcels)
        execution.wait_for_all(retrieved)  # one file that cannot be had does not stop the others
        done = execution.result_of(inspect_all(calls, campaign, place, retrieved))
    exposures, drizzled = (
        [Exposure.from_dict(record) for record in done.result[kind]]
        for kind in ("exposures", "drizzled")
    )
    mixed = mixed_as_they_are(exposures) if campaign.align.method == "none" else []
    return Inspection(
        tables={
            "exposures": inspection_table(exposures),
            "drizzled images": inspection_table(drizzled),
        },
        folder=place.store.where(place.key("inspection")),
        warnings=[*done.result["warnings"], *mixed],
    )


def compute_graph(
    client: Client,
    campaign: Campaign,
    place: Place,
    source: Source,
    parcels: Sequence[Parcel],
    share: int,
) -> Finished:
    """Compute the graph on the workers, in the order that keeps them all busy."""
    place, calls = with_slots(place, client, campaign, share), OnWorkers(client)
    retrieved = retrieve_each(calls, campaign, place, source, parcels)
    prepared = prepare(calls, campaign, place, retrieved)
    execution.wait_for_all([*retrieved, prepared.planned])
    execution.hold_everywhere(client, [prepared.aligned, prepared.planned])
    drizzled = drizzle_each(calls, campaign, place, prepared)
    execution.wait_for_all(drizzled.runs)
    done: Finished = execution.result_of(
        compare(calls, campaign, place, source, prepared, drizzled)
    )
    return done
