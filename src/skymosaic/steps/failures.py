"""What is kept of a step that failed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from skymosaic.errors import SkymosaicError, StoreError
from skymosaic.host import signals
from skymosaic.steps.bench import Bench
from skymosaic.steps.place import Place
from skymosaic.store import shapes
from skymosaic.store.shapes import ErrorRecord

log = logging.getLogger(__name__)


def as_record(error: BaseException) -> ErrorRecord:
    """Return what records tell of an error."""
    known = error if isinstance(error, SkymosaicError) else SkymosaicError()
    return {
        "class": type(error).__name__,
        "message": signals.interruption(error) or str(error),
        "exit_code": known.exit_code,
        "passes_by_itself": known.passes_by_itself,
    }


def keep_logs(place: Place, step: str, bench: Bench) -> None:
    """Keep the logs of a failed step."""
    for path in (*bench.out.glob("*.log"), *bench.scratch.glob("*.log")):
        key = place.key("failed", step, path.name)
        try_to(partial(place.store.put, path, key), f"keep {path.name}")


def keep_error(place: Place, step: str, record: Mapping[str, Any]) -> None:
    """Keep what is known of a failed step."""
    key = place.key("failed", f"{step}.json")
    try_to(lambda: place.store.write_json(key, shapes.sealed(record)), f"keep the record of {step}")


def try_to(act: Callable[[], object], what: str) -> None:
    """Do what the store may refuse when something else has failed already: that matters more."""
    try:
        act()
    except StoreError as error:
        log.warning("could not %s: %s", what, error)
