"""Layout: time and crossings, beside networkx's multipartite layout in the same run.

    python -m benchmarks.bench_layout

Times are CPU seconds of one core, the best of three. Crossings are counted on straight lines
between the cards for both, so they compare the order of the cards and nothing else; those of
networkx differ from run to run, because it takes the boxes of a column in the order of a set.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import networkx as nx
import numpy as np

from topology.layout import Box, Group, Path, Point, arrange, place_new
from topology.layout.crossings import crossings
from topology.layout.network import network

Graph = tuple[list[Box], list[Path], list[Group]]
SHARE_OF_LAYERS = [2, 6, 5, 30, 22, 15, 20]


def services(boxes: int, paths: int, groups: int, layered: bool, seed: int = 1) -> Graph:
    """Users, gateways, domains and stores; calls mostly within a domain and to the next layers."""
    chance = random.Random(seed)
    layer = [chance.choices(range(7), SHARE_OF_LAYERS)[0] for _ in range(boxes)]
    group = ["users" if at == 0 else "access" if at < 3 else f"domain-{chance.randrange(groups):02d}" for at in layer]
    calls: set[tuple[int, int]] = set()
    while len(calls) < paths:
        source, target = chance.sample(range(boxes), 2)
        if 0 <= layer[target] - layer[source] <= 2 and (group[source] == group[target] or chance.random() < 0.3):
            calls.add((source, target))
    kinds = {0: "user", 6: "database"}
    made = [Box(f"n{i:05d}", group[i], layer[i] if layered else None, kinds.get(layer[i], "service"))
            for i in range(boxes)]
    weighted = [Path(f"n{a:05d}", f"n{b:05d}", 10 ** chance.uniform(0, 3)) for a, b in sorted(calls)]
    return made, weighted, [Group("users", True), Group("access", True)]


def multipartite(boxes: list[Box], paths: list[Path], places: dict[str, Point]) -> dict[str, Point]:
    """The same columns as `places`, with networkx's order in each."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    for box in boxes:
        graph.add_node(box.id, column=places[box.id][0])
    graph.add_edges_from((path.source, path.target) for path in paths)
    return {one: (places[one][0], float(y)) for one, (_, y) in nx.multipartite_layout(graph, "column").items()}


def count(boxes: list[Box], paths: list[Path], places: dict[str, Point]) -> int:
    """Crossings of straight lines."""
    net = network(boxes, paths)
    x, column = np.unique([places[box.id][0] for box in net.boxes], return_inverse=True)
    return crossings(column, x, np.array([places[box.id][1] for box in net.boxes]), net.source, net.target)


def best_s(work: Callable[[], object]) -> float:
    """CPU seconds of the best of three runs."""
    times = []
    for _ in range(3):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times)


def main() -> None:
    """Prints one line a graph."""
    print(f"{'boxes':>6} {'paths':>6} {'groups':>6} {'by':>6} {'arrange':>9} {'networkx':>9} {'one more':>9}"
          f" {'crossings':>10} {'networkx':>9} {'size':>13}")
    for boxes, paths, groups, layered in [(50, 80, 5, True), (300, 750, 8, True), (1000, 2500, 12, True),
                                          (1000, 2500, 80, True), (1000, 2500, 12, False), (3000, 7500, 20, True)]:
        graph = services(boxes, paths, groups, layered)
        places = arrange(*graph)
        new = [*graph[0], Box("new", "domain-01", 3)], [*graph[1], Path("new", graph[0][0].id)], graph[2]
        plain = multipartite(graph[0], graph[1], places)
        width, height = np.ptp(list(places.values()), axis=0)
        print(f"{boxes:6} {paths:6} {groups:6} {'layer' if layered else 'depth':>6}"
              f" {best_s(lambda: arrange(*graph)):8.3f}s"  # noqa: B023
              f" {best_s(lambda: multipartite(graph[0], graph[1], places)):8.3f}s"  # noqa: B023
              f" {best_s(lambda: place_new(*new, places)):8.3f}s"  # noqa: B023
              f" {count(graph[0], graph[1], places):10} {count(graph[0], graph[1], plain):9}"
              f" {width:6.0f}x{height:<6.0f}")


if __name__ == "__main__":
    main()
