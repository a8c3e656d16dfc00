"""Places for tasks that compute or download at once: so many a host, so many in all."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from skymosaic.host import container
from skymosaic.steps import execution
from skymosaic.steps.place import Place


def retrieving_slot(place: Place) -> AbstractContextManager[None]:
    """Wait until one more file may be downloaded, or made here."""
    if place.downloads is None:
        return computing_slot(place)
    return execution.slot(f"{place.topic}-downloads", place.downloads)


@contextmanager
def computing_slot(place: Place) -> Iterator[None]:
    """Wait until this host has cores and memory for one more task that computes.

    It is refused more memory than its container has left, before the kernel ends its worker.
    """
    name = f"{place.topic}-computing-{platform.node()}-{place.computing}"
    with execution.slot(name, place.computing), container.held():
        yield
