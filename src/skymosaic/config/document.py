"""YAML as plain data that remembers on which line each key stands.

The campaign file and the values of ``--set`` are read by this one loader. It follows the core
schema of YAML 1.2, where 1:30 and dates are text and 1e3 is a number. PyYAML alone follows
YAML 1.1, where 1:30 is 90, 012 is 10, and 1e3 is text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from skymosaic.config.text_fields import ANY
from skymosaic.errors import CampaignError

KeyPath = tuple[str | int, ...]
TextFields = frozenset[tuple[str, ...]]
_TAG = "tag:yaml.org,2002:"
_FLOAT = (
    r"[-+]?([.][0-9]+|[0-9]+([.][0-9]*)?)([eE][-+]?[0-9]+)?"
    r"|[-+]?[.](inf|Inf|INF)|[.](nan|NaN|NAN)"
)
# YAML 1.2, section 10.3.2: what plain text stands for, tried in this order.
_SCHEMA = {
    "null": re.compile(r"(?:~|null|Null|NULL|)\Z"),
    "bool": re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"),
    "int": re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z"),
    "float": re.compile(rf"(?:{_FLOAT})\Z"),
}
# 10 to YAML 1.2, 8 to YAML 1.1: people mean either, or a name such as that of tile 050.
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_HALF = re.compile("[\ud800-\udfff]")
"""What stands for one character in UTF-16 with another of its kind, and alone cannot be written."""
_LONGEST_NUMBER = 30  # characters; Python refuses to print integers of thousands
_DEEPEST = 30  # levels; a campaign file needs seven
_LONGEST = 2**22  # bytes of a campaign file: a list of thousands of exposures has a tenth of it


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong at one key; the empty key is the whole file."""

    key: KeyPath
    text: str
    line: int | None = None
    """Line in the file, from 1, where it is not simply the line of ``key``."""


