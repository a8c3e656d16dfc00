"""drizzlepac's own defaults by detector and number of exposures, read from its ``hap_pars``.

The Hubble Advanced Products (HAP) are made with parameters that lie in drizzlepac's wheel as JSON:
an index a detector, and a file for each number of exposures from which on it holds. They are found
without importing drizzlepac, which would take seconds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from skymosaic.config.drizzlepac_parameters import (
    CR_STEPS,
    ParameterValue,
    check_parameters,
    parameters_folder,
)
from skymosaic.errors import CampaignError, InstallationError

Era = Literal["", "pre", "post"]
"""Where parameters changed at a date: before or after it."""

# Single visit mosaics: those of several visits are made from exposures whose cosmic rays these
# found before.
_PIPELINE = "svm_parameters"
_STEP = re.compile(r"STEP [3-6]:")
"""Separate images, their median, its blots, cosmic rays. Not 3a, whose grid is ours."""
_BITS = ("sky_bits", "final_bits")
"""Taken from other steps: which flags of DQ are no fault."""


@dataclass(frozen=True)
class HapParameters:
    """AstroDrizzle's parameters of one file, as far as they are taken."""

    file: str
    """Below drizzlepac's ``pars``."""
    parameters: Mapping[str, ParameterValue]
    """``sky_bits``, ``final_bits``, and all of the steps that look for cosmic rays but whether they
    are done."""


@cache
def hap_parameters(detector: str, exposures: int, era: Era = "") -> HapParameters:
    """Return drizzlepac's defaults for a detector and a number of exposures.

    The file is chosen as drizzlepac does (``haputils/config_utils.py``, ``_determine_conditions``,
    filter products): ``any_n1`` for one exposure, else the one of the largest number in the index
    that is not above.

    Parameters
    ----------
    detector
        Such as ``acs_wfc``: the name of the index without ``_index.json``.
    exposures
        How many exposures are compared with one another (count).
    era
        For WFC3/UVIS, whose parameters changed when its charge transfer was helped by a flash.

    Raises
    ------
    InstallationError
        drizzlepac is not installed, or its files are missing or unreadable.
    """
    folder = parameters_folder() / "hap_pars" / _PIPELINE
    index = _read(folder / f"{detector}_index.json").get("astrodrizzle", {})
    names = {1: index.get("any_n1")}
    kind = f"_{era}" if era else ""
    for condition, name in index.items():
        before, _, number = condition.rpartition("_n")
        if before == f"{detector}_any{kind}" and number.isdecimal():
            names[int(number)] = name
    fitting = [number for number, name in names.items() if name and number <= max(exposures, 1)]
    if not fitting:
        raise InstallationError(
            f"{folder}/{detector}_index.json names no file of AstroDrizzle's parameters for "
            f"{exposures} exposures: install drizzlepac again"
        )
    path = folder / str(names[max(fitting)])
    file = path.relative_to(parameters_folder()).as_posix()
    try:
        taken = check_parameters("astrodrizzle", _taken(_read(path)))
    except CampaignError as error:
        raise InstallationError(f"{path}: {error}: install drizzlepac again") from None
    return HapParameters(file, MappingProxyType(taken))


def _taken(content: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for title, section in content.items():
        if not isinstance(section, Mapping):
            continue
        steps = _STEP.match(title) is not None
        for name, value in section.items():
            if name in _BITS or (steps and name not in CR_STEPS):
                found[name] = value
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InstallationError(
            f"{path}: cannot be read ({error.strerror}): install drizzlepac again"
        ) from error
    except ValueError as error:
        raise InstallationError(f"{path}: is no JSON ({error}): install drizzlepac again") from None
    return dict(content)
