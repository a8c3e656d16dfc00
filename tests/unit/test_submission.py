"""Handing over, taking back and following, with a back end that does nothing by itself."""

from __future__ import annotations

import signal
import sys
import threading
import time
import types
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from skymosaic.cli.display import status_lines
from skymosaic.clusters.base import Fate, Found, Job, Submitted
from skymosaic.config import Campaign, load_campaign_text
from skymosaic.errors import (
    CampaignError,
    CancelledError,
    ComputeError,
    InstallationError,
    LockedError,
    MissingError,
    SkymosaicError,
    UnreachableError,
)
from skymosaic.journal import cancellation
from skymosaic.journal import submission as record
from skymosaic.journal.runs import Recorder, RunState, campaign_lock
from skymosaic.journal.submission import Submission
from skymosaic.pipeline.places import open_place
from skymosaic.results import housekeeping
from skymosaic.runs import asking, following, handover, preparation
from skymosaic.runs.supervision import locked, recorded
from skymosaic.steps.failures import as_record
from skymosaic.steps.place import Place
from skymosaic.steps.progress import Event
from skymosaic.store import lease
from tests.conftest import wait_for
from tests.unit.small_store import SmallStore


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    return load_campaign_text(
        "campaign: {name: demo}\nsource: {kind: simulated, tiles: [54, 51]}\n"
        "compute: {backend: scheduler, address: 'tcp://127.0.0.1:9'}\n",
        "demo.yaml",
        {"store.uri": str(tmp_path / "store")},
    )


@pytest.fixture
def place(campaign: Campaign) -> Place:
    return open_place(campaign)


class Fake(types.ModuleType):
    """A back end that takes what it is given, and tells what that was."""

    def __init__(self) -> None:
        super().__init__("skymosaic.clusters.scheduler.submit")
        self.jobs: list[Job] = []
        self.cancelled: list[Job] = []
        self.known, self.words, self.silent = True, "", False
        self.gone, self.left = "unknown", ""
        self.found: Found | None = None
        self.fails: SkymosaicError | None = None

    def documents(self, job: Job) -> dict[str, str]:
        return {"job.txt": f"run {job.campaign.name}"}

    def submit(self, job: Job) -> Submitted:
        if self.fails:
            raise self.fails
        self.jobs.append(job)
        return Submitted("job 17", "skymosaic status there")

    def cancel(self, job: Job) -> str:
        self.cancelled.append(job)
        return self.left

    def find(self, _store: str, _campaign: str) -> Found | None:
        return self.found

    def fate(self, _submission: Submission) -> Fate:
        if self.silent:
            raise ComputeError("no answer")
        return Fate("alive" if self.known else self.gone, self.words)


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Fake:
    fake = Fake()
    monkeypatch.setitem(sys.modules, fake.__name__, fake)
    return fake


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancellation, "_LOOK", 0.02)
    monkeypatch.setattr(following, "_POLL", 0.02)
    monkeypatch.setattr(asking, "_LOOK", 0.02)
    monkeypatch.setattr(asking, "_CLOCK", 0.02)
    monkeypatch.setattr(following, "_GRACE", 0.2)


def uri(place: Place) -> str:
    return f"{place.store.uri}/demo"


def test_what_is_handed_over_is_told_from_then_on(campaign, place, backend) -> None:
    assert handover.submit(campaign).what == "job 17"
    [job] = backend.jobs
    assert load_campaign_text(job.text, "job", {}) == campaign
    status = asking.find_status(uri(place))
    assert status.state is RunState.SUBMITTED
    assert status.state.exit_code == 24
    assert "job 17" in status.holder
    assert housekeeping.submitted_campaign(uri(place)) == campaign


