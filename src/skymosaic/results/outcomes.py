"""What a campaign gave, as the command line tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from skymosaic.config import Campaign
from skymosaic.errors import StoreError
from skymosaic.pipeline import comparison
from skymosaic.pipeline.place import open_place
from skymosaic.steps.step import Finished, Place, finished

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
    summary: Sequence[str] = ()
    """Which method to trust, and the numbers that say so, in lines; empty where not measured."""
    title: str = ""
    """What the table holds, with its unit; empty where that is not known."""
    advised: str = ""
    """The method whose mosaic is advised; empty where none is."""
    mosaic: str = ""
    """Where that mosaic is; empty where none is advised, or an older version did not tell."""


def outcome_of(place: Place, done: Finished, *, reused: bool) -> Outcome:
    """Return what a finished comparison tells."""
    advised = done.result.get("card", {}).get("advised") or {}
    return Outcome(
        table=done.result["table"],
        warnings=done.result["warnings"],
        report=place.store.where(done.products["report.html"].key),
        folder=place.store.where(place.campaign),
        reused=reused,
        summary=done.result.get("summary", ()),  # comparisons of older versions have none
        title=done.result.get("title", ""),
        advised=advised.get("method", ""),
        mosaic=place.store.where(place.key(advised["file"])) if advised else "",
    )


def outcome_so_far(place: Place) -> Outcome:
    """Return what there is of a campaign that has not finished, with a report of it."""
    from skymosaic.results import reporting

    part = reporting.write_partial(place)
    folder = place.store.where(place.campaign)
    return Outcome(part.table, part.missing, part.where, folder, reused=True, title=part.title)


def find_outcome(campaign: Campaign) -> Outcome:
    """Return what the campaign's last finished run gave; nothing is run.

    Raises
    ------
    StoreError
        No run has come as far as to inspect the exposures.
    """
    place = open_place(campaign)
    done = finished(place, "comparison")
    if done is None:
        if finished(place, "inspection") is not None:
            return outcome_so_far(place)
        raise StoreError(
            f"{place.store.where(place.campaign)} holds no finished comparison; "
            "make it with `skymosaic run`"
        )
    outcome = outcome_of(place, done, reused=True)
    if comparison.asked_for(done) != comparison.what_is_asked(campaign):
        return replace(outcome, warnings=[_OUTDATED, *outcome.warnings])
    return outcome
