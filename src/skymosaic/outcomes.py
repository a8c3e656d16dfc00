"""What a campaign gave, as the command line tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from skymosaic.steps import Finished, Place


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
    summary: Sequence[str] = ()
    """Which method to trust, and the numbers that say so, in lines; empty where not measured."""


def outcome_of(place: Place, done: Finished, *, reused: bool) -> Outcome:
    """Return what a finished comparison tells."""
    return Outcome(
        table=done.result["table"],
        warnings=done.result["warnings"],
        report=place.store.where(done.products["report.html"].key),
        folder=place.store.where(place.campaign),
        reused=reused,
        summary=done.result.get("summary", ()),  # comparisons of older versions have none
    )


def outcome_so_far(place: Place) -> Outcome:
    """Return what there is of a campaign that has not finished, with a report of it."""
    from skymosaic import reporting

    part = reporting.write_partial(place)
    folder = place.store.where(place.campaign)
    return Outcome(part.table, part.missing, part.where, folder, reused=True)
