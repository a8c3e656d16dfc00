"""The door to drizzlepac: fresh processes from a warm server, which dies with its owner."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from skymosaic.drizzlepac_calls import process as door
from skymosaic.errors import OutOfMemoryError
from tests.conftest import wait_for


@pytest.fixture(scope="module", autouse=True)
def own_server() -> Iterator[None]:
    """A server of this module's own, gone afterwards: other tests start theirs."""
    door.close()
    yield
    door.close()


def server() -> psutil.Process:
    [found] = [
        child
        for child in psutil.Process().children()
        if "skymosaic.drizzlepac_calls.server" in " ".join(child.cmdline())
    ]
    return found


def test_call_gives_a_value_and_what_it_cost(tmp_path: Path) -> None:
    done = door.call("versions", tmp_path, {}, tmp_path / "log")
    assert done.value["drizzlepac"].startswith("3.11")
    assert done.peak_memory > 50e6
    assert done.seconds >= 0


def test_exception_is_told_and_its_traceback_logged(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    with pytest.raises(door.DrizzlepacError, match=r"tweakreg failed: .* \(its log: a\.log\)"):
        door.call(
            "tweakreg", tmp_path, {"files": ["no.fits"], "parameters": {}, "imagefind": {}}, log
        )
    assert "Traceback" in log.read_text()


def test_calls_from_many_threads_do_not_meet(tmp_path: Path) -> None:
    folders = [tmp_path / str(i) for i in range(6)]
    for folder in folders:
        folder.mkdir()
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda f: door.call("versions", f, {}, f / "log"), folders))
    assert {call.value["drizzlepac"] for call in done} == {done[0].value["drizzlepac"]}


def test_killed_server_is_replaced(tmp_path: Path) -> None:
    door.call("versions", tmp_path, {}, tmp_path / "log")
    first = server()
    first.send_signal(signal.SIGKILL)
    wait_for(lambda: not first.is_running() or first.status() == "zombie", "the server's end")
    door.call("versions", tmp_path, {}, tmp_path / "log")
    assert server().pid != first.pid


def test_a_call_that_is_refused_memory_ends_alone(simulated_files: Path, tmp_path: Path) -> None:
    """A mosaic of a gigabyte, where the processes may have 600 MB each."""
    names = [path.name for path in sorted(simulated_files.glob("*_flt.fits"))[:2]]
    for name in names:
        shutil.copy(simulated_files / name, tmp_path)
    door.close()
    door.call("versions", tmp_path, {}, tmp_path / "log")
    ours = server()
    ours.rlimit(psutil.RLIMIT_DATA, (600_000_000, 600_000_000))
    steps = dict.fromkeys(("static", "skysub", "driz_separate", "median", "blot", "driz_cr"), False)
    grid = {"final_wcs": True, "final_scale": 0.01, "final_outnx": 16_000, "final_outny": 16_000}
    call = {"files": names, "output": "big", "parameters": {**steps, **grid}}
    with pytest.raises(OutOfMemoryError, match="astrodrizzle ran out of memory; use"):
        door.call("astrodrizzle", tmp_path, call, tmp_path / "log")
    assert "MemoryError" in (tmp_path / "log").read_text()
    door.call("versions", tmp_path, {}, tmp_path / "log")
    assert server().pid == ours.pid
    door.close()


OWNER = """
import os, time
from pathlib import Path
import psutil
from skymosaic.drizzlepac_calls import process as door
from skymosaic.errors import OutOfMemoryError
door.call("versions", Path("."), {}, Path("log"))
[server] = psutil.Process().children()
print(server.pid, os.environ[door.ADDRESS], flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_server_ends_with_its_owner_and_leaves_nothing(tmp_path: Path, end: int) -> None:
    environment = {key: value for key, value in os.environ.items() if key != door.ADDRESS}
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    assert owner.stdout is not None
    pid, address = owner.stdout.readline().split()
    assert psutil.pid_exists(int(pid))
    owner.send_signal(end)
    owner.communicate()
    wait_for(lambda: not psutil.pid_exists(int(pid)), "the server's end", 20)
    wait_for(lambda: not Path(address).parent.exists(), "the end of its folder", 20)


def test_drizzlepac_that_cannot_be_imported_is_told_with_its_reason(tmp_path: Path) -> None:
    broken = tmp_path / "drizzlepac"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('libcfitsio is not here')")
    environment = {key: value for key, value in os.environ.items() if key != door.ADDRESS}
    done = subprocess.run(
        [sys.executable, "-m", "skymosaic.cli", "doctor"],
        capture_output=True,
        text=True,
        env={**environment, "PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 8
    assert "libcfitsio is not here" in done.stderr
