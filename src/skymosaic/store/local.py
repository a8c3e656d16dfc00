"""A folder as store."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from skymosaic.errors import StoreError
from skymosaic.store.base import Product, checked_key

_BLOCK = 1 << 20
_PART = ".part"
_TRIES = 100


class LocalStore:
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
            if take and path.stat().st_dev == part.stat().st_dev:
                with path.open("rb") as file:
                    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                path.replace(part)
            else:
                sha256 = _copy(path, part)
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
                sha256 = _copy(source, path)
            if sha256 != product.sha256:
                raise StoreError(
                    f"{source} changed in the store: its SHA-256 is {sha256}, its manifest says "
                    f"{product.sha256}; delete the file and run again, and it is made anew"
                )
        except StoreError:
            path.unlink(missing_ok=True)
            raise

    def open(self, product: Product) -> BinaryIO:
        """Open a product for reading, where it is; its content is not verified."""
        path = self._path(product.key)
        with _store_errors(product.key, path):
            return path.open("rb")

    def has(self, product: Product) -> bool:
        """Tell whether the product is there with its size."""
        path = self._path(product.key)
        with _store_errors(product.key, path):
            try:
                return path.stat().st_size == product.size
            except (FileNotFoundError, NotADirectoryError):
                return False

    def write_json(self, key: str, value: Any) -> None:
        """Store a JSON document, all or nothing."""
        self.write_text(key, json.dumps(value, indent=1, sort_keys=True) + "\n")

    def read_json(self, key: str) -> Any:
        """Return a JSON document, or None where there is none."""
        path = self._path(key)
        if not path.exists():
            return None
        try:
            with _store_errors(key, path):
                return json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise StoreError(f"{path} is not JSON ({error}); delete it and run again") from None

    def write_text(self, key: str, text: str) -> None:
        """Store a text, all or nothing."""
        with self._appearing(key) as part, part.open("w", encoding="utf-8") as file:
            file.write(text)

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
            if path.is_file() and path.suffix != _PART
        )

    def where(self, key: str) -> str:
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
        part = path.with_name(path.name + _PART)
        with _store_errors(key, path):
            _in_folder(path.parent, part.touch)
            try:
                yield part
                part.replace(path)
            except BaseException:
                part.unlink(missing_ok=True)
                self._remove_empty(path.parent)
                raise


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


def _copy(source: Path, target: Path) -> str:
    """Copy a file and return the SHA-256 of what was read."""
    digest = hashlib.sha256()
    with source.open("rb") as reader, target.open("wb") as writer:
        while block := reader.read(_BLOCK):
            digest.update(block)
            writer.write(block)
    return digest.hexdigest()


@contextmanager
def _store_errors(key: str, path: Path, copy: Path | None = None) -> Iterator[None]:
    """Turn what the operating system says into the store's own words.

    `copy` is where the product goes when it is fetched: that place can be full, the store cannot.
    """
    try:
        yield
    except FileNotFoundError:
        raise StoreError(f"{path} is not in the store; run again, and it is made anew") from None
    except PermissionError as error:
        raise StoreError(f"no permission for {error.filename or path}") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            folder = (copy or path).parent
            free = shutil.disk_usage(folder if folder.exists() else "/").free
            remedy = (
                "set compute.scratch to a folder with more"
                if copy
                else "choose another place with --store"
            )
            raise StoreError(
                f"no space left for {key} in {folder} ({free / 1e6:.0f} MB free); free some, "
                f"or {remedy}"
            ) from None
        raise StoreError(f"{path}: {error}") from None
