"""The graph of a window: every figure against a truth worked out by hand."""

from collections.abc import Iterable

import pytest

from topology.graph import Window, graph
from topology.histogram import ladder
from topology.members import Members
from topology.model import EdgeKey, GaugeKey, InstanceKey, Kind, LogKey, OperationKey, SeriesKey, Service, Side
from topology.ring import Ring
from topology.rollup import SeriesTable, from_rows

LADDER = ladder([1_000_000])
AT_S = 1_800_000_000


def service(name: str, kind: Kind = Kind.SERVICE) -> Service:
    """A service of one house."""
    return Service("prod", "bank", name, kind)


WEB, ORDERS, CORE = service("web"), service("orders"), service("core")
USER, UNKNOWN = service("user", Kind.USER), service("unknown", Kind.UNKNOWN)
DB = service("db", Kind.DATABASE)


def edge(
    caller: Service,
    callee: Service,
    side: Side = Side.CLIENT,
    zones: tuple[str, str] = ("a", "a"),
    protocol: str = "http",
) -> EdgeKey:
    """The key of a path's calls."""
    return EdgeKey(caller, zones[0], callee, zones[1], protocol, side)


def work(of: Service, operation: str = "op", zone: str = "a", root: bool = False) -> OperationKey:
    """The key of a service's work."""
    return OperationKey(of, zone, operation, root)


def row(
    calls: float = 0,
    errors: float = 0,
    originated: float = 0,
    protected: float = 0,
    ms: Iterable[float] = (),
    self_ms: float = 0,
    observed: float | None = None,
) -> tuple[list[float], dict[int, float]]:
    """Counts and buckets; `ms` are the latencies, each as heavy as all calls over their number."""
    times = list(ms)
    weight = calls / len(times) if times and calls else 1.0
    buckets: dict[int, float] = {}
    for took in times:
        bucket = int(LADDER.bucket(took * 1000))
        buckets[bucket] = buckets.get(bucket, 0.0) + weight
    total = sum(times) * 1000 * weight
    return [
        calls,
        errors,
        originated,
        protected,
        total,
        self_ms * 1000,
        calls if observed is None else observed,
    ], buckets


def drawn(rows: dict[SeriesKey, tuple[list[float], dict[int, float]]], members: Members | None = None):
    """The graph of one window of these rows."""
    series, members = SeriesTable(), members or Members()
    ring = Ring(LADDER)
    ring.advance(AT_S)
    ring.add(from_rows(10, [(AT_S, series.number(key), *counts) for key, counts in rows.items()]))
    members.extend(series.keys)
    return graph(members, series.keys, ring.last(60), LADDER, Window(AT_S - 60, 60))


def test_node_has_the_figures_of_its_inbound_work():
    """Calls, failures, rates, quantiles within 5 % and self time, over all operations and zones."""
    found = drawn(
        {
            work(ORDERS, "pay"): row(60, 6, 2, 1, [10] * 50 + [200] * 10, self_ms=300),
            work(ORDERS, "list", "b"): row(40, 0, 0, 0, [10] * 40, self_ms=100),
        }
    ).nodes[ORDERS.id]
    assert (found["calls"], found["errors"], found["originated_errors"], found["protected"]) == (100, 6, 2, 1)
    assert (found["calls_per_s"], found["error_ratio"], found["self_ms"]) == (
        pytest.approx(100 / 60, abs=1e-4),
        0.06,
        4.0,
    )
    assert found["p50_ms"] == pytest.approx(10, rel=0.05)
    assert found["p95_ms"] == pytest.approx(200, rel=0.05)
    assert found["zones"] == ["a", "b"]
    assert (found["sources"], found["sampled"]) == (["otlp"], None)


def test_edge_counts_once_and_keeps_both_latencies():
    """The calls of a path are those of its client side; the server's side gives only its own latency."""
    found = drawn({edge(WEB, ORDERS): row(10, 2, ms=[100] * 10), edge(WEB, ORDERS, Side.SERVER): row(0, ms=[80] * 10)})
    path = found.edges[WEB.id, ORDERS.id]
    assert (path["calls"], path["errors"], path["protocols"]) == (10, 2, ["http"])
    assert path["client_p95_ms"] == pytest.approx(100, rel=0.05)
    assert path["server_p95_ms"] == pytest.approx(80, rel=0.05)
    assert path["id"] == f"{WEB.id}>{ORDERS.id}"