def test_why_a_driver_on_kubernetes_does_not_begin_is_in_the_store(
    campaign, place, backend, monkeypatch
) -> None:
    handover.submit(campaign)
    compute = campaign.compute.model_copy(update={"backend": "kubernetes"})
    driven = campaign.model_copy(update={"compute": compute})
    missing = InstallationError("numpy is too old")
    housekeeping.note_failure(driven, missing)  # not in a pod: somebody's own run
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    housekeeping.note_failure(driven, UnreachableError("it is started again"))
    assert asking.find_status(uri(place)).state is RunState.SUBMITTED
    housekeeping.note_failure(driven, missing)
    status = asking.find_status(uri(place))
    assert status.state is RunState.FAILED and "numpy is too old" in status.error["message"]


def test_a_restart_takes_other_values(campaign, place, backend) -> None:
    handover.submit(campaign)
    more = housekeeping.submitted_campaign(
        uri(place), settings=["compute.kubernetes.memory=4Gi", "store.uri=elsewhere"]
    )
    assert more.compute.kubernetes.memory == "4Gi" and more.store.uri == place.store.uri
    with pytest.raises(CampaignError, match=r"compute\.kubernetes\.memory"):
        housekeeping.stored_campaign(uri(place), settings=["compute.kubernetes.memory=much"])


def test_what_is_left_after_the_end_is_removed(campaign, place, backend) -> None:
    handover.submit(campaign)
    run_that_ends(place, campaign, None)
    backend.left = "Job demo, Deployment demo-workers"
    # It is at work still, or cannot be asked: nothing is taken away.
    assert asking.clear(uri(place)) == "" and backend.cancelled == []
    backend.silent = True
    assert asking.clear(uri(place)) == ""
    with pytest.raises(MissingError, match="nothing to cancel"):
        asking.cancel(uri(place))
    backend.silent, backend.known, backend.gone = False, False, "ended"
    assert "removed from the cluster: Job demo" in asking.cancel(uri(place))
    assert asking.clear(uri(place)) == backend.left
    assert record.read(place) is not None and asking.find_status(uri(place)).state is RunState.DONE
    backend.left = ""
    with pytest.raises(MissingError, match="nothing to cancel"):
        asking.cancel(uri(place))


def run_that_ends(place: Place, campaign: Campaign, error: BaseException | None) -> None:
    """Let a run begin and end by an error."""
    ends = pytest.raises(type(error)) if error else nullcontext()
    with ends, locked(place, "run") as held, recorded(place, campaign, held):
        if error:
            raise error


LOST = ComputeError("the scheduler was lost"), SystemExit(143)


@pytest.mark.parametrize("error", LOST, ids=str)
def test_what_the_cluster_starts_again_is_not_given_up(campaign, place, backend, error) -> None:
    handover.submit(campaign)
    backend.words = "driver lost; it is started again (1 of 3)"
    run_that_ends(place, campaign, error)
    status = asking.find_status(uri(place))
    assert status.state is RunState.SUBMITTED and status.cluster == backend.words
    text = "\n".join(status_lines(status))
    assert backend.words in text and "the last try ended by" in text and "restart`" not in text
    # Another cannot be handed over meanwhile.
    with pytest.raises(LockedError, match="still queued"):
        handover.submit(campaign)
    assert asking.status_of(place, ask=False).state in (RunState.FAILED, RunState.INTERRUPTED)


def test_who_follows_a_run_that_is_started_again_sees_its_end(campaign, place, backend) -> None:
    handover.submit(campaign)
    run_that_ends(place, campaign, LOST[0])
    next_run = threading.Timer(1.0, run_that_ends, (place, campaign, None))
    next_run.start()
    status, code = following.follow(place, lambda _event: None, lambda _tasks: None)
    next_run.join()
    assert status.state is RunState.DONE and code == 0


@pytest.mark.parametrize("error", LOST, ids=str)
def test_why_the_cluster_ended_a_run_is_told(campaign, place, backend, error) -> None:
    handover.submit(campaign)
    run_that_ends(place, campaign, error)
    backend.known, backend.gone, backend.words = False, "ended", "Kubernetes says: DeadlineExceeded"
    status = asking.find_status(uri(place))
    interrupted = isinstance(error, SystemExit)
    assert status.state is (RunState.INTERRUPTED if interrupted else RunState.FAILED)
    assert "DeadlineExceeded" in (status.error["message"] if interrupted else status.cluster)
    assert "`skymosaic restart`" in "\n".join(status_lines(status))


