"""The command line: thin commands without logic of their own."""

from __future__ import annotations

import json
import logging
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from rich.console import Console

from skymosaic import __version__
from skymosaic.config import Campaign, json_schema, load_campaign, resolved_yaml
from skymosaic.errors import SkymosaicError
from skymosaic.logs import log_to_stderr

if TYPE_CHECKING:
    pass

if TYPE_CHECKING:
    from skymosaic.campaign import Outcome

INTERRUPTED = 130
_TABLE_TITLE = "MDRIZSKY, in the units of the exposures (WFC3/IR: electrons/s)"

campaign_file = click.argument("config", type=click.Path(path_type=Path))
store_option = click.option(
    "--store",
    metavar="URI",
    help="Where the products go: a folder or s3://BUCKET/PREFIX; stands above the campaign file's.",
)
workers_option = click.option(
    "--workers", type=click.IntRange(min=1), help="Worker processes; default: as many as fit."
)

scratch_option = click.option("--scratch", metavar="DIR", help="Folder for temporary files.")
set_option = click.option(
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    help="A value that goes before the file's, such as source.download=mast; may be repeated.",
)
wait_option = click.option(
    "--wait", is_flag=True, help="Wait while another run of the campaign is at work."
)
_STORED = (
    click.argument("uri", metavar="STORE/CAMPAIGN"),
    click.option("--profile", help="S3: profile of ~/.aws."),
    click.option("--region", help="S3: region."),
    click.option("--endpoint-url", metavar="URL", help="S3: address of a server, if not AWS's."),
    click.option("--unsigned", is_flag=True, help="S3: a public bucket, without credentials."),
)


def stored_campaign(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command a campaign that a store holds, as `uri` and `s3`."""

    @wraps(command)
    def wrapped(*args: Any, **options: Any) -> None:
        names = ("profile", "region", "endpoint_url", "unsigned")
        given = {name: options.pop(name) for name in names}
        command(*args, s3={name: value for name, value in given.items() if value}, **options)

    for option in reversed(_STORED):
        wrapped = option(wrapped)
    return wrapped


def _ended_cleanly(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn errors into one message and the exit code of their class."""

    @wraps(command)
    def wrapped(*args: Any, **options: Any) -> None:
        # A batch system ends a job with SIGTERM: workers are to be stopped then, too.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        try:
            command(*args, **options)
        except SkymosaicError as error:
            click.echo(f"{type(error).__name__}: {error}", err=True)
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("interrupted; run the same command again to go on", err=True)
            sys.exit(INTERRUPTED)
        except (click.ClickException, click.Abort):
            raise
        except Exception as error:  # not foreseen: still one line, and the rest for who asks
            logging.getLogger("skymosaic").info("unexpected", exc_info=True)
            click.echo(
                f"{type(error).__name__}: {error} (not foreseen; `skymosaic -v ...` tells where, "
                "please report it)",
                err=True,
            )
            sys.exit(SkymosaicError.exit_code)

    return wrapped


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__)
@click.option("-v", "--verbose", count=True, help="Tell more; twice for everything.")
@click.option("-q", "--quiet", is_flag=True, help="Errors and results only.")
@click.option("--log-json", is_flag=True, help="Log as JSON lines on standard error.")
@click.pass_context
def main(context: click.Context, verbose: int, quiet: bool, log_json: bool) -> None:
    """Make sky-matched HST mosaics, and compare AstroDrizzle's four sky methods.

    Exit codes tell the kind of failure; docs/exit-codes.md lists them.
    """
    log_to_stderr(verbose, quiet, log_json)
    context.obj = {"quiet": quiet}


@main.command()
@campaign_file
@store_option
@workers_option
@scratch_option
@wait_option
@set_option
@click.pass_obj
@_ended_cleanly
def run(
    obj: dict[str, bool],
    config: Path,
    settings: tuple[str, ...],
    store: str | None,
    workers: int | None,
    scratch: str | None,
    wait: bool,
) -> None:
    """Run the campaign in CONFIG, or what is not yet finished of it."""
    options = {"store.uri": store, "compute.workers": workers, "compute.scratch": scratch}
    given = {key: value for key, value in options.items() if value is not None}
    _run(load_campaign(config, {**_settings(settings), **given}), wait, obj["quiet"])


