"""A cache of a distant store's products, shared by the processes of a host.

Products never change, so they are kept by checksum: each is fetched once and verified, and the
tasks on the host get private copies of it. What a task made and stored is kept, too. Where no
folder is named, the cache is a scratch folder that goes when the last process that uses it ends.
Its folder is this user's alone: what others could have put there is not what was verified.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import logging
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from io import BufferedReader
from pathlib import Path
from typing import IO, BinaryIO
from uuid import uuid4

from skymosaic.errors import StoreError
from skymosaic.host import scratch
from skymosaic.host.disk import SCRATCH_REMEDY, no_space
from skymosaic.store.base import PART, Product, Store
from skymosaic.store.copying import copy_open
from skymosaic.store.local import LocalStore

log = logging.getLogger(__name__)

_ID = "id"
_LOCK_SUFFIX = ".lock"


@dataclass(frozen=True)
class CachedStore(Store):
    """A store whose products are fetched once a host.

    Parameters
    ----------
    store : Store
        The distant one.
    scratch : Path or None
        Where the cache is made, as `scratch.make_folder` takes it.
    folder : Path or None
        Where it is kept instead, for later runs as well.
    limit : int
        Bytes that it may take.
    """

    store: Store
    scratch: Path | None
    folder: Path | None
    limit: int

    @property
    def uri(self) -> str:  # type: ignore[override]
        """That of the distant store."""
        return self.store.uri

    @property
    def shared_by(self) -> str:
        """A word that is the same for all processes that share this cache."""
        return (self._cache / _ID).read_text()

    @property
    def _cache(self) -> Path:
        return _folder(self, os.getpid())

    def put(self, path: Path, key: str, *, take: bool = False) -> Product:
        """Store a file; with `take` it is kept in the cache."""
        product = self.store.put(path, key, take=take)
        if take and path.exists():
            self._keep(path, product)
        return product

    def _keep(self, path: Path, product: Product) -> None:
        """Move a file into the cache, if it can be moved."""
        entry = self._cache / product.sha256
        if not entry.exists() and self._make_room(product.size):
            with suppress(OSError):  # another file system: it will be fetched when it is needed
                path.rename(entry)
                entry.chmod(0o444)

    def get(self, product: Product, path: Path) -> None:
        """Give a private, writable copy, verifying its checksum."""
        with self._entry(product) as reader:
            if reader is None:  # it does not fit
                self.store.get(product, path)
                return
            try:
                sha256, _ = copy_open(reader, path)
            except OSError as error:
                path.unlink(missing_ok=True)
                full = no_space(error, product.key, path.parent, SCRATCH_REMEDY)
                raise full or StoreError(f"{path}: {error}") from None
        if sha256 != product.sha256:
            # The local disk changed it since it was fetched; what the store has may be good.
            log.warning("%s was damaged on this host; fetching it again", product.key)
            (self._cache / product.sha256).unlink(missing_ok=True)
            self.store.get(product, path)

    def open(self, product: Product) -> BinaryIO:
        """Open a product for reading, as it was verified when it was fetched."""
        with self._entry(product) as reader:
            if reader is None:
                return self.store.open(product)
            return os.fdopen(os.dup(reader.fileno()), "rb")

    @contextmanager
    def _entry(self, product: Product) -> Iterator[BufferedReader | None]:
        """Yield a product in the cache, fetched if need be by one process while others wait."""
        entry = self._cache / product.sha256
        with self._lock(product.sha256) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                reader = entry.open("rb")
            except FileNotFoundError:
                if not self._make_room(product.size):
                    yield None
                    return
                part = entry.with_suffix(PART)
                self.store.get(product, part)
                part.chmod(0o444)
                reader = part.open("rb")
                part.rename(entry)
            os.utime(reader.fileno())
        # Once it is open, others may drop it.
        with reader:
            yield reader

    def _lock(self, sha256: str) -> IO[str]:
        path = self._cache / (sha256 + _LOCK_SUFFIX)
        return os.fdopen(scratch.open_private(path, os.O_RDWR | os.O_CREAT), "w")

    def _make_room(self, size: int) -> bool:
        """Drop what was not used for the longest time until `size` fits; tell whether it does."""
        if size > self.limit:
            return False
        entries = []
        for path in self._cache.iterdir():
            with suppress(FileNotFoundError):  # another process dropped it
                if path.suffix != _LOCK_SUFFIX and path.name not in (_ID, scratch.LOCK):
                    status = path.stat()
                    entries.append((status.st_mtime, status.st_size, path))
        used = sum(entry[1] for entry in entries)
        # The disk may be smaller than the limit.
        limit = min(self.limit, used + shutil.disk_usage(self._cache).free)
        for _, bytes_, path in sorted(entries):
            if used + size <= limit:
                break
            if path.suffix != PART or self._is_abandoned(path):
                path.unlink(missing_ok=True)
                used -= bytes_
        return used + size <= limit

    def _is_abandoned(self, part: Path) -> bool:
        """Whether nobody fetches this any more: its process was killed."""
        with self._lock(part.stem) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    def hurried(self, patience: float) -> CachedStore:
        """Return the same store, that waits no longer than `patience` (s) for the server."""
        return replace(self, store=self.store.hurried(patience))

    def move(self, product: Product, key: str) -> Product:
        """Give a product another key, replacing what is there at once."""
        return self.store.move(product, key)

    def sha256_of(self, key: str) -> str:
        """Return the SHA-256 of what lies in the store, past the cache."""
        return self.store.sha256_of(key)

    def has(self, product: Product) -> bool:
        """Tell whether the product is in the store with its size."""
        return self.store.has(product)

    def write_text(self, key: str, text: str) -> None:
        """Store a text, all or nothing."""
        self.store.write_text(key, text)

    def create(self, key: str, text: str) -> bool:
        """Store a text where there is nothing yet; tell whether it was us who did."""
        return self.store.create(key, text)

    def read_text(self, key: str) -> str | None:
        """Return a text, or None where there is none."""
        return self.store.read_text(key)

    def age(self, key: str) -> float | None:
        """Return the time since a key was written, s, by the store's own clock."""
        return self.store.age(key)

    def delete(self, key: str) -> None:
        """Remove a key; it need not exist."""
        self.store.delete(key)

    def list(self, prefix: str) -> list[str]:
        """Return the keys below a folder, sorted."""
        return self.store.list(prefix)

    def remove(self, prefix: str) -> int:
        """Remove every key below a folder; return how many."""
        return self.store.remove(prefix)

    def sweep(self, prefix: str) -> int:
        """Remove what puts that never ended left below a folder."""
        return self.store.sweep(prefix)

    def address(self, key: str) -> str:
        """Tell a person where the key is."""
        return self.store.address(key)


@functools.cache
def _folder(store: CachedStore, _process: int) -> Path:
    """Return the folder of a cache, which this process uses from now on until it ends."""
    if store.folder is None:
        label = "cache-" + hashlib.sha256(store.uri.encode()).hexdigest()[:12]
        folder = scratch.shared_folder(store.scratch, label)
    else:
        folder = store.folder
    try:
        if store.folder is not None:
            folder = _own(folder)
        LocalStore(folder).create(_ID, uuid4().hex)
    except (OSError, StoreError) as error:
        raise StoreError(
            f"no cache can be made in {folder} ({error}); set compute.cache to another"
        ) from None
    return folder


def _own(folder: Path) -> Path:
    """Return a folder that the user named, or one below it, where others can write there, too."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700, parents=True)
    status = folder.stat()
    # What lies in the cache is not verified again when it is only read.
    if status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return folder
    return scratch.private_folder(folder / f"cache-of-{os.getuid()}")
