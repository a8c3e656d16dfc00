"""Folders that are made once for all processes of a test run, however many pytest-xdist starts."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that is filled by who asks first; the others wait, and find it full.

    It belongs to several processes: a test that would change it works on a copy.

    Parameters
    ----------
    factory : pytest.TempPathFactory
        pytest's own fixture.
    name : str
        What the folder is called.
    make : callable
        Gets the empty folder, and fills it. Where it fails, who asks next tries again.
    """
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # it has a folder of its own in that of the run
        root = root.parent
    folder, done = root / f"shared-{name}", root / f"shared-{name}.done"
    with (root / f"shared-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            done.touch()
    return folder
