"""Which exposures make a mosaic each: by what their headers tell, or by a list of the user's."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from skymosaic.archive.base import Parcel
from skymosaic.config.groups import TAKEN_FOLDERS, GroupRules
from skymosaic.errors import InputError
from skymosaic.hst.exposure import DRIZZLED_SUFFIXES, suffix_of
from skymosaic.hst.facts import FileFacts

_UNKNOWN = FileFacts("", "refused", "", "")
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]|^[^A-Za-z0-9]")
_MJD_0 = datetime(1858, 11, 17)
_SHOWN = 20  # names in a message


@dataclass(frozen=True)
class Named:
    """Parcels of one mosaic."""

    name: str
    """As the campaign file names it: ``TARGET/FILTER``, or what `groups` says."""
    folder: str
    """Below the campaign's; safe as a path."""
    parcels: Sequence[Parcel]
    field: str
    """What it has in common with the groups that show the same field: its target, if groups have
    one each; else empty."""


def split(parcels: Sequence[Parcel], rules: GroupRules, *, mixed: bool = False) -> list[Named]:
    """Return parcels by what their exposures have in common, in the order of these values.

    Parameters
    ----------
    parcels : sequence of Parcel
        What a source has, with facts. What an archive's list holds and is refused is a group of its
        own, which fails by name.
    rules : Groups
        What the campaign file says.
    mixed : bool
        A mosaic may be of several detectors.
    """
    by = rules.by or ("proposal", "target", "filter")
    epochs = _epochs(parcels, rules.epoch_gap, per_target="target" in by) if "epoch" in by else {}
    members: dict[tuple[tuple[str, ...], str], list[Parcel]] = {}
    for parcel in parcels:
        facts = parcel.facts or _UNKNOWN
        by_key = {
            "proposal": facts.proposal,
            "target": facts.target,
            "filter": facts.filter,
            "detector": facts.instrument.replace("/", "-"),
            "visit": _visit(parcel),
            "epoch": epochs.get(parcel.name, ""),
        }
        instrument = "" if mixed else facts.instrument
        members.setdefault((tuple(by_key[key] for key in by), instrument), []).append(parcel)
    taken: set[str] = set()
    groups = []
    for (values, instrument), its in sorted(members.items()):
        name = "/".join(values if rules.by else values[1:])
        folder = "/".join(map(safe, values))
        if values and safe(values[0]).lower() in TAKEN_FOLDERS:
            folder = f"_{folder}"
        # Another instrument has a filter of this name, or another target looks alike as a folder.
        if folder in taken and instrument:
            name = f"{name} {instrument}"
            folder += f"-{safe(instrument)}"
        if folder in taken:
            whole = "/".join(values) if rules.by else values[1]
            folder += "-" + hashlib.sha256(whole.encode()).hexdigest()[:8]
        taken.add(folder)
        field = values[by.index("target")] if "target" in by else ""
        groups.append(Named(name, folder, its, field))
    return groups


def listed(parcels: Sequence[Parcel], rules: GroupRules) -> tuple[list[Named], list[str]]:
    """Return parcels by a list of the user's, and the names of the exposures that it leaves out.

    Parameters
    ----------
    parcels : sequence of Parcel
        What a source has. One may be in several groups.
    rules : Groups
        With `members`.

    Raises
    ------
    InputError
        A pattern names nothing.
    """
    groups = []
    used: set[str] = set()
    for name, patterns in rules.members.items():
        its = [p for p in parcels if any(_is_named(p, pattern) for pattern in patterns)]
        for pattern in patterns:
            if not any(_is_named(parcel, pattern) for parcel in its):
                there = sorted(image for parcel in parcels for image in parcel.images)
                raise InputError(
                    f"groups.members.{name}: {pattern!r} names none of the files: {_few(there)}"
                )
        if not any(not _is_drizzled(parcel) for parcel in its):
            raise InputError(
                f"groups.members.{name} names drizzled images only ({_few([p.name for p in its])}):"
                " name their exposures, too"
            )
        its += [p for p in parcels if p not in its and _goes_with(p, its)]
        used |= {parcel.name for parcel in its}
        groups.append(Named(name, name, sorted(its, key=lambda parcel: parcel.name), ""))
    rest = [parcel for parcel in parcels if parcel.name not in used]
    return groups, [image for parcel in rest for image in parcel.images]


def safe(part: str) -> str:
    """Return a text as a part of a path."""
    return _UNSAFE.sub("_", part) or "_"


def is_called(name: str, wanted: str | None) -> bool:
    """Tell whether a group is called so, by its name or by parts of it."""
    return wanted is not None and f"/{wanted}/" in f"/{name.rsplit(' ', 1)[0]}/ /{name}/"


def _is_named(parcel: Parcel, pattern: str) -> bool:
    wanted = pattern.lower()
    names = {name.lower() for image in parcel.images for name in (image, _rootname(image))}
    return any(fnmatchcase(name, wanted) for name in (*names, parcel.name.lower()))


def _rootname(image: str) -> str:
    return image.removesuffix(".fits").rsplit("_", 1)[0]


def _is_drizzled(parcel: Parcel) -> bool:
    return all(suffix_of(image) in DRIZZLED_SUFFIXES for image in parcel.images)


def _goes_with(parcel: Parcel, exposures: Sequence[Parcel]) -> bool:
    """Tell whether a drizzled image was made from exposures: by association, else by visit."""
    if not _is_drizzled(parcel) or parcel.facts is None:
        return False
    own = _rootname(parcel.images[0]).lower()
    for other in exposures:
        if other.facts is None or _is_drizzled(other):
            continue
        if other.facts.association:
            if other.facts.association in (own, parcel.facts.association):
                return True
        elif (_visit(other), other.facts.filter, other.facts.instrument) == (
            *(_visit(parcel), parcel.facts.filter, parcel.facts.instrument),
        ):
            return True
    return False


def _visit(parcel: Parcel) -> str:
    """Return the visit: proposal and visit of the rootname (IPPPSS)."""
    facts = parcel.facts
    # Drizzled images may be called anything.
    return (facts.association if facts and facts.association else parcel.images[0].lower())[:6]


def _epochs(parcels: Sequence[Parcel], gap: float, *, per_target: bool) -> dict[str, str]:
    """Return the epoch of each parcel, by name; those of a target have the same in all filters."""
    starts: defaultdict[str, dict[str, float]] = defaultdict(dict)
    epochs = {parcel.name: "undated" for parcel in parcels}
    for parcel in parcels:
        if parcel.facts is not None and parcel.facts.start is not None:
            target = parcel.facts.target if per_target else ""
            starts[target][parcel.name] = parcel.facts.start
    for its in starts.values():
        first = before = None
        for name, start in sorted(its.items(), key=lambda item: (item[1], item[0])):
            if first is None or before is None or start - before > gap:
                first = start
            before = start
            epochs[name] = _date(first, gap)
    return epochs


def _date(mjd: float, gap: float) -> str:
    """Return a moment as a date; with the time of day where epochs may begin on one day."""
    return (_MJD_0 + timedelta(days=mjd)).strftime("%Y-%m-%d" if gap >= 1 else "%Y-%m-%dT%H%M%S")


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
