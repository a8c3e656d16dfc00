"""The command line: thin commands without logic of their own, a module for each family."""

from __future__ import annotations

import atexit
import gc

import click

from skymosaic import __version__
from skymosaic.cli import clusters, files, running, stored
from skymosaic.host.logs import log_to_stderr


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
    # The last search for garbage would walk over all that was imported, for half a second.
    atexit.register(gc.freeze)
    context.obj = {"quiet": quiet}


for _command in (
    *(running.run, running.restart, running.inspect),
    *(clusters.submit, clusters.prepare, clusters.ping),
    *(stored.status, stored.logs, stored.cancel, stored.report),
    *(stored.clean, stored.verify_store, stored.verify),
    *(files.check, files.schema, files.query, files.simulate, files.doctor),
):
    main.add_command(_command)