def test_figure_that_is_not_known_is_none():
    """Without a call there is no ratio and no quantile; nothing is ever 0 because nobody knows it."""
    found = drawn({edge(WEB, ORDERS): row(3)})
    path, node = found.edges[WEB.id, ORDERS.id], found.nodes[WEB.id]
    assert (path["client_p95_ms"], path["server_p95_ms"]) == (None, None)
    assert (node["calls"], node["error_ratio"], node["p50_ms"], node["self_ms"]) == (0, None, None, None)


def test_what_sends_no_spans_tells_no_self_time():
    """Callers count the calls of a store; where its failures began and its own time nobody knows, and neither is 0."""
    store, calm = (Service("prod", "", name, Kind.DATABASE) for name in ("orders-db", "calm-db"))
    found = drawn({edge(ORDERS, store): row(9, 2, ms=[5] * 9), edge(ORDERS, calm): row(4, ms=[5] * 4)}).nodes
    assert [(found[one.id]["calls"], found[one.id]["errors"]) for one in (store, calm)] == [(9, 2), (4, 0)]
    assert [found[one.id]["self_ms"] for one in (store, calm)] == [None, None]
    assert [found[one.id]["originated_errors"] for one in (store, calm)] == [None, 0]


def test_sampled_calls_are_weighed_and_said_to_be_sampled():
    """One call in ten that was kept counts for ten; the share is told, and a whole number stays an integer."""
    found = drawn({work(ORDERS): row(30, observed=3, ms=[5] * 3), work(CORE): row(10 / 3, observed=1)})
    assert (found.nodes[ORDERS.id]["calls"], found.nodes[ORDERS.id]["sampled"]) == (30, 0.1)
    assert isinstance(found.nodes[ORDERS.id]["calls"], int)
    assert found.nodes[CORE.id]["calls"] == 3.333


def test_calls_between_zones_are_counted():
    """Only calls whose two ends are known to lie in different zones cross."""
    found = drawn(
        {
            edge(WEB, ORDERS, zones=("a", "a")): row(5),
            edge(WEB, ORDERS, zones=("a", "b")): row(3),
            edge(WEB, ORDERS, zones=("", "b")): row(2),
            edge(WEB, ORDERS, Side.SERVER, zones=("a", "b")): row(0, ms=[1]),
        }
    )
    assert (found.edges[WEB.id, ORDERS.id]["calls"], found.edges[WEB.id, ORDERS.id]["cross_zone_calls"]) == (10, 3)


def test_silent_node_is_counted_by_its_callers():
    """A database has the calls, failures and latencies that its clients saw, and where they come from."""
    found = drawn(
        {
            edge(ORDERS, DB, protocol="postgresql"): row(4, 1, ms=[20] * 4),
            edge(CORE, DB, protocol="postgresql"): row(6, 0, ms=[20] * 6),
        }
    )
    node = found.nodes[DB.id]
    assert (node["calls"], node["errors"], node["sources"]) == (10, 1, ["otlp"])
    assert node["p95_ms"] == pytest.approx(20, rel=0.05)


def test_users_and_unknown_callers_are_counted_by_what_they_call():
    """A user's calls are those it makes, with the latency the entry services saw."""
    found = drawn(
        {edge(USER, WEB): row(7, 1), edge(USER, WEB, Side.SERVER): row(0, ms=[30] * 7), edge(UNKNOWN, CORE): row(2)}
    )
    assert (found.nodes[USER.id]["calls"], found.nodes[USER.id]["errors"]) == (7, 1)
    assert found.nodes[USER.id]["p95_ms"] == pytest.approx(30, rel=0.05)
    assert found.nodes[UNKNOWN.id]["calls"] == 2


