"""What pairing does at its bounds: it stays within them, counts what it left out, and goes on."""

import resource
from dataclasses import replace

import pytest
from pairing_result import Result, client, server
from pairing_run import Counted, differences, product
from plain_pairing import PlainPairing
from plain_spans import CLIENT, CONSUMER, INTERNAL, KINDLESS, read_body
from span_writing import NOW_NS, SECOND, Made, body

from collectors.otlp.decoding import SpanDecoder
from topology.model import EdgeKey, InstanceKey, OperationKey
from topology.pairing import Bounds, FailureRules, kernel, naming

kernel_take = kernel.take

SMALL = Bounds(max_pending_spans=1 << 14, max_series=1 << 12)


def servers(count: int, first: int = 1, **more: object) -> list[Made]:
    """Root servers of one service."""
    return [server(id=first + n, parent=0, **more) for n in range(count)]


def test_more_pending_spans_than_allowed_expire_early():
    """Beyond the bound the oldest spans stop waiting before their time; they are counted, as calls and as early."""
    run = Counted(bounds=SMALL)
    for k in range(6):
        run.take([replace(span, parent=10**6 + span.id) for span in servers(5_000, 1 + 5_000 * k)], k * SECOND)
        assert run.pairing.waiting <= SMALL.max_pending_spans
    result = Result(run)
    assert result.counters["expired_early"] > 0
    assert result.calls("pay") == result.calls("unknown", "pay") == result.counters["lost_parents"] == 30_000


