"""The local store: what every store does, and what a folder can do to it."""

from __future__ import annotations

import errno
import subprocess
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.conformance.store")

from skymosaic.errors import ForbiddenError, StoreError  # noqa: E402
from skymosaic.store import Product, Store, open_store  # noqa: E402
from skymosaic.store.local import LocalStore  # noqa: E402
from tests import small_disk as disks  # noqa: E402
from tests.conformance.store import StoreConformance, sha256  # noqa: E402


@pytest.fixture
def store(tmp_path) -> LocalStore:
    return LocalStore(tmp_path / "store")


class TestLocalStore(StoreConformance):
    @pytest.fixture
    def store(self, tmp_path) -> Store:
        return LocalStore(tmp_path / "store")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 kB."""
    with disks.small_disk(tmp_path / "small", "256k") as folder:
        yield folder


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_full_disk_is_named_and_keeps_the_old_product(small_disk, tmp_path) -> None:
    store = LocalStore(small_disk / "store")
    small, large = tmp_path / "a", tmp_path / "b"
    small.write_bytes(b"x" * 1000)
    large.write_bytes(b"x" * 1_000_000)
    kept = store.put(small, "runs/a.fits")
    with pytest.raises(StoreError, match="no space left") as caught:
        store.put(large, "runs/a.fits")
    assert "runs/a.fits" in str(caught.value)
    assert "--store" in str(caught.value)
    assert store.has(kept)
    assert files(small_disk) == ["a.fits"]


def test_a_full_disk_keeps_the_old_text(small_disk) -> None:
    store = LocalStore(small_disk / "store")
    store.write_json("a.json", ["old"])
    with pytest.raises(StoreError, match="no space left"):
        store.write_text("a.json", "x" * 1_000_000)
    assert store.read_json("a.json") == ["old"]
    assert files(small_disk) == ["a.json"]


def test_a_full_scratch_folder_is_not_blamed_on_the_store(small_disk, store, tmp_path) -> None:
    large = tmp_path / "large"
    large.write_bytes(b"x" * 1_000_000)
    product = store.put(large, "runs/a.fits")
    with pytest.raises(StoreError, match="no space left") as caught:
        store.get(product, small_disk / "a.fits")
    assert str(small_disk) in str(caught.value)
    assert "--store" not in str(caught.value)
    assert files(small_disk) == []


def test_a_file_system_that_is_mounted_read_only_is_read(small_disk) -> None:
    store = LocalStore(small_disk / "store")
    store.write_text("locks/campaign/000001.json", "{}")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    age = store.age("locks/campaign/000001.json")
    assert age is not None
    assert 0 <= age < 60
    with pytest.raises(ForbiddenError, match=r"no permission for .*/store/.*: ask its owner"):
        store.write_text("a.json", "new")


def test_a_folder_that_may_not_be_written_is_named(tmp_path) -> None:
    folder = tmp_path / "forbidden"
    folder.mkdir(mode=0o500)
    probe = folder / "probe"
    try:
        probe.touch()
    except PermissionError:
        pass
    else:
        probe.unlink()
        pytest.skip("test of a read-only folder: this user (root) may write anywhere")
    path = tmp_path / "file"
    path.write_bytes(b"x")
    with pytest.raises(StoreError, match="forbidden"):
        LocalStore(folder / "store").put(path, "a")


def test_a_reader_that_opened_the_old_file_still_sees_it(store, tmp_path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    store.put(path, "a")
    with Path(store.address("a")).open("rb") as reader:
        path.write_bytes(b"new and longer")
        new = store.put(path, "a")
        assert reader.read() == b"old"
    assert store.has(new)


def test_what_a_killed_put_left_is_no_product_and_is_overwritten(store, tmp_path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"whole")
    killed = tmp_path / "store" / "runs" / "a.part"
    killed.parent.mkdir(parents=True)
    killed.write_bytes(b"a half, longer than the whole")
    product = store.put(path, "runs/a")
    assert product == Product("runs/a", sha256(b"whole"), 5)
    assert files(tmp_path / "store") == ["a"]


def test_a_file_where_a_folder_is_needed_is_named(store, tmp_path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    store.put(path, "a")
    with pytest.raises(StoreError, match="a/b"):
        store.put(path, "a/b")


def test_empty_folders_go_and_the_root_stays(store, tmp_path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    store.put(path, "staging/runs/match/a")
    store.delete("staging/runs/match/a")
    assert list((tmp_path / "store").iterdir()) == []


def test_nothing_is_made_before_the_first_product(tmp_path) -> None:
    store = LocalStore(tmp_path / "store")
    assert store.list("runs") == []
    assert store.read_json("a.json") is None
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("prefix", ["", "file:", "file://"])
def test_open_store_takes_a_folder(tmp_path, prefix) -> None:
    assert open_store(f"{prefix}{tmp_path}").uri == str(tmp_path.resolve())


def test_where_is_the_path(store, tmp_path) -> None:
    assert store.address("runs/a") == str((tmp_path / "store" / "runs" / "a").resolve())


def test_what_cannot_be_moved_is_copied(tmp_path, monkeypatch) -> None:
    # Two mounts of one file system, as containers have them, look like one place.
    (tmp_path / "a.fits").write_bytes(b"pixels")
    replace = Path.replace

    def from_another_mount(self: Path, target: Path) -> Path:
        if self.name == "a.fits":
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", from_another_mount)
    store = LocalStore(tmp_path / "store")
    product = store.put(tmp_path / "a.fits", "runs/a.fits", take=True)
    with store.open(product) as stored:
        assert stored.read() == b"pixels"
