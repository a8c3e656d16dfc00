"""Scratch folders are gone afterwards, whatever happened to their process."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from skymosaic.drizzlepac_calls import process as drizzlepac_process
from skymosaic.errors import ComputeError, StoreError
from skymosaic.host import scratch
from skymosaic.store import LocalStore
from skymosaic.store.cache import CachedStore
from tests.strangers import USER, become

HOLD = """
import sys, time
from pathlib import Path
from skymosaic.host import scratch
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


def test_where_none_can_be_made_it_is_said_what_to_set(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"in .*/file/x .*set compute\.scratch to"):
        scratch.make_folder(tmp_path / "file" / "x", "work")
    monkeypatch.setenv(scratch.BASE, str(tmp_path / "file" / "y"))
    with pytest.raises(StoreError, match=r"in .*/file/y .*set compute\.scratch and .*TMPDIR to"):
        scratch.make_folder(None, "work")


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


def test_a_folder_that_is_being_swept_cannot_be_shared(tmp_path, monkeypatch) -> None:
    shared = scratch.shared_folder(tmp_path, "cache")
    scratch._held.pop().close()  # as if its process had ended
    remove, refused = shutil.rmtree, []

    def watched(path: Path, **options: bool) -> None:
        with (path / scratch.LOCK).open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                refused.append(path)
        remove(path, **options)

    monkeypatch.setattr(shutil, "rmtree", watched)
    assert scratch.sweep_now(tmp_path) == 1
    assert refused == [shared]
    assert not shared.exists()


def test_what_belongs_to_others_is_never_swept(tmp_path) -> None:
    others = [tmp_path / "somebody", tmp_path / f"skymosaic-{os.getuid() + 1}-work"]
    long_ago = time.time() - 3600
    for folder in others:
        folder.mkdir()
        os.utime(folder, (long_ago, long_ago))
    sweep(tmp_path)
    assert all(folder.exists() for folder in others)


@pytest.fixture
def common() -> Iterator[Path]:
    """A folder as the system's temporary one: everybody may make things there."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o1777)
    yield folder
    shutil.rmtree(folder)


AS_STRANGER = {
    "a folder": "mkdir {0}",
    "a closed folder": "mkdir -m 700 {0}",
    "an open folder with a pipe as its lock": "mkdir -m 777 {0}; mkfifo -m 666 {0}/.lock",
    "an open folder with a link as its lock": "mkdir -m 777 {0}; ln -s {1}/precious/file {0}/.lock",
    "a pipe": "mkfifo -m 666 {0}",
    "a link to a folder of ours": "ln -s {1}/precious {0}",
    "a file": "touch {0}",
}


@pytest.fixture
def precious(common: Path) -> Path:
    """A folder of ours that is no scratch."""
    folder = common / "precious"
    folder.mkdir(mode=0o755)
    (folder / "file").write_text("kept")
    return folder


def sit(common: Path, kind: str, name: str) -> Path:
    """Let a stranger put something there, which looks old."""
    path = common / name
    become("sh", "-c", AS_STRANGER[kind].format(path, common)).check_returncode()
    long_ago = time.time() - 3600
    os.utime(path, (long_ago, long_ago), follow_symlinks=False)
    assert path.lstat().st_uid == USER
    return path


@pytest.mark.parametrize("kind", AS_STRANGER)
@pytest.mark.timeout(20)
def test_what_a_stranger_named_like_ours_is_passed_over(
    common: Path, precious: Path, kind: str
) -> None:
    theirs = sit(common, kind, f"skymosaic-{os.getuid()}-work-x")
    ours = common / f"skymosaic-{os.getuid()}-left"
    ours.mkdir()
    long_ago = time.time() - 3600
    os.utime(ours, (long_ago, long_ago))
    assert scratch.sweep_now(common) == 1
    assert theirs.lstat().st_uid == USER
    assert not ours.exists()
    assert (precious / "file").read_text() == "kept"
    with scratch.folder(common, "work") as folder:
        assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("kind", AS_STRANGER)
@pytest.mark.timeout(20)
def test_a_stranger_on_the_name_of_a_shared_folder_is_avoided(
    common: Path, precious: Path, kind: str
) -> None:
    theirs = sit(common, kind, f"skymosaic-{os.getuid()}-cache-abc")
    folder = scratch.shared_folder(common, "cache-abc")
    assert folder != theirs
    assert scratch.is_ours(folder)
    assert folder.stat().st_mode & 0o077 == 0
    # The processes of the host agree, and it is not swept while it is used.
    assert scratch.shared_folder(common, "cache-abc") == folder
    scratch.sweep_now(common)
    assert folder.exists()
    assert (precious / "file").read_text() == "kept"


@pytest.mark.timeout(20)
def test_a_cache_among_strangers_is_a_folder_of_our_own(common: Path, tmp_path: Path) -> None:
    distant = LocalStore(tmp_path / "distant")
    (tmp_path / "file").write_bytes(b"pixels")
    product = distant.put(tmp_path / "file", "demo/file")
    sit(common, "a pipe", f"{product.sha256}.lock")
    sit(common, "a closed folder", f"cache-of-{os.getuid()}")
    store = CachedStore(distant, None, common, 1000)
    store.get(product, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"pixels"
    [entry] = common.rglob(product.sha256)
    assert scratch.is_ours(entry.parent)
    assert entry.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("mode", "is_cache"), [(0o755, True), (0o775, False), (0o777, False)])
def test_a_folder_that_only_we_can_write_to_is_the_cache_itself(
    tmp_path: Path, mode: int, is_cache: bool
) -> None:
    distant = LocalStore(tmp_path / "distant")
    (tmp_path / "file").write_bytes(b"pixels")
    product = distant.put(tmp_path / "file", "demo/file")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(mode)
    CachedStore(distant, None, tmp_path / "cache", 1000).get(product, tmp_path / "copy")
    [entry] = (tmp_path / "cache").rglob(product.sha256)
    assert (entry.parent == tmp_path / "cache") == is_cache
    assert scratch.is_ours(entry.parent)


@pytest.mark.timeout(60)
def test_drizzlepac_is_not_asked_of_a_stranger(
    common: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker on another host was told of a folder, whose name a stranger has taken there."""
    sit(common, "an open folder with a pipe as its lock", "skymosaic-drizzlepac")
    address = common / "skymosaic-drizzlepac" / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        monkeypatch.setenv(drizzlepac_process.ADDRESS, str(address))
        monkeypatch.setattr(drizzlepac_process, "_server", None)
        started = []

        def start() -> None:
            started.append(True)
            monkeypatch.setenv(drizzlepac_process.ADDRESS, str(tmp_path / "own" / "socket"))
            monkeypatch.setattr(drizzlepac_process, "_PATIENCE", 0)

        monkeypatch.setattr(drizzlepac_process, "_start", start)
        monkeypatch.setattr(drizzlepac_process, "_PATIENCE", 0.3)
        with pytest.raises(ComputeError):
            drizzlepac_process.call("version", tmp_path, {}, tmp_path / "log")
        assert started
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()
