"""While a person looks, an OAP is searched for traces and log lines; its events and alarms are changes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fake_oap import MQE_10, FakeOap, asking

from collectors.contract import LineQuery, TraceQuery
from collectors.skywalking.events import service_id, service_name
from collectors.skywalking.source import OapSource
from topology.changes import ChangeKind, Outcome
from topology.model import Service

SAMPLES = Path(__file__).parents[2] / "shared" / "samples" / "skywalking-live" / "10.1.0"
NOON = 1_795_262_400
ORDERS = Service("prod", "", "orders")
real = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the replies of real servers are not beside this checkout")
SPAN = {"traceId": "t1", "segmentId": "s1", "spanId": 0, "parentSpanId": -1, "refs": [], "serviceCode": "orders",
        "serviceInstanceName": "orders-0", "startTime": (NOON - 60) * 1000, "endTime": (NOON - 60) * 1000 + 35,
        "endpointName": "/orders", "type": "Entry", "peer": "", "component": "Flask", "isError": True, "layer": "Http",
        "tags": [], "logs": []}  # fmt: skip


class Searched(FakeOap):
    """An OAP whose answers to searches are given by the name of the query; it remembers the conditions."""

    def answer(self, query: str, variables: Mapping[str, Any]) -> tuple[int, Any]:
        """The reply."""
        if "a0:queryTrace" in query:
            return 200, {"data": {f"a{at}": self.documents["queryTrace"] for at in range(len(variables))}}
        return super().answer(query, variables)

    def conditions(self, word: str) -> list[dict[str, Any]]:
        """The conditions of the searches."""
        return [each["variables"]["c"] for each in self.requests(word)]


def sample(name: str) -> Any:
    """The data of a real reply."""
    return json.loads((SAMPLES / f"{name}.json").read_text())["reply"]["data"]


@contextmanager
def searching(oap: FakeOap, *more: str) -> Iterator[OapSource]:
    """A source whose OAP knows the searches, and more."""
    oap.queries = (*MQE_10, *more)
    with asking(oap, lambda: float(NOON)) as source:
        yield source


@real
def test_a_real_trace_is_a_waterfall() -> None:
    """The segments of a real reply are joined: every span but the first has its parent, and is what it was."""
    with searching(Searched(documents=sample("trace"))) as source:
        opened = source.open_trace("618a1597a91b3fa610226bc353fc623b")
    assert opened is not None
    by_id = {span.span_id: span for span in opened.spans}
    assert (len(by_id), opened.complete) == (10, True)
    assert [span.operation for span in opened.spans if span.parent_id is None] == ["/gateway"]
    assert all(span.parent_id in by_id for span in opened.spans if span.parent_id is not None)
    crossing = {(by_id[span.parent_id].service.name, span.service.name) for span in opened.spans
                if span.parent_id and by_id[span.parent_id].service != span.service}  # fmt: skip
    assert crossing == {("gateway", "orders"), ("gateway", "payments"), ("gateway", "worker")}
    kinds = {span.kind for span in opened.spans}
    assert kinds == {"server", "client", "producer", "consumer"}
    (database,) = [span for span in opened.spans if span.attributes.get("db.type")]
    assert (database.attributes["peer"], database.end_ns - database.start_ns) == ("db-orders:3306", 5_000_000)


@real
def test_real_traces_are_found() -> None:
    """A real search finds segments; what is listed are the traces that they belong to, named by where they began."""
    oap = Searched(documents={**sample("basic-traces-error"), **sample("trace")})
    with searching(oap) as source:
        found = source.find_traces(TraceQuery(NOON - 3600, NOON, ORDERS, failed_only=True, min_ms=5, limit=2))
    (condition,) = oap.conditions("queryBasicTraces")
    assert condition["serviceId"] == "b3JkZXJz.1"
    assert (condition["traceState"], condition["minTraceDuration"]) == ("ERROR", 5)
    assert condition["queryDuration"] == {"start": "2026-11-21 110000", "end": "2026-11-21 115959", "step": "SECOND"}
    assert {(trace.service.name, trace.operation, trace.failed, trace.span_count) for trace in found} == {
        ("gateway", "/gateway", True, 10)}
    assert len(found) == 2


def test_whole_traces_are_searched_where_the_storage_can() -> None:
    """With BanyanDB from 10.3 on one query finds traces with their spans."""
    oap = Searched(documents={"hasQueryTracesV2Support": True, "queryTraces": {"traces": [{"spans": [SPAN]}]}})
    with searching(oap, "queryTraces", "hasQueryTracesV2Support") as source:
        (found,) = source.find_traces(TraceQuery(NOON - 3600, NOON))
    assert (found.trace_id, found.service, found.duration_ms, found.start_s) == ("t1", ORDERS, 35.0, NOON - 60)
    assert oap.requests("queryBasicTraces") == []


def test_a_trace_as_big_as_an_oap_opens_may_be_cut() -> None:
    """200 segments are all that an OAP gives: the trace is perhaps not whole."""
    spans = [{**SPAN, "segmentId": f"s{at}"} for at in range(200)]
    with searching(Searched(documents={"queryTrace": {"spans": spans}})) as source:
        opened = source.open_trace("t1")
    assert opened is not None
    assert not opened.complete


def test_what_a_span_says_is_masked() -> None:
    """Tags, operations and messages of errors hide what must not be seen."""
    logs = [{"data": [{"key": "message", "value": "no card 4111111111111111"}]}]
    span = {**SPAN, "logs": logs, "tags": [{"key": "http.url", "value": "/a?password=hunter2"}]}
    with searching(Searched(documents={"queryTrace": {"spans": [span]}})) as source:
        opened = source.open_trace("t1")
    assert opened is not None
    assert opened.spans[0].status_message == "no card 411111******1111"
    assert "hunter2" not in str(opened)


def test_no_trace_is_none() -> None:
    """An id that the OAP does not know opens nothing."""
    with searching(Searched(documents={"queryTrace": {"spans": []}})) as source:
        assert source.open_trace("00") is None


def line(at_s: int, level: str = "ERROR", text: str = "order failed") -> dict[str, Any]:
    """A log line as an OAP tells it."""
    return {"serviceName": "orders", "serviceInstanceName": "orders-0", "endpointName": "/orders", "traceId": "t1",
            "timestamp": at_s * 1000, "content": text, "tags": [{"key": "level", "value": level}]}  # fmt: skip


def test_lines_are_chosen_where_the_oap_cannot() -> None:
    """Levels and words that the storage cannot look for are chosen here; bodies are masked."""
    logs = [line(NOON - 1), line(NOON - 2, "WARN"), line(NOON - 3, text="paid"),
            line(NOON - 4, text="order of a@b.org")]
    with searching(Searched(documents={"queryLogs": {"logs": logs}, "supportQueryLogsByKeywords": False})) as source:
        asked = LineQuery(NOON - 60, NOON, ORDERS, levels=("error",), text="Order")
        (page,) = source.find_lines(asked, lambda: False)
        nothing = [*source.find_lines(LineQuery(NOON - 60, NOON, ORDERS, text="nobody"), lambda: False)]
    assert [(one.body, one.level, one.trace_id) for one in page] == [
        ("order failed", "error", "t1"), ("order of a***@b.org", "error", "t1")]
    assert len({one.place for one in page}) == 2
    assert nothing == [[]], "a page that was looked through says that the search goes on"


def test_a_search_of_lines_ends_when_it_is_cancelled() -> None:
    """Full pages go on until somebody says stop; a pattern's id matches nothing, and the OAP is not asked."""
    oap = Searched(documents={"queryLogs": {"logs": [line(NOON - 1)] * 100}})
    with searching(oap) as source:
        asked = LineQuery(NOON - 60, NOON, limit=100_000)
        assert len([*source.find_lines(asked, lambda: len(oap.requests("queryLogs")) >= 3)]) == 3
        assert [*source.find_lines(LineQuery(NOON - 60, NOON, pattern="p1"), lambda: False)] == []
    assert len(oap.requests("queryLogs")) == 3


