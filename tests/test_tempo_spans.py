"""Tempo, asked: a search tells which traces there are, each is read whole. No real one: its documents, over HTTP."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator

import pytest
from span_writing import NOW_NS, SECOND, Made
from span_writing import body as written
from stored_spans import told
from trace_sites import Tempo, serving

from collectors.contract import Context, TraceQuery
from collectors.tempo.config import Config
from collectors.tempo.source import TempoSource, build
from topology.errors import SourceUnavailable
from topology.histogram import ladder
from topology.model import Service

MINUTE = NOW_NS // SECOND // 60 * 60
CONTEXT = Context("bank", ladder([]), lambda text: text.replace("4111111111111111", "***"), lambda: MINUTE + 600.0)


@pytest.fixture
def source() -> Iterator[Callable[..., TempoSource]]:
    """Makes collectors that are told of a site, and closes them."""
    made: list[TempoSource] = []

    def make(site: Tempo, **more: object) -> TempoSource:
        made.append(build(Config(url=site.url, **more), "tempo", CONTEXT))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()


def trace_of(number: int, at_s: float = 0.0, **more: object) -> bytes:
    """A call web -> orders in a trace that starts so many seconds after the minute of the tests."""
    start = (MINUTE - (NOW_NS - SECOND) / SECOND + at_s) * 1000
    web = Made("web", 1, trace=number, start=start, took=20.0, name="GET /", **more)  # type: ignore[arg-type]
    return written([web, Made("orders", 2, 1, trace=number, start=start + 1, took=10.0, name="POST /orders")])


def pulled(asked: TempoSource, minutes: int = 1) -> tuple[list, object]:
    """What the requests of one pull say, without repetitions, and the pull."""
    pull = asked.pull(MINUTE, MINUTE + 60 * minutes)
    return sorted({str(span): span for body in pull.spans for span in told(body)}.values(), key=str), pull


@pytest.mark.parametrize("v2", [True, False])
def test_every_trace_is_read_whole(source, v2):
    """By the newer path or, where that is not known, the older one; ids that lost their zeros get them back."""
    with serving(Tempo(v2=v2)) as site:
        bodies = [trace_of(number, number) for number in range(1, 30)]
        for body in bodies:
            site.put(body)
        spans, pull = pulled(source(site, tenant="shop"))
        assert spans == sorted((span for body in bodies for span in told(body)), key=str)
        assert (pull.faults, pull.partial) == ([], set())
        assert {headers["x-scope-orgid"] for _, _, headers in site.asked} == {"shop"}
        assert {headers["accept"] for path, _, headers in site.asked if "traces/" in path} == {"application/protobuf"}


def test_full_searches_are_made_again_in_shorter_slices(source):
    """A search returns any of the traces: as many as were asked for means that there may be more."""
    with serving(Tempo()) as site:
        for number in range(1, 201):
            site.put(trace_of(number, random.Random(number).random() * 59))
        spans, pull = pulled(source(site, max_traces=20))
        assert len(spans) == 400
        assert not pull.partial
        assert all(params["start"].isdigit() and params["end"].isdigit() for _, params, _ in site.asked if params)


def test_what_no_second_can_bring_is_told(source):
    """Tempo knows no shorter time than a second."""
    with serving(Tempo()) as site:
        for number in range(1, 41):
            site.put(trace_of(number, 61.5))
        spans, pull = pulled(source(site, max_traces=20), minutes=3)
        assert len(spans) == 40
        assert pull.partial == {MINUTE + 60}
        assert len(pull.faults) == 1


def test_a_part_of_a_trace_is_counted_and_told(source):
    """PARTIAL: what there is counts, and the minute is marked."""
    with serving(Tempo()) as site:
        site.put(trace_of(1, 70))
        site.put(trace_of(2, 10))
        site.partial = {f"{1:032x}"}
        spans, pull = pulled(source(site), minutes=2)
        assert len(spans) == 4
        assert pull.partial == {MINUTE + 60}
        assert pull.faults == ["Tempo has only a part of a trace: some"]


def test_traces_that_are_as_they_were_are_not_read_again(source):
    """A search costs little, a trace is a request: only new ones and those that changed are asked for."""
    with serving(Tempo()) as site:
        for number in range(1, 11):
            site.put(trace_of(number))
        asked = source(site)
        assert len(pulled(asked)[0]) == 20
        site.traces[f"{3:032x}"] = written([Made("web", 1, trace=3, start=(MINUTE - NOW_NS / SECOND + 1) * 1000)])
        assert len(pulled(asked)[0]) == 1
        assert asked.counters()["traces_unchanged"] == 9


def test_a_young_trace_is_read_again(source):
    """Spans may still come: what was read within a minute of its end is read once more."""
    young = Context("bank", ladder([]), str, lambda: MINUTE + 5.0)
    with serving(Tempo()) as site:
        site.put(trace_of(1))
        asked = build(Config(url=site.url), "tempo", young)
        assert [len(pulled(asked)[0]), len(pulled(asked)[0])] == [2, 2]
        asked.close()


def test_a_reading_makes_no_more_requests_than_it_may(source):
    """Beyond the ceiling the rest is left out and said."""
    with serving(Tempo()) as site:
        for number in range(1, 200):
            site.put(trace_of(number))
        spans, pull = pulled(source(site, max_requests=50, parallel=2))
        assert 80 <= len(spans) < 140
        assert pull.partial == {MINUTE}
        assert "max_requests" in pull.faults[0]


def test_a_trace_that_is_gone_is_left_out(source):
    """Between the search and the request it may have been dropped."""
    with serving(Tempo()) as site:
        site.put(trace_of(1))
        site.troubles = [None, (404, "text/plain", b""), (404, "text/plain", b"")]
        assert pulled(source(site))[0] == []


@pytest.mark.parametrize(("reply", "words"), [
    ((401, "text/plain", b"no org id"), "login was refused"), ((429, "text/plain", b""), "too busy"),
    ((400, "text/plain", b"parse error at line 1"), "parse error"), ((200, "text/html", b"<html>"), "not the query"),
    ((500, "text/plain", b"max_duration"), "answered 500: max_duration"), ((200, "application/json", b"[]"), "not the"),
])
def test_trouble_is_a_line_in_plain_words(source, reply, words):
    """Whatever a search is answered."""
    with serving(Tempo()) as site:
        site.troubles = [reply]
        with pytest.raises(SourceUnavailable, match=words):
            source(site).pull(MINUTE, MINUTE + 60)


@pytest.mark.parametrize("content", [b"\x0a\xff", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"<html>"])
def test_a_trace_that_is_no_message_is_trouble(source, content):
    """Something else answers on the path of a trace."""
    with serving(Tempo()) as site:
        site.put(trace_of(1))
        site.troubles = [None, (200, "application/protobuf", content)]
        with pytest.raises(SourceUnavailable, match="not the query interface of Tempo"):
            list(source(site).pull(MINUTE, MINUTE + 60).spans)


def test_traces_are_found_with_traceql_and_opened_masked(source):
    """The query says service, duration and failure; hostile names stay text; personal data does not show."""
    with serving(Tempo()) as site:
        site.put(trace_of(5, 1, status=2, attributes={"note": "card 4111111111111111"}))
        asked = source(site)
        service = Service("bank", "", 'web" } || {')
        (found,) = asked.find_traces(TraceQuery(MINUTE, MINUTE + 60, service, 100.0, failed_only=True, limit=7))
        assert (found.trace_id, found.operation, found.failed, found.span_count) == (f"{5:032x}", "GET /", True, 2)
        params = site.asked[-1][1]
        assert params["q"] == (f"{{ resource.service.name = {json.dumps(service.name)} && traceDuration >= 100ms }}"
                               " && { status = error }")
        assert params["limit"] == "7"
        opened = asked.open_trace(found.trace_id)
        assert opened.complete
        assert opened.spans[0].attributes == {"note": "card ***"}
        assert opened.spans[1].parent_id == opened.spans[0].span_id
        assert asked.open_trace("f" * 32) is None
        site.partial = {found.trace_id}
        assert not asked.open_trace(found.trace_id).complete
