"""What the commands share: their options, and how they end."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from skymosaic.errors import SkymosaicError

INTERRUPTED = 130

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


def _key_and_value(_: Any, __: Any, settings: tuple[str, ...]) -> tuple[str, ...]:
    for setting in settings:
        if "=" not in setting:
            raise click.BadParameter(f"{setting!r} is not KEY=VALUE")
    return settings


set_option = click.option(
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    callback=_key_and_value,
    help="Override a value of the campaign file, such as --set source.download=mast. May be given "
    "several times.",
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


def ended_cleanly(command: Callable[..., Any]) -> Callable[..., Any]:
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
