"""Whether a Dask scheduler or worker is of the version that this process has.

Dask's processes must be of one version: what they send each other changes from one to the next,
and one that does not understand the other may raise anything, or nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from distributed import rpc
from distributed.security import Security
from distributed.versions import get_versions

from skymosaic.errors import InstallationError

_SHORTEST = 5.0  # s for a scheduler to tell its versions
_PARTS = {"distributed": None, "python": 2, "msgpack": 1}
"""What must be the same, and how many parts of its version; None: all of them."""


def of_scheduler(address: str, patience: float) -> Mapping[str, Any]:
    """Return what the scheduler at an address says of its versions; nothing where it says nothing.

    Parameters
    ----------
    address : str
        The scheduler's.
    patience : float
        How long to wait for its answer at most, s.
    """

    async def ask() -> Mapping[str, Any]:
        arguments = Security().get_connection_args("client")
        async with rpc(address, connection_args=arguments) as server:
            versions: Mapping[str, Any] = await server.versions()
            return versions

    async def ask_for_a_while() -> Mapping[str, Any]:
        return await asyncio.wait_for(ask(), min(patience, _SHORTEST))

    try:
        # Whoever calls us may have a loop of events of its own in this thread.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, ask_for_a_while()).result()
    except Exception:  # it is no scheduler, or one that cannot tell
        return {}


def require_ours(who: str, reported: Mapping[str, Any]) -> None:
    """Refuse versions of Dask, and of what it is made of, that are not ours.

    Parameters
    ----------
    who : str
        Whose they are, for people.
    reported : mapping
        As `distributed.versions.get_versions` returns it; nothing is known where it is empty.

    Raises
    ------
    InstallationError
        They are others.
    """
    theirs, ours = dict(reported.get("packages") or {}), dict(get_versions()["packages"])
    for name, parts in _PARTS.items():
        here, there = ours.get(name), theirs.get(name)
        if here and there and here.split(".")[:parts] != there.split(".")[:parts]:
            raise InstallationError(
                f"{who} has {name} {there}, here it is {here}; use one environment everywhere "
                "(requirements.lock)"
            )
