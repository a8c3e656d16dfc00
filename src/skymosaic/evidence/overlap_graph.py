"""The graph of overlaps: what holds the exposures together, and where it is weak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import networkx as nx

from skymosaic.evidence.graph import Cut, Overlap, OverlapGraph
from skymosaic.evidence.residuals import PairDifference

THIN = 0.01  # of an exposure's pixels


def build(
    names: Sequence[str],
    differences: Sequence[PairDifference],
    pixels: Mapping[str, int],
) -> OverlapGraph:
    """Return the graph of the measured overlaps.

    Parameters
    ----------
    names : sequence of str
        All exposures.
    differences : sequence of PairDifference
        The overlaps.
    pixels : mapping of str to int
        Valid pixels of each exposure.
    """
    graph = nx.Graph()
    graph.add_nodes_from(names)
    for one in differences:
        graph.add_edge(one.a, one.b, edge=Overlap(one.a, one.b, one.pixels, one.error))
        graph.edges[one.a, one.b]["pixels"] = one.pixels
    components = sorted(
        (tuple(sorted(part)) for part in nx.connected_components(graph)),
        key=lambda part: (-len(part), part),
    )
    edges = [values["edge"] for _, _, values in graph.edges(data=True)]
    linked = [graph.subgraph(part) for part in components if len(part) > 1]
    bridges = [_cut(part, _side_of(part, a, b)) for part in linked for a, b in nx.bridges(part)]
    shared = {name: graph.degree(name, weight="pixels") for name in names}
    return OverlapGraph(
        components=tuple(components),
        edges=tuple(sorted(edges, key=lambda edge: (edge.pixels, edge.a, edge.b))),
        bridges=tuple(sorted(bridges, key=lambda cut: (cut.pixels, cut.parts))),
        weakest=tuple(_weakest_cut(part) for part in linked),
        thin=tuple(name for name in sorted(names) if shared[name] < THIN * pixels[name]),
    )


def _side_of(graph: nx.Graph, a: str, b: str) -> set[str]:
    """Return what hangs together with `a` once the edge to `b` is gone."""
    rest = nx.restricted_view(graph, [], [(a, b)])
    return set(nx.node_connected_component(rest, a))


def _weakest_cut(graph: nx.Graph) -> Cut:
    """Return the cut with fewest pixels (Stoer & Wagner 1997)."""
    _, (side, _) = nx.stoer_wagner(graph, weight="pixels")
    return _cut(graph, set(side))


def _cut(graph: nx.Graph, side: set[str]) -> Cut:
    edges = [
        values["edge"] for a, b, values in graph.edges(data=True) if (a in side) != (b in side)
    ]
    one, other = tuple(sorted(side)), tuple(sorted(set(graph) - side))
    return Cut(
        parts=(one, other) if (len(one), one) <= (len(other), other) else (other, one),
        edges=tuple(sorted(edges, key=lambda edge: (edge.pixels, edge.a, edge.b))),
        pixels=sum(edge.pixels for edge in edges),
        error=sum(edge.error**-2 for edge in edges) ** -0.5,
    )
