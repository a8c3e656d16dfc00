"""What every store offers. Keys are relative POSIX paths."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from skymosaic.errors import StoreError

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


class Store(Protocol):
    """One place for products.

    Every method raises StoreError, naming the key, where the place cannot be read or written.
    """

    uri: str

    def put(self, path: Path, key: str, *, take: bool = False) -> Product:
        """Store a file: either the whole file appears under its key, or nothing.

        With `take` the file is the store's from then on, which may move it instead of copying.
        """

    def move(self, product: Product, key: str) -> Product:
        """Give a product another key, replacing what is there at once."""

    def get(self, product: Product, path: Path) -> None:
        """Fetch a product to a private, writable copy, verifying its checksum."""

    def open(self, product: Product) -> BinaryIO:
        """Open a product for reading, where it is; its content is not verified."""

    def has(self, product: Product) -> bool:
        """Tell whether the product is there with its size."""

    def write_json(self, key: str, value: Any) -> None:
        """Store a JSON document, all or nothing."""

    def read_json(self, key: str) -> Any:
        """Return a JSON document, or None where there is none."""

    def write_text(self, key: str, text: str) -> None:
        """Store a text, all or nothing."""

    def delete(self, key: str) -> None:
        """Remove a key; it need not exist."""

    def list(self, prefix: str) -> list[str]:
        """Return the keys below a folder, sorted."""

    def where(self, key: str) -> str:
        """Tell a person where the key is."""