def test_work_nobody_called_counts_only_without_inbound_work():
    """A batch job has its root work; a service with inbound calls is not made busier by its timers."""
    found = drawn(
        {work(CORE, "nightly", root=True): row(2), work(ORDERS): row(5), work(ORDERS, "timer", root=True): row(9)}
    )
    assert (found.nodes[CORE.id]["calls"], found.nodes[ORDERS.id]["calls"]) == (2, 5)


def test_instances_are_counted_by_zone_and_not_as_work():
    """Two instances in one zone and one in another are three, and their calls are not added to the service's."""
    found = drawn(
        {
            work(ORDERS): row(6),
            **{InstanceKey(ORDERS, zone, name): row(2) for zone, name in (("a", "1"), ("a", "2"), ("b", "3"))},
        }
    )
    assert (found.nodes[ORDERS.id]["instances_by_zone"], found.nodes[ORDERS.id]["calls"]) == ({"a": 2, "b": 1}, 6)


def test_lines_and_gauges_are_no_calls():
    """Logs and saturation make a node known, not busy."""
    found = drawn({LogKey(ORDERS, "error"): row(50), GaugeKey(ORDERS, "a", "1", "cpu"): row(9)})
    assert found.nodes[ORDERS.id]["calls"] == 0


def test_catalogue_merges_and_hides():
    """Merged services are one node with the sum, a path within them is no path; what is hidden is not there at all."""
    shown = {service("orders-blue"): ORDERS, service("orders-green"): ORDERS, service("probe"): None}
    members = Members(lambda one: shown.get(one, one))
    blue, green, probe = shown
    found = drawn(
        {
            work(blue): row(3, ms=[10] * 3),
            work(green): row(4, ms=[10] * 4),
            edge(WEB, blue): row(3),
            edge(WEB, green): row(4),
            edge(blue, green): row(9),
            work(probe): row(100),
            edge(probe, WEB): row(100),
        },
        members,
    )
    assert set(found) == {ORDERS.id, WEB.id}
    assert found.nodes[ORDERS.id]["calls"] == 7
    assert {pair: data["calls"] for *pair, data in found.edges(data=True) for pair in [tuple(pair)]} == {
        (WEB.id, ORDERS.id): 7
    }


def test_house_gives_its_outside_callers_names():
    """Where the house says who stands outside of an entry service, the path begins there and not at the user."""
    app = service("app", Kind.USER)
    members = Members(user_for=lambda entry: app if entry == WEB else None)
    found = drawn({edge(USER, WEB): row(3), edge(USER, CORE): row(2)}, members)
    assert {(a, b) for a, b in found.edges} == {(app.id, WEB.id), (USER.id, CORE.id)}
    assert (found.nodes[app.id]["calls"], found.nodes[USER.id]["calls"]) == (3, 2)


def test_peer_name_is_the_service_of_that_name_once_it_is_known():
    """A callee known only by its name turns into the service when that sends spans, and earlier calls move with it;
    two services of the name, or no name at all, are never guessed."""
    peer, anonymous = (
        Service("prod", "", "orders", Kind.EXTERNAL),
        Service("prod", "", "unknown_service:java", Kind.EXTERNAL),
    )
    members = Members()
    keys: list[SeriesKey] = [edge(WEB, peer), edge(WEB, anonymous)]
    members.extend(keys)
    assert [n.kind for n in members.nodes if n.name == "orders"] == [Kind.EXTERNAL]
    keys += [work(ORDERS), work(Service("prod", "", "unknown_service:java"))]
    assert members.extend(keys)
    assert [n for n in members.nodes if n.name == "orders"] == [ORDERS]
    assert anonymous in members.nodes
    keys += [work(Service("prod", "other", "orders"))]
    members.extend(keys)
    assert peer in members.nodes


def test_services_that_differ_in_anything_are_different_nodes():
    """Environment, namespace, name and kind all tell services apart."""
    others = [Service("test", "bank", "orders"), Service("prod", "", "orders"), service("Orders"), DB, service("db")]
    assert len(drawn({work(one): row(1) for one in [ORDERS, *others]})) == 6
