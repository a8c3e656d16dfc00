"""Ending a run from anywhere that sees its store: a request that the run looks for."""

from __future__ import annotations

import getpass
import logging
import platform
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from skymosaic.errors import CancelledError, DamagedError, StoreError
from skymosaic.steps.place import Place

log = logging.getLogger(__name__)

_LOOK = 2.0  # s between two looks for a request
_PATIENCE = 10.0  # s for the store to answer; the next look comes soon


def request(place: Place, number: int) -> None:
    """Ask a run to end.

    Parameters
    ----------
    place : Place
        The campaign's.
    number : int
        The run's: no other ends of it.
    """
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number without a name
        user = "unknown"
    place.store.write_text(_key(place, number), f"{user} on host {platform.node()}\n")


@contextmanager
def cancellable(place: Place, number: int, interrupt: Callable[[], None]) -> Iterator[None]:
    """Interrupt what is done meanwhile when somebody asks this run to end.

    Parameters
    ----------
    place : Place
        The campaign's.
    number : int
        The run's.
    interrupt : callable
        Makes the main thread raise KeyboardInterrupt or SystemExit; called from another thread.

    Raises
    ------
    CancelledError
        Somebody asked.
    """
    requesters: list[str] = []
    ended = threading.Event()
    store, key = place.store.hurried(_PATIENCE), _key(place, number)

    def look() -> None:
        while not ended.wait(_LOOK):
            try:
                text = store.read_text(key)
            except DamagedError:  # who asked is not known, but somebody did
                text = "somebody"
            except StoreError as error:
                log.debug("could not look for a request to stop: %s", error)
                continue
            if text is not None:
                requesters.append(text.strip())
                interrupt()
                return

    looker = threading.Thread(target=look, daemon=True)
    looker.start()
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        if not requesters:
            raise
        address = place.store.address(place.campaign)
        raise CancelledError(
            f"{address} was cancelled by {requesters[0]}; resume it with "
            f"`skymosaic restart {address}`"
        ) from None
    finally:
        ended.set()


def _key(place: Place, number: int) -> str:
    return place.key("cancel", f"{number:06d}")