def test_deployments_are_changes_and_alarms_are_kept_beside_them() -> None:
    """An event's name says what kind of change it was; an alarm names its service; the same has the same uid again."""
    event = {"uuid": "e1", "source": {"service": "orders"}, "name": "Upgrade", "type": "Normal", "message": "to 1.1",
             "parameters": [{"key": "version", "value": "1.1"}], "startTime": (NOON - 90) * 1000,
             "endTime": (NOON - 80) * 1000}  # fmt: skip
    failed = {**event, "uuid": "e2", "name": "Reboot", "type": "Error", "endTime": 0}
    again = {**event, "uuid": "e3", "name": "Alarm"}
    alarm = {"startTime": (NOON - 70) * 1000, "scope": "Service", "id": service_id("orders"), "message": "slow"}
    oap = Searched(documents={"queryEvents": {"events": [event, failed, again]}, "getAlarm": {"msgs": [alarm]}})
    with searching(oap) as source:
        changes = source.pull(NOON - 120, NOON - 60).changes
        assert [change.uid for change in source.pull(NOON - 120, NOON - 60).changes] == [one.uid for one in changes]
    assert [(one.kind, one.title, one.outcome, one.version, one.service) for one in changes] == [
        (ChangeKind.DEPLOYMENT, "Upgrade: to 1.1", Outcome.SUCCEEDED, "1.1", ORDERS),
        (ChangeKind.RESTART, "Reboot: to 1.1", Outcome.FAILED, "1.1", ORDERS),
        (ChangeKind.OTHER, "Alarm: slow", Outcome.UNKNOWN, "", ORDERS)]
    # the start of a window does not belong to it
    assert oap.conditions("queryEvents")[0]["time"]["start"] == "2026-11-21 1157"


@pytest.mark.parametrize(("told", "name"), [
    ("b3JkZXJz.1", "orders"), ("b3JkZXJz.1_L29yZGVycw==", "orders"), ("b3JkZXJz.1-c3RvY2s=.1", "orders"),
    ("", ""), ("nonsense", ""), ("!!.1", "")])  # fmt: skip
def test_ids_name_their_service(told: str, name: str) -> None:
    """Ids of services, endpoints and relations begin with a service; anything else names none."""
    assert service_name(told) == name
