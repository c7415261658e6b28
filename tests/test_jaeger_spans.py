"""Jaeger, asked: by either interface the spans that were sent to it, in slices that a reply has room for."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from span_strategies import traces
from span_writing import NOW_NS, SECOND, Made
from span_writing import body as written
from stored_spans import SAMPLES, jaeger_document, pairs, told
from trace_sites import Jaeger, serving

from collectors.config import Secret
from collectors.contract import Context, TraceQuery
from collectors.jaeger.config import Config
from collectors.jaeger.source import JaegerSource, build
from collectors.spans.jaeger_model import sender, write
from collectors.spans.writing import Request
from topology.errors import SourceUnavailable, Why
from topology.histogram import ladder
from topology.model import Service

LIVE = SAMPLES / "jaeger-live" / "2.13.0"
MINUTE = NOW_NS // SECOND // 60 * 60
CONTEXT = Context("bank", ladder([]), lambda text: text.replace("4111111111111111", "***"), lambda: NOW_NS / SECOND)


@pytest.fixture
def source() -> Iterator[Callable[..., JaegerSource]]:
    """Makes collectors that are told of a site, and closes them."""
    made: list[JaegerSource] = []

    def make(site: Jaeger, **more: object) -> JaegerSource:
        made.append(build(Config(url=site.url, **more), "jaeger", CONTEXT))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()


def trace_of(number: int, services: tuple[str, ...] = ("web", "orders"), at_s: float = 0.0) -> bytes:
    """A trace through some services, one span each, that starts so many seconds after the minute of the tests."""
    start = (MINUTE - (NOW_NS - SECOND) / SECOND + at_s) * 1000
    return written([Made(name, at + 1, at, trace=number, start=start + at, took=10.0, name=f"/{name}")
                    for at, name in enumerate(services)])


def pulled(asked: JaegerSource, minutes: int = 1) -> tuple[list, object]:
    """What the requests of one pull say, without repetitions, and the pull."""
    pull = asked.pull(MINUTE, MINUTE + 60 * minutes)
    return sorted({str(span): span for body in pull.spans for span in told(body)}.values(), key=str), pull


@pytest.mark.parametrize("v3", [True, False])
def test_everything_that_was_sent_is_read(source, v3):
    """By either interface spans come back as they were sent: ids of 32 digits, kinds, failures, attributes, senders."""
    made = [Made("web", 1, trace=7, name="GET /", start=-2000, took=12.5, status=2, zone="a", instance="web-1",
                 attributes={"http.response.status_code": 500, "http.request.method": "GET"}, trace_state="ot=th:8"),
            Made("orders", 2, 1, trace=7, kind=5, start=-1999, took=3, link=(9, 4), attributes={"a": "1"})]
    with serving(Jaeger(v3=v3)) as site:
        site.put(written(made))
        spans, pull = pulled(source(site))
        assert spans == told(written(made))
        assert (pull.faults, pull.partial) == ([], set())
        assert all(path.startswith("/api/v3") == v3 for path, *_ in site.asked[2:])


@pytest.mark.skipif(not LIVE.exists(), reason="the samples are not beside the checkout")
@pytest.mark.parametrize("reply", ["v3-traces-snake.json", "traces.json"])
def test_replies_of_a_real_jaeger_are_read(source, reply):
    """What Jaeger 2.13 answered after a known request becomes that request again, whichever interface answered."""
    class Recorded(Jaeger):
        def reply(self, path, params):
            name = ("v3-services.json" if self.v3 else "unknown-path.txt") if path == "/api/v3/services" else (
                "services.json" if path == "/api/services" else reply)
            return 200, "text/plain", (LIVE / name).read_bytes()

    sent = json.loads((LIVE / "sent.otlp.json").read_text())
    with serving(Recorded(v3=reply.startswith("v3"))) as site:
        spans, _ = pulled(source(site))
    wanted = [(span["traceId"], span["spanId"], span.get("parentSpanId", ""), span["name"], span.get("kind", 0),
               int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"]), span.get("status", {}).get("code", 0),
               span.get("traceState", ""))
              for group in sent["resourceSpans"] for scope in group["scopeSpans"] for span in scope["spans"]]
    assert sorted(span[:9] for span in spans) == sorted(wanted)
    links = [(link["traceId"], link["spanId"]) for group in sent["resourceSpans"] for scope in group["scopeSpans"]
             for span in scope["spans"] for link in span.get("links", ())]
    assert [link for span in spans for link in span[9]] == links
    assert len(links) == 1
    assert {dict(span[11])["service.namespace"] for span in spans} == {"shop"}


@settings(max_examples=150, deadline=None)
@given(traces())
def test_what_jaeger_makes_of_a_span_is_made_good(made):
    """OTLP to Jaeger's documents and back is OTLP again, in whole microseconds, however tags are stored."""
    body = written([span for span in made if span.took >= 0])
    for fields in (False, True):
        request = Request()
        for named, span in pairs(body):
            document = json.loads(json.dumps(jaeger_document(named, span, fields)))
            request.add(sender(document["process"]), write(document))
        assert told(request.content(), 1000) == told(body, 1000)


