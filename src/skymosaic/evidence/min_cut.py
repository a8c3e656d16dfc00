"""The weakest cut of a large graph, exactly, in a few passes over its edges.

Nagamochi, Ono & Ibaraki (1994): one pass visits the nodes, always the one that hangs most strongly
on those visited before. It bounds from below what every cut between two neighbours weighs. Those
that no cut below the best one known can part become one node, until few are left.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import TypeVar

Node = TypeVar("Node")
Weights = Mapping[Node, Mapping[Node, int]]


def minimum_cut(weights: Weights[Node]) -> tuple[int, set[Node]]:
    """Return the least weight that parts a connected graph, and the nodes on one side.

    Parameters
    ----------
    weights : mapping of node to mapping of node to int
        Of the edges, above 0; each stands under both of its nodes. Two nodes or more.
    """
    names = list(weights)
    place = {name: number for number, name in enumerate(names)}
    graph = {place[a]: {place[b]: w for b, w in its.items()} for a, its in weights.items()}
    members = {number: [number] for number in graph}
    first = min(graph, key=lambda node: sum(graph[node].values()))
    best, side = sum(graph[first].values()), members[first]
    while len(graph) > 1:
        best, side, joined = _pass(graph, members, best, side)
        graph, members = _contracted(graph, members, joined)
        for node, its in graph.items():
            if len(graph) > 1 and sum(its.values()) < best:
                best, side = sum(its.values()), members[node]
    return best, {names[number] for number in side}


_Graph = dict[int, dict[int, int]]
_Members = dict[int, list[int]]


def _pass(
    graph: _Graph, members: _Members, best: int, side: list[int]
) -> tuple[int, list[int], list[tuple[int, int]]]:
    """Visit all nodes; return the best cut known, and the edges that it cannot be below."""
    bound = dict.fromkeys(graph, 0)
    heap = [(0, node) for node in graph]
    visited: list[int] = []
    seen: set[int] = set()
    joined = []
    cut, shortest = 0, 0
    while heap:
        strength, node = heapq.heappop(heap)
        if node in seen or -strength != bound[node]:
            continue
        seen.add(node)
        visited.append(node)
        # What is visited so far is one side of a cut, too.
        cut += sum(graph[node].values()) - 2 * bound[node]
        if cut < best and len(visited) < len(graph):
            best, shortest = cut, len(visited)
        for other, weight in graph[node].items():
            if other in seen:
                continue
            bound[other] += weight
            if bound[other] >= best:
                joined.append((node, other))
            heapq.heappush(heap, (-bound[other], other))
    if shortest:
        side = [one for node in visited[:shortest] for one in members[node]]
    return best, side, joined


def _contracted(
    graph: _Graph, members: _Members, joined: list[tuple[int, int]]
) -> tuple[_Graph, _Members]:
    """Return the graph with the nodes of each of these edges made one."""
    root = {node: node for node in graph}

    def root_of(node: int) -> int:
        while root[node] != node:
            root[node] = root[root[node]]
            node = root[node]
        return node

    for a, b in joined:
        root[root_of(b)] = root_of(a)
    smaller: _Graph = {}
    its_members: _Members = {}
    for node, its in graph.items():
        into = root_of(node)
        its_members.setdefault(into, []).extend(members[node])
        edges = smaller.setdefault(into, {})
        for other, weight in its.items():
            if root_of(other) != into:
                edges[root_of(other)] = edges.get(root_of(other), 0) + weight
    return smaller, its_members
