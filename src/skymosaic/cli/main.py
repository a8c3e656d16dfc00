"""The group of all commands, and the options that stand before them."""

from __future__ import annotations

import atexit
import gc

import click

from skymosaic.cli import clusters, files, running, stored
from skymosaic.cli.skycells import skycells
from skymosaic.host.logs import log_to_stderr
from skymosaic.versions import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__)
@click.option("-v", "--verbose", count=True, help="Show more detail; -vv shows debug output.")
@click.option("-q", "--quiet", is_flag=True, help="Show only errors and results.")
@click.option("--log-json", is_flag=True, help="Write the log as JSON lines, to standard error.")
@click.pass_context
def main(context: click.Context, verbose: int, quiet: bool, log_json: bool) -> None:
    """Make sky-matched HST mosaics, and compare AstroDrizzle's four sky methods.

    CONFIG is a campaign file (YAML): what to mosaic, how, and where. STORE/CAMPAIGN is the folder
    or s3:// address that holds the products of a campaign.

    `check` and `run` a CONFIG first; then look at `status` and `report`. `skymosaic COMMAND --help`
    explains a command. The exit code says what kind of failure it was: see docs/exit-codes.md.
    """
    log_to_stderr(verbose, quiet, log_json)
    # The last search for garbage would walk over all that was imported, for half a second.
    atexit.register(gc.freeze)
    context.obj = {"quiet": quiet}


for _command in (
    *(running.run, running.restart, running.inspect),
    *(clusters.submit, clusters.prepare, clusters.ping),
    *(stored.status, stored.logs, stored.cancel, stored.report),
    *(stored.clean, stored.verify_store, stored.verify),
    *(files.check, files.schema, files.query, files.simulate, files.doctor),
    skycells,
):
    main.add_command(_command)
