"""What a campaign gave, one mosaic or a program of them, as the command line tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from skymosaic.config import Campaign
from skymosaic.errors import StoreError
from skymosaic.pipeline import comparison
from skymosaic.pipeline.places import open_place
from skymosaic.pipeline.results import COMPARISON, INSPECT, ComparisonResult
from skymosaic.results.colours import colours_of
from skymosaic.results.program_page import INDEX, program_text, table_of
from skymosaic.results.program_states import read_states
from skymosaic.steps.finished import Finished
from skymosaic.steps.manifests import finished
from skymosaic.steps.place import Place

_OUTDATED = "this comparison was made from another campaign file; run again to bring it up to date"


@dataclass(frozen=True)
class Outcome:
    """What a run of a campaign gave."""

    table: str
    """The MDRIZSKY table as text; of a program, its groups."""
    warnings: Sequence[str]
    report: str
    """Where the report is."""
    folder: str
    """Where all products are."""
    reused: bool
    """Whether everything had been finished before."""
    summary: Sequence[str] = ()
    """Which method to trust, and the numbers that say so, in lines; empty where not measured."""
    title: str = ""
    """What the table holds, with its unit; empty where that is not known."""
    advised: str = ""
    """The method whose mosaic is advised; empty where none is."""
    mosaic: str = ""
    """Where that mosaic is; empty where none is advised, or an older version did not tell."""
    names: int = 2
    """How many columns of the table name a row; 0 where it has two lines a row."""
    colours: Sequence[str] = ()
    """Where the colour pictures of a program are."""


def outcome_of(place: Place, done: Finished[ComparisonResult], *, reused: bool) -> Outcome:
    """Return what a finished comparison tells."""
    result = done.result
    advised = None if result.card is None else result.card.advised
    return Outcome(
        table=result.table,
        warnings=result.warnings,
        report=place.store.address(done.products["report.html"].key),
        folder=place.store.address(place.campaign),
        reused=reused,
        summary=result.summary,
        title=result.title,
        advised="" if advised is None else advised.method,
        mosaic="" if advised is None else place.store.address(place.key(advised.file)),
    )


def outcome_so_far(place: Place) -> Outcome:
    """Return what there is of a campaign that has not finished, with a report of it."""
    from skymosaic.results import reporting

    part = reporting.write_partial(place)
    folder = place.store.address(place.campaign)
    return Outcome(part.table, part.missing, part.address, folder, reused=True, title=part.title)


def outcome_of_program(place: Place, *, reused: bool) -> Outcome:
    """Return what a program gave: a table of its groups, its page and its colour pictures.

    Raises
    ------
    MissingError
        As `read_states`.
    DamagedError, StoreError
        As `colours_of`.
    """
    has_page = place.store.read_text(place.key(INDEX)) is not None
    return Outcome(
        table=table_of(read_states(place)),
        warnings=[],
        report=place.store.address(place.key(INDEX))
        if has_page
        else "one for each group, see above",
        folder=place.store.address(place.campaign),
        reused=reused,
        names=0,
        colours=[
            place.store.address(done.products[done.result.picture].key)
            for done in colours_of(place).values()
        ],
    )


def report_text(campaign: Campaign, form: str) -> str:
    """Return the report of a campaign, or the page of a program, as ``html``, ``json`` or ``md``.

    Raises
    ------
    MissingError
        The store holds nothing of it.
    """
    from skymosaic.results import reporting

    write = reporting.report_text if campaign.groups is None else program_text
    return write(open_place(campaign), form)


def find_outcome(campaign: Campaign) -> Outcome:
    """Return what the campaign's last finished run gave; nothing is run.

    Raises
    ------
    StoreError
        No run has come as far as to inspect the exposures.
    MissingError
        No run of a program has ended.
    """
    place = open_place(campaign)
    if campaign.groups is not None:
        return outcome_of_program(place, reused=True)
    done = finished(place, COMPARISON.step())
    if done is None:
        if finished(place, INSPECT.step()) is not None:
            return outcome_so_far(place)
        raise StoreError(
            f"{place.store.address(place.campaign)} holds no finished comparison; "
            "make it with `skymosaic run`"
        )
    outcome = outcome_of(place, done, reused=True)
    if comparison.compared_settings(done.result) != comparison.result_settings(campaign):
        return replace(outcome, warnings=[_OUTDATED, *outcome.warnings])
    return outcome
