"""What became of the groups of a program: as a table, and as the program's page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote

from skymosaic.host.shown import shown
from skymosaic.pipeline.results import COLOUR, COMPARISON, ColourResult
from skymosaic.results.colours import read_colours
from skymosaic.results.program_states import GroupState, read_states
from skymosaic.steps.finished import Finished
from skymosaic.steps.manifests import finished
from skymosaic.steps.place import Place

INDEX = "index.html"
_AT_ONCE = 8  # groups that are read at once: from S3 each takes a few requests


def write_index(place: Place) -> str:
    """Write the page of a program into the store; return where it is; errors as `read_states`."""
    place.store.write_text(place.key(INDEX), program_text(place, "html"))
    return place.store.address(place.key(INDEX))


def program_text(place: Place, form: str) -> str:
    """Return the page of a program as ``html``, ``json`` or ``md``; errors as `read_states`."""
    from skymosaic.report import program_page as page

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        groups = list(pool.map(partial(_group, place), read_states(place)))
        pictures = list(pool.map(partial(_picture, place), read_colours(place)))
    created = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    if form == "json":
        document = page.program_document(place.campaign, created, groups, pictures)
        return json.dumps(document, indent=1) + "\n"
    write = page.program_html if form == "html" else page.program_markdown
    return write(place.campaign, created, groups, pictures)


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


def _picture(place: Place, done: Finished[ColourResult]) -> Any:
    """Return what the page tells of a colour picture."""
    from skymosaic.report.pictures import as_uri
    from skymosaic.report.program_page import ColourRow

    result = done.result
    folder = quote(COLOUR.step(result.facts.field).folder)
    with place.store.open(done.products[result.thumbnail]) as file:
        small = as_uri(file.read(), "jpeg")
    page = None if result.page is None else f"{folder}/{quote(result.page)}"
    return ColourRow(result.facts, f"{folder}/{quote(result.picture)}", page, small)


def table_of(states: Sequence[GroupState]) -> str:
    """Return two lines a group, as paths and errors are long: the second has one of them."""
    lines = [f"{'group':<30} {'state':<7} {'files':>5}", "  report, or why it failed"]
    for state in states:
        error = state.error
        why = f"{error['class']}: {error['message']}" if error else state.report
        lines += [f"{state.name:<30} {state.state:<7} {state.files:>5}", f"  {shown(why)}"]
    return "\n".join(lines)
