"""What a store knows of a campaign: its finished steps, what failed, what is out of date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from skymosaic.config import Align, load_campaign_text
from skymosaic.config.groups import MOST_PARTS
from skymosaic.errors import CampaignError, ForbiddenError, MissingError
from skymosaic.pipeline import align_results
from skymosaic.pipeline.align import as_they_came, knowing_pixels, with_exposures
from skymosaic.pipeline.earlier_alignment import ALL_FITTED
from skymosaic.pipeline.earlier_alignment import PARTS as ALIGNED_FROM
from skymosaic.pipeline.finished import FinishedSteps
from skymosaic.pipeline.inspect import with_files
from skymosaic.pipeline.places import parse_place
from skymosaic.pipeline.plan import on_grid, with_order
from skymosaic.pipeline.results import (
    ALIGN,
    COMPARISON,
    DIFFERENCES,
    ENGINES,
    INSPECT,
    PLAN,
    AlignResult,
    InspectionResult,
    Planned,
    RetrieveResult,
)
from skymosaic.pipeline.wcs_results import PLACING
from skymosaic.results.housekeeping import find_place
from skymosaic.results.placed import read_placed
from skymosaic.results.program_states import STATES
from skymosaic.results.step_reader import StepReader
from skymosaic.steps.finished import Finished
from skymosaic.steps.manifests import finished
from skymosaic.steps.place import Place
from skymosaic.store import open_store

_NO_SETTINGS = (ALL_FITTED, ALIGNED_FROM)
"""What the key of an alignment has beside its settings."""


def read_finished_steps(place: Place) -> FinishedSteps:
    """Return what a store knows of a campaign.

    Raises
    ------
    MissingError
        There is no campaign.
    StoreError
        The store cannot be read.
    """
    key = place.key("campaign.yaml")
    text = place.store.read_text(key)
    if text is None:
        address = place.store.address(place.campaign)
        raise MissingError(f"{address} holds no campaign; run one there first")
    # Who did the work is no matter, and another version may have taken other values there.
    campaign = load_campaign_text(text, place.store.address(key), {"compute": {}})
    reader = StepReader(place, campaign)
    # In the order of `tasks_of`, as what is missing is told.
    retrieved = reader.parcels()
    inspected = reader.step(INSPECT)
    if inspected is not None:
        inspected = with_files(inspected, reader.files)
    placed = inspected
    if inspected is not None and campaign.align.changes_wcs:
        placed = _placed(reader, place, inspected, retrieved)
        inspected = placed or inspected
    aligned = _aligned(reader, placed)
    planned = _planned(reader, aligned)
    if aligned is not None and planned is not None:
        aligned = on_grid(aligned, planned)
    positions = reader.positions(aligned, planned)
    differences = reader.step_on_grid(DIFFERENCES, planned)
    drizzled = reader.drizzled(planned)
    cells, each_cell = reader.cells(planned)
    comparison = finished(place, COMPARISON.step())
    found = FinishedSteps(
        place=place,
        campaign=campaign,
        retrieved=retrieved,
        inspected=inspected,
        aligned=aligned,
        planned=planned,
        positions=positions,
        differences=differences,
        drizzled=drizzled,
        witness=reader.witness(planned),
        engines=reader.step_on_grid(ENGINES, planned, own_grid=True),
        cells=cells,
        each_cell=each_cell,
        comparison=comparison,
        parts=(None if comparison is None else comparison.result.parts) or (),
        missing=reader.missing,
    )
    reader.compare(found)
    return found


def _placed(
    reader: StepReader,
    place: Place,
    inspected: Finished[InspectionResult],
    retrieved: Sequence[Finished[RetrieveResult]],
) -> Finished[InspectionResult] | None:
    """Return what was inspected with the WCS that is aligned, if that has been done."""
    if reader.parts_have_failed(ALIGN.task(), PLACING):
        return None
    placed = read_placed(place, reader.campaign.align, inspected, retrieved)
    if placed is None:
        reader.lack(ALIGN.task(), "not run")
        return None
    reader.files |= placed.products
    return placed


def _aligned(
    reader: StepReader, inspected: Finished[InspectionResult] | None
) -> Finished[AlignResult] | None:
    settings = reader.campaign.align
    if settings.method == "none":
        return None if inspected is None else as_they_came(inspected)
    if inspected is None:
        if all(one.part != ALIGN.task().title for one in reader.missing):
            reader.lack(ALIGN.task(), "not run")
        return None
    parameters = settings.as_key()
    reader.find_catalogue()
    if not reader.find_reference():
        reader.lack(ALIGN.task(), "not run")
        return None
    if reader.parts_have_failed(ALIGN.task(), align_results.PARTS):
        return None
    done = reader.step(ALIGN, parameters=parameters, completed=_with_defaults)
    if done is None:
        return None
    done = with_exposures(done)
    if not all(map(reader.has, done.products.values())):
        reader.lack(ALIGN.task(), "not run")
        return None
    reader.files |= done.products
    return knowing_pixels(done, inspected)


def _planned(reader: StepReader, aligned: Finished[AlignResult] | None) -> Finished[Planned] | None:
    if aligned is None:
        reader.lack(PLAN.task(), "not run")
        return None
    done = reader.step(PLAN)
    return None if done is None else with_order(done, reader.campaign, aligned.result.exposures)


def _with_defaults(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings of an alignment; what its version did not know has its default."""
    given = {name: value for name, value in settings.items() if name not in _NO_SETTINGS}
    try:
        return Align.model_validate(given).as_key()
    except ValidationError:  # a version with other settings, or stars of which the key says less
        return settings


def find_run(uri: str, s3: Mapping[str, Any] | None = None) -> Place:
    """Return the place of a campaign, or of a group of a program, that a store holds.

    Parameters
    ----------
    uri : str
        ``STORE/CAMPAIGN``, or that of a group: ``STORE/PROGRAM/`` and its folder, such as
        ``PROPOSAL/TARGET/FILTER``.
    s3 : mapping, optional
        How to reach it, as for `skymosaic.store.open_store`.

    Raises
    ------
    CampaignError, MissingError
        See `housekeeping.find_place`.
    """
    place = find_place(uri, s3)
    for parts in range(2, MOST_PARTS + 1):
        try:
            root, name = parse_place(uri, parts)
        except CampaignError:  # too short for such a group
            break
        above = Place(open_store(root, s3), name, None)
        with suppress(ForbiddenError):  # of what lies above the store others may have the keys
            # Only a program keeps its groups below its own folder.
            if above.store.read_text(f"{name.split('/')[0]}/{STATES}") is not None:
                return above
    return place
