"""A YAML file as plain data that remembers on which line each key stands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from skymosaic.errors import CampaignError

KeyPath = tuple[str | int, ...]
_TAG = "tag:yaml.org,2002:"
# YAML 1.1 reads 064 as octal and 1:30 as sexagesimal, which nobody means here.
_SURPRISING_INTEGER = re.compile(r"[-+]?0[0-7_]+|.*:.*")


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
    """Keys given twice and numbers that YAML reads as something else."""


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        # An alias can nest without end; a campaign file is short enough to write values out.
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.composer.ComposerError(
                None, None, "aliases (*name) are not read: write the value out", event.start_mark
            )
        return super().compose_node(parent, index)


def read_document(path: Path, text_fields: frozenset[str] = frozenset()) -> Document:
    """Read a YAML file whose top level is a mapping.

    Parameters
    ----------
    path
        The file, in UTF-8.
    text_fields
        Keys such as ``align.order.*`` whose plain numbers and dates are meant as the text that
        stands in the file: ``050`` is ``'050'``, not 40.

    Raises
    ------
    CampaignError
        The file cannot be read, is empty, is no YAML, or is not a mapping.
    """
    return parse_document(_read_text(path), path, text_fields)


def parse_document(
    text: str, path: Path | str, text_fields: frozenset[str] = frozenset()
) -> Document:
    """Read a YAML text as `read_document` does a file; `path` tells people where it is from."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            raise CampaignError(f"{path}: is empty: a campaign needs at least campaign and source")
        if not isinstance(node, yaml.MappingNode):
            raise CampaignError(f"{path}: is not a mapping of sections such as 'source:'")
        walk = _Walk(text_fields)
        walk.mapping(node, ())
        data = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        # The error's own text quotes the file, which may hold what must not reach a log.
        mark = error.problem_mark or error.context_mark
        where = f"{path} line {mark.line + 1}" if mark else f"{path}"
        raise CampaignError(f"{where}: is not valid YAML: {error.problem}") from None
    except yaml.reader.ReaderError as error:
        raise CampaignError(
            f"{path}: character {error.position} is not allowed in YAML: {error.reason}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise CampaignError(f"{path}: holds a value that YAML cannot read: {error}") from error
    return Document(data, walk.lines, tuple(walk.problems))


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CampaignError(
            f"{path}: is not UTF-8 (byte {error.start}): save it as UTF-8"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CampaignError(f"{path}: cannot read the campaign file: {reason}") from error


class _Walk:
    """One pass over the nodes of a file, before they become values."""

    def __init__(self, text_fields: frozenset[str]) -> None:
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[Problem] = []
        self._text_fields = {tuple(field.split(".")) for field in text_fields}

    def mapping(self, node: yaml.MappingNode, key: KeyPath) -> None:
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
                self.problems.append(
                    Problem(inner, f"is given twice, on lines {first} and {line}", line)
                )
            else:
                self.lines[inner] = line
            self._value(value_node, inner)

    def _value(self, node: yaml.Node, key: KeyPath) -> None:
        if isinstance(node, yaml.MappingNode):
            self.mapping(node, key)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.lines.setdefault((*key, index), item.start_mark.line + 1)
                self._value(item, (*key, index))
        elif isinstance(node, yaml.ScalarNode) and node.style is None:
            self._plain_scalar(node, key)

    def _plain_scalar(self, node: yaml.ScalarNode, key: KeyPath) -> None:
        kind = node.tag.removeprefix(_TAG)
        general = tuple("*" if isinstance(part, int) else part for part in key)
        is_text = general in self._text_fields and kind in ("int", "float")
        if is_text or kind == "timestamp":  # no field is a date
            node.tag = f"{_TAG}str"
        elif kind in ("int", "float") and _SURPRISING_INTEGER.fullmatch(node.value):
            node.tag = f"{_TAG}str"
            self.problems.append(
                Problem(
                    key,
                    f"YAML does not read {node.value} as a decimal number: "
                    f"write it without leading zeros and colons, or in quotes as '{node.value}'",
                )
            )