@main.command()
@stored_campaign
@workers_option
@scratch_option
@wait_option
@click.pass_obj
@_ended_cleanly
def restart(
    obj: dict[str, bool],
    uri: str,
    s3: dict[str, Any],
    workers: int | None,
    scratch: str | None,
    wait: bool,
) -> None:
    """Go on with a campaign that failed or was interrupted, with the file that its store holds.

    STORE/CAMPAIGN is a folder or s3://BUCKET/PREFIX, and the campaign's name in it. Steps that are
    finished are not run again.
    """
    from skymosaic import housekeeping

    overrides = {"compute.workers": workers, "compute.scratch": scratch}
    _run(housekeeping.stored_campaign(uri, s3, overrides), wait, obj["quiet"])


def _settings(settings: tuple[str, ...]) -> dict[str, Any]:
    """Return the values of ``--set KEY=VALUE`` by dotted key."""
    import yaml

    given = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise click.BadParameter(f"{setting!r} is not KEY=VALUE", param_hint="--set")
        try:
            given[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise click.BadParameter(
                f"the value of {key} is not YAML", param_hint="--set"
            ) from None
    return given


def _show(campaign: Campaign, outcome: Outcome) -> None:
    title = f"{_TABLE_TITLE}\n" if campaign.groups is None else ""
    click.echo(f"{title}{outcome.table}")
    for warning in outcome.warnings:
        click.echo(f"warning: {warning}", err=True)


def _run(campaign: Campaign, wait: bool, quiet: bool) -> None:
    from skymosaic import campaign as pipeline
    from skymosaic import programs
    from skymosaic.display import Display

    start = pipeline.run if campaign.groups is None else programs.run
    with Display(Console(stderr=True), quiet=quiet) as display:
        outcome = start(
            campaign,
            display.show,
            display.expect,
            wait=pipeline.FOREVER if wait else 0.0,
            on_wait=lambda holder: click.echo(f"waiting for the end of {holder} ...", err=True),
        )
    _show(campaign, outcome)
    if outcome.reused:
        click.echo("everything had been done before: nothing was run again", err=True)
    click.echo(f"products: {outcome.folder}")
    click.echo(f"report:   {outcome.report}")


@main.command()
@stored_campaign
@click.option("--json", "as_json", is_flag=True, help="Print all that is known as JSON.")
@_ended_cleanly
def status(uri: str, s3: dict[str, Any], as_json: bool) -> None:
    """Tell what is done, running and failed in STORE/CAMPAIGN.

    The exit code tells the state: 0 done, 20 running, 21 failed, 22 interrupted.
    """
    from skymosaic import housekeeping
    from skymosaic.display import status_lines

    found = housekeeping.find_status(uri, s3)
    if as_json:
        click.echo(json.dumps({**asdict(found), "state": found.state.word}, indent=1))
    else:
        click.echo("\n".join(status_lines(found)))
    sys.exit(found.state.exit_code)


@main.command()
@stored_campaign
@click.option("--all", "everything", is_flag=True, help="Remove the whole campaign: its products.")
@click.option("--dry-run", is_flag=True, help="Tell what would be removed, and remove nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_ended_cleanly
def clean(uri: str, s3: dict[str, Any], everything: bool, dry_run: bool, yes: bool) -> None:
    """Remove from STORE/CAMPAIGN what no manifest names, and scratch folders of dead processes."""
    from skymosaic import housekeeping

    if everything and not (dry_run or yes):
        click.confirm(f"remove {uri} with all products?", abort=True)
    cleaned = housekeeping.clean(uri, s3, everything=everything, pretend=dry_run)
    for key in cleaned.keys:
        click.echo(key)
    click.echo(
        f"{'would remove' if dry_run else 'removed'}: {len(cleaned.keys)} files"
        + ("" if dry_run else f", {cleaned.uploads} unfinished, {cleaned.scratch} scratch folders"),
        err=True,
    )


@main.command()
@campaign_file
@store_option
@_ended_cleanly
def check(config: Path, store: str | None) -> None:
    """Validate CONFIG and print it with all defaults; the data are not looked at."""
    campaign = load_campaign(config, {"store.uri": store})
    click.echo(resolved_yaml(campaign), nl=False)
    for line in _drizzlepac_defaults(campaign):
        click.echo(f"# {line}")
    click.echo(f"{config} is valid; the data were not looked at", err=True)


def _drizzlepac_defaults(campaign: Campaign) -> list[str]:
    """Return what drizzlepac is called with where neither file nor drizzlepac says otherwise."""
    from skymosaic.align import tweakreg
    from skymosaic.drizzle import parameters as pars

    chosen = pars.resolve({**campaign.drizzle.parameters, **campaign.sky.parameters})
    lines = [f"AstroDrizzle, for each sky method: {chosen}"]
    if campaign.align.method != "none":
        lines.append(f"TweakReg: { {**tweakreg.DEFAULTS, **campaign.align.tweakreg} }")
        lines.append(f"imagefind: { {**tweakreg.IMAGEFIND_DEFAULTS, **campaign.align.imagefind} }")
    return lines


@main.command()
@_ended_cleanly
def schema() -> None:
    """Print the JSON Schema of campaign files."""
    click.echo(json.dumps(json_schema(), indent=1))


@main.command()
@campaign_file
@store_option
@workers_option
@click.pass_obj
@_ended_cleanly
def inspect(obj: dict[str, bool], config: Path, store: str | None, workers: int | None) -> None:
    """Retrieve the exposures of CONFIG and tabulate them; nothing is aligned or drizzled."""
    from skymosaic import campaign as pipeline
    from skymosaic.display import Display

    campaign = load_campaign(config, {"store.uri": store, "compute.workers": workers})
    with Display(Console(stderr=True), quiet=obj["quiet"]) as display:
        inspection = pipeline.inspect(campaign, display.show, display.expect)
    for title, table in inspection.tables.items():
        click.echo(f"{title}: {len(table)}")
        click.echo("\n".join(table.pformat(max_lines=-1, max_width=-1)) + "\n")
    click.echo(f"tables: {inspection.folder}")


@main.command()
@campaign_file
@_ended_cleanly
def query(config: Path) -> None:
    """Show what MAST has of what CONFIG asks for: files, bytes, groups; nothing is fetched."""
    from skymosaic import campaign as pipeline
    from skymosaic.display import query_lines

    found = pipeline.query(load_campaign(config))
    click.echo("\n".join(query_lines(found.files, found.refused)))


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--seed", default=12812, show_default=True, help="Same seed, same pixels.")
@click.option("--size", type=click.Choice(["full", "small"]), default="full", show_default=True)
@click.option("--tile", "tiles", multiple=True, help="A tile such as 54, once each; default: all.")
@click.option("--dithers", default=2, show_default=True, type=click.IntRange(min=1))
@_ended_cleanly
def simulate(
    folder: Path, seed: int, size: Literal["full", "small"], tiles: tuple[str, ...], dithers: int
) -> None:
    """Write simulated WFC3/IR exposures, their drizzled images and the truth into FOLDER."""
    from skymosaic import campaign as pipeline
    from skymosaic.archive.simulated.exposures import Simulation

    simulation = Simulation(seed=seed, size=size, tiles=tiles, dithers=dithers)
    pipeline.simulate(folder, simulation, click.echo)


@main.command()
@campaign_file
@store_option
@_ended_cleanly
def report(config: Path, store: str | None) -> None:
    """Print the table of a finished campaign and where its report is; nothing is run."""
    from skymosaic import campaign as pipeline
    from skymosaic import programs

    campaign = load_campaign(config, {"store.uri": store})
    find = pipeline.find_outcome if campaign.groups is None else programs.find_outcome
    outcome = find(campaign)
    _show(campaign, outcome)
    click.echo(f"report:   {outcome.report}")


@main.command()
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
@_ended_cleanly
def verify(name: str, store: str, tolerance: float | None) -> None:
    """Compare the finished campaign NAME with values published of it, such as horsehead-12812.

    The exit code is 7 where it agrees with none of the published runs.
    """
    from skymosaic import verification
    from skymosaic.published import TOLERANCE

    limit = TOLERANCE if tolerance is None else tolerance
    compared = verification.verify(f"{store.rstrip('/')}/{name}", name)
    for comparison in compared:
        verdict = "agrees" if comparison.agrees(limit) else "differs"
        click.echo(f"{verdict:<8} {comparison.source}")
        for method, (difference, rootname) in comparison.largest.items():
            click.echo(f"         {method:<16} {difference:+.6f} electrons/s at most ({rootname})")
    verification.require_agreement(compared, limit)


@main.command()
@_ended_cleanly
def doctor() -> None:
    """Tell the versions, and test that `match` truly matches in this installation."""
    from skymosaic.installation import SELF_TEST_OFFSET, require_match, self_test
    from skymosaic.versions import versions

    for name, version in versions().items():
        click.echo(f"{name:<20} {version}")
    require_match()
    found = self_test()
    click.echo(
        f"self-test: match found a sky difference of {found:.4f} e-/s "
        f"where it is {SELF_TEST_OFFSET} e-/s: good"
    )


if __name__ == "__main__":
    main()
