"""Types of the campaign file's fields: plain YAML values, with messages made for its user."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from dask.utils import parse_bytes
from pydantic import AfterValidator, BeforeValidator, Field

from skymosaic.config.drizzlepac_parameters import ParameterValue, as_switch

_Item = TypeVar("_Item", bound=Hashable)
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
_S3_URI = r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_][A-Za-z0-9._+-]*)*/?"
_MJD_0 = datetime(1858, 11, 17)
_HUBBLE = (48005.0, 88069.0)  # MJD of its launch, 1990-04-24, and of 2100-01-01
_SMALLEST = 256e6  # bytes; a worker has as much before it reads anything, an exposure 10 to 170 MB
_LARGEST = 1e15  # bytes
_MEMORY = r"^(auto|[0-9]+([.][0-9]+)? ?[kMGT]i?B)$"


def _to_text(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be text, not a boolean: put the word in quotes if you mean it")
    return str(value) if isinstance(value, (int, float)) else value


def no_boolean(value: Any) -> Any:
    """Refuse a boolean, which Python takes for a number."""
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
    return text if text == "auto" else _sane(text)


def _sane(text: str) -> str:
    if not _SMALLEST <= parse_bytes(text) <= _LARGEST:
        raise ValueError(f"must be from 256MB to 1000TB, not {text!r}")
    return text


def _size(text: str) -> str:
    if text == "auto" or not re.match(_MEMORY, text):
        raise ValueError(f"must be a size with its unit such as 20GB, not {text!r}")
    return _sane(text)


def _switch_or_auto(value: Any) -> Any:
    switch = "auto" if value == "auto" else as_switch(value)
    if switch is not None:
        return switch
    raise ValueError(f"must be true, false or auto, not {value!r}")


def _workers(value: Any) -> Any:
    if value == "auto":
        return value
    whole = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    if re.fullmatch(r"[0-9]{1,5}", whole) and int(whole) >= 1:
        return int(whole)
    raise ValueError(f"must be auto or a whole number from 1 to 99999, not {value!r}")


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
        value = (value - _MJD_0) / timedelta(days=1)
    first, last = _HUBBLE
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not first <= value <= last:
            raise ValueError(
                "must be a date such as 2012-10-31, or an MJD, from 1990-04-24 (MJD 48005) to "
                f"2099-12-31, not {value:g}"
            )
        return value
    return no_boolean(value)


def _endpoint(url: str) -> str:
    if not re.fullmatch(r"https?://[^/\s?#]+/?", url) or not _has_port(url):
        raise ValueError(
            f"must be the address of a server such as https://s3.example.org, not {url!r}"
        )
    return url


def _url(url: str) -> str:
    if not re.fullmatch(r"https?://[^/\s?#@]+(/[A-Za-z0-9._~-]+)*/?", url) or not _has_port(url):
        raise ValueError(
            f"must be the address of a service such as https://archive.example.org/tap, not {url!r}"
        )
    return url.rstrip("/")


def _has_port(url: str) -> bool:
    """Tell whether the port of an address, where it has one, is a port."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _host(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._:%-]{1,255}", text):
        raise ValueError(f"must be the name of a host or its address, not {text!r}")
    return text


def _scheduler(address: str) -> str:
    found = re.fullmatch(r"(?:([a-z]+)://)?[^\s/]+:([0-9]{1,5})/?", address)
    inside = re.fullmatch(r"inproc://[^\s]+", address)  # of this process: no port
    known = found and found[1] in (None, "tcp", "tls", "ws", "wss", "ucx", "ucxx")
    if not inside and not (known and found and 0 < int(found[2]) < 2**16):
        raise ValueError(f"must be an address such as tls://scheduler:8786, not {address!r}")
    return address


def _bucket(name: str) -> str:
    if not re.fullmatch(_S3_URI, f"s3://{name}") or "/" in name:
        raise ValueError(f"must be the name of a bucket, not {name!r}")
    return name


def _region(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]{1,63}", text):
        raise ValueError(f"must be a region such as us-east-1, not {text!r}")
    return text


def _proposal(text: str) -> str:
    if not re.fullmatch(r"[0-9*]{1,6}", text):
        raise ValueError(f"must be the number of a proposal, such as 12812, not {text!r}")
    return text


def _share(text: str) -> str:
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError(f"must be K/N such as 3/8, K from 1 to N, not {text!r}")
    return text


def no_repeats(items: tuple[_Item, ...]) -> tuple[_Item, ...]:
    """Refuse a list that names something twice."""
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


AnyText = Annotated[str, BeforeValidator(_to_text)]
Text = Annotated[AnyText, Field(min_length=1)]
Names = Annotated[
    tuple[Text, ...],
    AfterValidator(no_repeats),
    Field(json_schema_extra={"items": {"type": ["string", "integer"]}, "uniqueItems": True}),
]
Name = Annotated[
    Text, AfterValidator(_safe_name), Field(max_length=100, json_schema_extra={"pattern": _NAME})
]
Proposals = Annotated[
    tuple[Annotated[Text, AfterValidator(_proposal)], ...],
    AfterValidator(no_repeats),
    Field(json_schema_extra={"items": {"type": ["string", "integer"]}, "uniqueItems": True}),
]
# The bounds stand before the validator: only so do they reach the JSON Schema as its own keywords.
Count = Annotated[int, Field(ge=1, le=10**6), BeforeValidator(no_boolean)]
Port = Annotated[int, Field(ge=0, le=65535), BeforeValidator(no_boolean)]
Natural = Annotated[int, Field(ge=0, le=10**6), BeforeValidator(no_boolean)]
Seed = Annotated[int, Field(ge=0, lt=2**63), BeforeValidator(no_boolean)]
Number = Annotated[float, BeforeValidator(no_boolean)]
PositiveNumber = Annotated[float, Field(gt=0), BeforeValidator(no_boolean)]
# At most a year: who waits longer waits for nothing, and timers of the system overflow.
Seconds = Annotated[float, Field(gt=0, le=366 * 86400), BeforeValidator(no_boolean)]
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
    AfterValidator(no_repeats),
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
Static = Literal["auto", "once", "repeated", "none"]
Moment = Annotated[float, BeforeValidator(_moment, json_schema_input_type=float | str)]
S3Uri = Annotated[Text, AfterValidator(_s3_uri)]
Share = Annotated[Text, AfterValidator(_share)]
Bucket = Annotated[Text, AfterValidator(_bucket)]
Region = Annotated[Text, AfterValidator(_region)]
Host = Annotated[Text, AfterValidator(_host)]
SchedulerAddress = Annotated[Text, AfterValidator(_scheduler)]
StoreUri = Annotated[Text, AfterValidator(checked_store_uri)]
Endpoint = Annotated[Text, AfterValidator(_endpoint)]
Url = Annotated[Text, AfterValidator(_url)]
Parameters = Annotated[
    Mapping[str, ParameterValue],
    BeforeValidator(_empty_if_none, json_schema_input_type=Mapping[str, ParameterValue] | None),
]
