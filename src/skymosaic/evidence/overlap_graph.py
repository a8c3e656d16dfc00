"""The graph of overlaps: what holds the exposures together, and where it is weak."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import networkx as nx

from skymosaic.evidence.graph import MOST_LISTED, MOST_NAMED, Cut, Overlap, OverlapGraph
from skymosaic.evidence.min_cut import minimum_cut
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
        edge = Overlap(one.a, one.b, one.pixels, one.error)
        graph.add_edge(one.a, one.b, edge=edge, pixels=one.pixels)
    components = sorted(
        (tuple(sorted(part)) for part in nx.connected_components(graph)),
        key=lambda part: (-len(part), part),
    )
    edges = sorted(
        (values["edge"] for _, _, values in graph.edges(data=True)),
        key=lambda edge: (edge.pixels, edge.a, edge.b),
    )
    linked = [graph.subgraph(part).copy() for part in components if len(part) > 1]
    bridges = [_cut(part, side) for part in linked for side in _sides_of_bridges(part)]
    shared = {name: graph.degree(name, weight="pixels") for name in names}
    return OverlapGraph(
        components=tuple(components),
        edges=tuple(edges[:MOST_LISTED]),
        bridges=tuple(sorted(bridges, key=lambda cut: (cut.pixels, cut.parts))),
        weakest=tuple(_weakest_cut(part) for part in linked),
        thin=tuple(name for name in sorted(names) if shared[name] < THIN * pixels[name]),
    )


def _sides_of_bridges(graph: nx.Graph) -> Iterator[set[str]]:
    """Give the smaller of the parts into which the graph falls without each of its bridges."""
    bridges = list(nx.bridges(graph))
    if not bridges:
        return
    rest = graph.copy()
    rest.remove_edges_from(bridges)
    # What no bridge parts is a node of a tree, whose edges the bridges are.
    parts = list(nx.connected_components(rest))
    part_of = {name: number for number, part in enumerate(parts) for name in part}
    tree = nx.Graph()
    tree.add_nodes_from(range(len(parts)))
    tree.add_edges_from((part_of[a], part_of[b]) for a, b in bridges)
    above = dict(nx.bfs_predecessors(tree, 0))
    order = [0, *above]
    size = {number: len(parts[number]) for number in order}
    for number in reversed(order[1:]):
        size[above[number]] += size[number]
    for a, b in bridges:
        one, other = part_of[a], part_of[b]
        lower, upper = (one, other) if above.get(one) == other else (other, one)
        start, barred = (lower, upper) if 2 * size[lower] <= len(graph) else (upper, lower)
        yield _reached(tree, parts, start, barred)


def _reached(tree: nx.Graph, parts: Sequence[set[str]], start: int, barred: int) -> set[str]:
    """Return what hangs together with a part of the tree once the edge to another is gone."""
    found, waiting = set(parts[start]), [(start, barred)]
    while waiting:
        node, before = waiting.pop()
        for other in tree[node]:
            if other != before:
                found |= parts[other]
                waiting.append((other, node))
    return found


def _weakest_cut(graph: nx.Graph) -> Cut:
    """Return the cut with fewest pixels (Stoer & Wagner 1997; of large groups, see `min_cut`)."""
    if len(graph) > MOST_NAMED:
        weights = {
            name: {other: int(its["pixels"]) for other, its in neighbours.items()}
            for name, neighbours in graph.adjacency()
        }
        return _cut(graph, minimum_cut(weights)[1])
    _, (side, _) = nx.stoer_wagner(graph, weight="pixels")
    return _cut(graph, set(side))


def _cut(graph: nx.Graph, side: set[str]) -> Cut:
    if 2 * len(side) > len(graph):
        side = set(graph) - side
    edges = [graph.edges[a, b]["edge"] for a in side for b in graph[a] if b not in side]
    one = tuple(sorted(side))
    other = tuple(sorted(set(graph) - side)) if len(graph) <= MOST_NAMED else ()
    return Cut(
        parts=(one, other) if not other or (len(one), one) <= (len(other), other) else (other, one),
        edges=tuple(sorted(edges, key=lambda edge: (edge.pixels, edge.a, edge.b))),
        pixels=sum(edge.pixels for edge in edges),
        error=sum(edge.error**-2 for edge in sorted(edges, key=_by_name)) ** -0.5,
    )


def _by_name(edge: Overlap) -> tuple[str, str]:
    return edge.a, edge.b
