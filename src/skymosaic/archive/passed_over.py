"""Files that look like HST's exposures and are not taken: they are named, never passed over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_FEW = 5  # names that are told
# What pipelines make of exposures: raw, in steps between, of WFPC2 and NICMOS; and what was packed.
_PACKED = r"\.(?:gz|bz2|xz|zip|fz|Z)"
_LIKE_EXPOSURES = re.compile(
    rf"(?P<root>\w+)(?:_(?:raw|ima|crj|crc|cal|mos|sx2|[cd]0[fm])\.fits(?:{_PACKED})?"
    rf"|_(?:flt|flc|drz|drc|drw)\.fits(?P<packed>{_PACKED})|\.[cd]0h)",
    re.IGNORECASE,
)
_WFPC2 = re.compile(r"\w+_c0m\.fits")


def passed_over(names: Iterable[str], taken: Iterable[str]) -> str:
    """Return a line on files that look like exposures and are not taken; empty: there are none.

    Parameters
    ----------
    names : iterable of str
        Names of files.
    taken : iterable of str
        Rootnames of the images that are taken: what else there is of them is no loss.
    """
    known = set(taken)
    matches = {name: match for name in sorted(names) if (match := _LIKE_EXPOSURES.fullmatch(name))}
    found = {name: match for name, match in matches.items() if match["root"].lower() not in known}
    if not found:
        return ""
    line = f"Ignored, because they are not FLT, FLC, DRZ, DRC or DRW: {few(list(found))}"
    wfpc2 = next((name for name in found if _WFPC2.fullmatch(name)), None)
    if wfpc2 is not None:
        line += (
            '; to make FLTs from c0m and c1m: python -c "from drizzlepac.wfpc2Data import '
            f"wfpc2_to_flt; wfpc2_to_flt('{wfpc2}')\", then continue as docs/instruments.md "
            "explains"
        )
    packed = next((name for name, match in found.items() if match["packed"]), None)
    if packed is not None:
        line += f"; unpack those that are packed, such as {packed}"
    return line


def few(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return ", ".join(names[:_FEW]) + more
