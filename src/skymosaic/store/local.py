"""A folder as store."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from skymosaic.errors import ForbiddenError, MissingError, SkymosaicError, StoreError
from skymosaic.host.disk import SCRATCH_REMEDY, STORE_REMEDY, no_space
from skymosaic.store import traffic
from skymosaic.store.base import (
    LONGEST_TEXT,
    PART,
    Product,
    Store,
    checked_key,
    decoded,
    require_unchanged,
)
from skymosaic.store.copying import copy_file

_TRIES = 100
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class LocalStore(Store):
    """A store in a folder of a file system that all workers see.

    Parameters
    ----------
    root : Path
        The folder; made when the first product is put.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().resolve()
        self.uri = str(self.root)

    def _path(self, key: str) -> Path:
        return self.root / checked_key(key)

    def put(self, path: Path, key: str, *, take: bool = False) -> Product:
        """Store a file: either the whole file appears under its key, or nothing.

        With `take` the file is the store's from then on, which moves it where it can.
        """
        with self._appearing(key) as part:
            sha256 = _take(path, part) if take else None
            if sha256 is None:
                sha256, written = copy_file(path, part)
                traffic.count(up=written)
            size = part.stat().st_size
        return Product(key, sha256, size)

    def move(self, product: Product, key: str) -> Product:
        """Give a product another key, replacing what is there at once."""
        source, target = self._path(product.key), self._path(key)
        with _store_errors(product.key, source):
            source.stat()
        with _store_errors(key, target):
            _in_folder(target.parent, lambda: source.replace(target))
            self._remove_empty(source.parent)
        return Product(key, product.sha256, product.size)

    def get(self, product: Product, path: Path) -> None:
        """Fetch a product to a private, writable copy, verifying its checksum."""
        source = self._path(product.key)
        try:
            with _store_errors(product.key, source, copy=path):
                sha256, written = copy_file(source, path)
            traffic.count(down=written)
            require_unchanged(product, sha256, str(source))
        except StoreError:
            path.unlink(missing_ok=True)
            raise

    def open(self, product: Product) -> BinaryIO:
        """Open a product for reading, where it is, its checksum verified."""
        path = self._path(product.key)
        with _store_errors(product.key, path):
            file = path.open("rb")
        try:
            require_unchanged(product, hashlib.file_digest(file, "sha256").hexdigest(), str(path))
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file

    def sha256_of(self, key: str) -> str:
        """Return the SHA-256 of a file."""
        path = self._path(key)
        with _store_errors(key, path), path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def has(self, product: Product) -> bool:
        """Tell whether the product is there with its size."""
        path = self._path(product.key)
        with _store_errors(product.key, path):
            try:
                return path.stat().st_size == product.size
            except (FileNotFoundError, NotADirectoryError):
                return False

    def write_text(self, key: str, text: str) -> None:
        """Store a text, all or nothing."""
        with self._appearing(key) as part, part.open("w", encoding="utf-8") as file:
            file.write(text)

    def create(self, key: str, text: str) -> bool:
        """Store a text where there is nothing yet; tell whether it was us who did."""
        path = self._path(key)
        # Whole before it has its name; a hard link is refused where the name is taken.
        with self._beside(path) as part, _store_errors(key, path):
            part.write_text(text, encoding="utf-8")
            try:
                os.link(part, path)
            except FileExistsError:
                # A network file system may have lost the answer to our own first try.
                return path.read_text(encoding="utf-8") == text
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                return _create_exclusively(path, text)
        return True

    def read_text(self, key: str) -> str | None:
        """Return a text, or None where there is none."""
        path = self._path(key)
        with _store_errors(key, path):
            try:
                # To open a named pipe would wait for who writes into it.
                if not stat.S_ISREG(path.stat().st_mode):
                    raise StoreError(f"{path} is not a file; remove it")
                with path.open("rb") as file:
                    # `read` takes memory for all that it is asked for, before it reads.
                    size = min(os.fstat(file.fileno()).st_size, LONGEST_TEXT)
                    return decoded(file.read(size + 1), str(path))
            except (FileNotFoundError, NotADirectoryError):
                return None

    def age(self, key: str) -> float | None:
        """Return the time since a key was written, s, by the file system's clock."""
        path = self._path(key)
        if not path.exists():
            return None
        try:
            with self._beside(path) as now, _store_errors(key, path):
                return now.stat().st_mtime - path.stat().st_mtime
        except MissingError:
            return None
        except ForbiddenError:  # we may only read: then this host's clock must do
            return time.time() - path.stat().st_mtime

    def delete(self, key: str) -> None:
        """Remove a key; it need not exist."""
        path = self._path(key)
        with _store_errors(key, path):
            path.unlink(missing_ok=True)
            self._remove_empty(path.parent)

    def list(self, prefix: str) -> list[str]:
        """Return the keys below a folder, sorted."""
        folder = self._path(prefix)
        return sorted(
            str(path.relative_to(self.root))
            for path in folder.rglob("*")
            if path.is_file() and path.suffix != PART
        )

    def sweep(self, prefix: str) -> int:
        """Remove the files of puts that never ended."""
        left = [path for path in self._path(prefix).rglob("*" + PART) if path.is_file()]
        for path in left:
            with _store_errors(prefix, path):
                path.unlink(missing_ok=True)
                self._remove_empty(path.parent)
        return len(left)

    def address(self, key: str) -> str:
        """Return the path of the key."""
        return str(self._path(key))

    def _remove_empty(self, folder: Path) -> None:
        while folder != self.root:
            try:
                folder.rmdir()
            except OSError:
                return  # not empty, or another process removed it first
            folder = folder.parent

    @contextmanager
    def _appearing(self, key: str) -> Iterator[Path]:
        """Yield a path to write to, which becomes the key when all went well."""
        path = self._path(key)
        # The name is the same at every try, so that what a killed try left is overwritten.
        part = path.with_name(path.name + PART)
        with _store_errors(key, path):
            _in_folder(path.parent, part.touch)
            try:
                yield part
                part.replace(path)
            except BaseException:
                part.unlink(missing_ok=True)
                self._remove_empty(path.parent)
                raise

    @contextmanager
    def _beside(self, path: Path) -> Iterator[Path]:
        """Yield an empty file of its own beside `path`, removed at the end."""
        part = path.with_name(f"{path.name}.{uuid4().hex}{PART}")
        with _store_errors(path.name, path):
            _in_folder(path.parent, part.touch)
        try:
            yield part
        finally:
            part.unlink(missing_ok=True)
            self._remove_empty(path.parent)


