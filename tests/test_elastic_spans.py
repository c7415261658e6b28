"""Spans asked of a cluster: every document once while nothing changes, page by page, through every kind of trouble."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from elastic_cluster import EXPIRED, serving
from span_cluster import SpanCluster
from span_writing import NOW_NS, SECOND, Made
from span_writing import body as written
from stored_spans import iso, jaeger_document, otel_document, pairs, told

from collectors.contract import Context, TraceQuery
from collectors.elastic import transport
from collectors.elastic.connection import Connection
from collectors.elastic_spans.asking import stretches
from collectors.elastic_spans.config import Config
from collectors.elastic_spans.source import StoredSpans, build
from topology.errors import SourceUnavailable
from topology.histogram import ladder
from topology.model import Service

MINUTE = NOW_NS // SECOND // 60 * 60
CONTEXT = Context("bank", ladder([]), lambda text: text.replace("4111111111111111", "***"), lambda: MINUTE + 100.0)
Make = Callable[..., StoredSpans]


@pytest.fixture
def cluster() -> Iterator[SpanCluster]:
    """A small Elasticsearch."""
    with serving(SpanCluster()) as served:
        assert isinstance(served, SpanCluster)
        yield served


@pytest.fixture
def source(cluster: SpanCluster) -> Iterator[Make]:
    """Makes collectors that are told of it, and closes them."""
    made: list[StoredSpans] = []

    def make(**more: object) -> StoredSpans:
        connection = Connection(hosts=(cluster.url,), max_queries=int(more.pop("max_queries", 1000)))  # type: ignore[call-overload]
        made.append(build(Config(cluster=connection, **more), "stored", CONTEXT))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()


def spans(numbers: range, at_s: float = 0.0, **more: object) -> bytes:
    """One span a number, each a trace of its own, a hundredth of a second after the other."""
    start = (MINUTE - (NOW_NS - SECOND) / SECOND + at_s) * 1000
    return written([Made("web", 1, trace=number, start=start + 10 * (number - numbers.start), took=5.0, **more)  # type: ignore[arg-type]
                    for number in numbers])


def put(cluster: SpanCluster, body: bytes, index: str = "jaeger-span-2027-01-15") -> None:
    """Stores spans as Jaeger does, or as the exporter does where the index is one of its."""
    if index.startswith("jaeger"):
        cluster.put_spans(index, (jaeger_document(*one) for one in pairs(body)))
    else:
        cluster.put_spans(index, ({**otel_document(*one), "@timestamp": iso(one[1].start_time_unix_nano)}
                                  for one in pairs(body)))


def pulled(asked: StoredSpans, minutes: int = 1) -> tuple[list[str], object]:
    """The traces of one pull, in order, and the pull."""
    pull = asked.pull(MINUTE, MINUTE + 60 * minutes)
    return sorted(span[0] for body in pull.spans for span in told(body)), pull


def ids(numbers: range) -> list[str]:
    """The trace ids that tests mean by numbers."""
    return [f"{number:032x}" for number in numbers]


def test_every_layout_of_a_pattern_is_read_page_by_page(cluster, source):
    """Several indices, several layouts, more documents than a page holds."""
    put(cluster, spans(range(1, 1501)))
    put(cluster, spans(range(2001, 2401)), "traces-generic.otel-default")
    put(cluster, spans(range(3001, 3011), 70))
    asked = source(page_size=200)
    found, pull = pulled(asked)
    assert found == sorted([*ids(range(1, 1501)), *ids(range(2001, 2401))])
    assert (pull.faults, pull.partial) == ([], set())
    searches = [body for body in cluster.searches() if "pit" in body]
    assert all(body["sort"] == [{"_shard_doc": "asc"}] and not body["track_total_hits"] for body in searches)
    assert max(body["size"] for body in searches) == 200
    assert not cluster.points


def test_what_did_not_change_is_not_read_again(cluster, source):
    """The second pull asks for counts and nothing else; late documents are found by their slice."""
    put(cluster, spans(range(1, 31), 5))
    put(cluster, spans(range(101, 131), 25))
    asked = source()
    assert pulled(asked)[0] == [*ids(range(1, 31)), *ids(range(101, 131))]
    asked_before = len(cluster.asked)
    assert pulled(asked)[0] == []
    assert len(cluster.asked) == asked_before + 1
    put(cluster, spans(range(131, 132), 26))
    assert pulled(asked)[0] == ids(range(101, 132))


def test_documents_that_share_a_place_in_the_order_are_not_lost_between_pages(cluster, source):
    """OpenSearch numbers the documents of every shard by themselves: seven of them are one place."""
    cluster.number, cluster.distribution, cluster.shards = "3.8.0", "opensearch", 7
    put(cluster, spans(range(1, 1201)))
    asked = source(page_size=100)
    assert pulled(asked)[0] == ids(range(1, 1201))
    assert asked.counters()["spans"] == 1200, "none comes twice"


def test_a_reading_that_broke_off_is_not_taken_for_whole(cluster, source):
    """A slice counts as read when all of it was handed on."""
    put(cluster, spans(range(1, 1201)))
    asked = source(page_size=100)
    bodies = iter(asked.pull(MINUTE, MINUTE + 60).spans)
    next(bodies)
    bodies.close()
    assert pulled(asked)[0] == ids(range(1, 1201))
    assert not cluster.points


def test_a_point_in_time_that_expires_is_opened_again(cluster, source):
    """In the middle of a minute: it is read from its start again, and nothing is missing."""
    put(cluster, spans(range(1, 901)))
    asked = source(page_size=100)
    bodies = iter(asked.pull(MINUTE, MINUTE + 60).spans)
    found = told(next(bodies))
    cluster.troubles = [None, (404, EXPIRED)]
    for body in bodies:
        found += told(body)
    assert {span[0] for span in found} == set(ids(range(1, 901)))
    assert len([path for _, path, _ in cluster.asked if "_pit?" in path]) == 2


def test_a_point_in_time_that_always_expires_is_given_up(cluster, source):
    """A cluster that holds nothing: the reading fails and is tried again later."""
    put(cluster, spans(range(1, 9)))
    asked = source()
    pull = asked.pull(MINUTE, MINUTE + 60)
    cluster.troubles = [None, (404, EXPIRED)] * 10
    with pytest.raises(SourceUnavailable, match="expired"):
        list(pull.spans)


def test_shards_that_do_not_answer_are_told_and_read_again(cluster, source):
    """200 with failed shards: what came counts, the minute is partial, and is not taken for whole."""
    put(cluster, spans(range(1, 9), 61))
    cluster.missing = [("jaeger-span-2027-01-15", {"type": "es_rejected_execution_exception", "reason": "queue full"})]
    asked = source()
    found, pull = pulled(asked, minutes=2)
    assert found == ids(range(1, 9))
    assert pull.partial == {MINUTE, MINUTE + 60}
    assert "search queue is full" in pull.faults[0]
    cluster.missing = []
    found, pull = pulled(asked, minutes=2)
    assert found == ids(range(1, 9))
    assert (pull.faults, pull.partial) == ([], set())
    assert pulled(asked, minutes=2)[0] == []


def test_replies_that_are_too_large_come_in_smaller_pages(cluster, source, monkeypatch):
    """No reply is read beyond the bound; a smaller page fits."""
    put(cluster, spans(range(1, 401), attributes={"text": "x" * 300}))
    monkeypatch.setattr(transport, "MAX_REPLY_BYTES", 40_000)
    assert pulled(source())[0] == ids(range(1, 401))
    assert min(body["size"] for body in cluster.searches() if "pit" in body) < 100


def test_pages_become_smaller_with_large_documents(cluster, source, monkeypatch):
    """What a page becomes tells how much the next may hold."""
    monkeypatch.setattr("collectors.elastic_spans.source.PAGE_BYTES", 50_000)
    put(cluster, spans(range(1, 1501), attributes={"text": "x" * 400}))
    asked = source()
    assert pulled(asked)[0] == ids(range(1, 1501))
    assert asked._size < 200


def test_fields_are_chosen_only_of_wide_documents(cluster, source):
    """Of those with much that nobody reads, until the next pull finds them smaller; of Jaeger's never."""
    def apm(number: int, **more: object) -> dict[str, object]:
        span = {"id": f"{number:016x}", "name": "GET", "type": "app", "duration": {"us": 1}, **more}
        return {"@timestamp": MINUTE * 1000 + 5000 + number % 1000, "trace": {"id": f"{number:032x}"}, "span": span}

    def chosen() -> set[bool]:
        pages = [body["_source"] is not True for body in cluster.searches() if "pit" in body]
        cluster.asked.clear()
        return set(pages[2:])

    asked = source(page_size=100)
    cluster.put_spans("traces-apm-default", (apm(number, stacktrace=["x" * 9000]) for number in range(1, 501)))
    assert pulled(asked)[0] == ids(range(1, 501))
    assert chosen() == {True}
    cluster.put_spans("traces-apm-default", [apm(501)])
    cluster.indices["traces-apm-default"][1][:500] = [apm(number) for number in range(1, 501)]
    assert pulled(asked)[0] == ids(range(1, 502))
    assert chosen() == {False}
    put(cluster, spans(range(1001, 1401), 15, attributes={"text": "x" * 9000}))
    assert pulled(asked)[0] == ids(range(1001, 1401))
    assert chosen() == {False}


