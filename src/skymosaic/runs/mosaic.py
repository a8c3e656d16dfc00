"""One mosaic of a campaign: whether it is finished, and how it is made on workers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from distributed import Client

from skymosaic.archive.base import Parcel, Source
from skymosaic.config import Campaign, resolved_yaml
from skymosaic.pipeline.admission import require_admissible, require_possible
from skymosaic.pipeline.graph import compare, drizzle_each, look_up, prepare, retrieve_each
from skymosaic.pipeline.groups import Group
from skymosaic.pipeline.place import FAR
from skymosaic.pipeline.results import RETRIEVE, ComparisonResult
from skymosaic.runs.supervision import with_second_chances, with_slots
from skymosaic.steps import execution
from skymosaic.steps.execution import OnWorkers
from skymosaic.steps.step import Finished, NotFinishedError, Place, recorded_parameters

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mosaic:
    """What one mosaic is made of, and where it lies."""

    campaign: Campaign
    """Of this mosaic alone."""
    place: Place
    source: Source
    parcels: Sequence[Parcel]

    @classmethod
    def of(cls, campaign: Campaign, place: Place, source: Source, group: Group) -> Mosaic:
        """Return a mosaic of a campaign.

        Raises
        ------
        CampaignError, DrizzleError, InputError
            Its group asks for what cannot be, or has exposures that are refused.
        """
        own = group.own(campaign)
        require_possible(own)
        require_admissible(own, group.parcels)
        if group.name:
            place = replace(place, campaign=place.key(group.folder), label=f"{group.name} ")
        return cls(own, place, source, group.parcels)

    def look_up(self) -> Finished[ComparisonResult] | None:
        """Return its comparison, where all of it is finished; nothing is run."""
        try:
            return look_up(self.campaign, self.place, self.source, self.parcels)
        except NotFinishedError as first:
            log.info("%sfirst step to run: %s", self.place.label, first)
            return None

    def write(self) -> None:
        """Write its campaign file into the store."""
        self.place.store.write_text(self.place.key("campaign.yaml"), resolved_yaml(self.campaign))

    def make(self, client: Client) -> Finished[ComparisonResult]:
        """Make it on the workers; what can succeed on a second try gets one."""
        return with_second_chances(client, lambda share: self._compute(client, share))

    def _compute(self, client: Client, share: int) -> Finished[ComparisonResult]:
        """Compute the graph on the workers, in the order that keeps them all busy."""
        campaign, source, calls = self.campaign, self.source, OnWorkers(client)
        place = with_slots(self.place, client, campaign, share)
        retrieved = retrieve_each(calls, campaign, place, source, self.parcels)
        prepared = prepare(calls, campaign, place, retrieved)
        execution.wait_for_all([*retrieved, prepared.planned])
        execution.hold_everywhere(client, [prepared.aligned, prepared.planned])
        drizzled = drizzle_each(calls, campaign, place, prepared)
        execution.wait_for_all(drizzled.runs)
        done: Finished[ComparisonResult] = execution.result_of(
            compare(calls, campaign, place, source, prepared, drizzled)
        )
        return done


def tell_changes(campaign: Campaign, place: Place, parcels: Sequence[Parcel]) -> None:
    """Warn of files that the archive has changed since they were fetched: they are fetched anew."""
    if not isinstance(campaign.source, FAR):
        return
    for parcel in parcels:
        was = recorded_parameters(place, RETRIEVE.step(parcel.name).name)
        if was is not None and was["parcel"] != parcel.identity:
            log.warning(
                "%s.fits changed in the archive since it was fetched; fetching it again, and "
                "running what depends on it",
                parcel.name,
            )
