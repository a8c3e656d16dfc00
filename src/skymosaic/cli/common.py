"""What the commands share: their options, and how they end."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from inspect import cleandoc
from pathlib import Path
from typing import Any, NoReturn

import click

from skymosaic.config import Campaign, load_campaign
from skymosaic.errors import CancelledError, LockedError, SkymosaicError, StoreError, WalltimeError
from skymosaic.host import signals
from skymosaic.host.outputs import OutputError
from skymosaic.host.shown import shown, shown_lines

INTERRUPTED = 130


def say(*lines: str, err: bool = False) -> None:
    """Print lines, each safe to show: see `shown`."""
    click.echo("\n".join(map(shown, lines)), err=err)


_OUR_INTERRUPTIONS = (CancelledError, LockedError, WalltimeError)  # a signal is how that is done

campaign_file = click.argument("config", type=click.Path(path_type=Path))
store_option = click.option(
    "--store",
    metavar="URI",
    help="Store of the products: a folder or s3://BUCKET/PREFIX. Overrides the campaign file.",
)
workers_option = click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Number of worker processes; default: as many as cores and memory allow.",
)

scratch_option = click.option(
    "--scratch", metavar="DIR", help="Put temporary files into this folder."
)


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
    help="Override a value of the campaign file, e.g. --set source.download=mast. May be given "
    "several times.",
)
wait_option = click.option(
    "--wait", is_flag=True, help="If another run of this campaign is working, wait until it ends."
)


def ended_cleanly(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn errors into one message and the exit code of their class."""

    @wraps(command)
    def wrapped(*args: Any, **options: Any) -> None:
        # A batch system ends a job with SIGTERM: workers are to be stopped then, too.
        request = signals.EndRequest()
        try:
            with signals.raised(request):
                command(*args, **options)
            return
        except BaseException as raised:
            error = raised
        if request.by is not None and not isinstance(error, _OUR_INTERRUPTIONS):
            # Whatever came of it: libraries make other errors of an interruption.
            if request.by == signal.SIGINT and not isinstance(error, SystemExit):
                say(signals.GO_ON, err=True)
            sys.exit(signals.exit_code(request.by))
        _end(error)

    return wrapped


def _end(error: BaseException) -> NoReturn:
    """End the process as an error of a command asks for."""
    if isinstance(error, OutputError):
        error = StoreError(f"standard output cannot be written ({error.strerror})")
    if isinstance(error, SkymosaicError):
        say(*shown_lines(f"{type(error).__name__}: {error}").split("\n"), err=True)
        sys.exit(error.exit_code)
    if isinstance(error, KeyboardInterrupt):
        say(signals.GO_ON, err=True)
        sys.exit(INTERRUPTED)
    if isinstance(
        error, click.ClickException | click.Abort | click.exceptions.Exit
    ) or not isinstance(error, Exception):
        raise error
    # Not foreseen: still one line, and the rest for who asks.
    logging.getLogger("skymosaic").info("unexpected", exc_info=error)
    say(
        f"{type(error).__name__}: {error} (an unexpected error: please report it, with the output "
        "of `skymosaic -v ...`)",
        err=True,
    )
    sys.exit(SkymosaicError.exit_code)


@dataclass(frozen=True)
class Stored:
    """A campaign that a store holds, as the command line names it."""

    uri: str
    """``STORE/CAMPAIGN``."""
    s3: Mapping[str, Any]
    """How to reach the store."""
    campaign: Campaign | None
    """What its file says, where it is named by a file."""


_NAMING = (
    "STORE/CAMPAIGN names the campaign: its store (a folder or s3://BUCKET/PREFIX), a slash, and "
    "its name."
)
_S3 = (
    click.option("--profile", help="S3: use this profile of ~/.aws."),
    click.option("--region", help="S3: region of the bucket."),
    click.option("--endpoint-url", metavar="URL", help="S3: address of a server other than AWS."),
    click.option("--unsigned", is_flag=True, help="S3: read a public bucket, without credentials."),
)


def stored_campaign(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command a campaign that a store holds, as `stored`; it ends cleanly.

    People name it as STORE/CAMPAIGN, or by its campaign file.
    """
    either = click.argument("named", metavar="STORE/CAMPAIGN|CONFIG")
    return _named(
        command, f"{_NAMING} CONFIG, its campaign file, can be given instead.", either, store_option
    )


def stored_place(command: Callable[..., Any]) -> Callable[..., Any]:
    """Do as `stored_campaign` for a command that is to be given STORE/CAMPAIGN alone."""
    return _named(command, _NAMING, click.argument("named", metavar="STORE/CAMPAIGN"))


def _named(
    command: Callable[..., Any], help_: str, *place: Callable[..., Any]
) -> Callable[..., Any]:
    @wraps(command)
    def wrapped(*args: Any, named: str, store: str | None = None, **options: Any) -> None:
        names = ("profile", "region", "endpoint_url", "unsigned")
        given = {name: options.pop(name) for name in names}
        s3 = {name: value for name, value in given.items() if value}
        command(*args, stored=_find(named, store, s3), **options)

    wrapped.__doc__ = f"{cleandoc(command.__doc__ or '')}\n\n{help_}"
    given: Callable[..., Any] = ended_cleanly(wrapped)
    for option in reversed((*place, *_S3)):
        given = option(given)
    return given


def _find(named: str, store: str | None, s3: Mapping[str, Any]) -> Stored:
    path = Path(named)
    if not _is_file(path, named):
        if store is not None:
            raise click.UsageError(
                "--store needs a campaign file; STORE/CAMPAIGN already names the store"
            )
        return Stored(named, s3, None)
    overrides = {"store.uri": store, **{f"store.{name}": value for name, value in s3.items()}}
    campaign = load_campaign(path, overrides)
    there = campaign.store
    uri = f"{there.uri.rstrip('/')}/{campaign.name}"
    return Stored(uri, there.model_dump(exclude={"uri"}), campaign)


def _is_file(path: Path, named: str) -> bool:
    """Whether a campaign is named by its file, which need not be there."""
    try:
        # A campaign may have a name that ends so; then its folder is there.
        called = path.suffix in (".yaml", ".yml") and "://" not in named and not path.is_dir()
        return called or path.is_file()
    except OSError:  # a name that is too long for a file
        return False