def test_tags_of_opentracing_get_the_names_of_the_conventions():
    """Old clients name their peer otherwise; what they say is not lost, and no tag that is there is overwritten."""
    document = {"traceID": "1f", "spanID": "a", "startTime": 5, "duration": 2, "operationName": "q", "tags": [
        {"key": "span.kind", "type": "string", "value": "client"}, {"key": "error", "type": "bool", "value": "true"},
        {"key": "peer.hostname", "type": "string", "value": "db-1"},
        {"key": "db.type", "type": "string", "value": "sql"}, {"key": "peer.port", "type": "int64", "value": "5432"}]}
    request = Request()
    request.add(sender({"serviceName": "old", "tags": [{"key": "hostname", "value": "h"}]}), write(document))
    (span,) = told(request.content())
    assert span[0] == "1f".zfill(32)
    assert (span[4], span[7]) == (3, 2)
    assert {"server.address": "db-1", "server.port": 5432, "db.system": "sql"}.items() <= dict(span[10]).items()
    assert dict(span[11]) == {"host.name": "h", "service.name": "old"}


@pytest.mark.skipif(not (SAMPLES / "jaeger-es").exists(), reason="the samples are not beside the checkout")
def test_documents_of_jaegers_own_tests_are_read():
    """Its fixtures: the first CHILD_OF in the same trace is the parent, all other references are links."""
    for path in (SAMPLES / "jaeger-es").glob("es_*.json"):
        document = json.loads(path.read_text())
        request = Request()
        request.add(sender(document["process"]), write(document))
        (span,) = told(request.content())
        assert span[2] == "0000000000000003"
        assert span[9] == [("0" * 31 + "1", "0" * 15 + "4"), ("ff".zfill(32), "ff".zfill(16))]
        assert (span[5], span[6] - span[5]) == (1485467191639875000, 5000)
        assert {"peer.service": "service-y", "temperature": 72.5, "peer.ipv4": 23456}.items() <= dict(span[10]).items()


def test_full_replies_are_asked_for_again_in_shorter_slices(source):
    """There is no cursor: as many traces as a reply may have means that there may be more."""
    with serving(Jaeger()) as site:
        for number in range(1, 201):
            site.put(trace_of(number, at_s=random.Random(number).random() * 59))
        asked = source(site, max_traces=20)
        spans, pull = pulled(asked)
        assert len(spans) == 400
        assert not pull.partial
        assert asked.counters()["traces"] == 200


def test_what_no_slice_can_bring_is_told(source):
    """More traces in a moment than a reply may have: some are read, the minute is marked, the source says why."""
    with serving(Jaeger()) as site:
        for number in range(1, 41):
            site.put(trace_of(number, at_s=61))
        spans, pull = pulled(source(site, max_traces=20), minutes=3)
        assert len(spans) == 40
        assert pull.partial == {MINUTE + 60}
        assert pull.faults == ["more traces in a moment than a reply may have"]


def test_a_reading_makes_no_more_requests_than_it_may(source):
    """Beyond the ceiling the rest is left out and said; the reading does not fail."""
    with serving(Jaeger()) as site:
        for number in range(1, 100):
            site.put(trace_of(number, (f"service-{number}",)))
        asked = source(site, max_requests=10)
        spans, pull = pulled(asked)
        assert len(spans) == 10
        assert pull.partial == {MINUTE}
        assert "max_requests" in pull.faults[0]


def test_a_trace_of_several_services_is_handed_on_once(source):
    """It comes with each of them."""
    with serving(Jaeger()) as site:
        site.put(trace_of(1, ("a", "b", "c", "d")))
        pull = source(site).pull(MINUTE, MINUTE + 60)
        assert [len(told(body)) for body in pull.spans] == [4]


