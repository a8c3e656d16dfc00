"""Retrieve the exposures of a campaign and tabulate them; nothing is made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skymosaic import clusters
from skymosaic.align.solutions import mixed_as_they_are
from skymosaic.config import Campaign, SimulatedSource
from skymosaic.errors import CampaignError
from skymosaic.pipeline.admission import require_admissible, require_possible
from skymosaic.pipeline.exposure_table import inspection_table
from skymosaic.pipeline.graph import inspect_all, retrieve_each
from skymosaic.pipeline.places import open_place
from skymosaic.pipeline.results import INSPECT, InspectionResult
from skymosaic.pipeline.sentences.reference import reference_line
from skymosaic.pipeline.solution_table import solution_table
from skymosaic.pipeline.sources import open_source
from skymosaic.pipeline.wcs import read_each
from skymosaic.runs.mosaic import tell_changes
from skymosaic.runs.supervision import Tell, locked, with_slots, workers
from skymosaic.steps import execution
from skymosaic.steps.execution import OnWorkers
from skymosaic.steps.finished import Finished

if TYPE_CHECKING:
    from astropy.table import Table


@dataclass(frozen=True)
class Inspection:
    """What is known of a campaign's exposures."""

    tables: dict[str, Table]
    """By title: the exposures, the drizzled images, and the WCS solutions that they hold."""
    folder: str
    """Where the tables are stored."""
    warnings: list[str]
    """What to know of the exposures."""
    aligned_to: str = ""
    """What a run will align them to; empty for nothing."""


def inspect(campaign: Campaign, tell: Tell, expect: Callable[[int], None]) -> Inspection:
    """Retrieve the exposures of a campaign and tabulate them; as `running.run`."""
    if campaign.groups is not None:
        raise CampaignError(
            "inspect takes one mosaic; `skymosaic prepare` shows a program's groups"
        )
    # Who only inspects is not told where to watch, and the dashboard takes long to import.
    unwatched = campaign.compute.model_copy(update={"dashboard": False})
    campaign = campaign.model_copy(update={"compute": unwatched})
    clusters.join(campaign.compute)
    require_possible(campaign)
    place = open_place(campaign)
    source = open_source(campaign.source, place=place)
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
        done: Finished[InspectionResult] = execution.result_of(
            inspect_all(calls, campaign, place, retrieved)
        )
        held = [execution.result_of(one) for one in read_each(calls, place, retrieved)]
    exposures, drizzled = done.result.exposures, done.result.drizzled
    solutions = {name: its for step in held for name, its in step.result.solutions.items()}
    mixed = mixed_as_they_are(exposures) if campaign.align.method == "none" else []
    return Inspection(
        tables={
            "exposures": inspection_table(exposures),
            "drizzled images": inspection_table(drizzled),
            "WCS solutions": solution_table([*exposures, *drizzled], solutions),
        },
        folder=place.store.address(place.key(INSPECT.step().folder)),
        warnings=[*done.result.warnings, *mixed],
        aligned_to=reference_line(campaign),
    )
