"""What objectives count: services, operations, paths, zones, virtual nodes, batch jobs, patterns, defaults."""

from dataclasses import replace
from decimal import Decimal

import pytest
from slo_ledger import DATABASE, LEDGER, NOW_S, ORDERS, RULES, USER, WEB, Books, call, path, ratio, slo, work

from topology.model import LogKey, Service, Side
from topology.slo.burn import rule_table, windows_of
from topology.slo.defaults import Promise, default_slos
from topology.slo.ledger import Promises
from topology.slo.objectives import BurnCondition, Counted, Operator, Ratio, Selection, Services, Source

DEFAULTS = default_slos({"": Promise(Decimal("0.999"), 1_000_000, Decimal("0.95")),
                         "critical": Promise(Decimal("0.9999"), 200_000, Decimal("0.99"))}, RULES, 3)  # fmt: skip


def books(*slos, defaults=None, facts=lambda _service: {}, **changes) -> Books:
    """Books for objectives, with the clock set."""
    return Books(Promises(slos, defaults or {}, facts, **changes)).at(NOW_S)


def counted(found: Books, name: str = "promise") -> tuple[float, float]:
    """(good, total) of an objective."""
    told = found.told(name)
    return told["good"], told["total"]


@pytest.mark.parametrize(
    ("indicator", "expected"),
    [
        (ratio(Services("orders")), (90, 105)),
        (ratio(Services("orders"), protection_fails=True), (83, 105)),
        (ratio(Services("orders"), Counted.FASTER_THAN, threshold_us=200_000), (65, 105)),
        (ratio(Services("orders"), operation="POST /orders"), (86, 100)),
        (ratio(Services("orders"), zone="b"), (40, 50)),
        (ratio(Services("prod/bank/orders")), (90, 105)),
        (ratio(Services("orders", namespace="other")), (0, 0)),
        (ratio(Services("orders", environment="prod", namespace="bank")), (90, 105)),
        (ratio(Services("web"), callee=Services("orders")), (190, 200)),
        (ratio(Services("web"), callee=Services("orders"), zone="b"), (60, 60)),
        (ratio(Services("ledger-db")), (77, 80)),
        (ratio(Services("user")), (9, 10)),
        (ratio(Services("nobody")), (0, 0)),
    ],
)
def test_source_counts_what_it_names(indicator, expected):
    """Each kind of selection counts its calls and no others: a service by its inbound work, a virtual node by the
    calls to it, a user by the calls it makes, a path by its client's side."""
    found = books(slo("promise", indicator)).add(
        call(NOW_S, work(ORDERS, "POST /orders"), 50, 4, 2, us_20000=30, us_900000=20),
        call(NOW_S, work(ORDERS, "POST /orders", "b"), 50, 10, 5, us_20000=30, us_900000=20),
        call(NOW_S, work(ORDERS), 5, 1),
        call(NOW_S, work(ORDERS, root=True), 1000, 500),
        call(NOW_S, work(WEB), 7),
        call(NOW_S, path(WEB, ORDERS), 140, 10),
        call(NOW_S, path(WEB, ORDERS, "b"), 60),
        call(NOW_S, path(WEB, ORDERS, side=Side.SERVER), 0, us_20000=200),
        call(NOW_S, path(LEDGER, DATABASE), 80, 3),
        call(NOW_S, path(USER, WEB), 10, 1),
    )
    assert counted(found) == expected


def test_latency_of_a_path_is_the_callers_and_that_of_a_user_the_servers():
    """Where the caller is a service its own clock counts; a user has none, so the server's does."""
    timed = {"counted": Counted.FASTER_THAN, "threshold_us": 200_000}
    found = books(slo("path", ratio(Services("web"), callee=Services("orders"), **timed)),
                  slo("user", ratio(Services("user"), **timed))).add(
        call(NOW_S, path(WEB, ORDERS), 10, us_20000=6, us_900000=4),
        call(NOW_S, path(WEB, ORDERS, side=Side.SERVER), 0, us_20000=10),
        call(NOW_S, path(USER, WEB), 5, us_1=0),
        call(NOW_S, path(USER, WEB, side=Side.SERVER), 0, us_20000=3, us_900000=2),
    )
    assert (counted(found, "path"), counted(found, "user")) == ((6, 10), (3, 5))


