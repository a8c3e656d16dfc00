"""The first steps of a campaign in the process of a test: no workers start, which takes seconds."""

from __future__ import annotations

from pathlib import Path

from skymosaic.config import load_campaign
from skymosaic.pipeline import graph
from skymosaic.pipeline.places import open_place
from skymosaic.pipeline.plan import plan
from skymosaic.pipeline.results import Planned
from skymosaic.pipeline.sources import open_source
from skymosaic.steps.execution import Here
from skymosaic.steps.finished import Finished


def plan_of(file: Path) -> Finished[Planned]:
    """Do the steps of a campaign up to its plan; an error is raised as it is."""
    campaign = load_campaign(file)
    source, place, calls = open_source(campaign.source), open_place(campaign), Here()
    first = graph.begin(calls, campaign, place, source, source.parcels())
    return plan(place, campaign, first.aligned)


def comparison_of(file: Path) -> Path:
    """Do all steps of a campaign, its cells and its comparison; return its folder in the store."""
    campaign = load_campaign(file)
    source, place, calls = open_source(campaign.source), open_place(campaign), Here()
    first = graph.begin(calls, campaign, place, source, source.parcels())
    prepared = graph.prepare(calls, campaign, place, first)
    runs = graph.drizzle_each(calls, campaign, place, prepared)
    cells = graph.make_cells(calls, campaign, place, prepared, runs)
    graph.compare(calls, campaign, place, source, prepared, runs, cells)
    return file.parent / "store" / campaign.name
