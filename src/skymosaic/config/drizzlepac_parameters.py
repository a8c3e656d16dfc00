"""The parameters of AstroDrizzle, TweakReg and imagefind, read from drizzlepac's own definitions.

The ``.cfgspc`` files of drizzlepac list every parameter with its type, default and options. They
are found without importing drizzlepac, which would take seconds.
"""

from __future__ import annotations

import ast
import difflib
import importlib.util
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal, cast, get_args

from skymosaic.config.drizzlepac_ranges import wrong_with
from skymosaic.config.drizzlepac_reserved import RESERVED
from skymosaic.errors import CampaignError, InstallationError

Task = Literal["astrodrizzle", "tweakreg", "imagefind"]
ParameterType = Literal[
    "string", "integer", "integer_or_none", "float", "float_or_none", "boolean", "option"
]
ParameterValue = bool | int | float | str | None

TASK_NAMES: Mapping[Task, str] = MappingProxyType(
    {"astrodrizzle": "AstroDrizzle", "tweakreg": "TweakReg", "imagefind": "imagefind"}
)
_SPECIFICATIONS: Mapping[Task, str] = MappingProxyType(
    {
        "astrodrizzle": "astrodrizzle.cfgspc",
        "tweakreg": "tweakreg.cfgspc",
        "imagefind": "imagefindpars.cfgspc",
    }
)
CR_STEPS = ("driz_separate", "median", "blot", "driz_cr")
"""AstroDrizzle's switches of the steps that look for cosmic rays."""
# The static mask is an input of the sky statistics (use_static), so it is set with them.
SKY_SECTIONS = ("STEP 1: STATIC MASK", "STEP 2: SKY SUBTRACTION")
# Words that YAML 1.1 reads as booleans, and YAML 1.2 as text.
_SWITCHES = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_TOO_LARGE = 2**31  # for a whole number in drizzlepac's C
# drizzlepac documents None as "do not use the DQ array" for these strings of DQ flags.
_FLAGS_OR_NONE = frozenset({"sky_bits", "driz_sep_bits", "final_bits", "dqbits"})


@dataclass(frozen=True)
class Parameter:
    """One parameter of a drizzlepac task, as its ``.cfgspc`` line defines it."""

    name: str
    type: ParameterType
    default: ParameterValue
    options: tuple[str, ...]
    """The allowed values of a parameter of type ``option``; empty for the other types."""
    section: str
    """Title of the section, such as ``STEP 2: SKY SUBTRACTION``; empty before the first one."""
    comment: str
    """drizzlepac's own one-line description."""

    @property
    def is_sky(self) -> bool:
        """Whether it belongs to the sky step or to the static mask."""
        return self.section in SKY_SECTIONS


@cache
def known_parameters(task: Task) -> Mapping[str, Parameter]:
    """Return every parameter of a task by name, in the order of drizzlepac's file.

    Parameters
    ----------
    task
        ``astrodrizzle``, ``tweakreg`` or ``imagefind``.

    Raises
    ------
    InstallationError
        drizzlepac is not installed, or its definitions are missing or unreadable.
    """
    path = parameters_folder() / _SPECIFICATIONS[task]
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InstallationError(
            f"{path}: cannot be read ({error.strerror}): install drizzlepac again"
        ) from error
    found: dict[str, Parameter] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if title := re.fullmatch(r"\s*\[(.*)\]\s*", line):
            section = title[1].strip()
        # Names that start with an underscore are buttons and rules of drizzlepac's own windows.
        elif re.match(r"[A-Za-z]", line):
            try:
                parameter = _parse_line(line, section)
            except (SyntaxError, ValueError) as error:
                raise InstallationError(
                    f"{path} line {number}: is not a parameter definition: {line.strip()!r}"
                ) from error
            found[parameter.name] = parameter
    return MappingProxyType(found)


def checked_value(task: Task, name: str, value: object) -> ParameterValue:
    """Return a value in the type that the parameter has in drizzlepac.

    Whole numbers become floats for float parameters, numbers become text for text parameters
    (``final_bits: 64``), so that equal settings are equal records.

    Raises
    ------
    CampaignError
        The name is unknown or reserved, or the value has a wrong type, is not an option or cannot
        be right (`drizzlepac_ranges`).
    """
    label = TASK_NAMES[task]
    if name in RESERVED[task]:
        raise CampaignError(f"{name} cannot be set: {RESERVED[task][name]}")
    parameters = known_parameters(task)
    if name not in parameters:
        raise CampaignError(f"unknown {label} parameter{_hint(task, name)}")
    parameter = parameters[name]
    if parameter.type == "boolean":
        switch = as_switch(value)
        if switch is not None:
            return switch
        raise CampaignError(f"must be true or false, not {value!r}")
    if isinstance(value, bool):
        raise CampaignError(f"must be {_expected(parameter)}, not a boolean")
    if parameter.type == "option":
        if value in parameter.options:
            return str(value)
        raise CampaignError(f"must be {_expected(parameter)}, not {value!r}")
    right = _text if parameter.type == "string" else _number
    checked = right(parameter, value)
    if wrong := wrong_with(name, checked):
        raise CampaignError(f"{wrong}, not {value!r}")
    return checked