def test_a_cluster_that_cannot_be_asked_is_told_beside_what_the_store_says(
    campaign, place, backend
) -> None:
    handover.submit(campaign)
    backend.silent = True
    run_that_ends(place, campaign, LOST[0])
    status = asking.find_status(uri(place))
    assert status.state is RunState.FAILED and "cannot be asked from here" in status.cluster
    with locked(place, "run") as held, recorded(place, campaign, held):
        running = asking.find_status(uri(place))
    assert running.state is RunState.RUNNING and "no answer" in running.cluster


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (None, RunState.DONE),
        (CampaignError("no"), RunState.FAILED),
        (CancelledError("me"), RunState.CANCELLED),
    ],
)
def test_of_what_has_ended_for_good_no_cluster_is_asked(
    campaign, place, backend, error, state
) -> None:
    handover.submit(campaign)
    backend.words = "job 17 RUNNING"
    run_that_ends(place, campaign, error)
    status = asking.find_status(uri(place))
    assert status.state is state and status.cluster == ""


def test_a_second_submission_is_refused(campaign, place, backend) -> None:
    handover.submit(campaign)
    with pytest.raises(LockedError, match=r"job 17.* is still queued.*skymosaic cancel"):
        handover.submit(campaign)
    backend.known = False  # the cluster has lost it
    handover.submit(campaign)
    assert len(backend.jobs) == 2


def test_what_the_cluster_says_of_a_submission_is_told(campaign, place, backend) -> None:
    handover.submit(campaign)
    backend.words = "job 17 PENDING (Resources)"
    waiting = asking.find_status(uri(place))
    assert waiting.state is RunState.SUBMITTED and waiting.cluster == backend.words
    backend.silent = True
    silent = asking.find_status(uri(place))
    assert silent.state is RunState.SUBMITTED
    assert silent.cluster == "It cannot be asked from here: no answer"
    backend.silent, backend.known, backend.words = False, False, "there is no job 17 here"
    unknown = asking.find_status(uri(place))  # it may be that another cluster is asked
    assert unknown.state is RunState.SUBMITTED and unknown.cluster == backend.words
    backend.gone, backend.words = "ended", "job 17 FAILED"
    ended = asking.find_status(uri(place))
    assert ended.state is RunState.FAILED and "job 17 FAILED" in ended.error["message"]
    backend.words = ""  # it forgot: the job may have gone well
    assert asking.find_status(uri(place)).state is RunState.SUBMITTED


def test_a_run_that_begins_while_the_cluster_is_asked_is_told(
    campaign, place, backend, monkeypatch
) -> None:
    def run_meanwhile(_submission: Submission) -> Fate:
        with locked(place, "run") as held, recorded(place, campaign, held):
            pass
        return Fate("ended", "there is no such job any more")

    handover.submit(campaign)
    monkeypatch.setattr(backend, "fate", run_meanwhile)
    assert asking.find_status(uri(place)).state is RunState.DONE


def test_a_running_campaign_is_not_submitted(campaign, place, backend) -> None:
    with (
        lease.held(place.store, campaign_lock(place), "run"),
        pytest.raises(LockedError, match="is running already"),
    ):
        handover.submit(campaign)
    assert backend.jobs == []


def test_what_the_cluster_does_not_take_leaves_no_trace(campaign, place, backend) -> None:
    backend.fails = ComputeError("it is full; wait")
    with pytest.raises(ComputeError, match="it is full"):
        handover.submit(campaign)
    assert record.read(place) is None
    with pytest.raises(MissingError):
        asking.find_status(uri(place))


def test_local_campaigns_have_nothing_to_submit_to(campaign) -> None:
    compute = campaign.compute.model_copy(update={"backend": "local", "address": None})
    with pytest.raises(CampaignError, match="skymosaic run"):
        handover.submit(campaign.model_copy(update={"compute": compute}))