@dataclass(frozen=True)
class Document:
    """What a YAML file says, and where."""

    data: dict[str, Any]
    lines: Mapping[KeyPath, int]
    """Line (from 1) of each key of a mapping and of each item of a list."""
    problems: tuple[Problem, ...]
    """Keys given twice and numbers that can be read in two ways."""


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {}  # noqa: RUF012 - those of YAML 1.1

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()
        refused = ""
        # An alias can nest without end; a campaign file is short enough to write values out.
        if isinstance(event, yaml.AliasEvent):
            refused = "aliases (*name) are not read: write the value out"
        elif getattr(event, "tag", None) is not None:
            refused = "tags (!name) are not read: write the plain value"
        elif self._depth >= _DEEPEST:
            refused = f"it is nested deeper than {_DEEPEST} levels"
        elif _HALF.search(getattr(event, "value", None) or ""):
            refused = "it holds half of a character (\\ud800 to \\udfff)"
        if refused:
            raise yaml.composer.ComposerError(None, None, refused, event.start_mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        return int(node.value, 0)


class _Dumper(yaml.SafeDumper):
    """Quotes text that either version of YAML would take for something else."""


for _kind, _pattern in _SCHEMA.items():
    _Loader.add_implicit_resolver(f"{_TAG}{_kind}", _pattern, None)
    _Dumper.add_implicit_resolver(f"{_TAG}{_kind}", _pattern, None)
_Loader.add_constructor(f"{_TAG}int", _Loader.construct_yaml_int)


def read_document(path: Path, text_fields: TextFields = frozenset()) -> Document:
    """Read a YAML file whose top level is a mapping.

    Parameters
    ----------
    path
        The file, in UTF-8.
    text_fields
        Keys such as ``("align", "order", "*")`` whose plain numbers are meant as the text that
        stands in the file: ``050`` is ``'050'``, not 50.

    Raises
    ------
    CampaignError
        The file cannot be read, is empty, is no YAML, or is not a mapping.
    """
    return parse_document(_read_text(path), path, text_fields)


def parse_document(text: str, path: Path | str, text_fields: TextFields = frozenset()) -> Document:
    """Read a YAML text as `read_document` does a file; `path` tells people where it is from."""
    data, walk = _read(text, (), text_fields, f"{path}", f"{path} line ")
    if data is None:
        raise CampaignError(f"{path}: is empty: a campaign needs at least campaign and source")
    if not isinstance(data, dict):
        raise CampaignError(f"{path}: is not a mapping of sections such as 'source:'")
    return Document(data, walk.lines, tuple(walk.problems))


def parse_value(
    text: str, key: KeyPath, text_fields: TextFields = frozenset()
) -> tuple[Any, list[Problem]]:
    """Read the value of one key, as if it stood in the file.

    Parameters
    ----------
    text
        YAML; no text is null, as after a key of the file.
    key
        Where it belongs.
    text_fields
        As for `read_document`.

    Returns
    -------
    value, problems
        None, and what is wrong with it, where it is no YAML.
    """
    try:
        data, walk = _read(text, key, text_fields, "the value", "the value, line ")
    except CampaignError as error:
        return None, [Problem(key, str(error))]
    # Lines of the command line tell nobody anything.
    return data, [replace(problem, line=None) for problem in walk.problems]


def is_writable(text: str) -> bool:
    """Tell whether a text can be written as UTF-8; names of files from the shell may not."""
    return _HALF.search(text) is None


def to_yaml(data: Mapping[str, Any]) -> str:
    """Return plain data as YAML that this loader, and those of YAML 1.1, read alike."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100))


def _read(
    text: str, key: KeyPath, text_fields: TextFields, whole: str, line: str
) -> tuple[Any, _Walk]:
    """Return what a text at a key says; errors begin with `whole`, or `line` and its number."""
    walk = _Walk(text_fields)
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, walk
        walk.value(node, key)
        return loader.construct_document(node), walk
    except yaml.MarkedYAMLError as error:
        # The error's own text quotes the file, which may hold what must not reach a log.
        mark = error.problem_mark or error.context_mark
        place = f"{line}{mark.line + 1}" if mark else whole
        raise CampaignError(f"{place}: is not valid YAML: {error.problem}") from None
    except yaml.reader.ReaderError as error:
        raise CampaignError(
            f"{whole}: character {error.position} is not allowed in YAML: {error.reason}"
        ) from None
    except (ValueError, OverflowError) as error:  # PyYAML's own, of escapes such as "\UFFFFFFFF"
        raise CampaignError(f"{whole}: is not valid YAML: {error}") from None


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST + 1)
        if len(content) > _LONGEST:
            raise CampaignError(f"{path}: is no campaign file: it is longer than {_LONGEST} bytes")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CampaignError(
            f"{path}: is not UTF-8 (byte {error.start}): save it as UTF-8"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CampaignError(f"{path}: cannot read the campaign file: {reason}") from error


class _Walk:
    """One pass over the nodes of a file, before they become values."""

    def __init__(self, text_fields: TextFields) -> None:
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[Problem] = []
        self._text_fields = text_fields

    def _mapping(self, node: yaml.MappingNode, key: KeyPath) -> None:
        for name_node, value_node in node.value:
            line = name_node.start_mark.line + 1
            if not isinstance(name_node, yaml.ScalarNode):
                raise yaml.composer.ComposerError(
                    None, None, "a key must be plain text", name_node.start_mark
                )
            name_node.tag = f"{_TAG}str"  # keys such as 54, no and << are text as well
            inner = (*key, name_node.value)
            if inner in self.lines:
                first = self.lines[inner]
                place = f"on lines {first} and {line}" if line > first else f"on line {line}"
                self.problems.append(Problem(inner, f"is given twice, {place}", line))
            else:
                self.lines[inner] = line
            self.value(value_node, inner)

    def value(self, node: yaml.Node, key: KeyPath) -> None:
        if isinstance(node, yaml.MappingNode):
            self._mapping(node, key)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.lines.setdefault((*key, index), item.start_mark.line + 1)
                self.value(item, (*key, index))
        elif isinstance(node, yaml.ScalarNode) and node.style is None:
            self._plain_scalar(node, key)

    def _plain_scalar(self, node: yaml.ScalarNode, key: KeyPath) -> None:
        kind = node.tag.removeprefix(_TAG)
        if kind not in ("int", "float"):
            return
        problem = ""
        if any(_fits(key, field) for field in self._text_fields):
            node.tag = f"{_TAG}str"
        elif kind == "int" and _LEADING_ZERO.fullmatch(node.value):
            problem = "can be read as a decimal or an octal number: write it without leading zeros"
        elif kind == "int" and len(node.value) > _LONGEST_NUMBER:
            problem = f"is a number of more than {_LONGEST_NUMBER} digits"
        if problem:
            node.tag = f"{_TAG}str"
            shown = node.value[:_LONGEST_NUMBER]
            self.problems.append(Problem(key, f"{shown} {problem}"))


def _fits(key: KeyPath, field: tuple[str, ...]) -> bool:
    return len(key) == len(field) and all(
        known in (ANY, part) for part, known in zip(key, field, strict=True)
    )
