"""Commands that run a campaign here: run, restart, inspect."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from skymosaic import clusters
from skymosaic.cli.common import (
    Stored,
    campaign_file,
    ended_cleanly,
    say,
    scratch_option,
    set_option,
    store_option,
    stored_place,
    wait_option,
    workers_option,
)
from skymosaic.cli.folding import fold_columns, fold_text, terminal_width
from skymosaic.config import Campaign, load_campaign
from skymosaic.errors import SkymosaicError
from skymosaic.host import signals

if TYPE_CHECKING:
    from skymosaic.results.outcomes import Outcome

TABLE_TITLE = "MDRIZSKY, in the units of the exposures"


@click.command()
@campaign_file
@store_option
@workers_option
@scratch_option
@wait_option
@set_option
@click.pass_obj
@ended_cleanly
def run(
    obj: dict[str, bool],
    config: Path,
    settings: tuple[str, ...],
    store: str | None,
    workers: int | None,
    scratch: str | None,
    wait: bool,
) -> None:
    """Run the campaign in CONFIG.

    Steps that are finished already, and whose inputs and parameters are the same, are not run
    again.
    """
    options = {"store.uri": store, "compute.workers": workers, "compute.scratch": scratch}
    go_on(load_campaign(config, options, settings), wait, obj["quiet"])


@click.command()
@stored_place
@workers_option
@scratch_option
@set_option
@wait_option
@click.option("--detached", is_flag=True, help="Submit the campaign again, and return.")
@click.pass_obj
def restart(
    obj: dict[str, bool],
    stored: Stored,
    workers: int | None,
    scratch: str | None,
    settings: tuple[str, ...],
    wait: bool,
    detached: bool,
) -> None:
    """Resume a failed or interrupted campaign.

    Uses the campaign file that was saved in the store. Finished steps are not run again.
    """
    from skymosaic.results import housekeeping

    if stored.campaign is not None:
        raise click.UsageError(
            "restart takes STORE/CAMPAIGN, and uses the campaign file that was saved there; to "
            "resume with CONFIG, use `skymosaic run CONFIG`"
        )
    overrides = {"compute.workers": workers, "compute.scratch": scratch}
    if detached:
        from skymosaic.cli.clusters import hand_over

        submitted = housekeeping.submitted_campaign(stored.uri, stored.s3, overrides, settings)
        hand_over(submitted, wait, obj["quiet"])
        return
    campaign = housekeeping.stored_campaign(stored.uri, stored.s3, overrides, settings)
    go_on(campaign, wait, obj["quiet"])


def show(outcome: Outcome) -> None:
    """Print the table of a campaign, what it warns of, and which method to trust."""
    width = terminal_width()
    if outcome.names:
        say(outcome.title or TABLE_TITLE)
        say(*fold_text(outcome.table, width, outcome.names).split("\n"))
    else:
        say(*outcome.table.split("\n"))
    for warning in outcome.warnings:
        say(f"warning: {warning}", err=True)
    if outcome.summary:
        say("", *_summary(outcome.summary, width))


def _summary(lines: Sequence[str], width: int) -> list[str]:
    """Return the advice with its table of qualities folded where it is too wide."""
    start = next((i for i, line in enumerate(lines) if line.startswith("e-/s ")), len(lines))
    table = fold_text("\n".join(lines[start:]), width)
    return [*lines[:start], *table.split("\n")] if start < len(lines) else list(lines)


def go_on(campaign: Campaign, wait: bool, quiet: bool) -> None:
    """Run what is not yet finished of a campaign, and show what it gave."""
    clusters.warm(campaign.compute)  # while the rest is imported

    with signals.ending_at_once():
        from skymosaic.cli.display import Display
        from skymosaic.results import housekeeping
        from skymosaic.runs import running

    with Display(Console(stderr=True), quiet=quiet) as display:
        try:
            outcome = running.run(
                campaign,
                display.show,
                display.expect,
                wait=running.FOREVER if wait else 0.0,
                on_wait=lambda holder: say(f"waiting until this ends: {holder} ...", err=True),
            )
        except SkymosaicError as error:
            housekeeping.note_failure(campaign, error)
            raise
    if outcome.reused:
        housekeeping.settle(campaign)
    show(outcome)
    if outcome.reused:
        say("all steps were reused: nothing was run again", err=True)
        say(
            "each product has its size (in S3 also its ETag); the contents were not read: "
            f"`skymosaic verify-store {outcome.folder}` reads them",
            err=True,
        )
    say(f"products: {outcome.folder}")
    show_places(outcome)


def show_places(outcome: Outcome) -> None:
    """Print where the report is, the mosaic of the advised method, and colour pictures."""
    if outcome.mosaic:
        say(f"mosaic:   {outcome.mosaic} ({outcome.advised}, as advised)")
    for picture in outcome.colours:
        say(f"colour:   {picture}")
    say(f"report:   {outcome.report}")


@click.command()
@campaign_file
@store_option
@workers_option
@set_option
@click.pass_obj
@ended_cleanly
def inspect(
    obj: dict[str, bool],
    config: Path,
    settings: tuple[str, ...],
    store: str | None,
    workers: int | None,
) -> None:
    """Retrieve the exposures of CONFIG, and list them in tables.

    Nothing is aligned or drizzled.
    """
    campaign = load_campaign(config, {"store.uri": store, "compute.workers": workers}, settings)
    clusters.warm(campaign.compute)  # while the rest is imported

    with signals.ending_at_once():
        from skymosaic.cli.display import Display
        from skymosaic.runs import inspecting

    with Display(Console(stderr=True), quiet=obj["quiet"]) as display:
        inspection = inspecting.inspect(campaign, display.show, display.expect)
    for title, table in inspection.tables.items():
        say(f"{title}: {len(table)}")
        say(*fold_columns(table, terminal_width()), "")
    if inspection.aligned_to:
        say(inspection.aligned_to)
    for warning in inspection.warnings:
        say(f"warning: {warning}", err=True)
    say(f"tables: {inspection.folder}")