def test_a_waiting_submission_is_taken_back(campaign, place, backend) -> None:
    handover.submit(campaign)
    assert asking.cancel(uri(place)) == "withdrew job 17"
    assert [job.campaign.name for job in backend.cancelled] == ["demo"]
    with pytest.raises(MissingError):
        asking.cancel(uri(place))


def test_where_the_store_has_no_record_the_cluster_is_asked(campaign, place, backend) -> None:
    removed: list[str] = []
    fate = Fate("alive", "Kubernetes says: the job is suspended")
    backend.found = Found("job 17", "2026-11-29T08:54:42Z", fate, lambda: removed.append("") or "")
    status = asking.find_status(uri(place))
    assert status.state is RunState.SUBMITTED
    assert status.cluster == f"its store has no record of it. {fate.message}"
    assert asking.cancel(uri(place)) == "removed job 17 from the cluster" and removed
    backend.found = replace(backend.found, fate=Fate("ended"))
    left = asking.find_status(uri(place))
    assert left.state is RunState.FAILED and "job 17 is left of it" in left.error["message"]
    # A campaign that has ended may have left something there as well.
    with locked(place, "run") as held, recorded(place, campaign, held):
        pass
    place.store.write_text(place.key("campaign.yaml"), "")
    assert asking.cancel(uri(place)) == "removed job 17 from the cluster"
    backend.found = None
    with pytest.raises(MissingError, match="neither running nor queued"):
        asking.cancel(uri(place))


def test_a_driver_that_fails_before_its_run_is_told_of(campaign, place, backend) -> None:
    handover.submit(campaign)
    submission = record.read(place)
    submission.failed(place, {**as_record(ComputeError("no package; install it")), "exit_code": 8})
    status, code = following.follow(place, lambda _event: None, lambda _tasks: None)
    assert (status.state, code) == (RunState.FAILED, 8)
    handover.submit(campaign)  # which is no reason to refuse the next one
    assert len(backend.jobs) == 2


