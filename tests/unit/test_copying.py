"""Copies: shared blocks where the file system can, plain otherwise."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

from skymosaic.store.copying import copy_file, share_blocks

CONTENT = bytes(range(256)) * 4096


def test_a_copy_is_private_and_its_checksum_is_told(tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(CONTENT)
    sha256, written = copy_file(source, target)
    assert sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert written in (0, len(CONTENT))
    with target.open("r+b") as file:
        file.write(b"changed")
    assert source.read_bytes() == CONTENT


@pytest.fixture
def reflinking(tmp_path: Path):
    """A file system on which files can share blocks."""
    if shutil.which("mkfs.xfs") is None:
        pytest.skip("test of shared blocks: mkfs.xfs is not installed (Debian: xfsprogs)")
    image, mountpoint = tmp_path / "image", tmp_path / "mounted"
    mountpoint.mkdir()
    with image.open("wb") as file:
        file.truncate(400 << 20)
    subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", str(image)], check=True)
    mounted = subprocess.run(
        ["mount", "-o", "loop", str(image), str(mountpoint)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("test of shared blocks: mounting an image is not permitted here")
    yield mountpoint
    subprocess.run(["umount", str(mountpoint)], check=True)


def test_blocks_are_shared_where_the_file_system_can(reflinking: Path) -> None:
    source, target = reflinking / "a", reflinking / "b"
    source.write_bytes(CONTENT)
    sha256, written = copy_file(source, target)
    assert (sha256, written) == (hashlib.sha256(CONTENT).hexdigest(), 0)
    with target.open("r+b") as file:
        file.write(b"changed")
    assert source.read_bytes() == CONTENT
    assert target.read_bytes()[7:] == CONTENT[7:]


def test_elsewhere_they_are_not(tmp_path: Path) -> None:
    source = tmp_path / "a"
    source.write_bytes(CONTENT)
    other = Path("/dev/shm") / f"skymosaic-{uuid4().hex}"
    with source.open("rb") as reader, other.open("wb") as writer:
        try:
            assert not share_blocks(reader, writer)
        finally:
            other.unlink()
