"""Which keys of the campaign file hold text, by the types of its models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

ANY = "*"
"""Stands for any name of a mapping, and for any item of a list."""
_TextKey = tuple[str, ...]


def text_fields(model: type[BaseModel]) -> frozenset[_TextKey]:
    """Return the keys of a model, and of those below it, whose values can only be text or paths."""
    return frozenset(_of_model(model, ()))


def _of_model(model: type[BaseModel], key: _TextKey) -> Iterator[_TextKey]:
    for name, field in model.model_fields.items():
        yield from _of_type(field.annotation, (*key, name))


def _of_type(kind: Any, key: _TextKey) -> Iterator[_TextKey]:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        yield from _of_type(inner[0], key)
    elif origin in (Union, UnionType):
        if not any(_plain(one) in (bool, int, float) for one in inner):
            for one in inner:
                yield from _of_type(one, key)
    elif origin is tuple:
        yield from _of_type(inner[0], (*key, ANY))
    elif origin is Mapping:
        yield from _of_type(inner[1], (*key, ANY))
    elif kind in (str, Path):
        yield key
    elif isinstance(kind, type) and kind is not NoneType and issubclass(kind, BaseModel):
        yield from _of_model(kind, key)


def _plain(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind
