"""What steps give, as objects and as the plain values of their manifests: turned here alone.

A step's result is a frozen dataclass, of other dataclasses where that is natural. pydantic reads it
from a manifest and names what does not fit; fields that older versions did not write have defaults.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import Field, TypeAdapter

from skymosaic.store import shapes

_R = TypeVar("_R")

Omitted = Annotated[_R | None, Field(exclude_if=lambda value: value is None)]
"""A value that is written where there is one; None is not."""


def as_plain(result: _R, gives: type[_R]) -> dict[str, Any]:
    """Return a result as its manifest holds it."""
    # What is no more than near to its type, such as a tuple for a list, is read back as it should.
    plain: dict[str, Any] = _adapter(gives).dump_python(result, warnings=False, by_alias=True)
    return plain


def from_plain(values: object, gives: type[_R], address: str) -> _R:
    """Return the result that a manifest holds.

    Parameters
    ----------
    values : object
        What the manifest says.
    gives : type
        What it should be.
    address : str
        Where the manifest is, for the error.

    Raises
    ------
    DamagedError
        It is something else, or another version of the project wrote it.
    """
    return shapes.fitted(values, _adapter(gives), address, "result")


def _adapter(gives: type[_R]) -> TypeAdapter[_R]:
    if gives not in _ADAPTERS:
        _ADAPTERS[gives] = TypeAdapter(gives)
    return _ADAPTERS[gives]


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}