def lines(level: str, n: float, service: Service = ORDERS, **more: str) -> tuple:
    """Log lines of a service at a level."""
    return call(NOW_S, LogKey(service, level, **more), n)


def test_error_lines_are_counted_of_all_lines_whatever_operation_they_belong_to():
    """Errors and fatal ones are bad, of all lines of all levels; calls have no part in it."""
    selection = Selection(Services("orders"))
    of_lines = Ratio(Source(selection, Counted.LINES), bad=Source(selection, Counted.ERROR_LINES))
    found = books(slo("promise", of_lines)).add(
        call(NOW_S, work(ORDERS), 50, 4), lines("info", 60), lines("error", 3), lines("fatal", 1),
        lines("error", 2, operation="GET /"), lines("error", 9, WEB))  # fmt: skip
    assert counted(found) == (60, 66)


def test_by_default_only_services_that_nothing_else_is_known_of_are_judged_by_their_lines():
    """One that was called has the other default objectives, from its first call on."""
    promise = Promise(Decimal("0.999"), 1_000_000, Decimal("0.95"), Decimal("0.99"))
    found = books(defaults=default_slos({"": promise}, RULES, 3)).add(
        call(NOW_S, work(ORDERS), 50), lines("error", 5), lines("error", 5, WEB), lines("info", 95, WEB))
    assert [one.slo.name for one in found.ledger.plan.concretes] == [
        "default-availability:orders", "default-latency:orders", "default-logs:web"]
    assert counted(found, "default-logs:web") == (95, 100)
    found.members.extend([*found.table.keys, work(WEB)])
    found.ledger.take(found.members, [*found.table.keys, work(WEB)])
    assert [one.slo.name for one in found.ledger.plan.concretes if "web" in one.slo.name] == [
        "default-availability:web", "default-latency:web"]


def test_root_work_counts_only_while_there_is_no_other():
    """A batch job is judged by what it does; once the service is called, only that counts."""
    found = books(slo("promise")).add(call(NOW_S, work(ORDERS, "nightly", root=True), 10, 1))
    assert counted(found) == (9, 10)
    assert counted(found.add(call(NOW_S, work(ORDERS), 4, 2))) == (2, 4)


def test_pattern_stands_once_for_every_service_that_fits():
    """A pattern gives an objective per service, named after it; a new service gets its own at once."""
    pattern = slo("bank", ratio(Services(match={"namespace": "bank", "owner": "pay*"})))
    found = books(pattern, facts=lambda service: {"owner": "payments" if service.name != "web" else "web team"})
    found.add(call(NOW_S, work(ORDERS), 10, 1), call(NOW_S, work(WEB), 5))
    assert found.ledger.plan.names == ("bank:orders",)
    found.add(call(NOW_S, work(LEDGER), 20, 2))
    assert {name: counted(found, name) for name in found.ledger.plan.names} == {
        "bank:orders": (9, 10), "bank:ledger": (18, 20)}  # fmt: skip


def test_services_of_one_name_get_names_that_stay():
    """Of two services with one name the one whose id comes later is named by its id, whichever was seen first."""
    other = replace(ORDERS, namespace="shop")
    pattern = slo("all", ratio(Services(match={"name": "orders"})))
    for order in ((ORDERS, other), (other, ORDERS)):
        found = books(pattern)
        for service in order:
            found.add(call(NOW_S, work(service), 1))
        assert found.ledger.plan.names == ("all:orders", "all:prod/shop/orders")


def test_pattern_of_paths_stands_for_every_path_that_fits():
    """Whoever calls the ledger is promised something of its own."""
    pattern = slo("calls", ratio(Services(match={"kind": "service"}), callee=Services("ledger")))
    found = books(pattern).add(call(NOW_S, path(WEB, LEDGER), 10, 1), call(NOW_S, path(ORDERS, LEDGER), 20),
                               call(NOW_S, path(WEB, ORDERS), 5))  # fmt: skip
    assert {name: counted(found, name) for name in found.ledger.plan.names} == {
        "calls:orders": (20, 20), "calls:web": (9, 10)}  # fmt: skip
    assert [one.paths for one in found.ledger.plan.concretes] == [("prod/bank/orders>prod/bank/ledger",),
                                                                 ("prod/bank/web>prod/bank/ledger",)]  # fmt: skip