@pytest.mark.parametrize(("reply", "words"), [
    ((401, {"error": {"type": "security_exception", "reason": "missing"}}), "login was refused"),
    ((403, {"error": {"type": "security_exception", "reason": "not yours"}}), "may not do this"),
    ((429, {"error": {"type": "es_rejected_execution_exception", "reason": ""}}), "too busy"),
    ((503, {"error": {"type": "no_shard_available_action_exception", "reason": "x"}}), "no shard"),
    ((200, b"<html>welcome"), "neither"), ((200, []), "neither"),
])
def test_trouble_is_a_line_in_plain_words(cluster, source, reply, words):
    """Whatever the first question is answered: nothing is read, and the reason is told."""
    put(cluster, spans(range(1, 9)))
    cluster.troubles = [None, reply]
    with pytest.raises(SourceUnavailable, match=words):
        source().pull(MINUTE, MINUTE + 60)


def test_indices_that_are_not_there_are_told(cluster, source):
    """Nothing matches, which is also what a login that may see none is told: there are no spans, and no minute lacks
    any; one pattern that matches is enough."""
    found, pull = pulled(source(indices=("nothing-*", "traces-*")))
    told = ["nothing-*,traces-*: no index matches, or the login may see none"]
    assert (found, pull.faults, pull.partial) == ([], told, set())
    put(cluster, spans(range(1, 9)))
    found, pull = pulled(source())
    assert (found, pull.faults) == (ids(range(1, 9)), [])


