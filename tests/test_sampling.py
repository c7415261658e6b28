"""Rule 7 on the map: what is known of sampling, and what is only counted as it came."""

import pytest
from engine_run import Run
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from traffic import SECOND, add, request, spans_of

from app.places import assets
from app.web.language import Messages
from app.web.sections import provenance
from app.web.wording import Wording

CLIENT, SERVER = Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_SERVER


def call(run: Run, web_state: str, orders_state: str) -> None:
    """Takes in one call web -> orders -> a database, whose spans say these tracestates."""
    trace, start_ns = run.clock.ns().to_bytes(16, "big"), run.clock.ns() - SECOND
    web, orders = spans_of("web"), spans_of("orders")
    spans = [
        add(web, trace, b"entry---", b"", SERVER, "GET", start_ns),
        add(web, trace, b"client--", b"entry---", CLIENT, "POST", start_ns),
        add(orders, trace, b"server--", b"client--", SERVER, "POST", start_ns),
        add(orders, trace, b"query---", b"server--", CLIENT, "SELECT", start_ns),
    ]
    spans[3].attributes.add(key="db.system").value.string_value = "mysql"
    spans[3].attributes.add(key="db.name").value.string_value = "ledger"
    for span, state in zip(spans, (web_state, web_state, orders_state, orders_state), strict=True):
        span.trace_state = state
    run.take(request(web, orders))


def sampled(run: Run, window_s: int = 300) -> dict[str, float | None]:
    """What is said of sampling, of nodes and of the path between the services."""
    nodes = {node["name"]: node["sampled"] for node in run.engine.snapshot(window_s)["nodes"]}
    return nodes | {"web > orders": run.edge("web", "orders", window_s)["sampled"]}


@pytest.mark.parametrize(
    ("web", "orders", "told"),
    [
        ("ot=th:0", "ot=th:0", (1.0, 1.0, 1.0, 1.0)),
        ("ot=th:c", "ot=th:c", (0.25, 0.25, 0.25, 0.25)),
        ("", "", (None, None, None, None)),
        ("ot=th:0", "", (1.0, None, None, None)),
        ("", "other=th:0", (None, None, None, None)),
    ],
)
def test_sampling_is_known_only_where_every_span_says_its_threshold(tmp_path, web, orders, told):
    """All calls, a share of them, or not known: a path is known where both of its ends are, and a store by those who
    call it."""
    run = Run(tmp_path)
    call(run, web, orders)
    found = sampled(run.step())
    assert tuple(found[name] for name in ("web", "orders", "web > orders", "ledger")) == told


def test_spans_with_and_without_a_threshold_leave_it_unknown_for_the_window(tmp_path):
    """One span without a threshold is enough, until it has left the window that is looked at."""
    run = Run(tmp_path)
    call(run, "ot=th:8", "ot=th:8")
    call(run.step(), "ot=th:8", "")
    assert sampled(run.step())["orders"] is None
    run.step(70)
    call(run, "ot=th:8", "ot=th:8")
    assert sampled(run.step(), 60)["orders"] == 0.5
    assert sampled(run, 300)["orders"] is None


@pytest.mark.parametrize(
    ("share", "words"),
    [(None, "sampling unknown, counted as they came"), (1.0, "every call counted"), (0.25, "sampled 25 %")],
)
def test_panel_says_what_is_known_of_sampling(share, words):
    """Not known, all calls, or a share with its figure: three different things in words."""
    said = str(provenance({"sampled": share, "sources": ["otlp"]}, Wording(Messages(assets()))))
    assert [known in said for known in ("counted as they came", "every call", "sampled 25 %", words)] == [
        share is None, share == 1, share == 0.25, True]
