"""The graph of overlaps."""

from __future__ import annotations

import json

from pydantic import TypeAdapter

from skymosaic.evidence.graph import OverlapGraph
from skymosaic.evidence.overlap_graph import build
from skymosaic.evidence.residuals import PairDifference


def graph(edges: dict[str, int], names: str = "abcdef", pixels: int = 1_000_000):
    differences = [
        PairDifference(pair[0], pair[1], 0.0, 10.0 / n**0.5, 0.1, 0.05, 0.0, n // 64, n)
        for pair, n in edges.items()
    ]
    return build(list(names), differences, dict.fromkeys(names, pixels))


def test_components_are_those_that_overlaps_link() -> None:
    found = graph({"ab": 5000, "bc": 5000, "de": 5000})
    assert found.components == (("a", "b", "c"), ("d", "e"), ("f",))


def test_one_overlap_that_holds_two_parts_together_is_a_bridge() -> None:
    strong = {"ab": 90000, "bc": 80000, "ac": 70000, "de": 90000, "ef": 80000, "df": 70000}
    found = graph({**strong, "cd": 300})
    [bridge] = found.bridges
    assert bridge.parts == (("a", "b", "c"), ("d", "e", "f"))
    assert (bridge.edges[0].a, bridge.edges[0].b) == ("c", "d")
    assert bridge.is_bridge
    assert found.weakest[0] == bridge
    assert (found.edges[0].a, found.edges[0].b) == ("c", "d")


def test_two_weak_overlaps_are_no_bridge_but_the_weakest_cut() -> None:
    strong = {"ab": 90000, "bc": 80000, "ac": 70000, "de": 90000, "ef": 80000, "df": 70000}
    found = graph({**strong, "cd": 300, "af": 400})
    assert found.bridges == ()
    [cut] = found.weakest
    assert cut.parts == (("a", "b", "c"), ("d", "e", "f"))
    assert cut.pixels == 700
    assert len(cut.edges) == 2
    # Weights add: 1/e^2 = n/100.
    assert abs(cut.error - 10.0 / 700**0.5) < 1e-12


def test_exposures_with_few_pixels_in_common_are_named() -> None:
    found = graph({"ab": 50000, "bc": 9000}, names="abc")
    assert found.thin == ("c",)
    assert graph({}, names="a").thin == ("a",)


def test_a_graph_is_plain_values() -> None:
    found = graph({"ab": 5000, "bc": 300})
    plain = json.loads(json.dumps(TypeAdapter(OverlapGraph).dump_python(found)))
    assert plain["bridges"][0]["is_bridge"] is True
    assert TypeAdapter(OverlapGraph).validate_python(plain) == found
