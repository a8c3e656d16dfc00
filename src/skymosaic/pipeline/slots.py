"""Places for tasks that compute or download at once: so many a host, so many in all."""

from __future__ import annotations

import platform
from contextlib import AbstractContextManager

from skymosaic.steps import execution
from skymosaic.steps.place import Place


def retrieving_slot(place: Place) -> AbstractContextManager[None]:
    """Wait until one more file may be downloaded, or made here."""
    if place.downloads is None:
        return computing_slot(place)
    return execution.slot(f"{place.topic}-downloads", place.downloads)


def computing_slot(place: Place) -> AbstractContextManager[None]:
    """Wait until this host has cores and memory for one more task that computes."""
    name = f"{place.topic}-computing-{platform.node()}-{place.computing}"
    return execution.slot(name, place.computing)