def _create_exclusively(path: Path, text: str) -> bool:
    """Create a file where the file system has no hard links; a reader may find it half-written."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    return True


def _in_folder(folder: Path, act: Callable[[], object]) -> None:
    """Make a folder and do something in it.

    Another process may remove the folder in between, because it is empty: then once more.
    """
    for tries_left in reversed(range(_TRIES)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            act()
            return
        except (FileNotFoundError, FileExistsError):  # the latter: it went as mkdir looked at it
            if not tries_left:
                raise


def _take(path: Path, part: Path) -> str | None:
    """Move a file, and return its checksum; None where it can only be copied."""
    if path.stat().st_dev != part.stat().st_dev:
        return None
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        path.replace(part)
    except OSError as error:
        # One file system that a container has mounted in two places.
        if error.errno != errno.EXDEV:
            raise
        return None
    return sha256


@contextmanager
def _store_errors(key: str, path: Path, copy: Path | None = None) -> Iterator[None]:
    """Turn what the operating system says into the store's own words.

    `copy` is where the product goes when it is fetched: that place can be full, the store cannot.
    """
    try:
        yield
    except SkymosaicError:  # said in our words already
        raise
    except FileNotFoundError:
        raise MissingError(f"{path} is not in the store; run again to make it") from None
    except OSError as error:
        if isinstance(error, PermissionError) or error.errno == errno.EROFS:
            there = Path(os.fsdecode(error.filename or path))
            ours = copy is None or not there.is_relative_to(copy.parent)
            key = "store.uri" if ours else "compute.scratch"
            raise ForbiddenError(
                f"no permission for {there}: ask its owner for it, or set {key} to a folder of "
                "your own"
            ) from None
        remedy = STORE_REMEDY if copy is None else SCRATCH_REMEDY
        full = no_space(error, key, (copy or path).parent, remedy)
        raise full or StoreError(f"{path}: {error}") from None