def test_a_full_ring_goes_on_in_one_step(monkeypatch):
    """At the bound every request is still counted in one step, with the same outcome as step by step."""
    requests = [[replace(span, trace=1 + k, parent=10**6 + span.id // 3) for span in servers(400)] for k in range(80)]
    results, done = [], []
    for take in (kernel_take, lambda *_: False):
        monkeypatch.setattr(kernel, "take", lambda *request, take=take: done.append(take(*request)) or done[-1])
        run = Counted(bounds=SMALL)
        for k, spans in enumerate(requests):
            run.take(spans, k * SECOND // 10)
        assert run.pairing.counters()["expired_early"] > 10_000
        results.append(Result(run))
    assert all(done[60:80])
    assert differences(results[0].figures, results[1].figures) == []
    assert results[0].counters == results[1].counters


def test_a_clock_that_jumps_by_years_moves_no_span():
    """What waited while the clock jumped counts, when it expires, in the window in which it ended."""
    run = Counted().take([server(took=100), client(service="pay", id=9, parent=2, took=30)])
    run.pairing.advance(NOW_NS + 3 * 365 * 86_400 * SECOND)
    windows = {start for _, start in run.finish()}
    assert windows == {NOW_NS // SECOND // 10 * 10}


def test_early_expiry_with_placeholders_stays_within_the_ring():
    """Lost parents with several children each, far more than fit, leave every span counted once."""
    run = Counted(bounds=SMALL)
    for k in range(8):
        run.take([server(id=1 + n, parent=50_000 + n % 1500, trace=1 + k) for n in range(4_000)], k)
        run.take([server(id=5_000 + n, parent=50_000 + n % 1500, trace=1 + k) for n in range(4_000)], k)
    result = Result(run)
    assert result.counters["spans"] == 64_000
    assert result.calls("pay") == result.calls("unknown", "pay") == 64_000


def test_ring_and_table_grow_with_what_waits():
    """A hundred times more waiting spans than there was room for at first, and every late server finds its client."""
    n = 100_000
    run = Counted(bounds=Bounds(max_pending_spans=1 << 20, max_series=1 << 12))
    run.take([client(id=1 + k) for k in range(n)])
    run.take([server(id=n + 1 + k, parent=1 + k) for k in reversed(range(n))], 20 * SECOND)
    result = Result(run)
    assert result.counters["pairs"] == n
    assert result.sum("total", "shop", "pay") == n * 100_000


def test_the_ring_is_used_again():
    """Spans come and go for many horizons, and the memory for them does not grow."""
    run = Counted(bounds=SMALL)
    for k in range(60):
        run.take([client(trace=k + 1), server(trace=k + 1), *servers(1_000, 10, trace=k + 1)], k * 10 * SECOND)
    assert run.pairing.waiting < 5_000
    result = Result(run)
    assert result.calls("shop", "pay") == 60
    assert result.counters["expired_early"] == 0


def test_too_many_operations_become_other():
    """A service has only so many operations; work of further names is counted as `other`, none of it is lost."""
    run = Counted(bounds=Bounds(max_operations_per_service=3, max_series=1 << 12))
    run.take([server(id=n + 1, parent=0, name=f"op-{n}") for n in range(10)])
    run.take([server(id=n + 20, parent=0, name=f"op-{n}") for n in range(10)])
    result = Result(run)
    assert {key.operation for key in result.keys("pay")} == {"op-0", "op-1", "op-2", "other"}
    assert result.calls("pay", operation="other") == 14
    assert result.calls("pay", operation="op-0") == 2
    assert result.counters["overflow"] == 7


def test_known_operations_are_never_other():
    """An operation a service is known for keeps its name in another zone, after the excess of others."""
    run = Counted(bounds=Bounds(max_operations_per_service=1, max_series=1 << 12))
    run.take([server(id=1, parent=0, name="read")])
    run.take([server(id=2, parent=0, name="excess", zone="north")])
    run.take([server(id=3, parent=0, name="read", zone="north")])
    assert Result(run).calls("pay", operation="read") == 2


def test_a_service_that_invents_names_without_end_costs_little():
    """Names beyond thousands are not even looked at any more: new ones are `other`, known ones keep theirs."""
    run = Counted(bounds=Bounds(max_operations_per_service=2, max_series=1 << 12),
                  decoder=SpanDecoder(1, 1 << 16, FailureRules().protected_names))
    for n in range(0, 40_000, 500):
        run.take([server(id=k + 1, parent=0, name=f"op-{k % 20_000}") for k in range(n, n + 500)])
    result = Result(run)
    assert result.calls("pay", operation="op-1") == 2
    assert result.calls("pay", operation="other") == 39_996
    assert result.counters["overflow"] < 6_000


def test_excess_of_root_work_stays_root_work():
    """Operations beyond the bound keep apart what was called and what was not."""
    run = Counted(bounds=Bounds(max_operations_per_service=1, max_series=1 << 12))
    run.take([server(id=n + 1, parent=0, name=f"op-{n}") for n in range(5_000)])
    run.take([Made("pay", n + 6_000, kind=INTERNAL, name=f"op-{n}") for n in range(6_000)])
    result = Result(run)
    assert result.calls("pay", root=True) == 6_000
    assert result.calls("pay", root=False) == 5_000


def test_too_many_series_are_counted_as_overflow():
    """Beyond the bound on series nothing new is kept, but the calls that are left out are counted."""
    run = Counted(bounds=Bounds(max_series=50))
    run.take([server(id=n + 1, parent=0, service=f"s-{n}") for n in range(100)])
    result = Result(run)
    assert len({key for key, _ in result.figures if getattr(key, "side", "client") == "client"}) < 50
    kept = sum(float(cell["counts"][0]) for cell in result.figures.values())
    assert kept + result.counters["overflow"] == 200


def test_more_ends_than_there_are_numbers_become_other(monkeypatch):
    """Targets beyond what can be numbered are one node of their environment, and counted."""
    monkeypatch.setattr(naming, "MAX_ENDS", 100)
    run = Counted().take([client(id=n + 1, attributes={"server.address": f"10.0.0.{n}"}) for n in range(50)])
    result = Result(run)
    assert result.calls("shop", "10.0.0.3") == 1
    assert result.calls("shop", "other") == result.counters["overflow"] > 10
    assert sum(result.calls("shop", name) for _, name in result.edges()) == 50


def test_forgotten_strings_keep_their_series():
    """After the decoder forgot its strings, the same names are the same series, and open calls still pair."""
    decoder = SpanDecoder(1, 1 << 12, FailureRules().protected_names)
    run = Counted(decoder=decoder)
    spans = [server(parent=0, id=9, name="read", instance="pay-1"), client(attributes={"db.system": "mysql"})]
    run.take(spans).harvest()
    before = list(run.pairing.naming.keys)
    decoder.reset()
    run.pairing.naming.forget()
    run.take([Made("filler", 99, name="something else")])
    run.take([replace(span, id=span.id + 100) for span in spans]).take([server(id=77)]).harvest()
    after = run.pairing.naming.keys
    assert after[: len(before)] == before
    assert len({key for key in after if key is not None}) == len(after) - 1
    result = Result(run)
    assert result.calls("pay", operation="read") == 2
    assert result.calls("shop", "pay") == 1


def test_excess_operations_are_named_again_after_forgetting():
    """Forgetting strings does not turn a service's known operations into `other`."""
    decoder = SpanDecoder(1, 1 << 12, FailureRules().protected_names)
    run = Counted(decoder=decoder, bounds=Bounds(max_operations_per_service=1, max_series=1 << 12))
    run.take([server(id=1, parent=0, name="read"), server(id=2, parent=0, name="excess")])
    decoder.reset()
    run.pairing.naming.forget()
    run.take([server(id=3, parent=0, name="excess"), server(id=4, parent=0, name="read")])
    assert Result(run).calls("pay", operation="read") == 2


def test_renewed_series_keep_what_waits():
    """When series are renewed while spans wait, their work, instance and calls are counted under their own names."""
    run = Counted()
    run.take([server(id=n + 10, parent=0, name=f"old-{n}") for n in range(50)]).harvest()
    run.take([Made("shop", 2, parent=1, kind=KINDLESS, name="waits", instance="shop-1"), server(id=5, parent=4)])
    for _ in range(400):
        run.harvest()
    run.pairing.renew()
    run.take([Made("gate", 1, kind=KINDLESS, name="root"), client(id=4)], SECOND)
    result = Result(run)
    assert result.calls("shop", operation="waits") == 1
    assert result.calls("shop", type=InstanceKey, instance="shop-1") == 1
    assert {("gate", "shop"), ("shop", "pay")} <= result.edges()
    assert result.sum("self_total", "shop", operation="waits") == 100_000


def test_deep_traces():
    """A chain of 5,000 internal spans is looked through to the call at its end."""
    depth = 5_000
    chain = [Made("pay", n + 2, n + 1, INTERNAL, took=100) for n in range(1, depth)]
    last = client(service="pay", id=depth + 5, parent=depth, took=30)
    figures, _ = product([(0, [server(id=2, parent=0, took=100), *chain, last])])
    assert self_times(figures) == [70_000]


def test_wide_traces():
    """A span with 20,000 calls, one after the other in no order, has its own time between them."""
    n = 20_000
    order = [(k * 7919) % n for k in range(n)]
    calls = [client(service="pay", id=10 + k, parent=2, start=k * 0.01, took=0.005) for k in order]
    figures, counters = product([(0, calls), (0, [server(parent=0, took=n * 0.01)])])
    assert self_times(figures)[0] >= 100_000
    assert counters["spans"] == n + 1
    assert counters["truncated_children"] == n - 1024


def self_times(figures: dict) -> list[float]:
    """The self time of every operation and window."""
    return [float(cell["counts"][5]) for (key, _), cell in figures.items() if isinstance(key, OperationKey)]


@pytest.mark.parametrize(
    "kinds", [(INTERNAL, INTERNAL), (KINDLESS, KINDLESS), (CLIENT, 2), (2, CLIENT), (2, 2), (CONSUMER, CLIENT)])
@pytest.mark.parametrize("services", [("shop", "shop"), ("shop", "pay")])
def test_cyclic_traces_end(kinds, services):
    """Two spans that are each other's parents are counted as the rules say, and nothing runs for ever."""
    spans = [Made(services[0], 1, 2, kinds[0]), Made(services[1], 2, 1, kinds[1]), Made("shop", 3, 1, INTERNAL),
             Made("shop", 4, 5, INTERNAL), Made("shop", 5, 4, INTERNAL)]
    assert_as_the_rules_say(spans)


@pytest.mark.parametrize("kind", range(6))
def test_a_span_that_is_its_own_parent(kind):
    """A span that names itself as its parent, or links to itself, has a lost parent or none."""
    assert_as_the_rules_say([Made("shop", 1, 1, kind), Made("shop", 2, 0, kind, link=(1, 2)), Made("shop", 3, 1, kind)])


def assert_as_the_rules_say(spans: list[Made]) -> None:
    """The product counts what the plain pairing counts, in either order."""
    for order in (spans, spans[::-1]):
        figures, counters = product([(0, order)])
        plain = PlainPairing()
        plain.take(read_body(body(order)), NOW_NS)
        plain.advance(NOW_NS + 40 * SECOND)
        assert counters["lost_parents"] == plain.counters["lost_parents"]
        assert {key for key, _ in figures} == {key for key, _ in plain.figures}


def test_memory_stays_bounded():
    """A million spans of ever new traces, names and targets stay within a fixed memory."""
    run = Counted(bounds=Bounds(max_pending_spans=1 << 15, max_series=1 << 11, max_operations_per_service=20),
                  decoder=SpanDecoder(1, 1 << 13, FailureRules().protected_names))
    request = [Made(f"s-{n % 40}", n + 1, n % 7, n % 6, name=f"op-{n}", attributes={"server.address": f"10.0.{n}"})
               for n in range(2_000)]
    peak = 0
    for k in range(150):
        run.take([replace(span, trace=k + 1) for span in request] if k < 10 else request, k * 3 * SECOND)
        run.pairing.harvest(run.series)
        if run.decoder.crowded:
            run.decoder.reset()
            run.pairing.naming.forget()
        if k == 50:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 8_000
    assert len(run.series) <= 2 * (1 << 11)


def test_a_clock_that_goes_back_stands_still():
    """Arrival times that go back change nothing about what waits."""
    run = Counted().take([server()], 20 * SECOND)
    run.take([client()], 0)
    assert Result(run).edges() == {("shop", "pay")}


def test_edges_of_one_pairing_are_named_once():
    """Harvesting after every request gives the same numbers to the same paths."""
    run = Counted()
    for k in range(5):
        run.take([client(trace=k + 1), server(trace=k + 1)]).harvest()
    result = Result(run)
    assert len([key for key in run.series.keys if isinstance(key, EdgeKey)]) == 2
    assert differences(result.figures, result.figures) == []
