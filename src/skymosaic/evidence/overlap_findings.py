"""What the graph of overlaps says, as findings of the advice."""

from __future__ import annotations

from collections.abc import Iterator

from skymosaic.evidence.advice import Finding
from skymosaic.evidence.facts import SIGMAS, Facts
from skymosaic.evidence.graph import Cut
from skymosaic.evidence.wording import amount, listed, some
from skymosaic.host.counting import counted
from skymosaic.methods import ALL, ascribed

_MOST_GROUPS = 12  # whose sizes are listed
_MOST_CUTS = 10  # that have a sentence each


def find(facts: Facts) -> list[Finding]:
    """Return what each rule found."""
    rules = (_unseen, _separate_groups, _undetermined, _weak_cuts, _few_pixels, _left_out)
    return [finding for rule in rules for finding in rule(facts)]


def _unseen(facts: Facts) -> Iterator[Finding]:
    if facts.unseen:
        yield Finding(
            "no-valid-pixels",
            "warning",
            f"{some(facts.unseen)} have no valid pixel, so nothing is known about them.",
            {"exposures": list(facts.unseen)},
        )


def _separate_groups(facts: Facts) -> Iterator[Finding]:
    groups = facts.graph.components
    if len(groups) < 2:
        return
    sizes = some([str(len(group)) for group in groups], _MOST_GROUPS)
    relative = [ascribed(m) for m in ALL if "match" in m and m in facts.quality]
    relate = f"{listed(relative)} cannot relate them" if relative else "No overlap relates them"
    yield Finding(
        "separate-groups",
        "warning",
        f"The exposures form {len(groups)} groups without a measurable overlap between them "
        f"({sizes} exposures). {relate}. How the levels of two groups differ is known only from "
        "the darkest parts of each.",
        {"groups": [list(group) for group in groups]},
    )


def _undetermined(facts: Facts) -> Iterator[Finding]:
    for method, one in facts.quality.items():
        if one.undetermined:
            yield Finding(
                "undetermined",
                "warning",
                f"{ascribed(method)} is undetermined for {some(one.undetermined)}: there "
                + (
                    "is no valid pixel in common with another exposure."
                    if "match" in method
                    else "is no valid pixel to measure a sky in."
                ),
                {"method": method, "exposures": list(one.undetermined)},
            )


def _weak_cuts(facts: Facts) -> Iterator[Finding]:
    """Tell of overlaps that alone hold parts together, and how well they do."""
    cuts = {cut.parts: cut for cut in (*facts.graph.bridges, *facts.graph.weakest)}
    found = []
    for cut in cuts.values():
        weak = SIGMAS * cut.error > facts.negligible
        # An exposure at the rim hangs by few overlaps in any mosaic: worth a word where weak only.
        if weak or (cut.is_bridge and len(cut.parts[0]) > 1):
            found.append((cut, weak))
    if len(found) > _MOST_CUTS:
        found.sort(key=lambda one: -one[0].error)
    for cut, weak in found[:_MOST_CUTS]:
        yield _cut_finding(cut, weak)
    if rest := found[_MOST_CUTS:]:
        largest = max(cut.error for cut, _ in rest)
        yield Finding(
            "weak-links",
            "warning" if any(weak for _, weak in rest) else "note",
            f"Few overlaps link {counted(len(rest), 'more part')} of a group to its rest: the "
            f"differences in level have standard errors of up to {amount(largest)} e-/s.",
            {"parts": len(rest), "standard_error": largest},
        )


def _left_out(facts: Facts) -> Iterator[Finding]:
    if facts.left_out:
        yield Finding(
            "part-of-overlaps",
            "note",
            f"There are very many overlaps. {counted(len(facts.differences), 'difference')} were "
            f"measured; {counted(facts.left_out, 'pair')} of exposures near one "
            "another were left out. For each exposure the pairs with the largest overlaps are "
            "measured, and all that it takes to link what overlaps link. Each run chooses the same "
            "pairs.",
            {"measured": len(facts.differences), "left_out": facts.left_out},
        )


def _cut_finding(cut: Cut, weak: bool) -> Finding:
    held = (
        f"Only one overlap, of {cut.edges[0].a} and {cut.edges[0].b} "
        f"({counted(cut.pixels, 'pixel')}), links"
        if cut.is_bridge
        else f"Only {len(cut.edges)} overlaps ({counted(cut.pixels, 'pixel')} in all) link"
    )
    return Finding(
        "bridge" if cut.is_bridge else "weak-link",
        "warning" if weak else "note",
        f"{held} {some(cut.parts[0])} to the rest of the group. The difference in level between "
        f"these two parts has a standard error of {amount(cut.error)} e-/s.",
        {"part": list(cut.parts[0]), "pixels": cut.pixels, "standard_error": cut.error},
    )


def _few_pixels(facts: Facts) -> Iterator[Finding]:
    alone = {group[0] for group in facts.graph.components if len(group) == 1}
    thin = [name for name in facts.graph.thin if name not in alone]
    if thin:
        yield Finding(
            "few-pixels",
            "warning",
            f"{some(thin)} share less than 1% of their pixels with all other exposures together.",
            {"exposures": thin},
        )
