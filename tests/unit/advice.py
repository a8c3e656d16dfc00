"""What the product tells its users to do: sentences of sources and documentation, taken apart.

Keys of the campaign file, commands and options that are named in them are found by their form.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import click
from pydantic import BaseModel

from skymosaic.cli.main import main
from skymosaic.config import Campaign
from tests.conftest import REPOSITORY

UNKNOWN = "\N{SECTION SIGN}"
"""Stands for what a message has put in when it is told."""
_SECTIONS = "|".join(Campaign.model_fields)
_KEY = re.compile(rf"(?<![\w./{UNKNOWN}-])({_SECTIONS})((?:\.[a-z_][a-z0-9_]*)+)(?![\w./-]*\.\w)")
_SECTION = re.compile(rf"(?<![\w./-])({_SECTIONS})(): ?(?=[{{\[]|none`)")
_VALUE = re.compile(
    r"(?:\s*[:=])?\s*(\{[^{}]*\}|\[[^\][]*\]|true\b|false\b|null\b|none\b|-?\d[\d./]*|\w+(?=`))"
)
_NO_KEYS = re.compile(
    r"\.(yaml|yml|json|py|md|csv|ecsv|fits|html|sh|toml|txt|log|png|dzi|reg|internal)$"
)
_COMMAND = re.compile(r"`(?:[A-Z0-9_]+=\S* )*skymosaic ([^`\n]*)`")
_OPTION = re.compile(rf"(?<=[\s(`])--[a-z][a-z-]+(?![\w{UNKNOWN}-])")
_SHOWN = re.compile(r"^\s*(?:[$#] )?(?:\.?[\w./-]*/)?skymosaic (.*?)(?:\s+#.*)?$", re.MULTILINE)
OF_OTHERS = {
    *("--nthreads", "--nworkers"),  # dask worker
    *("--namespace", "--selector"),  # kubectl
    *("--constraint", "--parsable", "--state", "--partition"),  # Slurm
}
"""Options of other programs that messages name."""


@dataclass(frozen=True)
class Sentence:
    """One sentence, and where it stands."""

    text: str
    location: str


def messages() -> Iterator[Sentence]:
    """Return the texts in the sources that are no documentation of code."""
    for path in sorted((REPOSITORY / "src").rglob("*.py")):
        yield from _texts(path)
    for path in sorted((REPOSITORY / "src").rglob("*.j2")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            plain = re.sub(r"</?code>", "`", re.sub(r"\{\{.*?\}\}", UNKNOWN, line))
            yield Sentence(re.sub(r"\{%.*?%\}|<[^>]*>", "", plain), f"{path.name}:{number}")


def pages() -> Iterator[Sentence]:
    """Return the documentation for users, a page each."""
    for path in [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]:
        yield Sentence(path.read_text(), path.name)


def _texts(path: Path) -> Iterator[Sentence]:
    tree = ast.parse(path.read_text())
    skipped = {id(one.value) for one in ast.walk(tree) if isinstance(one, ast.Expr)}
    for node in ast.walk(tree):  # what encloses comes first
        if id(node) in skipped:
            continue
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values}
            text = "".join(
                str(part.value) if isinstance(part, ast.Constant) else UNKNOWN
                for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        yield Sentence(" ".join(text.split()), f"{path.relative_to(REPOSITORY)}:{node.lineno}")


def keys_in(text: str) -> Iterator[tuple[str, str | None]]:
    """Return the keys that a text names, each with the value that it gives it, if it does."""
    for found in (*_KEY.finditer(text), *_SECTION.finditer(text)):
        key = found[1] + found[2]
        if _NO_KEYS.search(key):
            continue
        if key.endswith("_"):  # such as source.allow_...
            continue
        value = _VALUE.match(text, found.end())
        yield key, None if value is None else _filled(value[1])


def _filled(value: str) -> str:
    """Return a value with something in place of what a message puts in, or a reader has to."""
    named = re.compile(r"\b(BUCKET|PREFIX|HOST|PATH|NAME|NAMESPACE)\b")
    return named.sub(lambda word: word[0].lower(), value.replace(UNKNOWN, "1"))


def is_key(path: str) -> bool:
    """Tell whether a campaign file can have a key, such as ``align.gates.max_chance``."""
    return _reaches(Campaign, path.split("."))


def _reaches(kind: Any, path: list[str]) -> bool:
    if not path:
        return True
    if get_origin(kind) is Annotated:
        return _reaches(get_args(kind)[0], path)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(path[0])
        return field is not None and _reaches(field.annotation, path[1:])
    origin = get_origin(kind)
    if origin in (dict, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return _reaches(get_args(kind)[1], path[1:])
    if origin is Union or type(kind).__name__ == "UnionType":
        return any(_reaches(one, path) for one in get_args(kind))
    return kind is Any


def commands_in(sentence: Sentence) -> Iterator[str]:
    """Return what a text says that is to be typed after ``skymosaic``."""
    for found in _COMMAND.finditer(sentence.text):
        yield found[1].strip()


def options_in(sentence: Sentence) -> Iterator[str]:
    """Return the options that a sentence names, without the command that takes them."""
    for found in _OPTION.finditer(sentence.text):
        if found[0] not in OF_OTHERS:
            yield found[0]


def shown_in(page: Sentence) -> Iterator[str]:
    """Return the commands in the examples of a page."""
    shell = re.compile(r"^```(?:console|sh|bash)\n(.*?)^```", re.DOTALL | re.MULTILINE)
    for block in shell.findall(page.text):
        for found in _SHOWN.finditer(block.replace("\\\n", " ")):
            yield found[1]


def wrong_in(command: str) -> str | None:
    """Return what of a command line does not exist; None where all of it does."""
    ours, _, _ = command.partition(" | ")  # what it writes may go to another program
    known, rest = main, [word.rstrip(".,;:)") or word for word in ours.split()]
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option not in options_of(known) and option not in ("-h", "--help"):
            return f"skymosaic has no option {option}"
    if not rest or rest[0] in ("...", UNKNOWN):
        return None
    its = main.commands.get(rest[0])
    if its is None:
        return f"there is no command {rest[0]!r}"
    for word in rest[1:]:
        option = word.split("=")[0]
        if option.startswith("-") and option not in {*options_of(its), "-h", "--help"}:
            return f"{rest[0]} has no option {option}"
    return None


def options_of(command: click.Command) -> set[str]:
    """Return the options of a command, short and long."""
    return {
        name
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for name in (*parameter.opts, *parameter.secondary_opts)
    }
