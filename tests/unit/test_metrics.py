"""What a run tells Prometheus."""

from __future__ import annotations

import socket
import sys
import urllib.request

import pytest

from skymosaic.config import Compute
from skymosaic.errors import ComputeError, InstallationError
from skymosaic.journal import metrics
from skymosaic.steps.progress import Event

EVENTS = [
    Event("retrieve ibxl54", "started", kind="retrieve"),
    Event("retrieve ibxl54", "finished", "", 2.0, up=1000, down=10, kind="retrieve"),
    Event("align", "started", kind="align"),
    Event("align", "doing", "TweakReg", kind="align"),
    Event("M16/F160W drizzle match", "started", kind="drizzle", group="M16/F160W"),
    Event("M16/F160W drizzle match", "failed", "why", 3.0, 0, 500, "drizzle", "M16/F160W"),
    Event("both engines", "failed", "why", 4.0, kind="engines"),
    Event("differences", "finished", "", 5.0, kind="differences"),
    Event("drizzle localmin", "finished", "", 6.0, up=70, kind="drizzle"),
    Event("drizzle globalmin", "finished", "in one with drizzle localmin", kind="drizzle"),
    Event("gather", "reused", kind="gather"),
    Event("workers", "started"),
]


def test_they_are_told_over_http_on_this_host_only() -> None:
    pytest.importorskip("prometheus_client")
    with metrics.served(Compute(metrics_port=0), "demo") as (measured, address):
        assert address.startswith("http://127.0.0.1:")
        measured.expect(14)
        for event in EVENTS:
            measured.tell(event)
        text = urllib.request.urlopen(address, timeout=10).read().decode()
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    expected = {
        'tasks_expected{campaign="demo"}': 14,
        'tasks{campaign="demo",stage="retrieve",state="done"}': 1,
        'tasks{campaign="demo",stage="retrieve",state="running"}': 0,
        'tasks{campaign="demo",stage="align",state="running"}': 1,
        'tasks{campaign="demo",stage="drizzle",state="failed"}': 1,
        'tasks{campaign="demo",stage="gather",state="reused"}': 1,
        'tasks{campaign="demo",stage="engines",state="failed"}': 1,
        'tasks{campaign="demo",stage="differences",state="done"}': 1,
        'groups{campaign="demo",state="done"}': 1,
        'groups{campaign="demo",state="failed"}': 1,
        'groups{campaign="demo",state="running"}': 0,
        'failures_total{campaign="demo",stage="drizzle"}': 1,
        'failures_total{campaign="demo",stage="engines"}': 1,
        'moved_bytes_total{campaign="demo",direction="up"}': 1070,
        'moved_bytes_total{campaign="demo",direction="down"}': 510,
        'task_seconds_sum{campaign="demo",stage="retrieve"}': 2,
        'tasks{campaign="demo",stage="drizzle",state="done"}': 2,
        # One that failed, and one step of two tasks.
        'task_seconds_count{campaign="demo",stage="drizzle"}': 2,
    }
    assert {name: float(values[f"skymosaic_{name}"]) for name in expected} == expected
    with socket.socket() as probe:  # and no longer than the run
        port = int(address.split(":")[2].split("/")[0])
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_port_that_is_taken() -> None:
    pytest.importorskip("prometheus_client")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(ComputeError, match="metrics_port to a free port"),
            metrics.served(Compute(metrics_port=port), "demo"),
        ):
            pytest.fail("it is taken")


def test_without_prometheus_client(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with (
        pytest.raises(InstallationError, match=r"pip install skymosaic\[metrics\]"),
        metrics.served(Compute(metrics_port=0), "demo"),
    ):
        pytest.fail("it is not there")
    with metrics.served(Compute(), "demo") as (measured, address):  # nor needed
        assert (measured, address) == (None, "")
