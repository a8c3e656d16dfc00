"""Types of the campaign file's fields: plain YAML values, with messages made for its user."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

from skymosaic.config.drizzlepac_parameters import ParameterValue, as_switch

_Item = TypeVar("_Item", bound=Hashable)
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
_S3_URI = r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_][A-Za-z0-9._+-]*)*/?"
_MJD_0 = datetime(1858, 11, 17)
_MEMORY = r"^(auto|[0-9]+([.][0-9]+)? ?[kMGT]i?B)$"


def _to_text(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be text, not a boolean: put the word in quotes if you mean it")
    return str(value) if isinstance(value, (int, float)) else value


def _no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number, not a boolean")
    return value


def _safe_name(name: str) -> str:
    # A name of dots only cannot pass: it starts with a letter or digit.
    if not re.match(_NAME, name) or "\n" in name:
        raise ValueError(
            f"must be a safe folder name: letters, digits, '.', '_' and '-' only, a letter or "
            f"digit first; not {name!r}"
        )
    return name


def _memory(text: str) -> str:
    if not re.match(_MEMORY, text):
        raise ValueError(f"must be auto or a size with its unit such as 4GB, not {text!r}")
    return text


def _size(text: str) -> str:
    if text == "auto" or not re.match(_MEMORY, text):
        raise ValueError(f"must be a size with its unit such as 20GB, not {text!r}")
    return text


def _switch_or_auto(value: Any) -> Any:
    switch = "auto" if value == "auto" else as_switch(value)
    if switch is not None:
        return switch
    raise ValueError(f"must be true, false or auto, not {value!r}")


def _workers(value: Any) -> Any:
    if value == "auto":
        return value
    whole = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    if re.fullmatch(r"[0-9]{1,6}", whole) and int(whole) >= 1:
        return int(whole)
    raise ValueError(f"must be auto or a whole number of at least 1, not {value!r}")


def _s3_uri(uri: str) -> str:
    if not re.fullmatch(_S3_URI, uri):
        raise ValueError(
            f"must be s3://BUCKET/FOLDER, of letters, digits and . _ + - only, not {uri!r}"
        )
    return uri.rstrip("/")


def _moment(value: Any) -> Any:
    """Turn a date into MJD (UTC), which counts days from 1858-11-17."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(
                f"must be a date such as 2012-10-31, or an MJD, not {value!r}"
            ) from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            value = value.astimezone(UTC).replace(tzinfo=None)
        return (value - _MJD_0) / timedelta(days=1)
    return _no_boolean(value)


def _endpoint(url: str) -> str:
    if not re.fullmatch(r"https?://[^/\s?#]+/?", url):
        raise ValueError(
            f"must be the address of a server such as https://s3.example.org, not {url!r}"
        )
    return url


def _share(text: str) -> str:
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError(f"must be K/N such as 3/8, K from 1 to N, not {text!r}")
    return text


def _no_repeats(items: tuple[_Item, ...]) -> tuple[_Item, ...]:
    for index, item in enumerate(items):
        if item in items[:index]:
            raise ValueError(f"names {item!r} twice")
    return items


def _empty_if_none(value: Any) -> Any:
    return {} if value is None else value


def checked_store_uri(uri: str) -> str:
    """Return the URI of a store, without a slash at its end, if there can be a store there.

    Raises
    ------
    ValueError
        Its scheme is not known, or it is no bucket's name.
    """
    scheme = uri_scheme(uri)
    if scheme == "s3":
        if not re.fullmatch(_S3_URI, uri):
            raise ValueError(
                f"must be s3://BUCKET/PREFIX, of letters, digits and . _ + - only, not {uri!r}"
            )
        return uri.rstrip("/")
    if scheme not in ("", "file"):
        raise ValueError(
            f"{scheme}: stores are not known: give a folder (a path, or file:PATH; ./{scheme}:... "
            "where the folder's name has a colon) or s3://BUCKET/PREFIX"
        )
    return uri


def uri_scheme(uri: str) -> str:
    """Return the scheme of a URI in lower case, empty for a plain path."""
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):", uri)
    return found[1].lower() if found else ""


Text = Annotated[str, BeforeValidator(_to_text), Field(min_length=1)]
Names = Annotated[
    tuple[Text, ...],
    AfterValidator(_no_repeats),
    Field(json_schema_extra={"items": {"type": ["string", "integer"]}, "uniqueItems": True}),
]
Name = Annotated[
    Text, AfterValidator(_safe_name), Field(max_length=100, json_schema_extra={"pattern": _NAME})
]
# The bounds stand before the validator: only so do they reach the JSON Schema as its own keywords.
Count = Annotated[int, Field(ge=1), BeforeValidator(_no_boolean)]
Port = Annotated[int, Field(ge=0, le=65535), BeforeValidator(_no_boolean)]
Natural = Annotated[int, Field(ge=0), BeforeValidator(_no_boolean)]
Seed = Natural
Number = Annotated[float, BeforeValidator(_no_boolean)]
PositiveNumber = Annotated[float, Field(gt=0), BeforeValidator(_no_boolean)]
Method = Literal[
    "localmin",
    "match",
    "globalmin",
    "globalmin+match",
    "match-differences",
    "globalmin+match-differences",
]
Methods = Annotated[
    tuple[Method, ...],
    AfterValidator(_no_repeats),
    Field(min_length=1, json_schema_extra={"uniqueItems": True}),
]
Memory = Annotated[Text, AfterValidator(_memory), Field(json_schema_extra={"pattern": _MEMORY})]
# Of a size that is written out: there is nothing that "auto" could be a share of.
Size = Annotated[
    Text, AfterValidator(_size), Field(json_schema_extra={"pattern": _MEMORY.replace("auto|", "")})
]
Workers = Annotated[
    int | Literal["auto"],
    BeforeValidator(_workers, json_schema_input_type=Literal["auto"] | Annotated[int, Field(ge=1)]),
]
PerChip = Annotated[
    bool | Literal["auto"],
    BeforeValidator(_switch_or_auto, json_schema_input_type=Literal["auto"] | bool),
]
Moment = Annotated[float, BeforeValidator(_moment, json_schema_input_type=float | str)]
S3Uri = Annotated[Text, AfterValidator(_s3_uri)]
Share = Annotated[Text, AfterValidator(_share)]
StoreUri = Annotated[Text, AfterValidator(checked_store_uri)]
Endpoint = Annotated[Text, AfterValidator(_endpoint)]
Parameters = Annotated[
    Mapping[str, ParameterValue],
    BeforeValidator(_empty_if_none, json_schema_input_type=Mapping[str, ParameterValue] | None),
]
