"""A real OAP searched through the running product: its traces, one of them opened, and the log lines of that one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from known_segments import Graph, post, send
from oap_server import Oap, running, source
from running import Running, product, soon
from snapshots import Shelf, snapshot

from app.finding import Finding
from app.searching import Searches

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

GRAPH = Graph(4)
GOOD, FAILED = "5a" * 16, "5b" * 16
CONFIGURATION = """
environment: prod
collectors:
  oap: {kind: skywalking, url: "%s"}
  gone: {kind: jaeger, url: "http://127.0.0.1:9"}
"""
SENT = [span for segment in GRAPH.request(FAILED, 0, request=3) for span in segment["spans"]]
WITHIN_S = 40.0
"""After so long what was sent can be asked for, on a busy machine too."""


@dataclass(frozen=True)
class Searched:
    """A product that asks a real OAP, and when the two requests in it began (UTC epoch milliseconds)."""

    oap: Oap
    synoptic: Running
    began_ms: int


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searched]:
    """Two requests in a real OAP, one of which failed, with two log lines of that one."""
    with running("10.1.0", tmp_path_factory.mktemp("oap")) as oap:
        began_ms = int(time.time() * 1000) - 5_000
        send(oap.http, [*GRAPH.request(GOOD, began_ms), *GRAPH.request(FAILED, began_ms + 1000, request=3)])
        post(f"{oap.http}/v3/logs", [_line("order received", "INFO", began_ms + 1002),
                                     _line("no stock for card 4111 1111 1111 1111", "ERROR", began_ms + 1005)])
        folder = tmp_path_factory.mktemp("synoptic")
        (folder / "synoptic.yaml").write_text(CONFIGURATION % oap.graphql, "utf-8")
        with product(folder, "--config", str(folder / "synoptic.yaml")) as synoptic:
            yield Searched(oap, synoptic, began_ms)


def _line(text: str, level: str, at_ms: int) -> dict[str, object]:
    who = {"service": GRAPH.name(1), "serviceInstance": GRAPH.instance(1), "layer": "GENERAL", "timestamp": at_ms}
    context = {"traceId": FAILED, "traceSegmentId": f"{FAILED}.1", "spanId": 0}
    return who | {"body": {"text": {"text": text}}, "traceContext": context,
                  "tags": {"data": [{"key": "level", "value": level}]}}


def test_traces_of_the_oap_are_found(searched: Searched) -> None:
    """Both requests are in the list under the node of the map, with what they took; the source that is down is told of
    and costs nothing else."""
    found = searched.synoptic.get

    def rows() -> dict[str, dict[str, object]]:
        answer = found("/api/v1/traces/search", **{"from": "now-15m"})
        return {row["trace_id"]: row for row in answer["traces"]}

    assert soon(lambda: {GOOD, FAILED} <= rows().keys(), WITHIN_S)
    failed = rows()[FAILED]
    assert (failed["service"], failed["operation"], failed["source"]) == ("prod//gateway", "/gateway", "oap")
    assert (failed["duration_ms"], failed["span_count"]) == (max(span["endTime"] for span in SENT), len(SENT))
    assert (failed["failed"], failed["kept"]) == (True, False)
    troubles = found("/api/v1/traces/search")["troubles"]
    assert [(one["source"], one["kind"]) for one in troubles] == [("gone", "failed")]
    errors = found("/api/v1/traces/search", errors="true", service="prod//orders", **{"from": "now-15m"})
    assert [row["trace_id"] for row in errors["traces"]] == [FAILED]
    assert found("/api/v1/traces/search", min_ms=60_000, **{"from": "now-15m"})["traces"] == []


def test_one_trace_is_opened_from_the_oap(searched: Searched) -> None:
    """Every span that was sent is there, under its parent also across services."""
    assert soon(lambda: searched.synoptic.get("/api/v1/traces/search", **{"from": "now-15m"})["traces"], WITHIN_S)
    trace = searched.synoptic.get(f"/api/v1/traces/{FAILED}")
    assert (trace["source"], trace["complete"], trace["span_count"]) == ("oap", True, len(SENT))
    known = {span["span_id"] for span in trace["spans"]}
    assert [span["service_id"] for span in trace["spans"] if span["parent_id"] not in known] == ["prod//gateway"]
    services = {span["service_id"] for span in trace["spans"]}
    assert services == {f"prod//{GRAPH.name(i)}" for i in range(GRAPH.services)}
    assert {span["operation"] for span in trace["spans"] if span["failed"]} == {"/gateway", "/orders"}


def test_the_log_lines_of_a_trace_are_found(searched: Searched) -> None:
    """The lines that were sent with the trace's id come in the order of time with their level, masked."""
    asked = source(searched.oap.graphql)
    finding = Finding(Searches({"oap": asked}), Shelf(snapshot()))
    start_s = searched.began_ms / 1000

    def lines() -> list[tuple[str, str, str]]:
        told = asyncio.run(finding.lines_of_trace(FAILED, start_s, start_s + 2))
        assert told["troubles"] == []
        return [(line["level"], line["service"], line["body"]) for line in told["lines"]]

    assert soon(lambda: len(lines()) == 2, WITHIN_S)
    first, second = lines()
    asked.close()
    assert first == ("info", "prod//orders", "order received")
    assert second == ("error", "prod//orders", "no stock for card 4111 11** **** 1111")
