"""The cache of a host: what is fetched once, what is kept, what is dropped."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from skymosaic.errors import DamagedError, StoreError
from skymosaic.host import scratch
from skymosaic.store import LocalStore, Product, cache_of, cached
from skymosaic.store.cache import CachedStore


class Counting(LocalStore):
    """A store that counts what is fetched from it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.gets = 0

    def put(self, path: Path, key: str, *, take: bool = False) -> Product:
        return super().put(path, key)  # what is distant cannot be moved to

    def get(self, product: Product, path: Path) -> None:
        self.gets += 1
        super().get(product, path)


@pytest.fixture
def distant(tmp_path) -> Counting:
    return Counting(tmp_path / "distant")


@pytest.fixture
def store(distant, tmp_path) -> CachedStore:
    return CachedStore(distant, tmp_path / "scratch", None, 1000)


@pytest.fixture
def put(distant, tmp_path):
    """Put a file into the distant store, behind the cache."""

    def put(name: str, content: bytes) -> Product:
        path = tmp_path / "source"
        path.write_bytes(content)
        return distant.put(path, f"demo/{name}")

    return put


def folder_of(store: CachedStore) -> Path:
    """Return where a cache is, which is made when it is first asked for."""
    assert store.shared_by and store.scratch is not None
    [folder] = [path for path in store.scratch.iterdir() if "cache" in path.name]
    return folder


def entries(store: CachedStore) -> set[str]:
    return {path.name for path in folder_of(store).iterdir() if len(path.name) == 64}


def test_a_product_is_fetched_once(store, distant, put, tmp_path) -> None:
    product = put("a", b"pixels")
    for name in ("one", "two", "three"):
        store.get(product, tmp_path / name)
        assert (tmp_path / name).read_bytes() == b"pixels"
    assert distant.gets == 1


def test_copies_are_writable_and_the_kept_one_is_not(store, put, tmp_path) -> None:
    product = put("a", b"pixels")
    store.get(product, tmp_path / "one")
    (tmp_path / "one").write_bytes(b"CHANGED")
    assert (folder_of(store) / product.sha256).stat().st_mode & 0o777 == 0o444
    store.get(product, tmp_path / "two")
    assert (tmp_path / "two").read_bytes() == b"pixels"


def test_what_a_task_made_need_not_be_fetched(store, distant, tmp_path) -> None:
    path = tmp_path / "scratch" / "made"
    path.parent.mkdir()
    path.write_bytes(b"mosaic")
    product = store.put(path, "demo/made", take=True)
    assert distant.has(product)
    moved = store.move(product, "demo/moved")
    store.get(moved, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"mosaic"
    assert distant.gets == 0


def test_a_file_that_was_only_lent_stays(store, tmp_path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"text")
    store.put(path, "demo/log")
    assert path.read_bytes() == b"text"
    assert entries(store) == set()


def test_the_longest_unused_goes_first(store, put, tmp_path) -> None:
    products = [put(name, name.encode() * 400) for name in "abc"]
    for age, product in enumerate(products[:2]):
        store.get(product, tmp_path / "copy")
        entry = folder_of(store) / product.sha256
        os.utime(entry, (1000 + age, 1000 + age))
    store.get(products[0], tmp_path / "copy")  # used again: now b is the oldest
    store.get(products[2], tmp_path / "copy")
    assert entries(store) == {products[0].sha256, products[2].sha256}


def test_what_does_not_fit_is_fetched_and_not_kept(store, distant, put, tmp_path) -> None:
    product = put("big", b"x" * 1001)
    for _ in range(2):
        store.get(product, tmp_path / "copy")
    assert (tmp_path / "copy").stat().st_size == 1001
    assert distant.gets == 2
    assert entries(store) == set()


def test_damage_in_the_cache_is_found_and_fetched_anew(store, distant, put, tmp_path) -> None:
    product = put("a", b"pixels")
    store.get(product, tmp_path / "copy")
    entry = folder_of(store) / product.sha256
    entry.chmod(0o644)
    entry.write_bytes(b"PIXELS")
    for _ in range(2):  # what the store has is good: nobody else need know
        store.get(product, tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == b"pixels"
    assert distant.has(product)


def test_what_a_killed_process_was_fetching_makes_room(store, put, tmp_path) -> None:
    left = folder_of(store) / ("1" * 64 + ".part")
    left.write_bytes(b"x" * 900)
    store.get(put("a", b"y" * 500), tmp_path / "copy")
    assert not left.exists()
    assert len(entries(store)) == 1


def test_an_entry_may_go_while_it_is_copied(store, distant, put, tmp_path) -> None:
    product = put("a", b"pixels")
    store.get(product, tmp_path / "copy")
    with store.open(product) as reader:
        (folder_of(store) / product.sha256).unlink()
        assert reader.read() == b"pixels"


def test_a_cache_that_cannot_be_made_is_named(distant, put, tmp_path) -> None:
    (tmp_path / "file").touch()
    broken = CachedStore(distant, None, tmp_path / "file" / "cache", 1000)
    with pytest.raises(StoreError, match=r"set compute\.cache"):
        broken.get(put("a", b"pixels"), tmp_path / "copy")
    assert cache_of(broken) == ""


def test_damage_in_the_store_is_not_kept(store, put, tmp_path) -> None:
    product = put("a", b"pixels")
    Path(store.address(product.key)).write_bytes(b"PIXELS")
    with pytest.raises(DamagedError):
        store.get(product, tmp_path / "copy")
    assert entries(store) == set()
    assert not list(folder_of(store).glob("*.part"))


def test_open_reads_the_kept_one_or_else_the_store(store, put, tmp_path) -> None:
    product = put("a", b"pixels")
    with store.open(product) as file:
        assert file.read() == b"pixels"
    store.get(product, tmp_path / "copy")
    Path(store.address(product.key)).unlink()
    with store.open(product) as file:
        assert file.read() == b"pixels"


def _fetch(store: CachedStore, product: Product, target: Path, word) -> None:
    store.get(product, target)
    word.put((store.shared_by, folder_of(store)))


def test_processes_share_it_and_the_last_one_takes_it_away(store, put, tmp_path) -> None:
    product = put("a", b"pixels")
    context = multiprocessing.get_context("spawn")
    words = context.Queue()
    targets = [tmp_path / f"copy{i}" for i in range(3)]
    processes = [
        context.Process(target=_fetch, args=(store, product, target, words)) for target in targets
    ]
    for process in processes:
        process.start()
    reports = {words.get(timeout=60) for _ in processes}
    for process in processes:
        process.join()
    assert len(reports) == 1
    [(_, folder)] = reports
    assert all(target.read_bytes() == b"pixels" for target in targets)
    scratch.sweep_now(store.scratch)
    assert not folder.exists()


def test_a_cache_in_use_is_not_swept(store, put, tmp_path) -> None:
    store.get(put("a", b"pixels"), tmp_path / "copy")
    scratch.sweep_now(store.scratch)
    assert len(entries(store)) == 1


def test_a_named_folder_is_kept(distant, put, tmp_path) -> None:
    kept = CachedStore(distant, None, tmp_path / "kept", 1000)
    kept.get(put("a", b"pixels"), tmp_path / "copy")
    again = CachedStore(distant, tmp_path / "other", tmp_path / "kept", 1000)
    again.get(put("a", b"pixels"), tmp_path / "copy")
    assert distant.gets == 1
    assert cache_of(kept) == cache_of(again) != ""


def test_a_folder_as_store_needs_none(distant, tmp_path) -> None:
    assert cached(distant, None, None, 1000) is distant
    assert cache_of(distant) == ""