def test_default_is_for_whoever_has_no_objective_of_its_own():
    """Without an own objective a service has availability and latency of its class, the class `none` has nothing."""
    words = {"web": "critical", "ledger": "none"}
    found = books(slo("promise"), defaults=DEFAULTS, facts=lambda service: {"class": words.get(service.name, "")})
    found.add(*(call(NOW_S, work(service), 10, 1, us_20000=7, us_500000=3) for service in (WEB, ORDERS, LEDGER)),
              call(NOW_S, path(LEDGER, DATABASE), 10, 2))  # fmt: skip
    assert {name: counted(found, name) for name in found.ledger.plan.names} == {
        "promise": (9, 10),
        "default-availability:ledger-db": (8, 10), "default-latency:ledger-db": (10, 10),
        "default-availability-critical:web": (9, 10), "default-latency-critical:web": (7, 10),
    }  # fmt: skip
    assert [one.slo.default for one in found.ledger.plan.concretes] == [False, True, True, True, True]


def test_name_that_a_database_and_a_service_share_means_the_service():
    """A bare name means what sends spans itself; anything else by its id, or when nothing else has the name."""
    store = replace(DATABASE, name="orders")
    found = books(slo("promise"), slo("store", ratio(Services(store.id))))
    found.add(call(NOW_S, work(ORDERS), 10), call(NOW_S, path(ORDERS, store), 3))
    assert (counted(found), counted(found, "store")) == ((10, 10), (3, 3))


def test_objectives_beyond_the_bound_are_listed_and_not_evaluated():
    """The bound holds what memory may be taken; the excess is known by name."""
    pattern = slo("all", ratio(Services(match={"kind": "service"})))
    found = books(pattern, max_slos=3)
    found.add(*(call(NOW_S, work(Service("prod", "x", f"s{n}")), 1) for n in range(5)))
    assert len(found.ledger.plan.names) == 3
    assert [one.slo.name for one in found.ledger.overflow] == ["all:s3", "all:s4"]


def test_users_have_no_default_objective():
    """Whoever calls from outside is no service: nobody promises anything on their behalf, nor is anybody woken."""
    found = books(defaults=DEFAULTS).add(call(NOW_S, path(USER, WEB), 10, 5), call(NOW_S, work(WEB), 10, 5))
    assert found.ledger.plan.names == ("default-availability:web", "default-latency:web")


def test_pattern_of_everything_means_services():
    """Callers fit a pattern only when it asks for their kind."""
    everybody = slo("all", ratio(Services(match={"name": "*"})))
    callers = slo("who", ratio(Services(match={"kind": "user"})))
    found = books(everybody, callers).add(call(NOW_S, path(USER, WEB), 10, 5), call(NOW_S, work(WEB), 10, 5))
    assert found.ledger.plan.names == ("all:web", "who:user")


def test_rules_of_many_are_those_of_each():
    """The table of many objectives is, row by row, what each of them gives alone: rules that are shared, other targets
    and floors, and conditions of one's own."""
    own = BurnCondition("quick", "page", Operator.GT, Decimal(2), 3600, 60)
    slos = [slo("a"), slo("b"), slo("c", target="0.9"), slo("d", min_bad_events=3), slo("e", conditions=(own,)),
            slo("f", rules=())]  # fmt: skip
    windows = windows_of(slos)
    alone = [rule_table([one], windows) for one in slos]
    table = rule_table(slos, windows)
    assert table.keys == tuple(key for one in alone for key in one.keys)
    assert table.row.tolist() == [place for place, one in enumerate(alone) for _ in one.keys]
    for name in ("long_at", "short_at", "limit", "allowed", "least_bad", "after_s", "short_s", "operator", "pages"):
        assert getattr(table, name).tolist() == [value for one in alone for value in getattr(one, name).tolist()], name
    assert table.limit[0] == 0.144
    assert len(rule_table([], windows)) == 0
