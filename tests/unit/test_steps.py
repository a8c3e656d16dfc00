"""A step: when it runs, what it leaves, and what it leaves alone."""

from __future__ import annotations

import errno
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from skymosaic.errors import DamagedError, DrizzleError, StoreError
from skymosaic.steps import progress
from skymosaic.steps.failures import as_record
from skymosaic.steps.manifests import NotFinishedError, finished
from skymosaic.steps.step import Bench, Place, run_step
from skymosaic.steps.tasks import Task
from skymosaic.store import Product, traffic
from skymosaic.store.local import LocalStore
from tests.unit.small_store import plain

STEP = "runs/match"
MANIFEST = "demo/manifests/runs/match.json"


class Work:
    """Work that writes the files it was given, and counts how often it ran."""

    def __init__(self, files: dict[str, bytes] | None = None) -> None:
        self.files = {"a.fits": b"A", "b.fits": b"BB"} if files is None else files
        self.runs = 0
        self.folder: Path | None = None

    def __call__(self, bench: Bench) -> dict[str, object]:
        self.runs += 1
        self.folder = bench.out.parent
        for name, content in self.files.items():
            (bench.out / name).write_bytes(content)
        (bench.scratch / "temporary").write_bytes(b"not a product")
        bench.peak_memory = 123
        return {"run": self.runs}


