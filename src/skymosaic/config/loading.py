"""Load, resolve and print campaign files.

Values are resolved as defaults < file < command line. Everything that is wrong is said at once,
each with its line.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from skymosaic.config.compute import Compute
from skymosaic.config.document import (
    Document,
    KeyPath,
    Problem,
    is_writable,
    parse_document,
    parse_value,
    read_document,
    to_yaml,
)
from skymosaic.config.drizzlepac_parameters import Task, checked_value, known_parameters
from skymosaic.config.models import TEXT_FIELDS, Campaign
from skymosaic.config.paths import absolute, resolve_paths
from skymosaic.config.problems import from_pydantic, is_consequence, message, remove_secrets
from skymosaic.config.sections import every_key
from skymosaic.config.store import StoreSection
from skymosaic.errors import CampaignError

_PARAMETER_KEYS: tuple[tuple[str, str, Task], ...] = (
    ("align", "tweakreg", "tweakreg"),
    ("align", "imagefind", "imagefind"),
    ("sky", "parameters", "astrodrizzle"),
    ("drizzle", "parameters", "astrodrizzle"),
)


def load_campaign(
    path: str | Path,
    overrides: Mapping[str, Any] | None = None,
    settings: Sequence[str] = (),
) -> Campaign:
    """Read a campaign file, apply what the command line says, and check all of it.

    Parameters
    ----------
    path
        The YAML file.
    overrides
        Values by dotted key, such as ``{"store.uri": "out", "compute.workers": 2}``. They override
        the file; None stands for an option that was not given.
    settings
        ``KEY=VALUE`` each, as after ``--set``. They override the file, and `overrides` override
        them; their values are read as those of the file are.

    Returns
    -------
    Campaign
        With absolute paths (relative ones are relative to the file's folder, those of
        ``overrides`` and the default store to the current folder) and with the drizzlepac
        parameters in drizzlepac's own types.

    Raises
    ------
    CampaignError
        One line for each thing that is wrong.
    InstallationError
        drizzlepac's definitions of its parameters cannot be found.
    """
    path = Path(path)
    document = read_document(path, TEXT_FIELDS)
    return _campaign(document, path, path.parent, overrides or {}, settings)


def load_campaign_text(
    text: str, origin: str, overrides: Mapping[str, Any], settings: Sequence[str] = ()
) -> Campaign:
    """Return the campaign of a text, such as a store holds it; all else as for `load_campaign`.

    Parameters
    ----------
    text
        YAML.
    origin
        Tells people where it is from. Relative paths in it are relative to the current folder.
    overrides, settings
        What overrides the text.
    """
    document = parse_document(text, origin, TEXT_FIELDS)
    return _campaign(document, origin, Path.cwd(), overrides, settings)


def _campaign(
    document: Document,
    path: Path | str,
    folder: Path,
    overrides: Mapping[str, Any],
    settings: Sequence[str] = (),
) -> Campaign:
    data = copy.deepcopy(document.data)
    problems = list(document.problems)
    given = _read_settings(settings, problems)
    given |= {_split(name): value for name, value in overrides.items() if value is not None}
    overridden = _apply(data, given, problems)

    def base_of(key: KeyPath) -> Path:
        given = any(key[: len(override)] == override for override in overridden)
        return Path.cwd() if given else folder

    problems += remove_secrets(data)
    problems += resolve_paths(data, base_of)
    problems += _check_drizzlepac_parameters(data)
    problems += _check_groups(data)
    _default_store(data)
    campaign = _validate(data, problems)
    if campaign is None or problems:
        raise CampaignError(message(path, problems, document.lines, overridden))
    return campaign


def resolved_yaml(campaign: Campaign) -> str:
    """Return a campaign as YAML with every value, defaults included.

    Loading that text gives an equal campaign, wherever the file lies.
    """
    return to_yaml(campaign.model_dump(mode="json"))


def shown_yaml(campaign: Campaign) -> str:
    """Return a campaign as YAML with every key, but without defaults of back ends not in use.

    Loading that text gives an equal campaign, too.
    """
    data = every_key(campaign)
    compute, usual = data["compute"], Compute().model_dump(mode="json")
    unused = [
        name
        for name in ("slurm", "mpi", "kubernetes")
        if compute["backend"] != name and compute[name] == usual[name]
    ]
    for name in unused:
        del compute[name]
    left_out = f"# Left out, as no key of theirs is set: compute.{', compute.'.join(unused)}\n"
    return to_yaml(data) + (left_out if unused else "")


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the campaign file, for editors and for the docs."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Campaign.model_json_schema(mode="validation"),
        "title": "skymosaic campaign",
    }


def _read_settings(settings: Sequence[str], problems: list[Problem]) -> dict[tuple[str, ...], Any]:
    """Return the values of ``KEY=VALUE`` by key; of a key that is repeated, the last."""
    given: dict[tuple[str, ...], Any] = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        value, wrong = parse_value(text, _split(name), TEXT_FIELDS)
        problems += wrong
        given[_split(name)] = value
    return given


def _split(dotted: str) -> tuple[str, ...]:
    return tuple(dotted.strip().split("."))


def _apply(
    data: dict[str, Any], given: Mapping[tuple[str, ...], Any], problems: list[Problem]
) -> set[KeyPath]:
    """Put the values of the command line into the data; return their keys."""
    for key, value in given.items():
        if isinstance(value, str) and not is_writable(value):
            problems.append(Problem(key, f"{value!r} is not UTF-8"))
            continue
        holder = data
        for depth, part in enumerate(key[:-1], start=1):
            inner = holder.get(part)
            if key[:depth] == ("align",) and inner == "none":
                inner = {"method": "none"}
            if inner is None:
                inner = {}
            if not isinstance(inner, dict):
                above = ".".join(key[:depth])
                problems.append(Problem(key, f"{above} is not a mapping"))
                break
            holder[part] = inner
            holder = inner
        else:
            holder[key[-1]] = value
    return set(given)


def _default_store(data: dict[str, Any]) -> None:
    section = data.get("store")
    if section is None:
        section = data["store"] = {}
    if isinstance(section, dict):
        section.setdefault("uri", absolute(StoreSection().uri, Path.cwd()))


def _check_drizzlepac_parameters(data: dict[str, Any]) -> list[Problem]:
    """Check the parameters of drizzlepac's tasks, and put them into drizzlepac's types in place."""
    problems: list[Problem] = []
    for section, name, task in _PARAMETER_KEYS:
        problems += _check_holder((section,), data.get(section), name, task)
    sky = data.get("sky")
    variants = sky.get("variants") if isinstance(sky, dict) else None
    for variant, holder in variants.items() if isinstance(variants, dict) else ():
        key = ("sky", "variants", str(variant))
        problems += _check_holder(key, holder, "parameters", "astrodrizzle")
    return problems


def _check_holder(key: tuple[str, ...], holder: Any, name: str, task: Task) -> list[Problem]:
    """Check the parameters under one key, in place."""
    given = holder.get(name) if isinstance(holder, dict) else None
    if not isinstance(given, dict):
        return []  # the models say what is wrong with it, if anything
    problems, checked = [], {}
    for parameter, value in given.items():
        try:
            checked[parameter] = checked_value(task, parameter, value)
            _check_section(key[0], task, parameter)
        except CampaignError as error:
            problems.append(Problem((*key, name, parameter), str(error)))
            checked.pop(parameter, None)
    holder[name] = checked
    return problems


def _check_groups(data: dict[str, Any]) -> list[Problem]:
    """Check drizzlepac's parameters in what groups have of their own."""
    groups = data.get("groups")
    own = groups.get("parameters") if isinstance(groups, dict) else None
    problems: list[Problem] = []
    for name, sections in own.items() if isinstance(own, dict) else ():
        if isinstance(sections, dict):
            for problem in _check_drizzlepac_parameters(sections):
                key = ("groups", "parameters", name, *problem.key)
                problems.append(Problem(key, problem.text))
    return problems


def _check_section(section: str, task: Task, name: str) -> None:
    parameter = known_parameters(task)[name]
    if task == "astrodrizzle" and parameter.is_sky != (section == "sky"):
        home = "sky.parameters" if parameter.is_sky else "drizzle.parameters"
        title = parameter.section or "general parameters"
        raise CampaignError(f"belongs under {home} (AstroDrizzle's {title})")


def _validate(data: dict[str, Any], problems: list[Problem]) -> Campaign | None:
    known_bad = {problem.key for problem in problems}
    try:
        return Campaign.model_validate(data)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            if is_consequence(details):
                continue
            problem = from_pydantic(details)
            # What was said of a key already is not said again in other words.
            if not any(problem.key[: len(key)] == key for key in known_bad):
                problems.append(problem)
    return None
