"""The samples of the collector's service graph connector, told in its words: client, server, connection type."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pairing_result import Result
from pairing_run import Counted
from span_writing import SECOND

from topology.model import EdgeKey, Kind, Side

SAMPLES = Path(__file__).parents[2] / "shared" / "samples" / "servicegraphconnector"
ENDED_NS = 1_800_000_000 * SECOND
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no ../shared/samples/servicegraphconnector here")
VIRTUAL = {Kind.USER: "client", Kind.UNKNOWN: "server"}
Named = tuple[str, str, bool, str, str]
"""(client, server, failed, connection_type, virtual_node) as the connector labels a request."""


def request(name: str) -> bytes:
    """A sample's trace as request bytes."""
    content = yaml.safe_load((SAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))
    spans = [span for sent in content["resourceSpans"] for scope in sent["scopeSpans"] for span in scope["spans"]]
    for span in spans:
        for key in ("traceId", "spanId", "parentSpanId"):
            span[key] = base64.b64encode(bytes.fromhex(span[key])).decode()
    return json_format.ParseDict(content, ExportTraceServiceRequest()).SerializeToString()


def counted(name: str) -> Result:
    """The sample through the real path."""
    return Result(Counted().take_body(request(name), ENDED_NS + SECOND))


def in_its_words(result: Result) -> dict[Named, int]:
    """How often the connector would have counted each request; a client that names nobody it calls `unknown`."""
    told: dict[Named, int] = {}
    for (key, _), cell in result.figures.items():
        if isinstance(key, EdgeKey) and key.side is Side.CLIENT:
            virtual = VIRTUAL.get(key.caller.kind, "")
            calls, errors = cell["counts"][:2]  # type: ignore[index]
            label = (key.caller.name, key.callee.name, bool(errors), "virtual_node" if virtual else "", virtual)
            told[label] = told.get(label, 0) + int(calls)
    return told


def expected(name: str) -> dict[Named, int]:
    """The connector's own expectation."""
    return {_label(point): int(point["asInt"]) for point in _metric(name, "request_total")["sum"]["dataPoints"]}


def latency_us(name: str, side: str) -> float:
    """The connector's sum of latencies of one side, in microseconds."""
    points = _metric(name, f"request_{side}")["histogram"]["dataPoints"]
    return sum(float(point["sum"]) for point in points) * 1e6


def _metric(name: str, which: str) -> dict[str, Any]:
    content = yaml.safe_load((SAMPLES / f"{name}-expected-metrics.yaml").read_text(encoding="utf-8"))
    metrics = content["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
    return next(metric for metric in metrics if which in metric["name"])


def _label(point: dict[str, Any]) -> Named:
    values = {pair["key"]: next(iter(pair["value"].values())) for pair in point["attributes"]}
    return (values["client"], values["server"], values["failed"], values["connection_type"],
            values.get("virtual_node", ""))


def test_a_call_with_extra_attributes():
    """A client with a messaging system and a server with a database are still one plain call, timed on both sides."""
    name = "extra-dimensions-queue-db"
    result = counted(f"{name}-trace")
    assert in_its_words(result) == expected(name)
    assert result.sum("total", "foo-server", "bar-requester") == latency_us(name, "client")
    assert result.sum("total", "foo-server", "bar-requester", side=Side.SERVER) == latency_us(name, "server")


def test_a_plain_call():
    """Client and server in two resources of one request."""
    words = {("foo-server", "bar-requester", False, "", ""): 1}
    assert in_its_words(counted("messaging-system-trace")) == words


def test_a_root_server_is_called_by_the_user():
    """A server without parent has the virtual client `user`."""
    assert in_its_words(counted("virtual-node-label-client-trace")) == expected("virtual-node-label-client")


def test_a_client_that_names_nobody():
    """Where the connector draws `unknown`, nothing is drawn and data quality counts it: the one intended difference."""
    result = counted("virtual-node-label-trace")
    [(client, server, *_)] = expected("virtual-node-label-server")
    assert (client, server) == ("foo-server", "unknown")
    assert result.counters["unnamed_targets"] == 1
    assert in_its_words(result) == {("user", "bar-requester", False, "virtual_node", "client"): 1}
