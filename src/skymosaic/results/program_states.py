"""What became of the groups of a program, as its runs wrote it down."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import TypeAdapter

from skymosaic.errors import MissingError
from skymosaic.steps.place import Place
from skymosaic.store import shapes
from skymosaic.store.shapes import ErrorRecord

STATES = "groups.json"


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
