"""Hypothesis strategies: traces of every shape, and the ways they reach a receiver."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st
from plain_spans import CLIENT, CONSUMER, PRODUCER
from span_writing import MS, SECOND, Made

SERVICES = ("shop", "pay", "stock", "ledger")
ZONES = ("", "north")
LOST = 999
STRETCHES_MS = (0, 1, 900, 9_000, 29_999, 30_000, 30_001, 31_000, 70_000)
"""Pauses between deliveries: within the horizon of 30 s, on its edge, beyond it."""

_TARGETS = st.sampled_from([
    {}, {}, {"peer.service": "ledger-v1"}, {"server.address": "10.0.0.7"}, {"net.peer.name": "mail.example"},
    {"db.system": "postgresql", "db.name": "orders"}, {"db.system.name": "redis", "server.address": "cache-1"},
    {"messaging.system": "kafka", "messaging.destination.name": "events"},
])
_RECEIVED = st.sampled_from([{}, {}, {"messaging.system": "kafka", "messaging.destination": "events"}])
_OUTCOMES = st.sampled_from([
    {}, {}, {}, {"http.request.method": "GET", "http.response.status_code": 200}, {"http.status_code": 404},
    {"http.response.status_code": 503}, {"http.response.status_code": 429}, {"rpc.system": "grpc"},
    {"rpc.system": "grpc", "rpc.grpc.status_code": 5},
    {"rpc.system": "grpc", "rpc.response.status_code": "UNAVAILABLE"},
    {"error.type": "CallNotPermittedException"}, {"response_flags": "UO"},
])
_STARTS = st.one_of(st.integers(-15_000, 12_000), st.integers(-15_000, 0), st.sampled_from([-3_500_000, -3_700_000]))
_SAMPLED = st.sampled_from(["", "", "", "ot=th:8", "es=x,ot=th:c", "ot=th:0", "ot=rv:1;th:e"])


@st.composite
def spans(draw: st.DrawFn, id_: int, trace: int, others: int) -> Made:
    """A span that may hang under, or link to, any other of its trace, itself, or one that never comes."""
    kind = draw(st.integers(0, 5))
    parent = draw(st.sampled_from([0, LOST, *range(1, others + 1), *range(1, others + 1)]))
    attributes: dict[str, object] = dict(draw(_OUTCOMES))
    attributes |= draw(_TARGETS) if kind in (CLIENT, PRODUCER) else draw(_RECEIVED) if kind == CONSUMER else {}
    if draw(st.integers(0, 9)) == 0:
        attributes["messaging.operation"] = "receive"
    link = (trace, draw(st.integers(1, others + 1))) if draw(st.integers(0, 3)) == 0 else None
    service = draw(st.sampled_from(SERVICES))
    return Made(service, id_, parent, kind, trace=trace, link=link, zone=draw(st.sampled_from(ZONES)),
                start=draw(_STARTS), took=draw(st.sampled_from([-5, 0, 0.0005, 1, 250.75, 1000, 9000])),
                name=draw(st.sampled_from(["read", "write", ""])), status=draw(st.sampled_from([0, 0, 0, 1, 2])),
                instance=draw(st.sampled_from(["", service + "-1"])), attributes=attributes,
                trace_state=draw(_SAMPLED))


@st.composite
def traces(draw: st.DrawFn, most: int = 7) -> list[Made]:
    """The spans of one or two traces, trees or not."""
    made: list[Made] = []
    for trace in range(1, draw(st.integers(1, 2)) + 1):
        count = draw(st.integers(1, most))
        made += [draw(spans(id_, trace, count)) for id_ in range(1, count + 1)]
    return made


@st.composite
def deliveries(draw: st.DrawFn) -> list[tuple[int, list[Made]]]:
    """Traces as they arrive: shuffled, cut into requests, some twice, with pauses around the horizon."""
    made = draw(traces())
    sent = draw(st.permutations(made + draw(st.lists(st.sampled_from(made), max_size=3))))
    return draw(batches(sent, STRETCHES_MS))


@st.composite
def batches(draw: st.DrawFn, sent: list[Made], stretches_ms: tuple[int, ...]) -> list[tuple[int, list[Made]]]:
    """Spans in this order, cut into requests with pauses between."""
    cut: list[tuple[int, list[Made]]] = []
    after_ns, left = 0, list(sent)
    while left:
        size = draw(st.integers(1, len(left)))
        cut.append((after_ns, left[:size]))
        left = left[size:]
        after_ns += draw(st.sampled_from(stretches_ms)) * MS + draw(st.integers(0, 1000))
    return cut


@st.composite
def calls(draw: st.DrawFn) -> list[Made]:
    """Traces in which no client is answered twice and no clock is ahead, so that no order of arrival is better than
    another."""
    made = [replace(span, start=min(span.start, -span.took)) for span in draw(traces())]
    answered: set[tuple[int, int]] = set()
    kept = []
    for span in made:
        parent = (span.trace, span.parent)
        linked = span.link or parent
        again = parent in answered or linked in answered
        answered |= {parent, linked}
        kept.append(replace(span, parent=0, link=None) if again and span.kind != CLIENT else span)
    return kept


def soon(sent: list[Made]) -> st.SearchStrategy[list[tuple[int, list[Made]]]]:
    """These spans in this order, all within one horizon."""
    return batches(sent, (0, 1, 900)).filter(lambda cut: cut[-1][0] < 25 * SECOND)
