"""A `kubectl` on the PATH that shows a cluster as it was recorded: `get`, and nothing else.

Kinds, names, labels and fields of objects are compared as the API server compares them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

_PROGRAM = """#!{python}
import json, pathlib, sys
file = pathlib.Path({file!r})
verb, kind, *rest = sys.argv[1:]
if verb != "get" or not file.exists():
    sys.exit(file.with_name("said").read_text())
options = dict(word[2:].partition("=")[::2] for word in rest if word.startswith("--"))
names = [word for word in rest if not word.startswith("--")]
labels = [word.split("=") for word in options.get("selector", "").split(",") if word]
fields = [word.split("=") for word in options.get("field-selector", "").split(",") if word]

def field(one, path):
    for part in path.split("."):
        one = one.get(part, {{}})
    return one

found = [
    one
    for one in json.loads(file.read_text())["items"]
    if one["kind"].lower() == kind.removesuffix("s")
    and one["metadata"]["namespace"] == options["namespace"]
    and (not names or one["metadata"]["name"] in names)
    and all(one["metadata"].get("labels", {{}}).get(key) == value for key, value in labels)
    and all(field(one, path) == value for path, value in fields)
]
if not names:
    print(json.dumps({{"kind": "List", "items": found}}))
elif found:
    print(json.dumps(found[0]))
"""


class Cluster:
    """What kubectl finds.

    Parameters
    ----------
    folder : Path
        For its program and what it answers from.
    """

    def __init__(self, folder: Path) -> None:
        self._objects, self._said = folder / "objects.json", folder / "said"
        program = folder / "kubectl"
        program.write_text(_PROGRAM.format(python=sys.executable, file=str(self._objects)))
        program.chmod(0o755)
        self.silent("error: nothing was recorded")

    def is_as(self, recording: Path) -> None:
        """Let it be as in a recording: a file of `kubectl get ... -o json`."""
        self._objects.write_text(recording.read_text())

    def silent(self, said: str) -> None:
        """Let it answer nothing, and kubectl say why."""
        self._objects.unlink(missing_ok=True)
        self._said.write_text(said)


def cluster(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Return a cluster that `kubectl` on the PATH shows from now on."""
    folder.mkdir(exist_ok=True)
    monkeypatch.setenv("PATH", str(folder))
    return Cluster(folder)
