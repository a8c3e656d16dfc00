"""Campaigns sent to a real Dask scheduler by `dask-submit`, and left alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import Client

from tests.conftest import Ended, reading, skymosaic, wait_for, write_campaign
from tests.dask_cluster import DaskCluster, dask_cluster, stop


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    folder = tmp_path_factory.mktemp("cluster")
    with dask_cluster(folder, environment={"TMPDIR": str(folder)}) as running:
        running.scale(1)
        yield running


def dask_submit(*arguments: str | Path, cwd: Path) -> Ended:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("dask-submit")), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=200,
        cwd=cwd,
        env={**os.environ, "PWD": str(cwd)},
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def test_a_driver_that_cannot_begin_is_told_of(cluster: DaskCluster, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    # Relative paths are those of the one who submits, wherever the workers are.
    write_campaign(tmp_path / "nothing.yaml", source={"kind": "directory", "path": "data"})
    ended = dask_submit(cluster.address, "nothing.yaml", "--store", "out", "--wait", cwd=tmp_path)
    assert ended.code == 4, ended.err
    assert "submitted: Dask task skymosaic-nothing-" in ended.out
    uri = f"{tmp_path}/out/nothing"
    status = reading("status", uri)
    assert status.code == 21
    assert f"{tmp_path}/data" in status.out
    logs = reading("logs", uri)
    assert "InputError" in logs.out
    wait_for(lambda: not list(cluster.folder.glob("skymosaic-*-driver-*")), "a clean end", 30)


@pytest.mark.slow
def test_a_submission_that_its_scheduler_has_lost_is_told_of(tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "demo.yaml", source={"kind": "simulated"})
    uri = f"{tmp_path}/out/demo"
    with dask_cluster(tmp_path) as cluster:
        cluster.scale(1)
        with Client(cluster.address) as client:
            _held = client.submit(time.sleep, 20)  # the only worker has no thread for a driver
            ended = dask_submit(cluster.address, file, "--store", "out", cwd=tmp_path)
            assert ended.code == 0, ended.err
            waiting = reading("status", uri)
            assert waiting.code == 24, waiting.out
            assert "begins it when it is free" in waiting.out
        stop(cluster.scheduler)
        away = reading("status", uri)
        assert away.code == 24, away.out  # it may have begun somewhere: nobody can tell
        cluster.start()
        lost = reading("status", uri)
        assert lost.code == 21, lost.out
        assert "does not have its task any more" in lost.out


def test_ping_and_refusals(cluster: DaskCluster, tmp_path: Path) -> None:
    alive = reading("ping", "--scheduler", cluster.address)
    assert alive.code == 0, alive.err
    assert f"scheduler {cluster.address}: alive, 1 worker" in alive.out
    assert "1 thread, memory" in alive.out
    assert "versions of 1 worker: python" in alive.out
    file = write_campaign(tmp_path / "demo.yaml", source={"kind": "simulated"})
    remote = dask_submit("tcp://10.1.2.3:8786", file, cwd=tmp_path)
    assert remote.code == 3
    assert "tls://" in remote.err
    assert not (tmp_path / "store").exists()


@pytest.mark.slow
def test_the_table_is_that_of_a_local_run(cluster: DaskCluster, tmp_path: Path) -> None:
    source = {"kind": "simulated", "size": "small", "tiles": ["54", "51"]}
    file = write_campaign(tmp_path / "tiles.yaml", source=source, align={"order": ["54"]})
    ended = dask_submit(cluster.address, file, "--store", "out", "--wait", cwd=tmp_path)
    assert ended.code == 0, ended.err
    local = skymosaic("run", file, "--store", tmp_path / "local", "--workers", "1")
    assert local.code == 0, local.err
    tables = [tmp_path / way / "tiles/comparison/mdrizsky.csv" for way in ("out", "local")]
    assert tables[0].read_bytes() == tables[1].read_bytes()
    report = (tmp_path / "out/tiles/comparison/report.html").read_text()
    assert "Dask dashboard" in report
    lines = [
        json.loads(line)
        for line in reading("logs", "--json", f"{tmp_path}/out/tiles").out.splitlines()
    ]
    assert {line["campaign"] for line in lines} == {"tiles"}
    assert {"drizzle match", "gather"} <= {line.get("step") for line in lines}
