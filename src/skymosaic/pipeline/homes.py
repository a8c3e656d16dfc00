"""The host that the steps of an exposure, or of a block of a mosaic, are best made on.

Hosts fetch what they need from the store, and keep it. Were the steps of an exposure made anywhere,
each host would in the end fetch every exposure. So an exposure has a home, the host that retrieves
it: exposures come in the order of their names, which is that of visits, and workers get equal
shares of it. A block's home is that of most of its exposures; of the others it fetches what was
drizzled, which is smaller than their files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from skymosaic.steps.execution import in_order


@dataclass(frozen=True)
class Homes:
    """The home of each exposure."""

    hosts: Mapping[str, str] = field(default_factory=dict)
    """By rootname; empty where the place is no matter."""

    def of(self, rootnames: Sequence[str]) -> str:
        """Return the home of most of some exposures; empty: they have none."""
        known = Counter(self.hosts[name] for name in rootnames if name in self.hosts)
        return min(known, key=lambda host: (-known[host], host), default="")

    def each(self, rootnames: Sequence[str]) -> list[str]:
        """Return the home of each exposure; nothing where the place is no matter."""
        return [self.of([name]) for name in rootnames] if self.hosts else []


def find_homes(hosts: Sequence[str], rootnames: Sequence[str]) -> Homes:
    """Return the homes of all exposures.

    Parameters
    ----------
    hosts : sequence of str
        The host of each worker, sorted; empty: the place is no matter.
    rootnames : sequence of str
        Of all exposures.
    """
    ordered = sorted(rootnames)
    return Homes(dict(zip(ordered, in_order(hosts, len(ordered)), strict=False)))
