"""A finished step, as later tasks and readers have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from skymosaic.store import Product
from skymosaic.store.traffic import Traffic

_R = TypeVar("_R")
_Gives = TypeVar("_Gives", covariant=True)


@dataclass(frozen=True)
class Finished(Generic[_Gives]):
    """A finished step, as its manifest tells it: small enough to travel between tasks."""

    step: str
    key: str
    products: Mapping[str, Product]
    """By file name, which may have folders in it, such as ``colour_files/0/0_0.jpg``."""
    result: _Gives
    """Numbers and names that later steps and the report need: one of `pipeline.results`."""
    seconds: float
    """Wall time of the step when it ran, s."""
    peak_memory: int
    """Largest resident set of a drizzlepac process in it, bytes; 0 where none ran."""
    reused: bool
    """Whether it had finished before this run."""
    fetched: Mapping[str, int] = field(default_factory=dict)
    """Bytes of what it fetched from the store, by SHA-256."""
    moved: Traffic = field(default_factory=Traffic)
    """Bytes between its host and the store."""
    host: str = ""
    """Name of the host that it ran on."""
    cache: str = ""
    """A word for the cache that it used; empty where the store needs none."""

    def with_result(self, result: _R) -> Finished[_R]:
        """Return the same step with another result."""
        return Finished(**{**vars(self), "result": result})
