"""Where products live: one interface, a class per kind of place, picked by the URI."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skymosaic.errors import StoreError
from skymosaic.store.base import Product, Store
from skymosaic.store.local import LocalStore

__all__ = ["Product", "Store", "cache_of", "cached", "open_store"]


def open_store(uri: str, s3: Mapping[str, Any] | None = None) -> Store:
    """Return the store at a URI.

    Parameters
    ----------
    uri : str
        ``s3://BUCKET/PREFIX``, or a folder's path, with or without ``file:``.
    s3 : mapping, optional
        Fields of `s3_settings.S3Settings` where they differ from AWS's own configuration.
    """
    if uri.startswith("s3://"):
        # Only who uses S3 pays for importing boto3.
        from skymosaic.store.s3 import S3Store
        from skymosaic.store.s3_settings import S3Settings

        return S3Store(uri, S3Settings(**(s3 or {})))
    return LocalStore(Path(uri.removeprefix("file://").removeprefix("file:")))


def cached(store: Store, scratch: Path | None, folder: Path | None, limit: int) -> Store:
    """Return a store whose products are fetched once a host, where that saves anything.

    Parameters
    ----------
    store : Store
        Where the products are.
    scratch : Path or None
        Folder that the cache is made in; None is the system's temporary folder.
    folder : Path or None
        Folder of a cache that is kept for later runs, instead.
    limit : int
        Bytes that the cache may take.
    """
    if isinstance(store, LocalStore):
        return store
    from skymosaic.store.cache import CachedStore

    return CachedStore(store, scratch, folder, limit)


def cache_of(store: Store) -> str:
    """Return a word for the cache that this process uses; empty where there is none."""
    try:
        return str(getattr(store, "shared_by", ""))
    except StoreError:  # it cannot be made, which was said already
        return ""
