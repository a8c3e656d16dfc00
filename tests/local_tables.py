"""Tables of campaigns that the local back end made: what the trials on real services compare with.

`scripts/test-services` names a folder for all of its scripts, so that each campaign is run once.
"""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import REPOSITORY, command_line, environment
from tests.trials import TrialError

FOLDER = "SKYMOSAIC_LOCAL_TABLES"
"""The variable that names the folder; without it each process runs the campaigns for itself."""
_ELSEWHERE = ("campaign", "compute", "store")
"""Sections that a table does not depend on."""
_LONGEST = 1500.0  # s that a run may take, on a busy machine


def demo(size: str = "small") -> tuple[str, dict[str, Any]]:
    """Return the name of the demo campaign, and its other sections.

    Parameters
    ----------
    size : str
        Of its frames: ``small`` or ``full``.
    """
    sections = yaml.safe_load((REPOSITORY / "configs" / "horsehead-demo.yaml").read_text())
    name = sections.pop("campaign")["name"]
    sections["source"]["size"] = size
    return name, sections


def local_table(sections: Mapping[str, Any]) -> bytes:
    """Return the table of sky values that two workers of this host make.

    Parameters
    ----------
    sections : mapping
        Of the campaign file; what it says of name, store and back end does not matter.

    Raises
    ------
    TrialError
        The campaign failed.
    """
    own = {name: section for name, section in sections.items() if name not in _ELSEWHERE}
    return _made_once(yaml.safe_dump(own, sort_keys=True))


@functools.cache
def _made_once(text: str) -> bytes:
    if FOLDER not in os.environ:
        return _made(text)
    kept = Path(os.environ[FOLDER]) / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.csv"
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        part = kept.with_suffix(".part")
        part.write_bytes(_made(text))
        part.rename(kept)
    return kept.read_bytes()


def _made(text: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="skymosaic-local-") as name:
        file, store = Path(name) / "local.yaml", Path(name) / "store"
        file.write_text(f"campaign: {{name: local}}\n{text}")
        words = ("--quiet", "run", file, "--store", store, "--workers", "2")
        ended = subprocess.run(
            command_line(*words),
            capture_output=True,
            text=True,
            env=environment(),
            timeout=_LONGEST,
        )
        if ended.returncode:
            raise TrialError(f"the local run ended with {ended.returncode}: {ended.stderr}")
        return (store / "local" / "comparison" / "mdrizsky.csv").read_bytes()
