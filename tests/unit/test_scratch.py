"""Scratch folders are gone afterwards, whatever happened to their process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from skymosaic import scratch

HOLD = """
import sys, time
from pathlib import Path
from skymosaic import scratch
with scratch.folder(Path(sys.argv[1]), "held") as folder:
    (folder / "pixels").write_bytes(b"x" * 1000)
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def hold(tmp_path) -> Iterator[Callable[[], tuple[subprocess.Popen[str], Path]]]:
    """Start a process that holds a scratch folder in tmp_path."""
    processes = []

    def start() -> tuple[subprocess.Popen[str], Path]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout is not None
        return process, Path(process.stdout.readline().strip())

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def sweep(base: Path) -> None:
    """Sweep as a process does that has not swept this folder before."""
    scratch.sweep.__wrapped__(base)


def test_the_folder_is_fresh_private_and_gone_afterwards(tmp_path) -> None:
    with scratch.folder(tmp_path, "work") as one, scratch.folder(tmp_path, "work") as two:
        assert one != two
        assert one.parent == two.parent == tmp_path
        assert "work" in one.name
        assert one.stat().st_mode & 0o077 == 0
        (one / "deep" / "er").mkdir(parents=True)
        (one / "deep" / "er" / "file").write_bytes(b"x")
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_gone_after_an_exception(tmp_path) -> None:
    with pytest.raises(ZeroDivisionError), scratch.folder(tmp_path, "work") as folder:
        (folder / "file").write_bytes(b"x")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_the_place_is_made_if_absent(tmp_path) -> None:
    with scratch.folder(tmp_path / "new" / "place", "work") as folder:
        assert folder.parent == tmp_path / "new" / "place"


def test_without_a_place_it_is_the_systems(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch.folder(None, "work") as folder:
        assert folder.parent == tmp_path


def test_what_a_killed_process_left_is_swept_and_what_lives_is_not(tmp_path, hold) -> None:
    killed, left = hold()
    _, living = hold()
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert left.is_dir()
    sweep(tmp_path)
    assert not left.exists()
    assert (living / "pixels").exists()


def test_taking_a_folder_sweeps_first(tmp_path, hold) -> None:
    killed, left = hold()
    killed.kill()
    killed.wait()
    with scratch.folder(tmp_path, "next"):
        assert not left.exists()


def test_a_folder_not_yet_locked_is_left_while_it_is_young(tmp_path) -> None:
    folder = tmp_path / f"skymosaic-{os.getuid()}-new"
    folder.mkdir()
    sweep(tmp_path)
    assert folder.exists()
    long_ago = time.time() - 3600
    os.utime(folder, (long_ago, long_ago))
    sweep(tmp_path)
    assert not folder.exists()


def test_what_belongs_to_others_is_never_swept(tmp_path) -> None:
    others = [tmp_path / "somebody", tmp_path / f"skymosaic-{os.getuid() + 1}-work"]
    long_ago = time.time() - 3600
    for folder in others:
        folder.mkdir()
        os.utime(folder, (long_ago, long_ago))
    sweep(tmp_path)
    assert all(folder.exists() for folder in others)
