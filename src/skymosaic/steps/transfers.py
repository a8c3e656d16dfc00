"""What the steps of a campaign moved to and from the store, against what they had to move."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from skymosaic.steps.finished import Finished
from skymosaic.store.traffic import Traffic


@dataclass(frozen=True)
class Transfers:
    """Bytes between hosts and the store, over all steps."""

    moved: Traffic
    needed: Traffic

    @property
    def ratio(self) -> float:
        """What was moved, in units of what had to be; 1 where nothing had to be."""
        needed = self.needed.up + self.needed.down
        return (self.moved.up + self.moved.down) / needed if needed else 1.0


def transfers(steps: Sequence[Finished[object]]) -> Transfers:
    """Sum up what steps moved and had to move.

    Every product has to go up once. Every product that a step fetches has to come down once to the
    hosts with a cache, unless a step made it there; without a cache, once for each step.

    Parameters
    ----------
    steps : sequence of Finished
        All steps.
    """
    by_cache: dict[str, list[Finished[object]]] = defaultdict(list)
    for step in steps:
        # Without a cache each step is for itself.
        by_cache[step.cache or step.step].append(step)
    needed = Traffic()
    for group in by_cache.values():
        produced = {p.sha256: p.size for step in group for p in step.products.values()}
        fetched = {sha256: size for step in group for sha256, size in step.fetched.items()}
        down = sum(size for sha256, size in fetched.items() if sha256 not in produced)
        up = sum(p.size for step in group for p in step.products.values())
        needed += Traffic(up, down)
    moved = Traffic()
    for step in steps:
        moved += step.moved
    return Transfers(moved, needed)
