"""What every store offers. Keys are relative POSIX paths."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from skymosaic.errors import DamagedError, StoreError

PART = ".part"
"""How the names of files end that are not whole yet."""
LONGEST_TEXT = 1 << 30
"""Bytes of the longest text that is read: records of thousands of exposures have a tenth of it."""
_SAFE_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")


@dataclass(frozen=True)
class Product:
    """A stored file, as tasks tell each other of it."""

    key: str
    """Path in the store."""
    sha256: str
    """Checksum, hexadecimal."""
    size: int
    """Bytes."""
    etag: str = field(default="", compare=False)
    """What an S3 server calls the content, in the store that the product was made in."""

    @property
    def name(self) -> str:
        """The file name."""
        return self.key.rsplit("/", 1)[-1]


def checked_key(key: str) -> str:
    """Return `key` if it is safe as a path below the store's root.

    Raises
    ------
    StoreError
        It is absolute, leaves the root, or has unusual characters.
    """
    if not all(_SAFE_PART.fullmatch(part) for part in key.split("/")):
        raise StoreError(f"refused the name {key!r}: letters, digits and . _ + - only, no ..")
    return key


def is_ours(key: str) -> bool:
    """Whether a key that a store lists can be one of this project's.

    Others may lie there, too, with names that `checked_key` refuses: they are left alone.
    """
    return all(_SAFE_PART.fullmatch(part) for part in key.split("/"))


def decoded(content: bytes, address: str) -> str:
    """Return a text as it was stored.

    Raises
    ------
    DamagedError
        It is no UTF-8, or longer than any text of this project.
    """
    if len(content) > LONGEST_TEXT:
        raise DamagedError(f"{address} is too long to be a file of skymosaic; delete it")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DamagedError(
            f"{address} is not text ({error.reason}); delete it and run again"
        ) from None


def require_unchanged(product: Product, sha256: str, address: str) -> None:
    """Refuse a product whose content is not what its record says.

    Raises
    ------
    DamagedError
        The checksums differ.
    """
    if sha256 != product.sha256:
        raise DamagedError(
            f"{address} changed in the store: its SHA-256 is {sha256}, its manifest says "
            f"{product.sha256}; `skymosaic run` makes it again"
        )


class Store(ABC):
    """One place for products.

    A store can be sent to other processes; it carries no connection and no credentials. Every
    method raises StoreError, naming the key, where the place cannot be read or written:
    MissingError, ForbiddenError and UnreachableError tell apart what callers may want to.
    """

    uri: str

    @abstractmethod
    def put(self, path: Path, key: str, *, take: bool = False) -> Product:
        """Store a file: either the whole file appears under its key, or nothing.

        With `take` the file is the store's from then on, which may move it instead of copying.
        """

    @abstractmethod
    def move(self, product: Product, key: str) -> Product:
        """Give a product another key, replacing what is there at once."""

    @abstractmethod
    def get(self, product: Product, path: Path) -> None:
        """Fetch a product to a private, writable copy, verifying its checksum.

        Raises
        ------
        DamagedError
            The checksum is another; no file is left.
        """

    @abstractmethod
    def open(self, product: Product) -> BinaryIO:
        """Open a product for reading, its checksum verified; errors as for `get`."""

    @abstractmethod
    def sha256_of(self, key: str) -> str:
        """Return the SHA-256 of what lies at a key, every byte of it read.

        Raises
        ------
        MissingError
            There is nothing.
        """

    @abstractmethod
    def has(self, product: Product) -> bool:
        """Tell whether the product is there with its size; its content is not read.

        Where the store tells another ETag than when the product was made, it is read after all: a
        copy of a store may have others for the same content.
        """

    @abstractmethod
    def write_text(self, key: str, text: str) -> None:
        """Store a text, all or nothing."""

    @abstractmethod
    def create(self, key: str, text: str) -> bool:
        """Store a text where there is nothing yet; tell whether it was us who did."""

    @abstractmethod
    def read_text(self, key: str) -> str | None:
        """Return a text, or None where there is none.

        Raises
        ------
        DamagedError
            It is no text, or too long for one.
        """

    @abstractmethod
    def age(self, key: str) -> float | None:
        """Return the time since a key was written, s, by the store's own clock; None: not there."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove a key; it need not exist."""

    @abstractmethod
    def list(self, prefix: str) -> list[str]:
        """Return the keys below a folder, sorted."""

    @abstractmethod
    def sweep(self, prefix: str) -> int:
        """Remove what puts that never ended left below a folder; return how much."""

    @abstractmethod
    def address(self, key: str) -> str:
        """Tell a person where the key is."""

    def hurried(self, patience: float) -> Store:
        """Return the same store, that waits no longer than `patience` (s) for a server."""
        return self

    def write_json(self, key: str, value: Any) -> None:
        """Store a JSON document, all or nothing."""
        self.write_text(key, as_json(value))

    def read_json(self, key: str) -> Any:
        """Return a JSON document, or None where there is none.

        Raises
        ------
        DamagedError
            It is not JSON, null, or nested too deeply.
        """
        text = self.read_text(key)
        if text is None:
            return None
        address = self.address(key)
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DamagedError(
                f"{address} is not JSON ({error}); delete it and run again"
            ) from None
        if document is None:  # it is there, and would pass for one that is not
            raise DamagedError(f"{address} holds null, not a document; delete it and run again")
        return document

    def remove(self, prefix: str) -> int:
        """Remove every key of this project below a folder; return how many."""
        keys = [key for key in self.list(prefix) if is_ours(key)]
        for key in keys:
            self.delete(key)
        return len(keys)


def as_json(value: Any) -> str:
    """Return a JSON document as stores hold it."""
    return json.dumps(value, indent=1, sort_keys=True) + "\n"
