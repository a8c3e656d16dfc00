"""What the work of one step gets: folders, its inputs, and a voice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from skymosaic.errors import DamagedError
from skymosaic.steps import progress
from skymosaic.steps.place import Place
from skymosaic.store import Product


class Bench:
    """What the work of a step gets: a scratch folder, a folder for products, and its inputs."""

    def __init__(
        self, place: Place, root: Path, tasks: Sequence[progress.RunningTask] = (), key: str = ""
    ) -> None:
        self.key = key
        """Of the step; empty where none is made."""
        self.scratch = root / "work"
        self.out = root / "out"
        self.peak_memory = 0
        self.fetched: dict[str, int] = {}
        """Bytes of what was fetched, by SHA-256."""
        self._place, self._tasks = place, tasks
        self.scratch.mkdir()
        self.out.mkdir()

    def doing(self, detail: str) -> None:
        """Tell what the step is doing now."""
        for task in self._tasks:
            task.doing(detail)

    def fetch(self, product: Product) -> Path:
        """Fetch a private, writable copy into the scratch folder, verifying its checksum.

        Raises
        ------
        DamagedError
            The product is not what it was. It was put aside, and has to be made anew.
        """
        path = self.scratch / product.name
        with self._put_aside_if_damaged(product):
            self._place.store.get(product, path)
        return path

    def open(self, product: Product) -> BinaryIO:
        """Open a product for reading only, its checksum verified; errors as for `fetch`."""
        with self._put_aside_if_damaged(product):
            return self._place.store.open(product)

    @contextmanager
    def _put_aside_if_damaged(self, product: Product) -> Iterator[None]:
        try:
            yield
        except DamagedError:
            self._place.put_aside(product)
            raise
        self.fetched[product.sha256] = product.size
