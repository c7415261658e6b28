"""Where trouble starts and who feels it: small graphs whose answer a person would give without thinking."""

import networkx as nx

from app.engine.impact import Failures, Impact, impact
from topology.model import Kind, Service

KINDS = {"user": Kind.USER, "db": Kind.DATABASE}


def house(healths: dict[str, str], calls: list[tuple[str, str, str, int]], **nodes: dict[str, object]) -> nx.DiGraph:
    """A graph of these nodes and of paths (caller, callee, health, failed calls); every path has 100 calls."""
    graph = nx.DiGraph()
    for name, health in healths.items():
        service = Service("prod", "", name, KINDS.get(name, Kind.SERVICE))
        known = {"service": service, "kind": str(service.kind), "health": health, "errors": 0, "originated_errors": 0}
        graph.add_node(name, **{**known, "slo_kind": "availability", **nodes.get(name, {})})
    for caller, callee, health, errors in calls:
        graph.add_edge(caller, callee, health=health, errors=errors, calls=100)
        if errors:
            graph.nodes[callee]["errors"] += errors
    return graph


def of(graph: nx.DiGraph) -> Impact:
    """The impact, with the failures that the graph itself tells of."""
    return impact(graph, lambda: Failures(graph, lambda service: {"en": service.name}))


def test_trouble_starts_where_nothing_unhealthy_is_called():
    """The burning store is the origin; who calls it over a burning path feels it, and the users' way is lit."""
    found = of(house(
        {"user": "ok", "web": "ok", "orders": "burning", "db": "burning", "mail": "ok"},
        [("user", "web", "ok", 0), ("web", "orders", "at_risk", 5), ("orders", "db", "burning", 9),
         ("web", "mail", "ok", 0)],
    ))  # fmt: skip
    assert found.origins == {"db"}
    assert found.feels == {"orders": "db", "web": "db"}
    assert found.paths == {("orders", "db"), ("web", "orders"), ("user", "web")}


def test_who_burns_for_the_failures_of_another_is_no_origin():
    """The way there may be quiet as a path; what counts is where the failed calls began."""
    graph = house(
        {"user": "ok", "orders": "burning", "center": "exhausted", "db": "burning"},
        [("user", "orders", "ok", 3), ("orders", "center", "ok", 3), ("center", "db", "burning", 9)],
    )
    found = of(graph)
    assert (found.origins, found.feels["orders"]) == ({"db"}, "db")


def test_own_failures_make_an_origin():
    """A service that fails by itself is an origin, also beside another that burns and that it calls."""
    graph = house(
        {"user": "ok", "orders": "burning", "db": "burning"},
        [("user", "orders", "burning", 30), ("orders", "db", "ok", 3)],
        orders={"originated_errors": 27},
    )
    assert of(graph).origins == {"orders", "db"}


def test_slowness_is_not_excused_by_failures_elsewhere():
    """A few failed calls say nothing of why another service is slow."""
    graph = house(
        {"user": "ok", "orders": "burning", "db": "burning"},
        [("user", "orders", "ok", 3), ("orders", "db", "ok", 3)], orders={"slo_kind": "latency"},
    )  # fmt: skip
    assert of(graph).origins == {"orders", "db"}


def test_nothing_burns_nobody_feels():
    """Without a burning node there is no origin, whatever is at risk."""
    found = of(house({"user": "ok", "orders": "at_risk"}, [("user", "orders", "at_risk", 1)]))
    assert (found.origins, found.feels, found.paths) == (frozenset(), {}, frozenset())
