"""How commands end: by signals at any moment, and when nobody reads what they print."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import command_line, environment, wait_for, write_campaign

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
SOURCE = {"kind": "simulated", "size": "small", "tiles": ["54"]}


@pytest.fixture
def begun() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start commands as a terminal does, each in a group of its own; end what is left of them."""
    processes: list[subprocess.Popen[str]] = []

    def begin(*arguments: str | Path, **options) -> subprocess.Popen[str]:
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        process = subprocess.Popen(
            command_line(*arguments),
            text=True,
            env=environment(),
            start_new_session=True,
            preexec_fn=lambda: [signal.signal(number, signal.SIG_DFL) for number in CODES],
            **options,
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.wait()


def has_loaded(process: subprocess.Popen[str], library: str) -> bool:
    """Whether a process has loaded a library: so far it has come with its imports."""
    try:
        return library in Path(f"/proc/{process.pid}/maps").read_text()
    except OSError:
        return False


def ended_by(process: subprocess.Popen[str], number: int) -> None:
    """Send a signal to all processes of a terminal, as it does; check that the command ends so."""
    os.killpg(process.pid, number)
    _out, err = process.communicate(timeout=60)
    assert process.returncode == CODES[number], err
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    assert ("run the same command again" in err) == (number == signal.SIGINT)


@pytest.mark.parametrize(
    ("library", "number"),
    [("pydantic_core", number) for number in CODES] + [("_yaml", signal.SIGINT)],
)
def test_during_imports(begun, tmp_path: Path, library: str, number: int) -> None:
    process = begun("check", write_campaign(tmp_path / "tiles.yaml", source=SOURCE))
    while not has_loaded(process, library) and process.poll() is None:
        time.sleep(0.001)
    ended_by(process, number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_at_a_question(begun, tmp_path: Path, number: int) -> None:
    process = begun("clean", "--all", tmp_path / "store" / "tiles", stdin=subprocess.PIPE)
    wait_for(lambda: os.read(process.stdout.fileno(), 7) == b"remove ", "the question")
    ended_by(process, number)


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGHUP,
        *(pytest.param(n, marks=pytest.mark.slow) for n in (signal.SIGINT, signal.SIGTERM)),
    ],
)
def test_during_a_run(begun, tmp_path: Path, number: int) -> None:
    store = tmp_path / "store"
    file = write_campaign(tmp_path / "tiles.yaml", source=SOURCE)
    process = begun("run", file, "--store", store, "--workers", "1")
    wait_for(lambda: list(store.glob("tiles/campaign.yaml")), "the record of the run", 250)
    children = psutil.Process(process.pid).children(recursive=True)
    ended_by(process, number)
    wait_for(lambda: not [c for c in children if c.is_running()], "the end of the workers", 30)
    status = subprocess.run(
        command_line("status", store / "tiles"), capture_output=True, text=True, env=environment()
    )
    assert status.returncode == 22, status.stdout  # interrupted


def test_a_hang_up_that_is_ignored(begun, tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "tiles.yaml", source=SOURCE)
    process = subprocess.Popen(
        command_line("check", file),
        stdout=subprocess.PIPE,
        env=environment(),
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),  # nohup
    )
    while not has_loaded(process, "pydantic_core") and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGHUP)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"kind: simulated" in out


@pytest.mark.parametrize(
    ("command", "code"),
    [("check FILE", 0), ("schema", 0), ("status STORE/none", 14), ("--help", 0)],
)
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_nobody_reads(begun, tmp_path: Path, command: str, code: int, stream: str) -> None:
    file = write_campaign(tmp_path / "tiles.yaml", source=SOURCE)
    command = command.replace("FILE", str(file)).replace("STORE", str(tmp_path))
    reader, writer = os.pipe()
    os.close(reader)
    process = begun(*command.split(), **{stream: writer})
    os.close(writer)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, (out, err)
    assert "Traceback" not in (err or "")
    assert "Broken pipe" not in (err or "")


def test_a_full_disk_under_standard_output(begun) -> None:
    with Path("/dev/full").open("w") as full:
        process = begun("schema", stdout=full)
        _out, err = process.communicate(timeout=60)
    assert process.returncode == 9
    assert err == "StoreError: standard output cannot be written (No space left on device)\n"


def test_closed_outputs(begun, tmp_path: Path) -> None:
    """What is printed does not land in a file that is opened later."""
    command = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *command_line("schema")]
    assert subprocess.run(command, env=environment()).returncode == 0


def test_a_terminal_that_is_gone(begun, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    file = write_campaign(tmp_path / "tiles.yaml", source=SOURCE)
    process = subprocess.Popen(
        command_line("check", file), stdin=theirs, stdout=theirs, stderr=theirs, env=environment()
    )
    os.close(theirs)
    os.close(ours)  # from now on writing is an input/output error
    assert process.wait(timeout=60) == 0