def test_the_ceiling_of_queries_holds_and_progress_is_kept(cluster, source):
    """Beyond it the reading breaks off; minutes that were read are not read again."""
    for minute in range(8):
        put(cluster, spans(range(100 * minute + 1, 100 * minute + 31), 60 * minute))
    asked = source(max_queries=12)
    found = []
    with pytest.raises(SourceUnavailable, match="ceiling of 12 queries"):
        found += [span[0] for body in asked.pull(MINUTE, MINUTE + 480).spans for span in told(body)]
    assert len(cluster.asked) == 12
    assert 1 <= len(asked._as_read) < 8


def test_documents_that_are_no_spans_are_counted(cluster, source):
    """Metrics and samples under the same pattern."""
    cluster.put_spans("traces-apm.sampled-default", [{"@timestamp": MINUTE * 1000, "trace": {"id": "1" * 32}}])
    asked = source()
    assert pulled(asked)[0] == []
    assert asked.counters()["documents_no_spans"] == 1


def test_traces_are_found_and_opened_masked(cluster, source):
    """By service, failure and duration, newest first; with every span; personal data does not show."""
    for number in range(1, 7):
        start = (MINUTE - (NOW_NS - SECOND) / SECOND + number) * 1000
        put(cluster, written([
            Made("web", 1, trace=number, start=start, took=10.0 * number, name="pay", status=2 if number % 2 else 0,
                 attributes={"note": "card 4111111111111111"}),
            Made("orders", 2, 1, trace=number, start=start + 1, took=2.0)]), "traces-generic.otel-default")
    asked = source()
    query = TraceQuery(MINUTE, MINUTE + 60, Service("bank", "", "web"), limit=2)
    assert [trace.trace_id for trace in asked.find_traces(query)] == ids(range(6, 4, -1))
    failed = asked.find_traces(TraceQuery(MINUTE, MINUTE + 60, failed_only=True, limit=9))
    assert [trace.trace_id for trace in failed] == [*ids(range(5, 6)), *ids(range(3, 4)), *ids(range(1, 2))]
    assert {(trace.operation, trace.span_count) for trace in failed} == {("pay", 2)}
    opened = asked.open_trace(ids(range(3, 4))[0])
    assert opened.complete
    assert [span.service.name for span in opened.spans] == ["web", "orders"]
    assert opened.spans[0].attributes == {"note": "card ***"}
    assert asked.open_trace("f" * 32) is None
    assert asked.find_traces(TraceQuery(0, 60)) == []


def test_slices_are_read_in_stretches_of_neighbours():
    """Neighbours together, no more than a minute at once."""
    assert list(stretches([])) == []
    assert list(stretches([0, 10, 30])) == [(0, 20), (30, 40)]
    assert list(stretches(list(range(0, 150, 10)))) == [(0, 60), (60, 120), (120, 150)]


def test_configuration_is_checked():
    """At least one pattern; a span of this source may come as much later as the next minute is read."""
    assert [key for key, *_ in Config(indices=()).check()] == ["indices"]
    assert Config().spans_apart_s == 120
