"""Where products live: one interface, a class per kind of place, picked by the URI."""

from __future__ import annotations

from pathlib import Path

from skymosaic.store.base import Product, Store
from skymosaic.store.local import LocalStore

__all__ = ["Product", "Store", "open_store"]


def open_store(uri: str) -> Store:
    """Return the store at `uri`: a folder's path, with or without ``file:``."""
    return LocalStore(Path(uri.removeprefix("file://").removeprefix("file:")))