TROUBLES = [
    ((401, "text/plain", b"secret"), "login was refused", Why.LOGIN),
    ((403, "text/plain", b""), "may not do this", Why.FORBIDDEN),
    ((429, "text/plain", b""), "too busy", Why.BUSY), ((302, "text/html", b""), "elsewhere", Why.STRANGER),
    ((200, "text/html", b"<html>"), "not the query interface", Why.STRANGER),
    ((200, "application/json", b"[1]"), "not the query", Why.STRANGER),
    ((200, "application/json", b""), "not the query", Why.STRANGER),
    ((404, "text/plain", b"nothing"), "not the query", Why.STRANGER),
    ((503, "text/plain", b"starting"), "answered 503", Why.REFUSED),
    ((500, "application/json", b'{"error": {"message": "no disk"}}'), "no disk", Why.REFUSED),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "words", "why"), TROUBLES)
def test_trouble_is_a_line_in_plain_words(source, reply, words, why):
    """Whatever it answers, the source is unavailable for a reason, and nothing of a login is told."""
    with serving(Jaeger()) as site:
        site.troubles = [reply, reply]
        asked = source(site, token=Secret("hunter2"))
        with pytest.raises(SourceUnavailable, match=words) as met:
            asked.pull(MINUTE, MINUTE + 60)
        assert met.value.why is why
        assert "hunter2" not in str(met.value)
        assert "secret" not in str(met.value)
        assert site.asked[0][2]["authorization"] == "Bearer hunter2"


def test_a_login_that_is_put_right_in_its_file_is_sent_from_then_on(source, tmp_path):
    """Without a restart, a password as well as a token."""
    file = tmp_path / "secret"
    for more, sent in (({"username": "me", "password": Secret("a", file)}, ["Basic bWU6YQ==", "Basic bWU6Yg=="]),
                       ({"token": Secret("a", file)}, ["Bearer a", "Bearer b"])):
        with serving(Jaeger()) as site:
            asked = source(site, **more)
            for text in "ab":
                file.write_text(text)
                asked._caller.get("/")
            assert [headers["authorization"] for _, _, headers in site.asked] == sent


def test_nobody_listens(source):
    """A site that is not there."""
    with pytest.raises(SourceUnavailable, match="cannot be reached"):
        source(Jaeger(url="http://127.0.0.1:9")).pull(MINUTE, MINUTE + 60)


def test_it_may_break_off_while_it_is_read(source):
    """Trouble in the middle comes out of the spans, after those that were read."""
    with serving(Jaeger()) as site:
        for number, name in ((1, "a"), (2, "b")):
            site.put(trace_of(number, (name,)))
        pull = source(site).pull(MINUTE, MINUTE + 60)
        bodies = iter(pull.spans)
        assert len(told(next(bodies))) == 1
        site.troubles = [(503, "text/plain", b"")]
        with pytest.raises(SourceUnavailable):
            next(bodies)


def test_only_named_services_are_read(source):
    """`services` says which."""
    with serving(Jaeger()) as site:
        site.put(trace_of(1, ("a",)))
        site.put(trace_of(2, ("b",)))
        spans, _ = pulled(source(site, services=("b",)))
        assert [span[3] for span in spans] == ["/b"]


@pytest.mark.parametrize("v3", [True, False])
def test_traces_are_found_and_opened_masked(source, v3):
    """By service, failure and duration, newest first; a trace by its id; personal data does not show."""
    card = {"note": "card 4111111111111111"}
    with serving(Jaeger(v3=v3)) as site:
        for number in range(1, 9):
            site.put(written([Made("web", 1, trace=number, start=-1000 * number, took=5.0 * number, name="pay",
                                   status=2 if number % 2 else 0, attributes=card)]))
        asked = source(site)
        now_s = NOW_NS / SECOND
        found = asked.find_traces(TraceQuery(now_s - 60, now_s, limit=3, failed_only=True,
                                             service=Service("bank", "", "web")))
        assert [trace.trace_id for trace in found] == [f"{number:032x}" for number in (1, 3, 5)]
        assert all(trace.failed and trace.span_count == 1 for trace in found)
        slow = asked.find_traces(TraceQuery(now_s - 60, now_s, min_ms=40.0))
        assert [trace.duration_ms for trace in slow] == [40.0]
        opened = asked.open_trace(found[0].trace_id)
        assert opened.spans[0].attributes["note"] == "card ***"
        assert opened.spans[0].service == Service("bank", "", "web")
        assert asked.open_trace("f" * 32) is None
        assert asked.find_traces(TraceQuery(0, 60)) == []


def test_configuration_is_checked(tmp_path: Path):
    """A name without a password, two logins, certificates that are none."""
    wrong = tmp_path / "ca.pem"
    wrong.write_text("nothing")
    assert [key for key, *_ in Config(username="a").check()] == ["password"]
    assert [key for key, *_ in Config(username="a", password=Secret("b"), token=Secret("c")).check()] == ["token"]
    assert [key for key, *_ in Config(ca=wrong).check()] == ["ca"]
    assert list(Config().check()) == []