def check_parameters(task: Task, given: Mapping[str, object]) -> dict[str, ParameterValue]:
    """Check parameters by name, type and option, and return them in drizzlepac's types.

    Parameters
    ----------
    task
        ``astrodrizzle``, ``tweakreg`` or ``imagefind``.
    given
        Values by parameter name.

    Raises
    ------
    CampaignError
        One or more are unknown (with the nearest known name), reserved (with the reason), of a
        wrong type or not among the options; one line each.
    """
    checked: dict[str, ParameterValue] = {}
    problems: list[str] = []
    for name, value in given.items():
        try:
            checked[name] = checked_value(task, name, value)
        except CampaignError as error:
            problems.append(f"{TASK_NAMES[task]}: {name}: {error}")
    if problems:
        raise CampaignError("\n".join(problems))
    return checked


def as_switch(value: object) -> bool | None:
    """Return the boolean that a value stands for, yes, no, on and off among them; None if none."""
    if isinstance(value, str):
        return _SWITCHES.get(value.lower())
    return value if isinstance(value, bool) else None


def parameters_folder() -> Path:
    """Return drizzlepac's folder of parameters, without importing drizzlepac.

    Raises
    ------
    InstallationError
        drizzlepac is not installed.
    """
    found = importlib.util.find_spec("drizzlepac")
    if found is None or found.origin is None:
        raise InstallationError("drizzlepac is not installed: install skymosaic's dependencies")
    return Path(found.origin).parent / "pars"


def _parse_line(line: str, section: str) -> Parameter:
    """Read ``name = type_kw("option", ..., default=value, comment="...")``, nearly Python.

    Some lines give ``triggers=`` twice; the syntax tree takes that, only the compiler refuses it.
    """
    match ast.parse(line.strip()).body:
        case [
            ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id=kind)) as call)
        ]:
            pass
        case _:
            raise ValueError(line)
    kind = kind.removesuffix("_kw")
    if kind not in get_args(ParameterType):
        raise ValueError(line)
    settings = {
        word.arg: ast.literal_eval(word.value)
        for word in call.keywords
        if word.arg in ("default", "comment")
    }
    return Parameter(
        name=name,
        type=cast(ParameterType, kind),
        default=settings.get("default"),
        options=tuple(ast.literal_eval(option) for option in call.args),
        section=section,
        comment=str(settings.get("comment", "")).strip(),
    )


def _hint(task: Task, name: str) -> str:
    for other in (other for other in get_args(Task) if other != task):
        if name in known_parameters(other):
            return f" (it is one of {TASK_NAMES[other]})"
    near = difflib.get_close_matches(name, known_parameters(task), n=1)
    return f", did you mean {near[0]}?" if near else ": its documentation lists the known ones"


def _expected(parameter: Parameter) -> str:
    if parameter.type == "option":
        return f"one of {', '.join(parameter.options)}"
    if parameter.type == "string":
        return "text"
    number = "a whole number" if parameter.type.startswith("integer") else "a finite number"
    return f"{number} or null" if parameter.type.endswith("_or_none") else number


def _text(parameter: Parameter, value: object) -> str:
    if value is None and parameter.name in _FLAGS_OR_NONE:
        return "None"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise CampaignError(f"must be {_expected(parameter)}, not {value!r}")


def _number(parameter: Parameter, value: object) -> int | float | None:
    if value is None and parameter.type.endswith("_or_none"):
        return None
    convert = int if parameter.type.startswith("integer") else float
    try:
        # A number in quotes is taken as one.
        number = convert(value) if isinstance(value, (int, float, str)) else math.nan
        exact = not isinstance(value, float) or number == value
        if math.isfinite(number) and exact and (convert is float or abs(number) < _TOO_LARGE):
            return number
    except (ValueError, OverflowError):
        pass  # said below, with what is allowed
    raise CampaignError(f"must be {_expected(parameter)}, not {value!r}")
