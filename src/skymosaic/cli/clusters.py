"""Commands on clusters: submit (and dask-submit), prepare, ping."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import click
from rich.console import Console

from skymosaic.cli.common import (
    INTERRUPTED,
    campaign_file,
    ended_cleanly,
    say,
    set_option,
    store_option,
)
from skymosaic.config import Campaign, load_campaign
from skymosaic.host.logs import log_to_stderr

insecure_option = click.option(
    "--insecure",
    is_flag=True,
    help="Allow a scheduler on another host without TLS. Do so only in a private network.",
)
follow_option = click.option(
    "--wait", is_flag=True, help="Wait for the run to end; return its exit code."
)


@click.command()
@campaign_file
@store_option
@set_option
@insecure_option
@follow_option
@click.pass_obj
@ended_cleanly
def submit(
    obj: dict[str, bool],
    config: Path,
    settings: tuple[str, ...],
    store: str | None,
    insecure: bool,
    wait: bool,
) -> None:
    """Submit the campaign in CONFIG to its cluster, and return.

    The cluster runs the campaign: you can close this terminal. `skymosaic status`, `logs` and
    `cancel` work on every machine that can read the store.
    """
    hand_over(_load(config, settings, store, insecure), wait, obj["quiet"])


@click.command(name="dask-submit")
@click.argument("what", metavar="[ADDRESS] CAMPAIGN.yaml", nargs=-1, required=True)
@store_option
@set_option
@insecure_option
@follow_option
@click.option("-q", "--quiet", is_flag=True, help="Show only errors and results.")
@ended_cleanly
def dask_submit(
    what: tuple[str, ...],
    settings: tuple[str, ...],
    store: str | None,
    insecure: bool,
    wait: bool,
    quiet: bool,
) -> None:
    """Submit a campaign to a running Dask scheduler, and return.

    ADDRESS is the address of the scheduler, such as tls://scheduler:8786. Without it, the address
    comes from the campaign file or from Dask's configuration (DASK_SCHEDULER_ADDRESS).
    """
    log_to_stderr(0, quiet, as_json=False)
    *addresses, config = what
    if len(addresses) > 1:
        raise click.UsageError("give at most one ADDRESS, and one CAMPAIGN.yaml")
    address = next(iter(addresses or _default_address()), None)
    given = {"compute.backend": "scheduler", "compute.address": address}
    hand_over(_load(Path(config), settings, store, insecure, given), wait, quiet)


@click.command()
@campaign_file
@store_option
@set_option
@click.option(
    "--output",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the scripts or objects into this folder, and nothing else. Asks no store.",
)
@click.option(
    "--document",
    metavar="NAME",
    help="Print this script or file of objects alone, such as namespace.yaml. Asks no store.",
)
@ended_cleanly
def prepare(
    config: Path,
    settings: tuple[str, ...],
    store: str | None,
    output: Path | None,
    document: str | None,
) -> None:
    """Show what `submit` would submit; submit nothing.

    Lists the tasks, the memory that they need, and the scripts or objects for the cluster. What is
    for Kubernetes can be given to `kubectl apply --filename -`.
    """
    from skymosaic.runs import preparation

    if output is not None and document is not None:
        raise click.UsageError("give --output DIR or --document NAME, not both")
    if document is not None:
        text = preparation.document(_load(config, settings, store), document)
        say(*text.rstrip("\n").split("\n"))
        return

    if output is not None:
        say(*(str(path) for path in preparation.write(_load(config, settings, store), output)))
        return
    lines = preparation.lines(_load(config, settings, store))
    say(*"\n".join(lines).split("\n"))  # documents are of many lines


@click.command()
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option(
    "--scheduler", metavar="ADDRESS", help="Ask this Dask scheduler; then give no CONFIG."
)
@set_option
@insecure_option
@ended_cleanly
def ping(
    config: Path | None, scheduler: str | None, settings: tuple[str, ...], insecure: bool
) -> None:
    """Check that the workers of CONFIG, or a scheduler, answer.

    Shows how many workers there are, their memory and their versions.
    """
    from skymosaic.clusters.table import workers_of
    from skymosaic.config import Compute

    if (config is None) == (scheduler is None):
        raise click.UsageError("give either CONFIG or --scheduler ADDRESS")
    if config is None:
        compute = Compute(backend="scheduler", address=scheduler, insecure=insecure)
    else:
        compute = _load(config, settings, None, insecure).compute
    say(*workers_of(compute.backend).alive(compute))


def hand_over(campaign: Campaign, wait: bool, quiet: bool) -> None:
    """Submit a campaign, say what was handed over, and follow it where that is wanted."""
    from skymosaic.cli.display import Display, status_lines
    from skymosaic.pipeline.places import open_place
    from skymosaic.runs import following, handover

    submitted = handover.submit(campaign)
    say(f"submitted: {submitted.what}")
    say(f"follow:    {submitted.follow}")
    if wait:
        try:
            with Display(Console(stderr=True), quiet=quiet) as display:
                status, code = following.follow(open_place(campaign), display.show, display.expect)
        except KeyboardInterrupt:
            say(
                f"the run continues; this command no longer follows it: {submitted.follow}",
                err=True,
            )
            sys.exit(INTERRUPTED)
        say(*status_lines(status))
        sys.exit(code)


def _load(
    config: Path,
    settings: tuple[str, ...],
    store: str | None,
    insecure: bool = False,
    given: Mapping[str, str | None] = MappingProxyType({}),
) -> Campaign:
    options = {"store.uri": store, "compute.insecure": insecure or None}
    return load_campaign(config, {**options, **given}, settings)


def _default_address() -> list[str]:
    import dask

    address = dask.config.get("scheduler-address", None)
    return [address] if address else []
