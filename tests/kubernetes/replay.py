"""A `kubectl` that answers from recordings, in order, and keeps what it was asked.

It is a program on the PATH, so that what is tested starts it as it starts the real one. Recordings
are files as `CASE/[PREFIX-]command.txt`, `...exit_code`, `...stdout.txt` and `...stderr.txt`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

OWN = Path(__file__).parent / "recordings"
SHARED = Path(__file__).parents[3] / "shared" / "cases" / "kubernetes"
"""What a real API server and the real kubectl said; not a part of the project."""

_PROGRAM = """#!{python} -IS
import json, pathlib, sys
here = pathlib.Path({folder!r})
given = "" if sys.stdin.isatty() else sys.stdin.read()
with (here / "asked").open("a") as asked:
    asked.write(json.dumps({{"arguments": sys.argv[1:], "given": given}}) + "\\n")
number = len((here / "asked").read_text().splitlines())
answer = here / f"answer-{{number}}.json"
if not answer.exists():
    sys.exit(f"replay: nothing more was recorded; asked for {{sys.argv[1:]}}")
answer = json.loads(answer.read_text())
missing = set(answer["words"]) - set(sys.argv[1:])
if missing:
    sys.exit(f"replay: asked without {{missing}}: {{sys.argv[1:]}}")
sys.stdout.write(answer["stdout"])
sys.stderr.write(answer["stderr"])
sys.exit(answer["exit_code"])
"""
_SAME = {"-f -": "--filename=-", "-o json": "--output=json"}
# These the recordings were made with or without; they change nothing of what is said.
_LEFT_OUT = "--request-timeout", "--field-manager", "--output"


@dataclass(frozen=True)
class Asked:
    """A command that kubectl was given."""

    arguments: list[str]
    given: str

    @property
    def verb(self) -> str:
        """Such as ``get``."""
        return self.arguments[0]

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The objects of its standard input."""
        return list(yaml.safe_load_all(self.given))


class Replay:
    """The program, and what it is to answer.

    Parameters
    ----------
    folder : Path
        For the program and what it keeps.
    monkeypatch : pytest.MonkeyPatch
        Sets the PATH, to nothing but that folder.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._answers = 0
        folder.mkdir()
        program = folder / "kubectl"
        program.write_text(_PROGRAM.format(python=sys.executable, folder=str(folder)))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))

    def answer(self, *words: str, stdout: str = "", stderr: str = "", exit_code: int = 0) -> Replay:
        """Add an answer to a command that must have some words, such as its verb."""
        self._answers += 1
        answer = {"words": words, "stdout": stdout, "stderr": stderr, "exit_code": exit_code}
        (self._folder / f"answer-{self._answers}.json").write_text(json.dumps(answer))
        return self

    def recorded(self, case: str, *words: str) -> Replay:
        """Add a recorded answer, to the recorded command, or to one with other words.

        Parameters
        ----------
        case : str
            ``CASE`` or ``CASE/PREFIX``: of the project's own recordings, or else of the shared.
        *words : str
            What is asked in place of the recorded command.
        """
        folder, _, prefix = case.partition("/")
        root = OWN if (OWN / folder).exists() else SHARED
        if not root.exists():
            pytest.skip(f"{SHARED.name} recordings are not here: {case}")
        start = root / folder / (f"{prefix}-" if prefix else "")
        text = {
            name: Path(f"{start}{name}").read_text()
            for name in ("command.txt", "stdout.txt", "stderr.txt", "exit_code")
        }
        return self.answer(
            *(words or _words(text["command.txt"])),
            stdout=text["stdout.txt"],
            stderr=text["stderr.txt"],
            exit_code=int(text["exit_code"]),
        )

    @property
    def asked(self) -> list[Asked]:
        """What kubectl was asked, in order."""
        file = self._folder / "asked"
        lines = file.read_text().splitlines() if file.exists() else []
        return [Asked(**json.loads(line)) for line in lines]

    def require_all_asked(self) -> None:
        """Fail if an answer was not wanted."""
        assert len(self.asked) == self._answers, [one.arguments for one in self.asked]


def _words(command: str) -> list[str]:
    """Return the words of a recorded command that another way to ask has, too."""
    for one, other in _SAME.items():
        command = command.replace(one, other)
    return [word for word in command.split()[1:] if not word.startswith(_LEFT_OUT)]
