"""Handing a campaign over to a Dask scheduler: of a task that is not accepted none stays."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest
from distributed import Client, LocalCluster

from skymosaic.clusters.base import Job
from skymosaic.clusters.scheduler import submit
from skymosaic.config import load_campaign, resolved_yaml
from skymosaic.errors import ComputeError
from skymosaic.journal.submission import Submission
from tests.conftest import wait_for, write_campaign


def drive(_text: str, _submission: str) -> int:
    return 0


def test_a_task_that_is_not_known_to_be_there_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(client: Client, key: str, _address: str) -> None:
        wait_for(lambda: submit._state(client, key) is not None, "the task", 30)
        raise ComputeError("the scheduler does not answer")

    with (
        LocalCluster(
            n_workers=1,
            processes=False,
            protocol="tcp",
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        # The only worker is busy, so the task waits.
        client.submit(time.sleep, 3, key="busy")
        file = write_campaign(
            tmp_path / "field.yaml",
            source={"kind": "simulated"},
            store={"uri": str(tmp_path / "store")},
            compute={"backend": "scheduler", "address": cluster.scheduler_address},
        )
        campaign = load_campaign(file)
        text = resolved_yaml(campaign)
        handed_over = Submission("17", "scheduler", 0, "now", "me", text)
        monkeypatch.setattr(submit, "_wait_until_there", lose)
        with pytest.raises(ComputeError, match="does not answer"):
            submit.submit(Job(campaign, text, drive, handed_over))
        wait_for(lambda: submit._state(client, "skymosaic-field-17") is None, "its end", 30)
