"""Status, restart's file, clean; and the record of a run that they go by."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from skymosaic.config import load_campaign_text, resolved_yaml
from skymosaic.errors import (
    AlignmentError,
    CampaignError,
    LockedError,
    MissingError,
    SkymosaicError,
    UnreachableError,
)
from skymosaic.journal.runs import Recorder, RunState, campaign_lock, last_status
from skymosaic.results import housekeeping
from skymosaic.runs import asking
from skymosaic.steps.progress import Event
from skymosaic.steps.step import Bench, Place, run_step
from skymosaic.store import LocalStore, lease
from skymosaic.store.shapes import sealed
from tests.conftest import wait_for
from tests.unit.small_store import plain

CAMPAIGN = "campaign: {name: demo}\nsource: {kind: simulated}\n"


@pytest.fixture
def place(tmp_path) -> Place:
    """A campaign with one finished step and some things that nobody names."""
    place = Place(LocalStore(tmp_path / "store"), "demo", tmp_path / "scratch")
    campaign = load_campaign_text(
        CAMPAIGN, "demo.yaml", {"compute.scratch": str(tmp_path / "scratch")}
    )
    place.store.write_text("demo/campaign.yaml", resolved_yaml(campaign))

    def work(bench: Bench) -> dict[str, object]:
        (bench.out / "a.fits").write_bytes(b"A")
        return {}

    run_step(
        place,
        plain("runs/match"),
        inputs={},
        parameters={},
        versions={},
        work=work,
    )
    return place


def uri(place: Place) -> str:
    return f"{place.store.uri}/demo"


def record(place: Place, error: BaseException | None = None, number: int = 1) -> None:
    """Leave the record of a run."""
    recorder = Recorder(place, number, {"campaign": {"name": "demo"}})
    recorder.expect(3)
    recorder.tell(Event("retrieve ibxl54", "started"))
    recorder.tell(Event("retrieve ibxl54", "finished", "", 1.5))
    recorder.tell(Event("align", "started"))
    recorder.tell(Event("align", "failed" if error else "reused", str(error or ""), 2.5))
    recorder.end(error)


def test_a_run_that_went_well(place) -> None:
    record(place)
    status = asking.find_status(uri(place))
    assert status.state is RunState.DONE
    assert status.state.exit_code == 0
    assert [(t.name, t.state, t.seconds) for t in status.tasks] == [
        ("retrieve ibxl54", "done", 1.5),
        ("align", "reused", 2.5),
    ]
    assert status.expected == 3
    assert status.ended is not None


def test_a_run_that_failed_tells_why(place) -> None:
    record(place, AlignmentError("ibxl51: too few matches"))
    status = asking.find_status(uri(place))
    assert (status.state, status.state.exit_code) == (RunState.FAILED, 21)
    assert status.error == {
        "class": "AlignmentError",
        "message": "ibxl51: too few matches",
        "exit_code": 5,
        "passes_by_itself": False,
    }
    assert status.tasks[1].detail == "ibxl51: too few matches"


@pytest.mark.parametrize("end", [KeyboardInterrupt(), SystemExit(143)])
def test_a_run_that_was_interrupted(place, end) -> None:
    record(place, end)
    status = asking.find_status(uri(place))
    assert status.state is RunState.INTERRUPTED
    assert status.error is not None
    assert status.error["message"].endswith("run the same command again to resume")


def test_a_run_that_is_at_work_and_one_that_was_killed(place) -> None:
    with lease.held(place.store, campaign_lock(place), "run") as lock:
        recorder = Recorder(place, lock.number, {})
        recorder.tell(Event("align", "doing", "TweakReg", 3.0))
        running = wait_for(
            lambda: (found := last_status(place)) and found.tasks and found, "a record of the task"
        )
        assert (running.state, running.tasks[0].state) == (RunState.RUNNING, "running")
        assert "run on host" in running.holder
    killed = last_status(place)
    assert killed is not None
    assert (killed.state, killed.state.exit_code) == (RunState.INTERRUPTED, 22)
    assert killed.tasks[0].state == "lost"
    recorder.end(None)


def test_a_task_has_its_kind_and_step_but_in_records_of_older_versions(place) -> None:
    recorder = Recorder(place, 1, {})
    said = {"kind": "drizzle", "group": "M16", "step": "runs/match"}
    recorder.tell(Event("drizzle match", "finished", "", 1.5, **said))
    recorder.end(None)
    [task] = asking.find_status(uri(place)).tasks
    assert (task.kind, task.group, task.step) == ("drizzle", "M16", "runs/match")
    key = "demo/records/000001.json"
    written = place.store.read_json(key)
    for name in ("kind", "group", "step"):
        del written["tasks"][0][name]
    place.store.write_json(key, sealed(written))
    [old] = asking.find_status(uri(place)).tasks
    assert (old.name, old.kind, old.group, old.step) == ("drizzle match", "", "", "")


def test_the_last_run_counts(place) -> None:
    record(place, AlignmentError("first"), number=1)
    record(place, None, number=2)
    assert asking.find_status(uri(place)).state is RunState.DONE


def test_a_record_tells_what_the_steps_read_made_and_cost(place) -> None:
    def fail(bench: Bench) -> dict[str, object]:
        raise AlignmentError("no")

    with pytest.raises(AlignmentError):
        run_step(place, plain("aligned"), inputs={}, parameters={}, versions={}, work=fail)
    record(place)
    record_read = place.store.read_json("demo/records/000001.json")
    step, failed = record_read["steps"]["runs/match"], record_read["steps"]["aligned"]
    assert list(step["outputs"]) == ["a.fits"]
    assert {"inputs", "host", "started", "seconds", "peak_memory", "moved", "key"} <= set(step)
    assert failed["error"]["class"] == "AlignmentError"
    assert record_read["versions"]["drizzlepac"]


def test_a_store_that_fails_does_not_stop_the_run(place, monkeypatch, caplog) -> None:
    def fail(*_: object) -> None:
        raise UnreachableError("away")

    monkeypatch.setattr(place.store, "write_json", fail)
    record(place)
    assert "could not be written: away" in caplog.text


def test_the_stored_campaign_has_the_store_that_it_was_found_in(place, tmp_path) -> None:
    moved = tmp_path / "moved"
    Path(place.store.uri).rename(moved)
    campaign = housekeeping.stored_campaign(f"{moved}/demo", None, {"compute.workers": 3})
    assert campaign.store.uri == str(moved)
    assert campaign.compute.workers == 3
    assert campaign.name == "demo"


@pytest.mark.parametrize("wrong", ["s3://bucket", "s3://", "", "/", "campaign"])
def test_a_uri_without_a_campaign(tmp_path, monkeypatch, wrong) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((CampaignError, MissingError)):
        housekeeping.find_place(wrong)


def test_a_folder_that_holds_none(tmp_path) -> None:
    with pytest.raises(MissingError, match="holds no campaign"):
        asking.find_status(str(tmp_path / "store" / "demo"))
    assert not (tmp_path / "store").exists()


def test_a_campaign_that_never_ran(place) -> None:
    with pytest.raises(MissingError, match="no record of a run"):
        asking.find_status(uri(place))


@pytest.fixture
def litter(place) -> list[str]:
    """Leave what no manifest names."""
    keys = ["demo/damaged/1/x", "demo/runs/match/old.fits", "demo/staging/aligned/1/y"]
    for key in keys:
        place.store.write_text(key, "x")
    (Path(place.store.uri) / "demo" / "runs" / "half.part").write_text("half")
    dead = place.scratch / f"skymosaic-{__import__('os').getuid()}-dead"
    dead.mkdir()
    (dead / ".lock").touch()
    return keys


def test_clean_removes_what_no_manifest_names(place, litter) -> None:
    record(place, AlignmentError("kept: it tells why"))
    place.store.write_text("demo/failed/aligned/align.log", "kept")
    before = set(place.store.list("demo"))
    cleaned = housekeeping.clean(uri(place))
    assert cleaned.keys == litter
    assert (cleaned.uploads, cleaned.scratch) == (1, 1)
    assert before - set(place.store.list("demo")) == set(litter)
    assert housekeeping.clean(uri(place)).keys == []


def test_clean_can_pretend(place, litter) -> None:
    before = place.store.list("demo")
    assert housekeeping.clean(uri(place), pretend=True).keys == litter
    assert [key for key in place.store.list("demo") if "locks" not in key] == [
        key for key in before if "locks" not in key
    ]


def test_clean_can_remove_all_of_it(place) -> None:
    place.store.write_text("other/campaign.yaml", "not mine")
    housekeeping.clean(uri(place), everything=True)
    assert place.store.list("demo") == []
    assert place.store.list("other") == ["other/campaign.yaml"]


def test_a_campaign_that_runs_is_not_cleaned(place, litter) -> None:
    with (
        lease.held(place.store, campaign_lock(place), "run"),
        pytest.raises(LockedError),
    ):
        housekeeping.clean(uri(place))
    assert set(litter) <= set(place.store.list("demo"))


def test_a_share_that_runs_is_not_cleaned(place, litter) -> None:
    share = replace(place, campaign="demo/shares/000001-of-000002")
    with (
        lease.held(place.store, campaign_lock(share), "run"),
        pytest.raises(LockedError, match="000001-of-000002 is running"),
    ):
        housekeeping.clean(uri(place))
    assert housekeeping.clean(uri(place)).keys


def test_a_manifest_that_is_broken_stops_the_cleaning(place, litter) -> None:
    """Better no cleaning than one that takes products for litter."""
    place.store.write_text("demo/manifests/runs/match.json", "{")
    with pytest.raises(SkymosaicError, match="not JSON"):
        housekeeping.clean(uri(place))
    assert set(litter) <= set(place.store.list("demo"))


def test_status_is_json_for_machines(place, capsys) -> None:
    from click.testing import CliRunner

    from skymosaic.cli.main import main

    record(place)
    result = CliRunner().invoke(main, ["status", uri(place), "--json"])
    assert result.exit_code == 0
    status = json.loads(result.stdout)
    assert status["state"] == "done"
    assert status["tasks"][0]["name"] == "retrieve ibxl54"
