"""Example traces: which are kept, whole and masked, within their bounds."""

import random
import tracemalloc

import numpy as np
from engine_run import Run
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from traffic import ORDERS, SECOND, WEB, add, call, request, spans_of

from app.examples import ExampleBook
from topology.choosing import Chooser, Quota
from topology.spans import SpanColumns


def kept(run: Run, **query: object) -> list[dict]:
    """The examples that are kept, newest first."""
    return run.engine.traces(limit=100, **query)  # type: ignore[arg-type]


def test_failed_slowest_and_sample_are_kept(tmp_path):
    """Of many calls the failed one, the slowest one and a sample stay, each found by the question for it."""
    run, rng = Run(tmp_path), random.Random(1)
    for number in range(200):
        blocks = call(rng, run.clock.ns() - SECOND, failed=number == 70, took_ms=900 if number == 120 else 20)
        run.take(request(*blocks))
        run.clock.now_s += 0.01
    run.settle(30)
    assert len(kept(run, service=ORDERS, errors=True)) == 1
    assert [round(found["duration_ms"]) for found in kept(run, service=ORDERS, min_ms=500)] == [900]
    assert 3 <= len(kept(run, service=ORDERS)) < 10
    assert {found["service"] for found in kept(run)} == {WEB, ORDERS}


def test_waterfall_is_whole_across_services_and_requests(tmp_path):
    """The spans of one trace that came in different requests, in any order, are one waterfall, and nobody else's."""
    run, rng = Run(tmp_path), random.Random(2)
    web, orders = call(rng, run.clock.ns() - SECOND, took_ms=50)
    others = [block for _ in range(5) for block in call(rng, run.clock.ns() - SECOND)]
    run.take(request(orders, *others[:3]))
    run.step(4)
    run.take(request(*others[3:], web))
    run.settle(30)
    trace_id = web.scope_spans[0].spans[0].trace_id.hex()
    found = run.engine.trace(trace_id)
    assert found is not None
    assert found["span_count"] == len(found["spans"]) == 3
    entry, client, server = found["spans"]
    assert [span["service"] for span in found["spans"]] == ["web", "web", "orders"]
    assert (client["parent_id"], server["parent_id"]) == (entry["span_id"], client["span_id"])
    assert [round(span["start_ms"]) for span in found["spans"]] == [0, 1, 2]
    assert [round(span["duration_ms"]) for span in found["spans"]] == [54, 52, 50]
    assert run.engine.trace("0" * 32) is None


def test_failed_is_what_pairing_calls_failed(tmp_path):
    """A server span whose status is unset and whose HTTP code is 500 is a failed example, in the list and in the
    waterfall; with code 404 it is none."""
    run, rng = Run(tmp_path), random.Random(8)
    for name, code in (("broken", 500), ("missing", 404)):
        block = spans_of("orders")
        made = add(block, rng.randbytes(16), rng.randbytes(8), b"", Span.SPAN_KIND_SERVER, name,
                   run.clock.ns() - SECOND)  # fmt: skip
        made.attributes.add(key="http.response.status_code").value.int_value = code
        run.take(request(block))
    run.settle(30)
    assert [found["operation"] for found in kept(run, errors=True)] == ["broken"]
    for example in kept(run):
        (span,) = run.engine.trace(example["trace_id"])["spans"]  # type: ignore[index]
        assert span["failed"] is example["failed"] is (span["operation"] == "broken")


def test_what_identifies_a_person_is_masked(tmp_path):
    """Card numbers and e-mail addresses in attributes, names and messages never reach the store."""
    run = Run(tmp_path)
    block = spans_of("orders")
    made = add(block, b"t" * 16, b"s" * 8, b"", Span.SPAN_KIND_SERVER, "pay 4111111111111111", run.clock.ns() - SECOND)
    made.attributes.add(key="mail").value.string_value = "someone@example.com"
    made.status.code, made.status.message = 2, "card 4111 1111 1111 1111 refused"
    run.take(request(block))
    run.settle(30)
    found = run.engine.trace((b"t" * 16).hex())
    text = str(found) + str(kept(run)) + str(run.engine.service(ORDERS, 3600))
    assert "refused" in text
    assert not [secret for secret in ("4111111111111111", "4111 1111", "someone@") if secret in text]


