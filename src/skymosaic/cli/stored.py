"""Commands on a campaign that a store holds: status, logs, cancel, report, clean, verify."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from skymosaic.cli.common import Stored, ended_cleanly, say, stored_campaign
from skymosaic.cli.running import go_on, show, show_places
from skymosaic.errors import MissingError, SkymosaicError
from skymosaic.host.counting import counted


@click.command()
@stored_campaign
@click.option("--json", "as_json", is_flag=True, help="Print everything that is known, as JSON.")
def status(stored: Stored, as_json: bool) -> None:
    """Show which steps are done, running or failed.

    The exit code is the state: 0 done, 20 running, 21 failed, 22 interrupted, 23 cancelled,
    24 submitted (queued).
    """
    from skymosaic.cli.display import status_lines
    from skymosaic.runs import asking

    found = asking.find_status(stored.uri, stored.s3)
    if as_json:
        click.echo(json.dumps({**asdict(found), "state": found.state.word}, indent=1))
    else:
        say(*status_lines(found))
    sys.exit(found.state.exit_code)


@click.command()
@stored_campaign
@click.option(
    "--run", "number", type=click.IntRange(min=1), help="Number of the run; default: the last."
)
@click.option("--json", "as_json", is_flag=True, help="Print each line as JSON.")
def logs(stored: Stored, number: int | None, as_json: bool) -> None:
    """Print the log of the last run of a campaign.

    It has the lines of the driver and of the workers.
    """
    from skymosaic.journal import runlog
    from skymosaic.results import housekeeping

    for line in runlog.lines(
        housekeeping.find_place(stored.uri, stored.s3), number, as_json=as_json
    ):
        say(*line.split("\n"))


@click.command()
@stored_campaign
def cancel(stored: Stored) -> None:
    """Stop the run of a campaign, or withdraw its submission.

    Finished steps are kept: `skymosaic restart` resumes the campaign. After the end of a campaign
    on Kubernetes, this removes its scheduler and workers, if they are still there.
    """
    from skymosaic.runs import asking

    say(asking.cancel(stored.uri, stored.s3))


@click.command()
@stored_campaign
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "json", "md"]),
    help="Print the whole report in this format instead.",
)
def report(stored: Stored, form: str | None) -> None:
    """Print the table and the advice, and where the report is.

    Runs nothing. If the campaign failed or has not finished, this makes a report of the steps that
    have finished.
    """
    from skymosaic.results import housekeeping, outcomes

    campaign = stored.campaign or housekeeping.stored_campaign(stored.uri, stored.s3)
    if form is not None:
        click.echo(outcomes.report_text(campaign, form), nl=False)
        return
    outcome = outcomes.find_outcome(campaign)
    show(outcome)
    show_places(outcome)


@click.command()
@stored_campaign
@click.option(
    "--all", "everything", is_flag=True, help="Delete the whole campaign, with its products."
)
@click.option("--dry-run", is_flag=True, help="List what would be deleted; delete nothing.")
@click.option("--yes", is_flag=True, help="With --all: do not ask for confirmation.")
def clean(stored: Stored, everything: bool, dry_run: bool, yes: bool) -> None:
    """Delete what stopped runs left in a store.

    Deletes files that belong to no finished step (no manifest lists them), and the scratch folders
    of processes that have ended on this host. Finished products stay, except with --all. Also
    removes what a cluster still holds of a campaign that has ended.
    """
    from skymosaic.results import housekeeping

    if everything and not (dry_run or yes):
        click.confirm(f"remove {stored.uri} with all products?", abort=True)
    if not dry_run:
        _clear(stored)
    cleaned = housekeeping.clean(stored.uri, stored.s3, everything=everything, pretend=dry_run)
    for key in cleaned.keys:
        say(key)
    say(
        f"{'would remove' if dry_run else 'removed'}: {counted(len(cleaned.keys), 'file')}"
        + (
            ""
            if dry_run
            else f", {cleaned.uploads} unfinished, {counted(cleaned.scratch, 'scratch folder')}"
        ),
        err=True,
    )
    for key in cleaned.others:
        say(f"not deleted, because skymosaic gives no file such a name: {key!r}", err=True)


def _clear(stored: Stored) -> None:
    """Remove what a cluster holds still; where that fails, the store can be cleaned anyway."""
    from skymosaic.runs import asking

    try:
        if left := asking.clear(stored.uri, stored.s3):
            say(f"removed from the cluster: {left}", err=True)
    except MissingError:  # `clean` says so
        return
    except SkymosaicError as error:
        say(f"what the cluster holds may be there still: {error}", err=True)


@click.command(name="verify-store")
@stored_campaign
@click.option(
    "--repair", is_flag=True, help="Make damaged products again, and what depends on them."
)
@click.pass_obj
def verify_store(obj: dict[str, bool], stored: Stored, repair: bool) -> None:
    """Read every product in a store, and find damaged ones.

    The exit code is 16 if a product is damaged or missing. With --repair, damaged products are made
    again, and the exit code is that of this run.
    """
    from skymosaic.cli.display import counted_bytes
    from skymosaic.results import housekeeping, integrity

    with counted_bytes("read", quiet=obj["quiet"]) as tell:
        found = integrity.verify_store(stored.uri, stored.s3, tell)
    for flaw in found.flaws:
        say(f"{flaw.key}: {flaw.why}")
    say(
        f"{counted(found.files, 'product')} of {counted(found.steps, 'step')} read, "
        f"{found.size / 1e6:.1f} MB; {len(found.flaws)} damaged or missing"
    )
    if found.unsealed:
        say(
            f"not checked: the numbers in {counted(found.unsealed, 'manifest')}, which an older "
            "version wrote without a checksum",
            err=True,
        )
    say(
        f"not checked: {counted(found.others, 'file that is', 'files that are')} listed in no "
        "manifest, such as logs",
        err=True,
    )
    if found.flaws and repair:
        integrity.take_away(found)
        go_on(housekeeping.stored_campaign(stored.uri, stored.s3), wait=False, quiet=obj["quiet"])
        return
    found.require_whole()


@click.command()
@click.argument("name")
@click.option(
    "--store",
    metavar="URI",
    default="store",
    show_default=True,
    help="Store that holds the products of NAME.",
)
@click.option(
    "--tolerance",
    type=float,
    help="Largest difference allowed, in electrons/s; default: that between the published runs.",
)
@ended_cleanly
def verify(name: str, store: str, tolerance: float | None) -> None:
    """Compare a finished campaign with published values.

    NAME is the name of the campaign. There are published values for horsehead-12812. The exit code
    is 7 if the campaign agrees with none of the published runs.
    """
    from skymosaic.results import verification
    from skymosaic.results.published import TOLERANCE

    limit = TOLERANCE if tolerance is None else tolerance
    compared = verification.verify(f"{store or '.'}/{name}", name)
    for comparison in compared:
        verdict = "agrees" if comparison.agrees(limit) else "differs"
        say(f"{verdict:<8} {comparison.source}")
        for method, (difference, rootname) in comparison.largest.items():
            say(f"         {method:<16} {difference:+.6f} electrons/s at most ({rootname})")
    verification.require_agreement(compared, limit)
