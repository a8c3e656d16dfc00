"""Temporary files of the processes that work for a run: they go with its scratch folder."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from skymosaic.host import scratch
from tests.conftest import environment

_STARTS = """
import os, signal, subprocess, sys, tempfile
from skymosaic import clusters as compute
from skymosaic.host import scratch
from skymosaic.config import Compute
from skymosaic.host.temporary import below_scratch

compute.warm(Compute())
with below_scratch():
    other = [sys.executable, "-c", "import tempfile, os; print(tempfile.mkdtemp(prefix='mpl-'))"]
    print(subprocess.run(other, capture_output=True, text=True).stdout, flush=True)
    base = "from skymosaic.host import scratch; print(scratch.base(None))"
    subprocess.run([sys.executable, "-c", base])
print(tempfile.gettempdir(), scratch.base(None), os.environ["TMPDIR"], flush=True)
os.kill(os.getpid(), int(sys.argv[1])) if sys.argv[1:] else None
"""


def start(folder: Path, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _STARTS, *arguments],
        capture_output=True,
        text=True,
        env=environment({"TMPDIR": str(folder)}),
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short path, as that of a system's temporary one."""
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as folder:
        yield Path(folder)


def test_they_are_in_a_scratch_folder_that_goes_at_the_end(short: Path) -> None:
    folder, base, *own = start(short)
    assert Path(folder).parent.parent == short
    assert Path(folder).parent.name.startswith(f"skymosaic-{os.getuid()}-tmp-")
    assert {base, *own} == {str(short)}  # scratch folders and this process's files stay there
    assert list(short.iterdir()) == []


def test_they_are_swept_after_a_kill(short: Path) -> None:
    folder, *_ = start(short, "9")
    assert Path(folder).is_dir()
    # The socket of the process that workers are forked from.
    assert list(Path(folder).parent.glob("pymp-*/listener-*"))
    assert [path.name[:9] for path in short.iterdir()] == ["skymosaic"]
    assert scratch.sweep_now(short) == 1
    assert list(short.iterdir()) == []


def test_a_folder_far_down_has_room_for_the_path_of_a_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    folder, *_ = start(deep)
    assert folder.startswith(f"/tmp/skymosaic-{os.getuid()}-tmp-")
    assert list(deep.iterdir()) == []
