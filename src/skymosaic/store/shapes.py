"""What records in a store look like: one reader for all of them, and one error for damaged ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,  # pydantic asks for this one
    TypeVar,
)

from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from skymosaic.errors import DamagedError
from skymosaic.store.base import Product, Store
from skymosaic.store.traffic import Traffic

_T = TypeVar("_T")
_CHECKSUM = "checksum"
"""What a record calls the SHA-256 of all else in it; older versions did not write it."""

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Bytes = Annotated[int, Field(ge=0)]
# A name as a class's attribute would be no keyword: errors have a field `class`.
ErrorRecord = TypedDict(
    "ErrorRecord",
    {"class": str, "message": str, "exit_code": int, "passes_by_itself": bool},
)
"""An error, as `steps.failures.as_record` writes it."""


class Manifest(TypedDict):
    """The manifest of a finished step."""

    step: str
    key: str
    inputs: dict[str, str]
    parameters: dict[str, Any]
    versions: dict[str, str]
    products: dict[str, Product]
    result: dict[str, Any]
    seconds: Seconds
    peak_memory: Bytes
    fetched: dict[str, Bytes]
    moved: Traffic
    host: str
    cache: str
    checksum: NotRequired[str]


class Failed(TypedDict):
    """What is known of a step that failed."""

    error: ErrorRecord


TaskWord = Literal["running", "done", "reused", "failed"]
RunWord = Literal["running", "done", "failed", "interrupted", "cancelled"]


class TaskEntry(TypedDict):
    """A task in the record of a run."""

    task: str
    state: TaskWord
    seconds: Seconds
    detail: str
    # Older versions wrote none of these.
    kind: NotRequired[str]
    step: NotRequired[str]
    group: NotRequired[str]


class RunEntry(TypedDict):
    """The record of a run, as far as its readers need it."""

    started: str
    ended: str | None
    state: RunWord
    expected: Annotated[int, Field(ge=0)]
    tasks: list[TaskEntry]
    error: ErrorRecord | None
    dashboard: NotRequired[str]
    metrics: NotRequired[str]


MANIFEST = TypeAdapter(Manifest)
FAILED = TypeAdapter(Failed)
RUN = TypeAdapter(RunEntry)


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with its own checksum: a number that changed would look like any other."""
    plain = {name: value for name, value in record.items() if name != _CHECKSUM}
    # As it is read back: JSON has no tuples, and its names are all text.
    return {**plain, _CHECKSUM: _checksum_of(json.loads(json.dumps(plain)))}


def _checksum_of(record: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a record, as JSON has it, without its own one."""
    plain = {name: value for name, value in record.items() if name != _CHECKSUM}
    # Without indents: those take seconds for the pairs of a thousand exposures.
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def read(store: Store, key: str, shape: TypeAdapter[_T]) -> _T | None:
    """Return a record, or None where there is none.

    Parameters
    ----------
    store : Store
        Where it is.
    key : str
        Its key.
    shape : TypeAdapter
        What it must look like; what else it tells is left out.

    Raises
    ------
    DamagedError
        It does not look so.
    """
    found = store.read_json(key)
    return None if found is None else checked(found, shape, store.address(key))


def checked(found: Any, shape: TypeAdapter[_T], address: str) -> _T:
    """Return a record that was read; errors as `read`."""
    if isinstance(found, dict) and found.get(_CHECKSUM, is_now := _checksum_of(found)) != is_now:
        raise DamagedError(
            f"{address} is damaged: its SHA-256 is {is_now}, it says {found[_CHECKSUM]!r:.80}; "
            "delete it and run again"
        )
    return fitted(found, shape, address)


def fitted(found: Any, shape: TypeAdapter[_T], address: str, part: str = "") -> _T:
    """Return a record, or a part of one, as its shape has it; raises DamagedError where it cannot.

    Parameters
    ----------
    found : object
        Plain values.
    shape : TypeAdapter
        What they must look like.
    address : str
        Where they are, for the error.
    part : str
        Which part of the record they are; empty: all of it.
    """
    try:
        return shape.validate_python(found)
    except ValidationError as error:
        first: Mapping[str, Any] = error.errors(include_input=False, include_url=False)[0]
        place = ".".join([*filter(None, [part]), *map(str, first["loc"])]) or "all of it"
        raise DamagedError(
            f"{address} is damaged ({place}: {first['msg']}); delete it and run again"
        ) from None
