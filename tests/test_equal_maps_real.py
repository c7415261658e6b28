"""One known traffic sent by OTLP and asked of a real Jaeger by both its interfaces: the same map, to the call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from jaeger_server import Jaeger, jaeger
from known_routes import (
    CONTEXT,
    FROM_S,
    SPANS,
    TO_S,
    known_traffic,
    read_by_the_minute,
    read_over_and_over,
    read_through_crashes,
    spans_of,
)
from running import soon

from collectors.contract import TraceQuery
from collectors.jaeger.config import Config
from collectors.jaeger.interfaces import Internal
from collectors.jaeger.source import JaegerSource, build

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

Make = Callable[[], JaegerSource]


@pytest.fixture(scope="module")
def memory() -> Iterator[Jaeger]:
    """A Jaeger that keeps traces in memory, with the traffic in it."""
    with jaeger() as started:
        started.take(b"".join(known_traffic()))
        assert soon(lambda: _spans_in(started) == SPANS, 60)  # it gathers them for a moment before it keeps them
        yield started


def _spans_in(memory: Jaeger) -> int:
    source = _source(memory, internal=True)
    try:
        return len(spans_of(source.pull(FROM_S, TO_S).spans))
    finally:
        source.close()


@pytest.fixture(params=["jaeger", "jaeger_internal"])
def make(request: pytest.FixtureRequest, memory: Jaeger) -> Make:
    """Makes the collector of a route: by the interface it finds, and by the older one."""
    return partial(_source, memory, request.param == "jaeger_internal")


def _source(memory: Jaeger, internal: bool) -> JaegerSource:
    source = build(Config(url=memory.query, max_traces=50), "asked", CONTEXT)
    if internal:
        source._interface = Internal(source._caller)
    return source


def test_the_traffic_is_known(sent):
    """Not a comparison of nothing with nothing: forty rounds of four checkouts, and what fails in them."""
    assert len(spans_of(known_traffic())) == SPANS
    assert sent["default//web>default//orders"]["calls"] == 160
    mailer = sent["default//orders>default//mailer"]
    assert (mailer["calls"], mailer["errors"]) == (160, 80)
    assert (sent["default//stock"]["calls"], sent["default//stock"]["errors"]) == (160, 160)
    assert len(sent) == 13


def test_every_route_draws_the_same_map(make, sent, tmp_path):
    """The same nodes, the same paths, the same figures; read three times over, and with a crash in between."""
    assert read_over_and_over(make, "asked", "jaeger", tmp_path) == sent


def test_minutes_one_after_the_other_draw_the_same_map(make, sent, tmp_path):
    """As the clock goes: calls that cross the end of a minute are read with two minutes."""
    assert read_by_the_minute(make, "asked", "jaeger", tmp_path) == sent


def test_a_page_that_was_cut_off_by_a_crash_is_made_good(make, sent, tmp_path):
    """The process ends in the middle of a reading, anywhere; the next life reads again and counts once."""
    assert read_through_crashes(make, "asked", "jaeger", tmp_path) == sent


def test_traces_are_found_and_opened(make):
    """By service and failure, with all ten spans, parents and all."""
    source = make()
    found = source.find_traces(TraceQuery(FROM_S, TO_S, failed_only=True, limit=5))
    assert len(found) == 5
    assert all(trace.failed and trace.operation == "GET /checkout" for trace in found)
    opened = source.open_trace(found[0].trace_id)
    assert opened.complete
    assert len(opened.spans) == 10
    assert {span.parent_id for span in opened.spans} - {None} <= {span.span_id for span in opened.spans}
    assert source.open_trace("f" * 32) is None
    source.close()
