"""What every store must do, as tests that run on any of them.

To test a store, subclass `StoreConformance` in a test module and give a fixture `store` that
yields a fresh, empty store for each test::

    from conformance.store import StoreConformance


    class TestMyStore(StoreConformance):
        @pytest.fixture
        def store(self, tmp_path):
            return MyStore(...)

Only the methods of `skymosaic.store.Store` are called. More fixtures may be overridden: `corrupt`,
which changes one byte of a stored key behind the store's back (as it stands it changes the file at
``store.address(key)``; a store that is no file system needs its own), and `elsewhere`, which makes
a store that cannot be reached or written.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import threading
import time
from pathlib import Path

import pytest

from skymosaic.errors import DamagedError, MissingError, StoreError
from skymosaic.store import Product, traffic

REFUSED_KEYS = [
    "",
    "/abs",
    "../x",
    "a/../b",
    "a/..",
    "..",
    ".",
    "./a",
    "a//b",
    "a/",
    ".hidden",
    "a/.hidden",
    "-option",
    "nul\0byte",
    "line\nbreak",
    "a\n",
    "back\\slash",
    "with space",
    "ünicode",
]


def sha256(content: bytes) -> str:
    """Return the hexadecimal checksum."""
    return hashlib.sha256(content).hexdigest()


class StoreConformance:
    """The suite; see the module's text for how to run it."""

    rounds = 60
    """How often neighbours come and go; fewer where each time takes long."""
    large = 170
    """MB of a large file: more than ten of any store's parts; of fewer where another tries that."""

    @pytest.fixture
    def corrupt(self, store):
        """Return a function that changes one byte of a stored key, keeping its size."""

        def corrupt(key: str) -> None:
            path = Path(store.address(key))
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 0xFF
            path.write_bytes(content)

        return corrupt

    @pytest.fixture
    def put(self, store, tmp_path):
        """Return a function that stores bytes under a key."""

        def put(content: bytes, key: str) -> Product:
            path = tmp_path / "to-be-put"
            path.write_bytes(content)
            return store.put(path, key)

        return put

    @pytest.fixture
    def get(self, store, tmp_path):
        """Return a function that fetches the bytes of a product."""

        def get(product: Product) -> bytes:
            path = tmp_path / "fetched"
            store.get(product, path)
            return path.read_bytes()

        return get

    @pytest.mark.parametrize("content", [b"", b"one", bytes(range(256)) * 9000])
    def test_put_tells_checksum_and_size_and_get_returns_the_bytes(self, put, get, content) -> None:
        product = put(content, "pristine/a_flt.fits")
        assert product == Product("pristine/a_flt.fits", sha256(content), len(content))
        assert get(product) == content

    def test_put_leaves_the_source_where_it_is(self, store, tmp_path) -> None:
        path = tmp_path / "source"
        path.write_bytes(b"kept")
        store.put(path, "a")
        assert path.read_bytes() == b"kept"

    def test_put_may_take_the_file(self, store, get, tmp_path) -> None:
        path = tmp_path / "source"
        path.write_bytes(b"given away")
        product = store.put(path, "runs/a", take=True)
        assert product == Product("runs/a", sha256(b"given away"), 10)
        assert get(product) == b"given away"

    def test_what_was_fetched_is_a_private_writable_copy(self, store, put, get, tmp_path) -> None:
        product = put(b"original", "a")
        path = tmp_path / "private"
        store.get(product, path)
        with path.open("r+b") as file:
            file.write(b"CHANGED!")
        assert get(product) == b"original"

    def test_get_replaces_what_is_at_the_path(self, store, put, tmp_path) -> None:
        product = put(b"short", "a")
        path = tmp_path / "private"
        path.write_bytes(b"something longer that was here")
        store.get(product, path)
        assert path.read_bytes() == b"short"

    def test_a_changed_byte_is_named_and_no_file_is_left(
        self, store, put, corrupt, tmp_path
    ) -> None:
        content = b"some pixels" * 100
        product = put(content, "runs/match/a.fits")
        corrupt(product.key)
        path = tmp_path / "private"
        with pytest.raises(DamagedError) as caught:
            store.get(product, path)
        assert "runs/match/a.fits" in str(caught.value)
        assert sha256(content) in str(caught.value)
        assert not path.exists()

    def test_get_of_a_missing_product_is_named_and_no_file_is_left(self, store, tmp_path) -> None:
        path = tmp_path / "private"
        with pytest.raises(MissingError, match=r"no/such_flt\.fits"):
            store.get(Product("no/such_flt.fits", sha256(b""), 0), path)
        assert not path.exists()

    def test_put_of_a_missing_file_is_refused_and_leaves_nothing(self, store, tmp_path) -> None:
        with pytest.raises(StoreError):
            store.put(tmp_path / "never-made", "runs/a")
        assert store.list("runs") == []

    def test_has(self, store, put) -> None:
        product = put(b"12345", "runs/a")
        assert store.has(product)
        assert not store.has(Product("runs/a", product.sha256, 4))
        assert not store.has(Product("runs/other", product.sha256, 5))
        assert not store.has(Product("runs/a/below-a-file", product.sha256, 5))
        store.delete("runs/a")
        assert not store.has(product)

    def test_overwriting_replaces(self, store, put, get) -> None:
        old, new = put(b"the old version", "a"), put(b"new", "a")
        assert get(new) == b"new"
        assert store.has(new)
        assert not store.has(old)
        with pytest.raises(StoreError, match=new.sha256):
            get(old)

    def test_a_reader_never_sees_a_mixture(self, store, tmp_path) -> None:
        versions = [bytes([value]) * 300_000 for value in (1, 2)]
        paths = [tmp_path / f"version{i}" for i in range(2)]
        for path, content in zip(paths, versions, strict=True):
            path.write_bytes(content)
        product = store.put(paths[0], "a")
        stop = threading.Event()

        def overwrite() -> None:
            while not stop.is_set():
                for path in reversed(paths):
                    store.put(path, "a")

        writer = threading.Thread(target=overwrite)
        writer.start()
        try:
            for _ in range(40):
                try:
                    store.get(product, tmp_path / "seen")
                    assert (tmp_path / "seen").read_bytes() == versions[0]
                except StoreError as error:
                    # Not the version asked for: then the other one, whole.
                    assert sha256(versions[1]) in str(error)
        finally:
            stop.set()
            writer.join()

    def test_move(self, store, put, get) -> None:
        put(b"old", "runs/a")
        staged = put(b"new", "staging/runs/a")
        moved = store.move(staged, "runs/a")
        assert moved == Product("runs/a", sha256(b"new"), 3)
        assert get(moved) == b"new"
        assert not store.has(staged)
        assert store.list("staging") == []

    def test_what_was_moved_is_there_without_being_read(self, store, put) -> None:
        """Servers write the ETag of a copy in several ways."""
        product = put(b"new" * 1000, "staging/runs/a")
        moved, before = store.move(product, "runs/a"), traffic.moved()
        assert store.has(moved)
        assert traffic.moved() == before

    def test_move_of_a_missing_product_is_refused_and_keeps_the_target(
        self, store, put, get
    ) -> None:
        kept = put(b"kept", "runs/a")
        with pytest.raises(StoreError):
            store.move(Product("staging/gone", sha256(b""), 0), "runs/a")
        assert get(kept) == b"kept"

    def test_json_round_trip(self, store) -> None:
        value = {"b": [1, 2.5, None, True], "a": {"text": "ä\u2192\n"}, "": []}
        store.write_json("manifests/a.json", value)
        assert store.read_json("manifests/a.json") == value
        store.write_json("manifests/a.json", [])
        assert store.read_json("manifests/a.json") == []

    def test_json_that_is_not_there_is_none(self, store) -> None:
        assert store.read_json("manifests/none.json") is None

    def test_a_value_that_json_does_not_know_leaves_the_old_document(self, store) -> None:
        store.write_json("a.json", {"old": 1})
        with pytest.raises(TypeError):
            store.write_json("a.json", {"new": object()})
        assert store.read_json("a.json") == {"old": 1}

    def test_broken_json_is_named(self, store) -> None:
        store.write_text("manifests/a.json", '{"half": ')
        with pytest.raises(StoreError, match=r"manifests/a\.json"):
            store.read_json("manifests/a.json")

    def test_text_is_stored_as_it_is_and_replaced(self, store) -> None:
        store.write_text("a.json", json.dumps("a long first version, Å"))
        store.write_text("a.json", json.dumps("Å"))
        assert store.read_json("a.json") == "Å"

    def test_delete_is_idempotent(self, store, put) -> None:
        product = put(b"x", "runs/match/a")
        other = put(b"x", "runs/match/b")
        for _ in range(2):
            store.delete("runs/match/a")
        assert not store.has(product)
        assert store.has(other)
        store.delete("never/was/there")

    def test_list_is_sorted_and_bound_to_the_folder(self, store, put) -> None:
        for key in ("runs/b", "runs/a/z", "runs/a/c", "runs2/x", "run", "other/runs/y"):
            put(b"", key)
        assert store.list("runs") == ["runs/a/c", "runs/a/z", "runs/b"]
        assert store.list("runs/a") == ["runs/a/c", "runs/a/z"]
        assert store.list("ru") == []
        assert store.list("nothing") == []

    def test_a_failed_put_leaves_nothing_to_be_seen(self, store, put, get, tmp_path) -> None:
        kept = put(b"kept", "runs/a")
        with pytest.raises(StoreError):
            store.put(tmp_path, "runs/a")  # a folder cannot be read
        assert store.list("runs") == ["runs/a"]
        assert get(kept) == b"kept"

    @pytest.mark.parametrize("key", REFUSED_KEYS)
    def test_names_from_outside_are_refused(self, store, tmp_path, key) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"x")
        product = store.put(path, "kept")
        outside = Product(key, product.sha256, product.size)
        calls = {
            "put": lambda: store.put(path, key),
            "move to": lambda: store.move(product, key),
            "move from": lambda: store.move(outside, "elsewhere"),
            "get": lambda: store.get(outside, tmp_path / "fetched"),
            "has": lambda: store.has(outside),
            "write_json": lambda: store.write_json(key, 1),
            "write_text": lambda: store.write_text(key, "1"),
            "read_json": lambda: store.read_json(key),
            "read_text": lambda: store.read_text(key),
            "create": lambda: store.create(key, "1"),
            "age": lambda: store.age(key),
            "open": lambda: store.open(outside),
            "remove": lambda: store.remove(key),
            "sweep": lambda: store.sweep(key),
            "delete": lambda: store.delete(key),
            "list": lambda: store.list(key),
        }
        for name, call in calls.items():
            with pytest.raises(StoreError) as caught:
                call()
            assert repr(key) in str(caught.value), name
        assert store.has(product)
        assert not (tmp_path / "fetched").exists()

    def test_neighbours_come_and_go_at_once(self, store, tmp_path) -> None:
        """Tasks in parallel publish and clean up below the same folders."""
        errors: list[BaseException] = []
        start = threading.Barrier(4)
        path = tmp_path / "file"
        path.write_bytes(b"x" * 100)

        def publish(name: str) -> None:
            try:
                start.wait()
                for _ in range(self.rounds):
                    staged = store.put(path, f"staging/runs/{name}/a")
                    moved = store.move(staged, f"runs/{name}")
                    store.write_json(f"manifests/runs/{name}.json", {})
                    store.delete(f"manifests/runs/{name}.json")
                    assert store.has(moved)
                    store.delete(moved.key)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=publish, args=(f"task{i}",)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert store.list("runs") == store.list("staging") == store.list("manifests") == []

    def test_large_files_go_in_parts(self, store, tmp_path) -> None:
        """Longer than any store's part, and no multiple of one."""
        path, back = tmp_path / "large", tmp_path / "back"
        with path.open("wb") as file:
            for block in range(self.large):
                file.write(bytes([block]) * (1 << 20))
            file.write(b"and some more")
        product = store.put(path, "runs/large")
        assert product.sha256 == sha256(path.read_bytes())
        store.get(product, back)
        assert back.read_bytes() == path.read_bytes()
        moved = store.move(product, "runs/moved")
        assert store.has(moved)
        with store.open(moved) as reader:
            reader.seek(20 * (1 << 20) - 1)
            assert reader.read(2) == bytes([19, 20])

    def test_open_reads_any_part(self, store, put) -> None:
        content = bytes(range(256)) * 1000
        with store.open(put(content, "runs/a")) as reader:
            assert reader.read(10) == content[:10]
            reader.seek(200_000)
            assert reader.read(300) == content[200_000:200_300]
            reader.seek(-5, 2)
            assert reader.read() == content[-5:]
            assert reader.read() == b""

    def test_open_verifies(self, store, put, corrupt) -> None:
        product = put(b"some pixels" * 100, "runs/a")
        corrupt(product.key)
        with pytest.raises(DamagedError, match="runs/a"):
            store.open(product)

    def test_open_of_a_missing_product_is_named(self, store) -> None:
        with pytest.raises(MissingError, match="runs/none"):
            store.open(Product("runs/none", sha256(b""), 5))

    def test_errors_are_also_those_of_python(self, store, tmp_path) -> None:
        with pytest.raises(FileNotFoundError):
            store.get(Product("no/such", sha256(b""), 0), tmp_path / "x")

    def test_create_is_done_once(self, store) -> None:
        assert store.create("locks/a", "first")
        assert not store.create("locks/a", "second")
        assert store.read_text("locks/a") == "first"
        store.delete("locks/a")
        assert store.create("locks/a", "second")
        assert store.read_text("locks/a") == "second"
        assert store.list("locks") == ["locks/a"]

    def test_create_by_many_at_once_is_done_by_one(self, store) -> None:
        start = threading.Barrier(8)
        won: list[str] = []

        def compete(name: str) -> None:
            start.wait()
            if store.create("locks/a", name):
                won.append(name)

        threads = [threading.Thread(target=compete, args=(f"thread{i}",)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        assert store.read_text("locks/a") == won[0]

    def test_read_text(self, store) -> None:
        assert store.read_text("a/b") is None
        store.write_text("a/b", "Å\n")
        assert store.read_text("a/b") == "Å\n"
        assert store.read_text("a/b/c") is None

    def test_age_grows_and_starts_again(self, store) -> None:
        assert store.age("a/b") is None
        store.write_text("a/b", "1")
        time.sleep(1.1)
        assert 1.0 <= store.age("a/b") <= 30.0  # a clock of whole seconds is good enough
        store.write_text("a/b", "2")
        assert store.age("a/b") <= 1.0
        assert store.list("a") == ["a/b"]

    def test_remove_takes_a_folder_and_nothing_else(self, store, put) -> None:
        for key in ("runs/a", "runs/b/c", "runs2/x"):
            put(b"x", key)
        assert store.remove("runs") == 2
        assert store.list("runs") == []
        assert store.list("runs2") == ["runs2/x"]
        assert store.remove("runs") == 0

    def test_sweep_leaves_what_is_whole(self, store, put) -> None:
        product = put(b"x", "runs/a")
        assert store.sweep("runs") == 0
        assert store.has(product)

    def test_it_travels_to_other_processes(self, store, put, tmp_path) -> None:
        product = put(b"x", "runs/a")
        pickled = pickle.dumps(store)
        arrived = pickle.loads(pickled)
        arrived.get(product, tmp_path / "there")
        assert (tmp_path / "there").read_bytes() == b"x"
        assert arrived.uri == store.uri