class FailingStore(LocalStore):
    """A store that fails from the n-th file on."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.puts_left: float = float("inf")

    def put(self, path: Path, key: str, *, take: bool = False) -> Product:
        self.puts_left -= 1
        if self.puts_left < 0:
            raise StoreError(f"no space left for {key}")
        return super().put(path, key, take=take)


@pytest.fixture
def place(tmp_path) -> Place:
    return Place(FailingStore(tmp_path / "store"), "demo", tmp_path / "scratch")


@pytest.fixture
def step(place):
    """Run the step with some of its arguments changed."""

    def step(work, at: Place = place, **changes):
        arguments = {
            "inputs": {"x": Product("aligned/x", "1" * 64, 1)},
            "parameters": {"method": "match", "bits": [64, 512]},
            "versions": {"drizzlepac": "3.11.0"},
        }
        return run_step(at, plain(STEP), work=work, **{**arguments, **changes})

    return step


def stored(place: Place) -> dict[str, bytes]:
    """Return everything in the store but locks, by key."""
    root = Path(place.store.uri)
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "/locks/" not in str(path)
    }


def products(place: Place) -> dict[str, bytes]:
    """Return everything in the store but locks and the records of failures."""
    return {key: value for key, value in stored(place).items() if "/failed/" not in key}


def scratch_is_empty(place: Place) -> bool:
    return list(place.scratch.iterdir()) == []


def test_a_step_stores_its_products_and_a_manifest(place, step) -> None:
    done = step(Work())
    assert not done.reused
    assert done.result == {"run": 1}
    assert done.peak_memory == 123
    assert done.products == {
        "a.fits": Product("demo/runs/match/a.fits", hashlib.sha256(b"A").hexdigest(), 1),
        "b.fits": Product("demo/runs/match/b.fits", hashlib.sha256(b"BB").hexdigest(), 2),
    }
    assert list(stored(place)) == [MANIFEST, "demo/runs/match/a.fits", "demo/runs/match/b.fits"]
    manifest = json.loads(stored(place)[MANIFEST])
    assert manifest["inputs"] == {"x": "1" * 64}
    assert manifest["parameters"] == {"method": "match", "bits": [64, 512]}
    assert manifest["versions"] == {"drizzlepac": "3.11.0"}
    assert manifest["key"] == done.key
    assert manifest["products"]["b.fits"]["size"] == 2
    assert manifest["seconds"] >= 0
    assert manifest["peak_memory"] == 123
    assert scratch_is_empty(place)


def test_a_second_call_does_not_run(place, step) -> None:
    work = Work()
    first, second = step(work), step(work)
    assert work.runs == 1
    assert second == replace(first, reused=True)
    assert finished(place, plain(STEP)) == second


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": {"x": Product("aligned/x", "2" * 64, 1)}},
        {"inputs": {"y": Product("aligned/x", "1" * 64, 1)}},
        {"inputs": {}},
        {"parameters": {"method": "match", "bits": [512, 64]}},
        {"parameters": {"method": "match"}},
        {"versions": {"drizzlepac": "3.11.1"}},
        {"versions": {"drizzlepac": "3.11.0", "numpy": "2"}},
    ],
)
def test_a_change_of_what_the_result_depends_on_runs_it_again(step, changes) -> None:
    work = Work()
    before, after = step(work), step(work, **changes)
    assert work.runs == 2
    assert before.key != after.key


@pytest.mark.parametrize(
    "same",
    [
        {"inputs": {"x": Product("elsewhere/x", "1" * 64, 1)}},
        {"parameters": {"bits": (64, 512), "method": "match"}},
    ],
)
def test_what_the_result_does_not_depend_on_runs_nothing(step, same) -> None:
    work = Work()
    step(work)
    assert step(work, **same).reused
    assert work.runs == 1


def test_the_order_of_inputs_does_not_matter(step) -> None:
    one, two = Product("a/one", "1" * 64, 1), Product("a/two", "2" * 64, 1)
    work = Work()
    step(work, inputs={"one": one, "two": two})
    step(work, inputs={"two": two, "one": one})
    assert work.runs == 1


def test_a_missing_product_runs_it_again(place, step) -> None:
    work = Work()
    first = step(work)
    path = Path(place.store.address("demo/runs/match/b.fits"))
    path.unlink()
    assert finished(place, plain(STEP)) is None
    again = step(work)
    assert work.runs == 2
    assert again.products == first.products
    assert path.read_bytes() == b"BB"


def test_a_product_that_was_cut_is_named_put_aside_and_made_anew(place, step) -> None:
    work = Work()
    first = step(work)
    path = Path(place.store.address("demo/runs/match/b.fits"))
    path.write_bytes(b"B")
    with pytest.raises(DamagedError, match=f"{path} changed in the store"):
        step(work)
    assert work.runs == 1
    assert [p.read_bytes() for p in path.parents[2].glob("damaged/*/b.fits")] == [b"B"]
    assert step(work).products == first.products
    assert path.read_bytes() == b"BB"


def test_failing_work_leaves_the_store_as_it_was_but_for_the_logs(place, step) -> None:
    step(Work())
    before = stored(place)

    def work(bench: Bench) -> dict[str, object]:
        (bench.out / "a.fits").write_bytes(b"half")
        (bench.out / "drizzle.log").write_text("why it failed")
        raise DrizzleError("failed")

    with pytest.raises(DrizzleError, match="failed"):
        step(work, parameters={"changed": True})
    after = stored(place)
    failed = json.loads(after.pop("demo/failed/runs/match.json"))
    assert after == {**before, "demo/failed/runs/match/drizzle.log": b"why it failed"}
    assert failed["error"] == {
        "class": "DrizzleError",
        "message": "failed",
        "exit_code": 6,
        "passes_by_itself": False,
    }
    assert failed["parameters"] == {"changed": True}
    assert failed["inputs"] == {"x": "1" * 64}
    assert {"host", "started", "seconds", "moved", "peak_memory", "versions"} <= set(failed)
    assert scratch_is_empty(place)
    assert step(Work()).reused


def test_a_success_removes_the_logs_of_failures(place, step) -> None:
    def work(bench: Bench) -> dict[str, object]:
        (bench.out / "drizzle.log").write_text("why it failed")
        raise DrizzleError("failed")

    with pytest.raises(DrizzleError):
        step(work)
    assert sorted(stored(place)) == [
        "demo/failed/runs/match.json",
        "demo/failed/runs/match/drizzle.log",
    ]
    step(Work())
    assert not any("failed" in key for key in stored(place))


def test_a_store_that_refuses_the_log_does_not_hide_the_error(place, step, caplog) -> None:
    def work(bench: Bench) -> dict[str, object]:
        (bench.out / "drizzle.log").write_text("why it failed")
        place.store.puts_left = 0
        raise DrizzleError("the true reason")

    with pytest.raises(DrizzleError, match="the true reason"):
        step(work)
    assert "could not keep drizzle.log" in caplog.text


def test_an_unexpected_exception_leaves_its_record_only(place, step) -> None:
    def work(bench: Bench) -> dict[str, object]:
        (bench.out / "a.fits").write_bytes(b"half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        step(work)
    assert list(stored(place)) == ["demo/failed/runs/match.json"]
    assert scratch_is_empty(place)


@pytest.mark.parametrize("stored_before_it_fails", [0, 1, 2])
def test_a_put_that_fails_leaves_no_new_product_and_no_manifest(
    place, step, stored_before_it_fails
) -> None:
    place.store.puts_left = stored_before_it_fails
    work = Work({"a": b"1", "b": b"2", "c": b"3"})
    with pytest.raises(StoreError, match="no space left"):
        step(work)
    assert finished(place, plain(STEP)) is None
    assert products(place) == {}
    assert scratch_is_empty(place)


@pytest.mark.parametrize("stored_before_it_fails", [0, 1, 2])
def test_a_put_that_fails_keeps_the_version_before(place, step, stored_before_it_fails) -> None:
    step(Work({"a": b"1", "b": b"2", "c": b"3"}))
    before = stored(place)
    place.store.puts_left = stored_before_it_fails
    with pytest.raises(StoreError):
        step(Work({"a": b"9", "b": b"9", "c": b"9"}), parameters={"changed": True})
    assert products(place) == before
    unused = Work()
    assert step(unused).reused
    assert unused.runs == 0


def test_the_manifest_is_written_last(place, step, monkeypatch) -> None:
    seen: list[tuple[str, list[str]]] = []
    create = place.store.create

    def spy(key: str, text: str) -> bool:
        seen.append((key, list(stored(place))))
        return create(key, text)

    monkeypatch.setattr(place.store, "create", spy)
    step(Work())
    assert seen[1:] == [(MANIFEST, ["demo/runs/match/a.fits", "demo/runs/match/b.fits"])]


def test_without_its_manifest_a_step_has_not_finished(place, step, monkeypatch) -> None:
    step(Work())

    create = place.store.create

    def fail(key: str, text: str) -> bool:
        if key == MANIFEST:
            raise StoreError("no space left for the manifest")
        return create(key, text)

    with monkeypatch.context() as patch, pytest.raises(StoreError):
        patch.setattr(place.store, "create", fail)
        step(Work({"a.fits": b"9", "b.fits": b"99"}), parameters={"changed": True})
    # The products are new: the old manifest must not vouch for them.
    assert finished(place, plain(STEP)) is None
    work = Work()
    step(work)
    assert work.runs == 1


def test_products_that_a_new_version_no_longer_has_are_removed(place, step) -> None:
    step(Work({"old_name.fits": b"1", "same.fits": b"2"}))
    step(Work({"new_name.fits": b"1", "same.fits": b"3"}), parameters={"changed": True})
    kept = {key: value for key, value in products(place).items() if key != MANIFEST}
    assert kept == {"demo/runs/match/new_name.fits": b"1", "demo/runs/match/same.fits": b"3"}


def test_another_steps_products_in_a_shared_folder_stay(place) -> None:
    def retrieve(name: str, **products: bytes) -> None:
        run_step(
            place,
            plain(f"pristine/{name}", "pristine"),
            inputs={},
            parameters={"size": len(products)},
            versions={},
            work=Work(products),
        )

    retrieve("one", a=b"1")
    retrieve("other", b=b"2")
    retrieve("one", a=b"3", c=b"4")
    assert [key for key in stored(place) if "manifests" not in key] == [
        "demo/pristine/a",
        "demo/pristine/b",
        "demo/pristine/c",
    ]


def test_what_an_interrupted_step_left_in_its_folder_goes(place, step) -> None:
    (place.store.root / "demo" / "runs" / "match").mkdir(parents=True)
    (place.store.root / "demo" / "runs" / "match" / "old.fits").write_bytes(b"half")
    step(Work({"a": b"1"}))
    assert "demo/runs/match/old.fits" not in stored(place)


def test_where_only_finished_steps_are_asked_for_nothing_runs(place, step) -> None:
    work = Work()
    with pytest.raises(NotFinishedError, match=STEP):
        step(work, at=place.only_finished())
    assert work.runs == 0
    step(work)
    assert step(work, at=place.only_finished()).reused
    with pytest.raises(NotFinishedError):
        step(work, at=place.only_finished(), parameters={"changed": True})
    assert work.runs == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_scratch_folder_is_a_store_error_with_the_remedy(place, step, number) -> None:
    def work(bench: Bench) -> dict[str, object]:
        raise OSError(number, "full", str(bench.scratch / "big.fits"))

    with pytest.raises(StoreError, match=r"no space left for big\.fits in .*scratch") as caught:
        step(work)
    assert "big.fits" in str(caught.value)
    assert "compute.scratch" in str(caught.value)
    assert scratch_is_empty(place)


def test_a_scratch_folder_that_cannot_be_made_is_a_store_error(place, step, tmp_path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="scratch"):
        step(Work(), at=replace(place, scratch=tmp_path / "file" / "scratch"))


def test_work_has_its_own_folder_which_is_gone_afterwards(place, step) -> None:
    work = Work()
    step(work)
    assert work.folder is not None
    assert work.folder.parent == place.scratch
    assert "runs-match" in work.folder.name
    assert not work.folder.exists()


def test_inputs_are_fetched_with_their_checksum_verified(place, step, tmp_path) -> None:
    path = tmp_path / "x_flt.fits"
    path.write_bytes(b"pixels")
    product = place.store.put(path, "demo/aligned/x_flt.fits")

    def work(bench: Bench) -> dict[str, object]:
        copy = bench.fetch(product)
        assert copy.name == "x_flt.fits"
        assert copy.parent == bench.scratch
        return {"content": copy.read_text()}

    assert step(work, inputs={"x": product}).result == {"content": "pixels"}
    Path(place.store.address(product.key)).write_bytes(b"PIXELS")
    with pytest.raises(DamagedError, match=r"aligned/x_flt\.fits changed"):
        step(work, inputs={"x": product}, parameters={})
    # It is out of the way, so that the step that made it runs again; nobody's file is lost.
    assert not place.store.has(product)
    assert [v for k, v in stored(place).items() if k.startswith("demo/damaged/")] == [b"PIXELS"]


def test_what_a_step_moved_is_counted(place, step, tmp_path) -> None:
    path = tmp_path / "x_flt.fits"
    path.write_bytes(b"pixels")
    product = place.store.put(path, "demo/aligned/x_flt.fits")

    def work(bench: Bench) -> dict[str, object]:
        bench.fetch(product)
        return {}

    done = step(work, inputs={"x": product})
    assert done.fetched == {product.sha256: 6}
    assert done.moved.down in (0, 6)  # nothing, where the copy shares the original's blocks


def test_two_workers_on_one_step_publish_it_once(place, step) -> None:
    """A worker that was given up for lost may end its work after another has done it."""
    inner = Work({"a.fits": b"second"})

    def slow(bench: Bench) -> dict[str, object]:
        (bench.out / "a.fits").write_bytes(b"first")
        step(inner)  # meanwhile, the other one
        return {}

    done = step(slow)
    assert done.reused
    assert inner.runs == 1
    kept = products(place)
    assert kept["demo/runs/match/a.fits"] == b"second"
    assert not any("staging" in key for key in kept)
    assert json.loads(kept[MANIFEST])["products"]["a.fits"]["sha256"] == (
        hashlib.sha256(b"second").hexdigest()
    )


def test_files_in_folders_are_products_by_their_paths(place, step) -> None:
    def work(bench: Bench) -> dict[str, object]:
        (bench.out / "empty").mkdir()
        (bench.out / "tiles" / "1").mkdir(parents=True)
        (bench.out / "tiles" / "1" / "0_0").write_bytes(b"inside")
        (bench.out / "a").write_bytes(b"")
        return {}

    assert list(step(work).products) == ["a", "tiles/1/0_0"]
    assert products(place)["demo/runs/match/tiles/1/0_0"] == b"inside"


def test_a_broken_manifest_is_named_and_made_anew(place, step, caplog) -> None:
    first, again = Work(), Work()
    done = step(first)
    Path(place.store.address(MANIFEST)).write_text('{"half": ')
    assert step(again).products == done.products
    assert "manifests/runs/match.json is not JSON" in caplog.text
    assert again.runs == first.runs == 1
    assert step(again).reused


def test_a_key_lies_below_the_campaign(place) -> None:
    assert place.key("runs", "match", "a.fits") == "demo/runs/match/a.fits"


def test_of_several_tasks_that_are_one_step_one_tells_time_and_bytes(place, monkeypatch) -> None:
    events: list[progress.Event] = []
    monkeypatch.setattr(progress, "emit", lambda event, _topic: events.append(event))

    def work(bench: Bench) -> dict[str, object]:
        traffic.count(up=1000)
        (bench.out / "a.fits").write_bytes(b"A")
        return {}

    tasks = [Task("drizzle", method) for method in ("localmin", "match", "globalmin")]
    for _ in range(2):
        run_step(
            place,
            plain("runs/onepass"),
            tasks=tasks,
            inputs={},
            parameters={},
            versions={},
            work=work,
        )
    done, again = ([e for e in events if e.state == state] for state in ("finished", "reused"))
    for ended in (done, again):
        assert len(ended) == 3
        first = [event for event in ended if not event.detail]
        others = [event for event in ended if event.detail]
        assert [event.task for event in first] == ["drizzle localmin"]
        assert {event.detail for event in others} == {"in one with drizzle localmin"}
        assert all((event.seconds, event.up, event.down) == (0.0, 0, 0) for event in others)
    assert {(event.kind, event.step) for event in events} == {("drizzle", "runs/onepass")}
    assert sum(event.up for event in done) >= 1000
    assert sum(event.up for event in done) < 2000


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (KeyboardInterrupt(), "Ctrl-C (SIGINT): interrupted; run the same command again to resume"),
        (SystemExit(129), "SIGHUP: interrupted; run the same command again to resume"),
        (SystemExit(2), "2"),
        (ValueError("no"), "no"),
    ],
)
def test_a_record_tells_in_words_how_a_run_was_interrupted(error, message) -> None:
    assert as_record(error)["message"] == message
