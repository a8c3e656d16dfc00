"""The memory of a container, and processes that are refused more of it."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from skymosaic.host import container

GB = 10**9


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for control groups; this process is in /pod/worker of both versions."""
    own = tmp_path / "own"
    own.write_text("4:memory,pids:/pod/worker\n1:cpu:/\n0::/pod/worker\n")
    monkeypatch.setattr(container, "_CGROUPS", tmp_path)
    monkeypatch.setattr(container, "_OWN", own)
    return tmp_path


def write(folder: Path, **files: int | str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / name.replace("__", ".")).write_text(f"{value}\n")


def limit(folder: Path, most: int | str, used: int, cache: int) -> None:
    """Write what version 1 tells of a group."""
    stat = f"cache {cache}\ntotal_inactive_file {cache}\ntotal_active_file 0"
    write(folder, memory__limit_in_bytes=most, memory__usage_in_bytes=used, memory__stat=stat)


def test_what_is_left_is_the_least_of_a_group_and_those_above(groups: Path) -> None:
    assert container.left() is None
    limit(groups / "memory" / "pod" / "worker", 2 * GB, GB, GB // 2)
    assert container.left() == 1.5 * GB  # copies of files are given back
    limit(groups / "memory" / "pod", GB, GB // 4, 0)
    assert container.left() == 0.75 * GB


def test_a_container_that_sees_its_group_as_the_root(groups: Path) -> None:
    limit(groups / "memory", 2 * GB, GB, 0)
    assert container.left() == GB


def test_version_2(groups: Path) -> None:
    folder = groups / "pod" / "worker"
    write(folder, memory__max="max", memory__current=GB, memory__stat="inactive_file 0")
    assert container.left() is None
    write(folder, memory__max=2 * GB)
    assert container.left() == GB


def test_what_the_kernel_ended_is_counted(groups: Path) -> None:
    assert container.kills() == 0
    write(groups / "memory" / "pod", memory__oom_control="under_oom 0\noom_kill 2")
    write(groups, memory__events="max 7\noom 9\noom_kill 1\noom_group_kill 4")
    assert container.kills() == 3


def test_more_than_the_host_has_is_no_limit(groups: Path) -> None:
    limit(groups / "memory", 2**62, 0, 0)
    assert container.left() is None


def test_a_process_is_refused_what_its_container_does_not_have(groups: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    limit(groups / "memory", 300_000_000, 100_000_000, 0)
    with container.held(), pytest.raises(MemoryError):
        np.ones(250_000_000, dtype=np.uint8)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    with container.held():
        assert np.ones(50_000_000, dtype=np.uint8).sum() == 50_000_000


def test_where_nothing_is_limited_nothing_is_held(groups: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with container.held():
        assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_an_error_that_hides_the_lack_of_memory() -> None:
    hidden = ValueError("the drizzle failed")
    hidden.__context__ = MemoryError()
    assert container.is_short(hidden) and container.is_short(OSError(12, "Cannot allocate memory"))
    assert not container.is_short(ValueError("no")) and not container.is_short(None)


def test_a_program_that_cannot_be_loaded_says_so() -> None:
    """What the linker says where a library does not fit; the server's log holds it."""
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_DATA, (20_000_000, 20_000_000)); "
        "import numpy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode and container.says_short(done.stderr)


@pytest.mark.parametrize(
    ("variable", "key"),
    [
        ("KUBERNETES_SERVICE_HOST", "compute.kubernetes.memory"),
        ("SLURM_JOB_ID", "compute.slurm.memory"),
    ],
)
def test_the_key_to_set_is_that_of_the_cluster(
    monkeypatch: pytest.MonkeyPatch, variable: str, key: str
) -> None:
    assert "compute.workers" in container.remedy()
    monkeypatch.setenv(variable, "1")
    assert f"--set {key}=" in container.remedy()
