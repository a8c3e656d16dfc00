"""A run that breaks off still leaves a report, where there is something to tell."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from skymosaic.errors import LockedError, SkymosaicError, UnreachableError
from skymosaic.pipeline.results import INSPECT
from skymosaic.steps.manifests import finished
from skymosaic.steps.place import Place

log = logging.getLogger(__name__)


@contextmanager
def reported_if_broken_off(place: Place) -> Iterator[None]:
    """Write a report of what there is when a run fails; the error goes on."""
    try:
        yield
    except (LockedError, UnreachableError):
        raise  # another run is at work, or a report could not be stored either
    except SkymosaicError:
        report_broken_off(place)
        raise


def report_broken_off(place: Place) -> str:
    """Write a report of a run that failed; return where it is, empty where that failed, too.

    Before the exposures were inspected there is nothing to report but the error itself.
    """
    try:
        if finished(place, INSPECT.step()) is None:
            return ""
        from skymosaic.results import reporting

        address = reporting.write_partial(place).address
    except Exception as error:  # the run's own error matters more, whatever this one is
        log.warning("no report of the finished steps could be written: %s", error)
        log.info("no report", exc_info=True)
        return ""
    log.warning("report of the finished steps: %s", address)
    return address
