"""What became of the groups of a program: as a table, and as the program's page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter

from skymosaic.errors import MissingError
from skymosaic.host.shown import shown
from skymosaic.pipeline.results import COMPARISON
from skymosaic.steps.step import Place, finished
from skymosaic.store import shapes
from skymosaic.store.shapes import ErrorRecord

INDEX = "index.html"
STATES = "groups.json"
_AT_ONCE = 8  # groups that are read at once: from S3 each takes a few requests


@dataclass(frozen=True)
class GroupState:
    """What became of a group."""

    name: str
    state: str
    """done, or failed."""
    files: int
    report: str
    """Where its report is; empty where it failed."""
    error: ErrorRecord | None
    """Why it failed, as records tell it."""
    folder: str = ""
    """Below the program's; empty where an older version wrote it down."""


def read_states(place: Place) -> list[GroupState]:
    """Return what became of the groups of a program, of all its shares, as last told.

    Raises
    ------
    MissingError
        No run of it has ended.
    DamagedError
        A record of them is not what was written.
    StoreError
        The store cannot be read.
    """
    store = place.store
    keys = [key for key in store.list(place.key("shares")) if key.endswith(f"/{STATES}")]
    keys.append(place.key(STATES))
    ages = {key: store.age(key) for key in keys}
    states: dict[str, GroupState] = {}
    # What was told last goes before what was told before it, by another cut into shares.
    for key in sorted((k for k in keys if ages[k] is not None), key=lambda k: -(ages[k] or 0.0)):
        for state in shapes.read(store, key, TypeAdapter(list[GroupState])) or ():
            states[state.name] = state
    if not states:
        address = store.address(place.campaign)
        raise MissingError(f"{address} holds no finished program; run it first")
    return [states[name] for name in sorted(states)]


def write_index(place: Place) -> str:
    """Write the page of a program into the store; return where it is; errors as `read_states`."""
    place.store.write_text(place.key(INDEX), program_text(place, "html"))
    return place.store.address(place.key(INDEX))


def program_text(place: Place, form: str) -> str:
    """Return the page of a program as ``html``, ``json`` or ``md``; errors as `read_states`."""
    from skymosaic.report import program_page as page

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        groups = list(pool.map(partial(_group, place), read_states(place)))
    created = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    if form == "json":
        document = page.program_document(place.campaign, created, groups)
        return json.dumps(document, indent=1) + "\n"
    write = page.program_html if form == "html" else page.program_markdown
    return write(place.campaign, created, groups)


def _group(place: Place, state: GroupState) -> Any:
    """Return what the page tells of a group."""
    from skymosaic.report.pictures import as_uri
    from skymosaic.report.program_page import GroupRow
    from skymosaic.results.reporting import PARTIAL

    error = state.error
    group = GroupRow(
        name=state.name,
        state=state.state,
        files=state.files,
        error=f"{error['class']}: {error['message']}" if error else "",
        link="",
        partial=False,
        thumbnail="",
        card=None,
    )
    if not state.folder:
        return group
    there = replace(place, campaign=place.key(state.folder))
    folder = COMPARISON.step().folder
    link = f"{quote(state.folder)}/{folder}"
    if state.state != "done":
        key = there.key(folder, f"{PARTIAL}.html")
        if place.store.read_text(key) is None:
            return group
        return replace(group, link=f"{link}/{PARTIAL}.html", partial=True)
    done = finished(there, COMPARISON.step())
    if done is None:
        return group
    small, picture = done.products.get("thumbnail.png"), ""
    if small is not None:
        with place.store.open(small) as file:
            picture = as_uri(file.read())
    return replace(group, link=f"{link}/report.html", thumbnail=picture, card=done.result.card)


def table_of(states: Sequence[GroupState]) -> str:
    """Return two lines a group, as paths and errors are long: the second has one of them."""
    lines = [f"{'group':<30} {'state':<7} {'files':>5}", "  report, or why it failed"]
    for state in states:
        error = state.error
        why = f"{error['class']}: {error['message']}" if error else state.report
        lines += [f"{state.name:<30} {state.state:<7} {state.files:>5}", f"  {shown(why)}"]
    return "\n".join(lines)
