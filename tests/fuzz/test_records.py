"""Records of a store, changed at random: named, or made anew; no number of them is a wrong one."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from skymosaic.errors import SkymosaicError
from skymosaic.journal import cancellation, runlog
from skymosaic.journal import submission as submissions
from skymosaic.journal.runs import Recorder, campaign_lock, last_status
from skymosaic.journal.submission import Submission
from skymosaic.pipeline.results import DRIZZLE
from skymosaic.results import housekeeping, integrity
from skymosaic.results.program_states import GroupState, read_states
from skymosaic.results.reading import read_finished_steps
from skymosaic.runs import asking
from skymosaic.steps.manifests import finished
from skymosaic.steps.place import Place
from skymosaic.steps.progress import Event
from skymosaic.store import lease, open_store
from tests.fuzz.limits import within
from tests.unit.small_store import SKIES, SmallStore, plain

RECORDS = (
    *("manifests/pristine/asn.json", "manifests/inspection.json", "manifests/plan.json"),
    *("manifests/runs/localmin.json", "manifests/runs/match.json", "failed/comparison.json"),
    *("records/000001.json", "submission.json", "groups.json", "locks/campaign/000003.json"),
    *("logs/000001/0001.jsonl", "cancel/000001"),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(("", "..", "../x", "/etc/passwd", "running", "done", 10**400, -1, 1e308)),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
CHANGES = st.one_of(
    st.tuples(st.just("set"), st.integers(0, 400), VALUES),
    st.tuples(st.just("remove"), st.integers(0, 400), st.none()),
    st.tuples(st.just("byte"), st.integers(0, 10**6), st.integers(1, 255)),
    st.tuples(st.just("cut"), st.integers(0, 10**6), st.none()),
    st.tuples(st.just("whole"), st.just(0), VALUES),
    st.tuples(st.just("nested"), st.integers(0, 200_000), st.sampled_from(("[", '{"a":'))),
)


@functools.cache
def _original() -> Path:
    """Make the store that each example is a changed copy of."""
    root = Path(tempfile.mkdtemp(prefix="skymosaic-fuzz-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    store = SmallStore(root)
    store.inspect()
    store.plan()
    for method in SKIES:
        store.drizzle(method)
    store.fail("comparison", "no number")
    place = store.place
    recorder = Recorder(place, 1, {"campaign": {"name": "field"}})
    recorder.expect(7)
    recorder.tell(Event("align", "finished", "", 2.5, kind="align"))
    recorder.end(None)
    Submission("abc", "slurm", 0, "2026-01-01", "me@here", "text", "Slurm job 17").write(place)
    states = [GroupState("M 16/F160W", "done", 2, "report", None, "1/M_16/F160W")]
    place.store.write_json(place.key("groups.json"), [asdict(state) for state in states])
    here = asdict(lease.Holder("run", "elsewhere", 5, "boot", "nonce"))
    document = {"holder": here, "length": 30.0, "released": True}
    place.store.write_json(f"{campaign_lock(place)}/000003.json", document)
    line = {"time": "now", "level": "INFO", "message": "hello", "step": "align"}
    place.store.write_text(place.key("logs/000001/0001.jsonl"), json.dumps(line) + "\n")
    cancellation.request(place, 1)
    assert all((root / "field" / name).exists() for name in RECORDS)
    return root


def _spots(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place in a document as what holds it and its name or number there."""
    for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
        # A record without its checksum is one of an older version, which had none.
        if name != "checksum":
            yield value, name
        if isinstance(inner, dict | list):
            yield from _spots(inner)


def _changed(content: bytes, change: tuple[str, int, Any]) -> bytes:
    kind, position, value = change
    if kind == "byte":
        position %= len(content)
        return content[:position] + bytes([content[position] ^ value]) + content[position + 1 :]
    if kind == "cut":
        return content[: position % len(content)]
    if kind == "whole":
        return json.dumps(value).encode()
    if kind == "nested":
        return (value * position).encode()
    try:
        document = json.loads(content)
        spots = list(_spots(document)) if isinstance(document, dict | list) else []
    except (ValueError, RecursionError):  # no JSON any more, or never
        return content + b" "
    if not spots:
        return content
    holder, name = spots[position % len(spots)]
    if kind == "set":
        holder[name] = value
    else:
        del holder[name]
    return json.dumps(document).encode()


def _foreseen(act: Callable[[], Any]) -> Any:
    """Return what something gives; None where it ends in an error with an exit code of its own."""
    try:
        return act()
    except SkymosaicError as error:
        assert error.exit_code != 1, error
        return None


def _skies(result: Any) -> dict[str, float]:
    return {value.rootname: value.mdrizsky for value in result.sky}


def _try(name: str, changes: list[tuple[str, int, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder, within(10):
        root = Path(folder) / "store"
        shutil.copytree(_original(), root)
        path = root / "field" / name
        content = path.read_bytes()
        for change in changes:
            content = _changed(content, change) or b"\n"
        path.write_bytes(content)
        _read_all(Place(open_store(str(root)), "field", Path(folder)), root)


def _read_all(place: Place, root: Path) -> None:
    address = str(root / "field")
    _foreseen(lambda: asking.find_status(address))
    status = _foreseen(lambda: last_status(place))
    assert status is None or [(t.name, t.seconds) for t in status.tasks] == [("align", 2.5)]
    submitted = _foreseen(lambda: submissions.read(place))
    assert submitted is None or (submitted.id, submitted.after) == ("abc", 0)
    _foreseen(lambda: read_states(place))
    _foreseen(lambda: list(runlog.lines(place, None)))
    _foreseen(lambda: list(runlog.lines(place, 1)))
    _foreseen(lambda: lease.look(place.store, campaign_lock(place)))
    found = _foreseen(lambda: read_finished_steps(place))
    for method, run in (found.drizzled if found else {}).items():
        assert _skies(run.result) == SKIES[method]
    for step in found.steps if found else []:
        assert 0 <= step.seconds < 100
    _foreseen(lambda: housekeeping.clean(address, pretend=True))
    _foreseen(lambda: integrity.verify_store(address))
    # A run takes what is good, and makes the rest anew.
    again = SmallStore(root)
    again.inspect()
    again.plan()
    again.drizzle("match")
    for step in ("pristine/asn", "inspection", "plan", "runs/match"):
        assert finished(place, plain(step)) is not None
    read_back = finished(place, DRIZZLE.step("match"))
    assert read_back is not None
    assert _skies(read_back.result) == SKIES["match"]


# An example takes its time: to look for a smaller one would take minutes.
_SETTINGS = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)


@settings(_SETTINGS, max_examples=80)
@given(name=st.sampled_from(RECORDS), changes=st.lists(CHANGES, min_size=1, max_size=2))
def test_a_changed_record_is_named_or_made_anew(name: str, changes: list[Any]) -> None:
    _try(name, changes)


@pytest.mark.slow
@settings(_SETTINGS, max_examples=5_000)
@given(name=st.sampled_from(RECORDS), changes=st.lists(CHANGES, min_size=1, max_size=4))
def test_many_changed_records(name: str, changes: list[Any]) -> None:
    _try(name, changes)
