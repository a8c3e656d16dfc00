"""Objects as YAML that every reader of YAML reads alike."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml

# Words that are text for YAML 1.1 and 1.2 alike. PyYAML writes others plainly, too, which Go's
# reader takes for something else, such as y (true) and 1e3 (a number).
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]+")
_NO_TEXT = frozenset({"yes", "no", "true", "false", "on", "off", "null"})


class _Dumper(yaml.SafeDumper):
    """Writes text in quotes where a reader could take it for anything else."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write what is used twice twice: anchors are hard to read, and Kustomize refuses some."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style: str | None = '"'
    if _PLAIN.fullmatch(text) and text.lower() not in _NO_TEXT:
        style = None
    elif "\n" in text:
        style = "|"  # PyYAML takes quotes where a block cannot hold it
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def as_yaml(objects: Sequence[dict[str, Any]]) -> str:
    """Return objects as YAML documents.

    Parameters
    ----------
    objects : sequence of dict
        Of plain values.
    """
    return yaml.dump_all(
        objects, Dumper=_Dumper, sort_keys=False, explicit_start=True, width=100, allow_unicode=True
    )
