"""Small products that task after task needs: each process reads one of a kind once."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, Generic, TypeVar

from skymosaic.store import Product, Store

_T = TypeVar("_T")


class Held(Generic[_T]):
    """What a process has read last of one kind of products, by its checksum.

    Parameters
    ----------
    read : callable
        Reads it from an open file. What it returns is not changed by anybody.
    """

    def __init__(self, read: Callable[[BinaryIO], _T]) -> None:
        self._read = read
        self._last: tuple[str, _T] | None = None

    def get(self, store: Store, product: Product) -> _T:
        """Return what a product holds; errors as from `Store.open`, where it has to be read."""
        last = self._last
        if last is None or last[0] != product.sha256:
            with store.open(product) as file:
                last = self._last = product.sha256, self._read(file)
        return last[1]
