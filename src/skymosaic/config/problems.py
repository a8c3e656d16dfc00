"""What is wrong with a campaign, said in the words and the line numbers of its file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from skymosaic.config.document import KeyPath, Problem
from skymosaic.config.drizzlepac_parameters import Task, known_parameters
from skymosaic.config.grid import AUTO_FORM, FORMS
from skymosaic.config.models import Campaign, GroupParameters
from skymosaic.config.reference import REFERENCES
from skymosaic.config.sources import DirectorySource, MastSource, S3Source, SimulatedSource
from skymosaic.host.shown import shown

_SOURCES: dict[str, type[BaseModel]] = {
    "simulated": SimulatedSource,
    "directory": DirectorySource,
    "mast": MastSource,
    "s3": S3Source,
}
_KINDS = tuple(_SOURCES)
_SECRET_KEY = re.compile(
    r"secret|token|passw|passphrase|credential|(access|api|private)[_-]?key", re.IGNORECASE
)
# Each part has one place to begin and one to end, so that the time grows with the text alone.
_SECRET_VALUE = re.compile(
    r"(?<![a-z0-9+.-])[0-9+.-]*[a-z][a-z0-9+.-]*://[^/\s@:]*:[^/\s@]+@"
    r"|\b(AKIA|ASIA)[0-9A-Z]{16}\b",
    re.I,
)
_EXPECTED = {
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("int_from_float",), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), "a finite number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("string_type", "path_type"), "text"),
}
"""What pydantic asks for by the kind of its error, in fewer words than its own."""
_REMEDY = "a campaign file holds none: keep it in the environment or the settings of its own tool"
_SHOWN = 60


def remove_secrets(data: Any, key: KeyPath = ()) -> list[Problem]:
    """Take keys and values that look like credentials out of the data, so that none is repeated.

    Parameters
    ----------
    data
        Plain data, changed in place.
    key
        Where the data stands in the file.

    Returns
    -------
    list of Problem
        Where they stood; never what they were.
    """
    found: list[Problem] = []
    items = list(data.items() if isinstance(data, dict) else enumerate(data))
    for name, value in items:
        inner = (*key, name)
        is_key = isinstance(name, str) and _SECRET_KEY.search(name)
        if is_key or (isinstance(value, str) and _SECRET_VALUE.search(value)):
            what = "looks like a secret" if is_key else "its value looks like a secret"
            found.append(Problem(inner, f"{what}, and {_REMEDY}"))
            if isinstance(data, dict):
                del data[name]
            else:
                data[name] = ""
        elif isinstance(value, (dict, list)):
            found += remove_secrets(value, inner)
    return found


def is_consequence(error: ErrorDetails) -> bool:
    """Whether an error of pydantic only follows from others, of the items of a list.

    It calls a list too short whose items are wrong.
    """
    return error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]


def from_pydantic(error: ErrorDetails) -> Problem:
    """Turn one error of pydantic into a problem of the file."""
    location = tuple(error["loc"])
    key = _without_kind(location)
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return Problem(key, _unknown_key(location))
    if kind == "missing":
        return Problem(key, f"is missing{_purpose(location)}")
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        kinds = _KINDS if key[-1:] == ("source",) else tuple(REFERENCES)
        if not isinstance(given, Mapping) or "kind" not in given:
            return Problem((*key, "kind"), f"is missing: it is {' or '.join(kinds)}")
        return Problem((*key, "kind"), _not_among(kinds, given["kind"]))
    if kind == "literal_error":
        expected = re.findall(r"'([^']*)'", context["expected"])
        return Problem(key, _not_among(expected, given))
    if kind == "value_error":
        return Problem(key, str(context["error"]))
    if kind in ("model_type", "model_attributes_type", "dict_type", "mapping_type"):
        return Problem(key, f"must be a mapping of keys and values, not {_shown(given)}")
    if kind == "tuple_type":
        return Problem(key, f"must be a list such as [a, b], not {_shown(given)}")
    if kind == "too_short":
        if isinstance(given, str):
            return Problem(key, "must not be empty")
        return Problem(key, f"must name {context['min_length']} or more, not {_shown(given)}")
    if kind == "too_long":
        return Problem(key, f"must have {context['max_length']} values, not {_shown(given)}")
    if kind in _EXPECTED:
        unit = _unit(location) if kind.startswith("float") else ""
        return Problem(key, f"must be {_EXPECTED[kind]}{unit}, not {_shown(given)}")
    text = error["msg"].replace("Input should", "must").replace("should", "must")
    return Problem(key, f"{text[0].lower()}{text[1:]}, not {_shown(given)}")


def message(
    path: Path | str,
    problems: Sequence[Problem],
    lines: Mapping[KeyPath, int],
    overridden: set[KeyPath],
) -> str:
    """Return the problems in the order of the file, one line each.

    Parameters
    ----------
    path
        The campaign file.
    problems
        What is wrong.
    lines
        Line (from 1) of each key in the file.
    overridden
        Keys that the command line gave.
    """
    found: list[tuple[int, str]] = []
    for problem in problems:
        name = ".".join(str(part) for part in problem.key)
        text = f"{name}: {problem.text}" if name else problem.text
        if _is_overridden(problem.key, overridden, lines):
            found.append((0, f"command line: {text}"))
            continue
        line = problem.line or _nearest_line(problem.key, lines)
        place = f"{path} line {line}" if line else f"{path}"
        found.append((line, f"{place}: {text}"))
    texts = [shown(text) for _, text in sorted(found, key=lambda item: item[0])]
    return "\n".join(dict.fromkeys(texts))


def _is_overridden(key: KeyPath, overridden: set[KeyPath], lines: Mapping[KeyPath, int]) -> bool:
    inside = any(key[: len(given)] == given for given in overridden)
    above = key not in lines and any(given[: len(key)] == key for given in overridden if key)
    return inside or above


def _nearest_line(key: KeyPath, lines: Mapping[KeyPath, int]) -> int:
    for length in range(len(key), 0, -1):
        if key[:length] in lines:
            return lines[key[:length]]
    return 0


def _without_kind(location: KeyPath) -> KeyPath:
    """Drop kind of source, form of grid and mark of a mapping's key, which pydantic puts in."""
    if location[:1] == ("source",) and location[1:2] and location[1] in _KINDS:
        location = ("source", *location[2:])
    if (place := _kind_of_reference(location)) is not None:
        location = (*location[:place], *location[place + 1 :])
    return tuple(part for part in location if part not in ("[key]", AUTO_FORM, *FORMS))


