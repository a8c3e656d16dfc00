"""Commands on a campaign that a store holds: status, logs, cancel, report, clean, verify."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from skymosaic.cli.common import Stored, ended_cleanly, stored_campaign
from skymosaic.cli.running import go_on, show, show_places


@click.command()
@stored_campaign
@click.option("--json", "as_json", is_flag=True, help="Print all that is known as JSON.")
def status(stored: Stored, as_json: bool) -> None:
    """Tell what is done, running and failed in STORE/CAMPAIGN.

    The exit code tells the state: 0 done, 20 running, 21 failed, 22 interrupted,
    23 cancelled, 24 submitted.
    """
    from skymosaic.cli.display import status_lines
    from skymosaic.runs import asking

    found = asking.find_status(stored.uri, stored.s3)
    if as_json:
        click.echo(json.dumps({**asdict(found), "state": found.state.word}, indent=1))
    else:
        click.echo("\n".join(status_lines(found)))
    sys.exit(found.state.exit_code)


@click.command()
@stored_campaign
@click.option("--run", "number", type=click.IntRange(min=1), help="Number of a run; default: last.")
@click.option("--json", "as_json", is_flag=True, help="Print the lines as JSON.")
def logs(stored: Stored, number: int | None, as_json: bool) -> None:
    """Print what was logged by the last run of STORE/CAMPAIGN, on its driver and its workers."""
    from skymosaic.journal import runlog
    from skymosaic.results import housekeeping

    for line in runlog.lines(
        housekeeping.find_place(stored.uri, stored.s3), number, as_json=as_json
    ):
        click.echo(line)


@click.command()
@stored_campaign
def cancel(stored: Stored) -> None:
    """End the run of STORE/CAMPAIGN in order, or take back its submission.

    Finished steps are kept: `skymosaic restart` goes on.
    """
    from skymosaic.runs import asking

    click.echo(asking.cancel(stored.uri, stored.s3))


@click.command()
@stored_campaign
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "json", "md"]),
    help="Print the whole report in this form instead.",
)
def report(stored: Stored, form: str | None) -> None:
    """Print the table of a campaign and where its report is; nothing is run.

    Of one that has not finished, or failed, a report is made of what there is.
    """
    from skymosaic.results import housekeeping, outcomes
    from skymosaic.runs import program

    campaign = stored.campaign or housekeeping.stored_campaign(stored.uri, stored.s3)
    if form is not None:
        click.echo(program.report_text(campaign, form), nl=False)
        return
    find = outcomes.find_outcome if campaign.groups is None else program.find_outcome
    outcome = find(campaign)
    show(campaign, outcome)
    show_places(outcome)


@click.command()
@stored_campaign
@click.option("--all", "everything", is_flag=True, help="Remove the whole campaign: its products.")
@click.option("--dry-run", is_flag=True, help="Tell what would be removed, and remove nothing.")
@click.option("--yes", is_flag=True, help="With --all: do not ask.")
def clean(stored: Stored, everything: bool, dry_run: bool, yes: bool) -> None:
    """Remove from STORE/CAMPAIGN what no manifest names, and scratch folders of dead processes."""
    from skymosaic.results import housekeeping

    if everything and not (dry_run or yes):
        click.confirm(f"remove {stored.uri} with all products?", abort=True)
    cleaned = housekeeping.clean(stored.uri, stored.s3, everything=everything, pretend=dry_run)
    for key in cleaned.keys:
        click.echo(key)
    click.echo(
        f"{'would remove' if dry_run else 'removed'}: {len(cleaned.keys)} files"
        + ("" if dry_run else f", {cleaned.uploads} unfinished, {cleaned.scratch} scratch folders"),
        err=True,
    )
    for key in cleaned.others:
        # ascii: a name may hold what a terminal takes for a command.
        click.echo(f"left alone, for no file of skymosaic has such a name: {key!a}", err=True)


@click.command(name="verify-store")
@stored_campaign
@click.option("--repair", is_flag=True, help="Make anew what is damaged, and what depends on it.")
@click.pass_obj
def verify_store(obj: dict[str, bool], stored: Stored, repair: bool) -> None:
    """Read every product of STORE/CAMPAIGN, and compare it with what was made.

    The exit code is 16 where one is damaged or gone; with --repair, that of the run that makes it
    anew.
    """
    from skymosaic.cli.display import counted_bytes
    from skymosaic.results import housekeeping, integrity

    with counted_bytes("read", quiet=obj["quiet"]) as tell:
        found = integrity.verify_store(stored.uri, stored.s3, tell)
    for flaw in found.flaws:
        click.echo(f"{flaw.key}: {flaw.why}")
    click.echo(
        f"{found.files} products of {found.steps} steps read, {found.size / 1e6:.1f} MB; "
        f"{len(found.flaws)} damaged or gone"
    )
    if found.unsealed:
        click.echo(
            f"not checked: the numbers in {found.unsealed} manifests, which an older version wrote "
            "without a checksum",
            err=True,
        )
    click.echo(f"not checked: {found.others} files that no manifest names, such as logs", err=True)
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
    help="Where its products are.",
)
@click.option(
    "--tolerance", type=float, help="Largest difference, electrons/s; default: that of the runs."
)
@ended_cleanly
def verify(name: str, store: str, tolerance: float | None) -> None:
    """Compare the finished campaign NAME with values published of it, such as horsehead-12812.

    The exit code is 7 where it agrees with none of the published runs.
    """
    from skymosaic.results import verification
    from skymosaic.results.published import TOLERANCE

    limit = TOLERANCE if tolerance is None else tolerance
    compared = verification.verify(f"{store or '.'}/{name}", name)
    for comparison in compared:
        verdict = "agrees" if comparison.agrees(limit) else "differs"
        click.echo(f"{verdict:<8} {comparison.source}")
        for method, (difference, rootname) in comparison.largest.items():
            click.echo(f"         {method:<16} {difference:+.6f} electrons/s at most ({rootname})")
    verification.require_agreement(compared, limit)
