"""Paths of a campaign: relative ones become absolute, so that the resolved file works anywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from skymosaic.config.document import KeyPath, Problem, is_writable
from skymosaic.config.fields import uri_scheme

PATH_KEYS: tuple[KeyPath, ...] = (
    ("source", "path"),
    ("store", "uri"),
    ("compute", "scratch"),
    ("compute", "cache"),
    ("compute", "slurm", "logs"),
    ("align", "tweakreg", "refcat"),
    ("align", "reference", "path"),
    ("align", "reference", "campaign"),
    ("drizzle", "parameters", "rules_file"),
    ("drizzle", "parameters", "driz_sep_refimage"),
    ("drizzle", "parameters", "final_refimage"),
    ("drizzle", "grid", "like"),
)
_URIS = (
    ("store", "uri"),
    ("drizzle", "grid", "like"),
    ("align", "reference", "path"),
    ("align", "reference", "campaign"),
)
_EMPTY = {
    ("grid", "like"): "file or campaign",
    ("reference", "path"): "file or folder",
    ("reference", "campaign"): "campaign",
}
_DRIZZLEPACS = ("tweakreg", "parameters")


def resolve_paths(data: dict[str, Any], base_of: Callable[[KeyPath], Path]) -> list[Problem]:
    """Make the paths in the data of a campaign absolute, in place.

    Parameters
    ----------
    data
        The campaign as plain data, not validated yet.
    base_of
        Gives the folder that a relative path at a key is relative to.

    Returns
    -------
    list of Problem
        Paths that no file system takes.
    """
    problems: list[Problem] = []
    groups = data.get("groups")
    own = groups.get("parameters") if isinstance(groups, dict) else None
    names = own if isinstance(own, dict) else ()
    of_groups = [("groups", "parameters", name, *key) for name in names for key in PATH_KEYS]
    for key in (*PATH_KEYS, *of_groups):
        holder: Any = data
        for part in key[:-1]:
            holder = holder.get(part) if isinstance(holder, dict) else None
        value = holder.get(key[-1]) if isinstance(holder, dict) else None
        if not isinstance(value, (str, Path)):
            continue
        if not str(value):
            if key[-2] not in _DRIZZLEPACS:  # whose parameters are empty where they name no file
                what = _EMPTY.get(key[-2:], "folder")
                problems.append(Problem(key, f"is empty: name a {what}, or leave the key out"))
            continue
        is_uri = key[-2:] in [uri[-2:] for uri in _URIS]
        if not is_uri and "://" in str(value):
            hint = ": use source.kind: s3" if key[0] == "source" else ""
            problems.append(Problem(key, f"must be a path, not {str(value)!r}{hint}"))
            continue
        try:
            holder[key[-1]] = absolute(str(value), base_of(key), is_uri=is_uri)
            if not is_writable(holder[key[-1]]):
                raise ValueError("it is not UTF-8, and cannot be written down")
        except (OSError, ValueError, RuntimeError) as error:
            problems.append(Problem(key, f"{str(value)!r} cannot be a path: {error}"))
    return problems


def absolute(value: str, base: Path, *, is_uri: bool = False) -> str:
    """Return a path as an absolute one; a URI with a scheme other than ``file`` as it is.

    Raises
    ------
    ValueError, OSError, RuntimeError
        The path names another host, an unknown user (``~name``), or goes round in a circle.
    """
    if is_uri and (scheme := uri_scheme(value)):
        if scheme != "file":
            return value
        parts = urlsplit(value)
        if parts.netloc not in ("", "localhost"):
            raise ValueError(f"it names the host {parts.netloc}; write file:PATH or file:///PATH")
        value = unquote(parts.path)
        if not value:
            raise ValueError("it names no folder; write file:PATH")
    return str((base.absolute() / Path(value).expanduser()).resolve())