def _kind_of_reference(location: KeyPath) -> int | None:
    """Return where in a location the kind of a reference stands, which is no key; None: nowhere."""
    for place in range(2, len(location)):
        above = location[place - 2 : place]
        if above == ("align", "reference") and location[place] in REFERENCES:
            return place
    return None


def _model_at(location: KeyPath) -> type[BaseModel] | None:
    """Return the model that the parent of a location belongs to."""
    if location[:1] == ("source",):
        return _SOURCES.get(str(location[1])) if len(location) == 3 else None
    if len(location) > 1 and location[-2] in FORMS:
        return FORMS[str(location[-2])]
    model: type[BaseModel] | None = Campaign
    rest = location[:-1]
    if (place := _kind_of_reference(location)) is not None:
        model, rest = REFERENCES[str(location[place])], location[place + 1 : -1]
    for part in rest:
        field = model.model_fields.get(str(part)) if model else None
        # A mapping has no model: its keys are not fields.
        annotation: Any = field.annotation if field else None
        model = annotation if isinstance(annotation, type) else None
    return model


def _unknown_key(location: KeyPath) -> str:
    if location[:2] == ("groups", "parameters") and len(location) > 4:
        return _unknown_key(location[3:])  # a group has sections like those of the campaign
    name, model = str(location[-1]), _model_at(location)
    if location[:2] == ("groups", "parameters") and len(location) == 4:
        model = GroupParameters
    if home := _home_of(name, str(location[0])):
        return f"unknown key: it belongs under {home}"
    if location[0] == "source":
        for kind, other in _SOURCES.items():
            if name in other.model_fields:
                return f"unknown key: it is one of kind: {kind}"
    if _kind_of_reference(location) == len(location) - 2:
        for kind, other in REFERENCES.items():
            if name in other.model_fields:
                return f"unknown key: it is one of kind: {kind}"
    known = tuple(model.model_fields) if model else ()
    near = difflib.get_close_matches(name, known, n=1)
    return (
        f"unknown key, did you mean {near[0]}?"
        if near
        else (f"unknown key, the known ones are {', '.join(known)}")
    )


def _home_of(name: str, section: str) -> str:
    """Return where a parameter of drizzlepac belongs that stands straight in a section."""
    tasks: dict[str, tuple[Task, ...]] = {
        "align": ("tweakreg", "imagefind"),
        "sky": ("astrodrizzle",),
        "drizzle": ("astrodrizzle",),
    }
    for task in tasks.get(section, ()):
        parameter = known_parameters(task).get(name)
        if parameter and task == "astrodrizzle":
            return "sky.parameters" if parameter.is_sky else "drizzle.parameters"
        if parameter:
            return f"align.{task}"
    return ""


def _unit(location: KeyPath) -> str:
    """Return the unit of an angle, where the description of its key has one."""
    found = re.search(r"\((degrees|arcsec)\)", _purpose(location))
    return f", in {found[1]}" if found else ""


def _purpose(location: KeyPath) -> str:
    model = _model_at(location)
    field = model.model_fields.get(str(location[-1])) if model else None
    return f": {field.description}" if field and field.description else ""


def _not_among(allowed: Sequence[str], given: Any) -> str:
    near = difflib.get_close_matches(str(given), allowed, n=1)
    hint = f", did you mean {near[0]}?" if near else ""
    return f"must be {' or '.join(allowed)}, not {_shown(given)}{hint}"


def _shown(value: Any) -> str:
    text = "null" if value is None else repr(value)
    text = text.lower() if isinstance(value, bool) else text
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
