"""Why a step would be made: what differs between what it was made from and what is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from skymosaic.errors import DamagedError
from skymosaic.steps.manifests import read_manifest
from skymosaic.steps.place import Place
from skymosaic.store.shapes import Manifest

_LONGEST = 40  # characters of a value that is shown


def reason(place: Place, step: str, wanted: Mapping[str, Any]) -> str:
    """Return why a step that does not count as finished has to be made.

    Parameters
    ----------
    place : Place
        The campaign's.
    step : str
        Its name.
    wanted : mapping
        Inputs (by name, their SHA-256), parameters and versions that are asked for.
    """
    try:
        manifest = read_manifest(place, step)
    except DamagedError:
        return "its manifest is damaged"
    if manifest is None:
        failed = place.store.age(place.key("failed", f"{step}.json")) is not None
        return "it failed" if failed else "never made"
    changes = [
        *_of_inputs(manifest["inputs"], wanted["inputs"]),
        *(f"parameter {line}" for line in _of_values(manifest["parameters"], wanted["parameters"])),
        *(f"version of {line}" for line in _of_values(manifest["versions"], wanted["versions"])),
    ]
    return "; ".join(changes) or _of_products(place, manifest)


def _of_inputs(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    new = [name for name in now if name not in before]
    gone = [name for name in before if name not in now]
    changed = [name for name, sha256 in now.items() if before.get(name, sha256) != sha256]
    for what, names in (("new", new), ("changed", changed), ("gone", gone)):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            yield f"input {names[0]}{more} {what}"


def _of_values(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """Return what differs between plain values, a line each, by the names that lead there."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for name in sorted({*before, *now}):
            inner = f"{path}.{name}" if path else str(name)
            yield from _of_values(before.get(name), now.get(name), inner)
    elif _plain(before) != _plain(now):
        yield f"{path}: {_shown(before)}, now {_shown(now)}"


def _plain(value: Any) -> Any:
    """Return a value as a manifest has it, which knows no tuples."""
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _of_products(place: Place, manifest: Manifest) -> str:
    lost = [name for name, product in manifest["products"].items() if not place.store.has(product)]
    # What is left is a manifest of another version, whose result means nothing now.
    return f"its product {lost[0]} is gone, or changed" if lost else "another version wrote it"