def test_bytes_of_an_hour_are_bounded(tmp_path):
    """When the examples of this hour took what they may take, no more are kept; in the next hour there are again."""
    run = Run(tmp_path, SYNOPTIC__EXAMPLES__BYTES_PER_HOUR="4KiB")
    rng = random.Random(3)
    found = []
    for _ in range(2):
        for number in range(40):
            block = spans_of("orders")
            made = add(
                block,
                rng.randbytes(16),
                rng.randbytes(8),
                b"",
                Span.SPAN_KIND_SERVER,
                f"op {number}",
                run.clock.ns() - SECOND,
            )
            made.attributes.add(key="noise").value.string_value = rng.randbytes(400).hex()
            run.take(request(block))
        run.settle(30)
        found.append(len(kept(run)))
        run.step(3600)
    assert 0 < found[0] < 15
    assert found[0] < found[1] <= 2 * found[0] + 1


def test_quota_holds_for_every_operation_by_itself(tmp_path):
    """A busy operation takes no place of a rare one."""
    run, rng = Run(tmp_path), random.Random(4)
    for name, number in (("busy", 300), ("rare", 1)):
        block = spans_of("orders")
        for _ in range(number):
            add(block, rng.randbytes(16), rng.randbytes(8), b"", Span.SPAN_KIND_SERVER, name, run.clock.ns() - SECOND)
        run.take(request(block))
    run.settle(30)
    operations = [found["operation"] for found in kept(run)]
    assert operations.count("rare") == 1
    assert 1 <= operations.count("busy") <= 15


def test_examples_outlast_a_crash(tmp_path):
    """A trace that was chosen before a crash and not yet kept is chosen again from the journal."""
    run = Run(tmp_path)
    run.take(request(*call(random.Random(5), run.clock.ns() - SECOND, failed=True)))
    run.step()
    run = run.crashed().settle(30)
    assert len(kept(run, service=ORDERS, errors=True)) == 1
    assert run.engine.trace(kept(run)[0]["trace_id"])["span_count"] == 3  # type: ignore[index]


def test_spans_are_found_over_the_edges_of_pages(tmp_path, monkeypatch):
    """A trace whose spans are noted on several pages of the index, between those of others, is whole."""
    monkeypatch.setattr("app.examples.PAGE_SPANS", 5)
    run, rng = Run(tmp_path), random.Random(6)
    web, orders = call(rng, run.clock.ns() - SECOND, failed=True)
    others = [block for _ in range(9) for block in call(rng, run.clock.ns() - SECOND)]
    run.take(request(orders, *others[:9]))
    run.take(request(*others[9:], web))
    run.settle(30)
    found = run.engine.trace(web.scope_spans[0].spans[0].trace_id.hex())
    assert found is not None
    assert found["span_count"] == 3


def test_index_forgets_the_oldest_pages(tmp_path, monkeypatch):
    """When the index has as many pages as it may, the oldest spans are forgotten, and the newest are found."""
    monkeypatch.setattr("app.examples.PAGE_SPANS", 4)
    monkeypatch.setattr("app.examples.MOST_PAGES", 3)
    run, rng = Run(tmp_path), random.Random(7)
    first, last = (call(rng, run.clock.ns() - SECOND, failed=True) for _ in range(2))
    run.take(request(*first))
    for _ in range(6):
        run.take(request(*call(rng, run.clock.ns() - SECOND)))
    run.clock.now_s += 60
    run.take(request(*last))
    run.settle(30)
    ids = [blocks[0].scope_spans[0].spans[0].trace_id.hex() for blocks in (first, last)]
    assert [run.engine.trace(trace_id) is not None for trace_id in ids] == [False, True]


def test_index_of_a_burst_is_used_again_and_given_back():
    """What a burst needed is kept for the next one, and given back when none came for ten minutes."""
    book, columns, resolved = ExampleBook(Chooser(16, Quota()), 0), SpanColumns(), np.zeros((1000, 8), np.int32)
    columns.used = 1000

    def noted(requests: int, now_s: float) -> int:
        for ticket in range(requests):
            book.note(columns, resolved, ticket, now_s)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        first, begun, second = noted(1000, 0.0), noted(40, 60.0), noted(960, 61.0)
        book.due(662.0)
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert first > 20 << 20
    assert abs(begun - first) < 1 << 20
    assert abs(second - first) < 1 << 20
    assert after < 5 << 20


def test_index_of_recent_spans_is_bounded():
    """What is remembered of recent requests is forgotten after its time, and the wanted traces are limited."""
    book = ExampleBook(Chooser(16, Quota()), 1 << 20)
    assert book.due(1e9) == {}
    assert book.afford(1 << 20, 0.0)
    assert not book.afford(1, 3599.0)
    assert book.afford(1, 3600.0)
