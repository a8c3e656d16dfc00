"""What the tests share."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from click.testing import CliRunner

from skymosaic.drizzlepac_calls import process as drizzlepac_process
from tests.shared_folders import made_once

REPOSITORY = Path(__file__).parents[1]
SHARED = REPOSITORY.parent / "shared" / "data" / "horsehead-12812"


@pytest.fixture(scope="session")
def published() -> Path:
    """The folder of the published numbers of the worked example, where it is there."""
    if not SHARED.is_dir():
        pytest.skip("the published numbers of proposal 12812 (../shared/data) are not here")
    return SHARED


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a user's environment: without the drizzlepac server that tests of this process use."""
    given = {**os.environ, **(more or {})}
    given.pop(drizzlepac_process.ADDRESS, None)
    return given


def environment_of_run(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of what calls drizzlepac: without `more` it uses our server.

    That is how the campaigns of a program run one after another. A server that a run starts for
    itself takes 3 s of a core; with variables of its own a run has one.
    """
    given = environment(more)
    if more is None:
        drizzlepac_process.warm()
        given[drizzlepac_process.ADDRESS] = os.environ[drizzlepac_process.ADDRESS]
    return given


def command_line(*arguments: str | Path) -> list[str]:
    """Return a command that runs `skymosaic` with this Python."""
    return [sys.executable, "-m", "skymosaic", *map(str, arguments)]


def one_worker(arguments: Sequence[str | Path]) -> list[str | Path]:
    """Return a command whose run has one worker, where neither it nor its file says how many.

    Several tests run at once, so a second worker costs its start, and no run ends sooner for it.
    """
    files = [Path(one) for one in arguments if str(one).endswith(".yaml") and Path(one).is_file()]
    given = "--workers" in arguments or any("compute" in file.read_text() for file in files)
    return [*arguments, *(("--workers", "1") if "run" in arguments and files and not given else ())]


def skymosaic(*arguments: str | Path, env: Mapping[str, str] | None = None) -> Ended:
    """Run `skymosaic` as a user would, in a process of its own."""
    arguments = tuple(one_worker(arguments))
    drizzles = {"run", "simulate"} & {str(argument) for argument in arguments}
    given = environment_of_run(env) if drizzles else environment(env)
    done = subprocess.run(
        command_line(*arguments),
        capture_output=True,
        text=True,
        timeout=280,
        env=given,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def reading(*arguments: str | Path, env: Mapping[str, str] | None = None) -> Ended:
    """Run a command that only reads, in this process: one of its own takes seconds to start."""
    from skymosaic.cli.main import main  # it is a second of imports, which many tests do not need

    loggers = [logging.getLogger(), logging.getLogger("skymosaic")]
    before = [(logger.handlers[:], logger.level) for logger in loggers]
    terminated = signal.getsignal(signal.SIGTERM)
    try:
        done = CliRunner().invoke(main, list(map(str, arguments)), env=env)
    finally:
        signal.signal(signal.SIGTERM, terminated)
        for logger, (handlers, level) in zip(loggers, before, strict=True):
            logger.handlers[:] = handlers
            logger.setLevel(level)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Ended(done.exit_code, done.stdout, done.stderr)


def write_campaign(path: Path, **sections: Any) -> Path:
    """Write a campaign file; `path` names the campaign, too."""
    path.write_text(yaml.safe_dump({"campaign": {"name": path.stem}, **sections}))
    return path


def tree(folder: Path) -> dict[str, int]:
    """Return every file below a folder with its time of change: the store's state."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def manifests(campaign: Path) -> dict[str, dict[str, Any]]:
    """Return the manifests of a campaign's finished steps, by step."""
    folder = campaign / "manifests"
    return {
        str(path.relative_to(folder)).removesuffix(".json"): json.loads(path.read_text())
        for path in sorted(folder.rglob("*.json"))
    }


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 120.0) -> Any:
    """Return what `condition` gives as soon as it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s in vain for {what}")


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `skymosaic` in the background; what is still running at the end is killed."""
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: str | Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            command_line(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            # A shell lets its background jobs ignore Ctrl-C, and what they start inherits that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.send_signal(signal.SIGKILL)
            process.kill()
        process.communicate()


SECRETS = {"AWS_SECRET_ACCESS_KEY": "wJalrSkyMosaicSecret", "MAST_API_TOKEN": "tokenOfSkyMosaic"}
SMALL = {"kind": "simulated", "size": "small"}
ORDER = ["54", "51", "53", "55", "57", "50", "52", "56", "58"]


TILES = {
    "source": {"kind": "simulated", "size": "small", "tiles": ["54", "51", "55"]},
    "align": {"order": ["54"]},
    "sky": {"methods": ["localmin", "match"]},
}
"""Sections of a campaign of three small tiles, which several modules disturb, each in its way."""


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished campaign on small frames: copy it before changing it."""

    def make(folder: Path) -> None:
        file = write_campaign(
            folder / "small.yaml",
            source=SMALL,
            align={"order": ORDER},
            drizzle={"parameters": {"final_rot": 257, "final_bits": 64}},
        )
        (folder / "scratch").mkdir()
        ended = skymosaic(
            *("run", file, "--store", folder / "store", "--workers", "2"),
            env={**SECRETS, "TMPDIR": str(folder / "scratch")},
        )
        assert ended.code == 0, ended.err

    return made_once(tmp_path_factory, "small", make) / "store" / "small"


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The table of a campaign of `TILES` that nobody disturbed, with a folder as its store."""

    def make(folder: Path) -> None:
        file = write_campaign(folder / "tiles.yaml", **TILES)
        ended = skymosaic("run", file, "--store", folder / "store", "--workers", "2")
        assert ended.code == 0, ended.err

    folder = made_once(tmp_path_factory, "tiles", make)
    return (folder / "store" / "tiles" / "comparison" / "mdrizsky.csv").read_bytes()


@pytest.fixture(scope="session")
def simulated_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small exposures of two tiles with their drizzled images: copy it to change it."""

    def make(folder: Path) -> None:
        ended = skymosaic("simulate", folder, "--size", "small", "--tile", "54", "--tile", "51")
        assert ended.code == 0, ended.err

    return made_once(tmp_path_factory, "simulated", make)