@pytest.fixture
def interruptible():
    """Ctrl-C raises, whatever started pytest."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_run_is_cancelled_from_its_store(campaign, place, backend, interruptible) -> None:
    handover.submit(campaign)
    with (
        pytest.raises(CancelledError, match="skymosaic restart"),
        locked(place, "run") as held,
        recorded(place, campaign, held) as recorder,
    ):
        place.store.write_text(place.key("campaign.yaml"), record.read(place).text)
        recorder.tell(Event("align", "started", kind="align", group="M16", step="aligned"))
        assert "asked run on host" in asking.cancel(uri(place))
        wait_for(lambda: False, "the interruption", 10)
    events = []
    status, code = following.follow(place, events.append, lambda _tasks: None)
    assert (status.state, code) == (RunState.CANCELLED, 18)
    assert status.state.exit_code == 23
    assert [(event.task, event.state) for event in events] == [("align", "failed")]
    assert [(event.kind, event.group, event.step) for event in events] == [
        ("align", "M16", "aligned")
    ]
    # The request was for that run: the next one is left alone.
    backend.known = False
    with locked(place, "run") as held, recorded(place, campaign, held):
        time.sleep(5 * cancellation._LOOK)
    assert asking.find_status(uri(place)).state is RunState.DONE


def test_a_run_that_was_handed_over_is_heard_before_it_counts_as_asked(
    campaign, place, backend
) -> None:
    handover.submit(campaign)
    place.store.write_text(place.key("campaign.yaml"), record.read(place).text)
    with lease.held(place.store, campaign_lock(place), "run", length=0.3) as held:
        assert "asked run on host" in asking.cancel(uri(place))
        assert place.store.list(place.key("cancel")) == [place.key("cancel", f"{held.number:06d}")]
    assert backend.cancelled == []


def test_what_would_start_a_lost_run_again_is_taken_back(campaign, place, backend) -> None:
    handover.submit(campaign)
    place.store.write_text(place.key("campaign.yaml"), record.read(place).text)
    lost = lease.Holder("run", "another-host", 1, "", "nonce")
    assert lease._take(place.store, campaign_lock(place), 1, lost, 0.2)
    assert asking.cancel(uri(place)) == "withdrew job 17"
    assert [job.campaign.name for job in backend.cancelled] == ["demo"]


def test_a_lost_run_whose_cluster_cannot_be_asked_is_not_called_cancelled(
    campaign, place, backend
) -> None:
    handover.submit(campaign)
    with (
        pytest.raises(SystemExit),
        locked(place, "run") as held,
        recorded(place, campaign, held),
    ):
        raise SystemExit(143)
    backend.silent = True
    with pytest.raises(ComputeError, match=r"may start it again.*no answer"):
        asking.cancel(uri(place))
    backend.silent, backend.known, backend.words = False, False, "There is no job 17 here"
    with pytest.raises(MissingError, match=r"nothing to cancel. There is no job 17 here"):
        asking.cancel(uri(place))


def test_ctrl_c_is_no_cancellation(campaign, place, interruptible) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        locked(place, "run") as held,
        recorded(place, campaign, held),
    ):
        raise KeyboardInterrupt


def test_a_lost_run_is_followed_until_nobody_takes_it_up(campaign, place, backend) -> None:
    with locked(place, "run") as held:
        Recorder(place, held.number, {})
    status, code = following.follow(place, lambda _event: None, lambda _tasks: None)
    assert (status.state, code) == (RunState.INTERRUPTED, 22)


def test_preparation_tells_the_graph_and_submits_nothing(campaign, place, backend) -> None:
    text = "\n".join(preparation.lines(campaign))
    counts = {line.split()[0]: int(line.split()[1]) for line in text.splitlines()[2:8]}
    assert counts == {
        **{"retrieve": 2, "inspect": 1, "align": 1, "plan": 1, "drizzle": 4, "gather": 1}
    }
    assert "graph: 10 tasks" in text
    assert "memory: 1.40 GiB a worker, as projected for astrodrizzle and 4 chips, 4 mega" in text
    assert "--- job.txt\nrun demo" in text
    assert backend.jobs == []
    assert not Path(place.store.uri).exists()


@pytest.mark.parametrize("engine", ["astrodrizzle", "onepass"])
def test_the_memory_of_the_last_drizzles_is_told(tmp_path, engine) -> None:
    store = SmallStore(tmp_path, engine)
    store.inspect()
    store.plan()
    if engine == "onepass":
        store.drizzle_at_once("localmin", "match")
    else:
        store.drizzle("match")
    campaign = load_campaign_text((store.folder / "campaign.yaml").read_text(), "here", {})
    lines = preparation.memory_lines(campaign, store.place, 1)
    assert lines[-1].endswith("the last run's drizzles took 0 B at most")


def test_a_submission_of_an_older_run_is_not_pending(campaign, place, backend) -> None:
    handover.submit(campaign)
    submission = record.read(place)
    assert submission.is_pending(place)
    with locked(place, "run") as held, recorded(place, campaign, held):
        pass
    # The lock of the handing over is another: the run's number is above the last run's.
    assert not replace(submission).is_pending(place)
    assert asking.find_status(uri(place)).state is RunState.DONE


def test_a_submission_of_what_is_done_already_does_not_wait_for_ever(
    campaign, place, backend
) -> None:
    with locked(place, "run") as held, recorded(place, campaign, held):
        pass
    handover.submit(campaign)
    assert asking.status_of(place).state is RunState.SUBMITTED
    housekeeping.settle(campaign)  # what a driver does that finds everything done
    assert asking.status_of(place).state is RunState.DONE


def test_a_share_that_is_done_already_does_not_forget_the_submission_of_the_others(
    campaign, place, backend
) -> None:
    handover.submit(campaign)
    compute = campaign.compute.model_copy(update={"share": "1/2"})
    housekeeping.settle(campaign.model_copy(update={"compute": compute}))
    assert asking.status_of(place).state is RunState.SUBMITTED
