"""The whole way on real input: real exporters and an instrumented program in, the interface for programs out."""

import json
import os
import random
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import httpx
import pytest
import trustme
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from otlp_senders import send_logs, send_metrics, send_spans
from running import ROOT, Running, free_ports, product, soon
from traffic import EDGE, ORDERS, SECOND, WEB, call, request

SDK_ORDERS = "test/shop/orders"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
UNTIL_SETTLED = (int, float, type(None))
"""Null until no child of a call can come any more."""
NODE_FIELDS = {
    "id": str, "environment": str, "namespace": str, "name": str, "kind": str, "domain": str, "layer": str,
    "zones": list, "calls": int, "errors": int, "originated_errors": int, "protected": int, "calls_per_s": float,
    "error_ratio": float, "p50_ms": float, "p95_ms": float, "p99_ms": float, "self_ms": UNTIL_SETTLED,
    "health": str, "stale": bool, "why": dict,
    "slo": str, "budget_left": float, "sources": list, "sampled": None, "complete": bool, "first_seen": TIME,
    "last_seen": TIME, "x": float, "y": float, "pinned": bool,
}  # fmt: skip
EDGE_FIELDS = {
    "id": str, "source": str, "target": str, "protocols": list, "calls": int, "errors": int, "protected": int,
    "calls_per_s": float, "error_ratio": float, "client_p95_ms": float, "server_p95_ms": float, "cross_zone_calls": int,
    "health": str, "stale": bool, "why": dict, "sources": list, "sampled": None, "complete": bool, "first_seen": TIME,
    "last_seen": TIME,
}  # fmt: skip
GRAPH_FIELDS = {
    "at": TIME,
    "window_s": int,
    "data_age_s": float,
    "demo": bool,
    "nodes": list,
    "edges": list,
    "quality": dict,
}
QUALITY = ("spans", "duplicates", "lost_parents", "pending", "late", "overflow")


def faults(found: dict, promised: dict) -> list[str]:
    """The fields that are missing or are something else than promised."""

    def fits(value: object, kind: object) -> bool:
        if isinstance(kind, re.Pattern):
            return isinstance(value, str) and kind.fullmatch(value) is not None
        if kind is None:
            return value is None
        return isinstance(value, (int, float) if kind is float else kind)  # type: ignore[arg-type]

    return [
        f"{key}: {found.get(key, 'missing')!r}"
        for key, kind in promised.items()
        if key not in found or not fits(found[key], kind)
    ]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One product for the whole module, with 30 calls web -> orders, three of them failed."""
    with product(tmp_path_factory.mktemp("product")) as running:
        rng = random.Random(1)
        for number in range(30):
            assert running.post(request(*call(rng, time.time_ns() - SECOND, failed=number < 3))) == 200
        assert soon(lambda: sorted(e["calls"] for e in running.get("/api/v1/graph")["edges"]) == [30, 30])
        yield running


def node(running: Running, node_id: str) -> dict:
    """A node of the graph of the last five minutes; empty when it is not there."""
    return next((n for n in running.get("/api/v1/graph")["nodes"] if n["id"] == node_id), {})


def test_graph_is_as_the_contract_says(running):
    """Every promised field of graph, node and edge is there with its type and unit, and the figures are right."""
    graph = running.get("/api/v1/graph", window="5m")
    assert faults(graph, GRAPH_FIELDS) == []
    nodes = {n["id"]: n for n in graph["nodes"]}
    assert [faults(nodes[one], NODE_FIELDS) for one in (WEB, ORDERS)] == [[], []]
    (edge,) = [e for e in graph["edges"] if e["id"] == EDGE]
    assert faults(edge, EDGE_FIELDS) == []
    assert (edge["source"], edge["target"], edge["calls"], edge["errors"]) == (WEB, ORDERS, 30, 3)
    assert (nodes[ORDERS]["calls"], nodes[ORDERS]["error_ratio"], nodes[ORDERS]["kind"]) == (30, 0.1, "service")
    assert nodes[ORDERS]["p95_ms"] == pytest.approx(20, rel=0.05)
    assert set(nodes[ORDERS]["why"]) == {"en", "zh"}
    assert [key for key in QUALITY if not isinstance(graph["quality"].get(key), int)] == []
    assert graph["quality"]["spans"] >= 90


def test_service_series_and_logs_are_as_the_contract_says(running):
    """One node with its neighbours and operations; columns of equal length with RFC 3339 times."""
    found = running.get(f"/api/v1/services/{ORDERS}")
    assert faults(found, NODE_FIELDS) == []
    assert [faults(e, EDGE_FIELDS) for e in found["callers"]] == [[]]
    assert (found["callees"], [o["operation"] for o in found["operations"]]) == ([], ["POST /orders"])
    series = running.get("/api/v1/series", of=EDGE, signal="calls,errors,p95", step="60s")
    assert sorted(series) == ["calls", "errors", "p95", "times"]
    assert len({len(column) for column in series.values()}) == 1
    assert all(TIME.fullmatch(one) for one in series["times"])
    assert sum(n or 0 for n in series["calls"]) == 30
    counts = running.get("/api/v1/logs/counts")
    assert all(len(column) == len(counts["times"]) for column in counts["levels"].values())


def test_sources_and_quality_are_as_the_contract_says(running):
    """Each collector tells kind, state, rate, lag, last error and counters; quality has every counter."""
    (otlp,) = running.get("/api/v1/sources")
    promised = {"name": str, "kind": str, "state": str, "rate_per_s": float, "lag_s": float, "counters": dict}
    assert faults(otlp, promised) == []
    assert (otlp["kind"], otlp["state"]) == ("otlp", "ok")
    assert "last_error" in otlp
    assert set(QUALITY) <= set(running.get("/api/v1/quality"))


def test_stream_begins_with_a_snapshot_and_goes_on_with_deltas(running):
    """A viewer gets the whole picture at once, then what changed, each with an id that rises."""
    events: list[tuple[str, dict]] = []
    with httpx.stream("GET", f"{running.http}/api/v1/stream", params={"view": "5m"}, timeout=20) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        kind = ""
        for line in answer.iter_lines():
            if line.startswith("event:"):
                kind = line.partition(":")[2].strip()
            if line.startswith("data:"):
                events.append((kind, json.loads(line.partition(":")[2])))
            if len(events) == 3:
                break
    assert [kind for kind, _ in events] == ["snapshot", "delta", "delta"]
    assert faults(events[0][1], GRAPH_FIELDS) == []
    seqs = [data["seq"] for _, data in events]
    assert seqs == sorted(set(seqs))
    assert events[2][1]["base"] == seqs[1]


@pytest.mark.parametrize(
    ("path", "status", "key"),
    [
        ("/api/v1/graph?windwo=5m", 400, "windwo"),
        ("/api/v1/graph?window=soon", 400, "window"),
        ("/api/v1/graph?at=yesterday", 400, "at"),
        ("/api/v1/graph?focus=nobody", 404, "focus"),
        ("/api/v1/graph?q=calls%20%3E%3E%201", 400, "q"),
        ("/api/v1/series?of=nobody", 404, "of"),
        ("/api/v1/series?of=a%3Eb", 404, "of"),
        ("/api/v1/series?of=default//orders&signal=noise", 400, "signal"),
        ("/api/v1/series", 400, "of"),
        ("/api/v1/traces?limit=-1", 400, "limit"),
        ("/api/v1/traces/0123", 404, None),
        ("/api/v1/services/nobody", 404, None),
        ("/api/v1/nothing", 404, None),
    ],
)
def test_bad_requests_are_refused_as_the_contract_says(running, path, status, key):
    """A refusal is a problem document that names what is at fault, never a stack trace."""
    answer = httpx.get(running.http + path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json().get("key") == key
    assert {"title", "detail"} <= set(answer.json())
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("wire", ["grpc", "http"])
def test_real_exporters_are_understood(running, wire):
    """What the SDK's exporters send over either wire is counted: spans, lines and saturation of the service."""
    before = node(running, SDK_ORDERS).get("calls", 0)
    if wire == "grpc":
        target = {"endpoint": running.otlp_grpc, "insecure": True}
        spans, logs, metrics = GrpcSpans(**target), GrpcLogs(**target), GrpcMetrics(**target)
    else:
        spans, logs, metrics = (
            kind(endpoint=f"{running.otlp_http}/v1/{path}")
            for kind, path in ((HttpSpans, "traces"), (HttpLogs, "logs"), (HttpMetrics, "metrics"))
        )
    send_spans(spans, 50)
    send_logs(logs, 20)
    send_metrics(metrics)
    assert soon(lambda: node(running, SDK_ORDERS).get("calls") == before + 50)
    levels = running.get("/api/v1/logs/counts", service=SDK_ORDERS)["levels"]
    assert sum(levels["error"]) in (20, 40)
    assert {line["body"] for line in running.get("/api/v1/logs", service=SDK_ORDERS)} >= {
        f"line {i}" for i in range(20)
    }
    saturation = running.get("/api/v1/series", of=SDK_ORDERS, signal="saturation")["saturation"]
    assert [value for value in saturation if value is not None][-1] == pytest.approx(0.5)


def test_instrumented_program_appears_with_its_edges(running):
    """Two Flask programs, one calling the other, are on the map with the path between them within 12 seconds of
    the call."""
    ports = free_ports(2)
    environ = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": running.otlp_http}
    programs = [("cart", str(ports[0]), f"http://127.0.0.1:{ports[1]}/"), ("stock", str(ports[1]))]
    with ExitStack() as closing:
        for program in programs:
            command = [sys.executable, str(ROOT / "tests" / "shop_program.py"), *program]
            process = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL)
            closing.callback(process.wait)
            closing.callback(process.kill)
        assert soon(lambda: all(listens(port) for port in ports), 60)
        assert httpx.get(f"http://127.0.0.1:{ports[0]}/", timeout=20).text == "hello"
        edge = "default//cart>default//stock"
        found = soon(lambda: [e for e in running.get("/api/v1/graph")["edges"] if e["id"] == edge], 12)
        assert [(e["calls"], e["errors"], e["protocols"]) for e in found] == [(1, 0, ["http"])]
        assert soon(lambda: node(running, "default//cart").get("calls") == 1, 12)


def listens(port: int) -> bool:
    """Whether somebody takes connections on a port."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def test_tls_and_token_are_asked_for_when_they_are_configured(tmp_path):
    """With a certificate and a token in the configuration only who knows both is heard, on both wires; settings come
    from the file and from the environment."""
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "token").write_text("open sesame\n")
    config = tmp_path / "synoptic.yaml"
    config.write_text(
        "environment: from-file\ncollectors:\n  otlp:\n    kind: otlp\n    token_file: token\n"
        "    tls: {certificate: server.pem, key: server.pem}\n"
    )
    with product(tmp_path / "run", "--config", str(config), SYNOPTIC__ENVIRONMENT="from-environment") as running:
        body = request(*call(random.Random(1), time.time_ns() - SECOND))
        address = f"https://127.0.0.1:{running.ports[2]}/v1/traces"
        trust, kind = str(tmp_path / "ca.pem"), {"content-type": "application/x-protobuf"}
        context = ssl.create_default_context(cafile=trust)
        assert httpx.post(address, content=body, headers=kind, verify=context).status_code == 401
        allowed = kind | {"authorization": "Bearer open sesame"}
        assert httpx.post(address, content=body, headers=allowed, verify=context).status_code == 200
        with pytest.raises(httpx.TransportError):
            httpx.post(address.replace("https", "http"), content=body, headers=allowed)
        credentials = grpc.ssl_channel_credentials(Path(trust).read_bytes())
        exporter = GrpcSpans(
            endpoint=f"https://127.0.0.1:{running.ports[1]}",
            credentials=credentials,
            headers={"authorization": "Bearer open sesame"},
        )
        send_spans(exporter, 5)
        assert soon(
            lambda: (
                {n["id"]: n["calls"] for n in running.get("/api/v1/graph")["nodes"] if n["kind"] == "service"}
                == {"from-environment//web": 1, "from-environment//orders": 1, SDK_ORDERS: 5}
            )
        )


def test_traces_are_kept_and_can_be_opened(running):
    """Within seconds the failed call can be opened as a waterfall across both services."""
    found = soon(lambda: running.get("/api/v1/traces", service=ORDERS, errors="true"), 40)
    spans = running.get(f"/api/v1/traces/{found[0]['trace_id']}")["spans"]
    assert [span["service"] for span in spans] == ["web", "web", "orders"]
    assert found[0]["failed"] is True


def test_exit_codes(tmp_path, running):
    """0 after a clean end by a signal, 2 for a bad configuration with a line for each fault, 1 when it cannot run."""
    with product(tmp_path / "one") as other:
        assert other.stop() == 0
    bad = Running(tmp_path / "two", {"SYNOPTIC__PAIRING__HORIZON": "soon", "SYNOPTIC__NONSENSE": "1"})
    bad.start(wait=False)
    assert bad.process is not None
    assert bad.process.wait(60) == 2
    assert "pairing.horizon" in bad.log
    assert "SYNOPTIC__NONSENSE" in bad.log
    second = Running(tmp_path / "three", ports=running.ports)
    second.start(wait=False)
    assert second.process is not None
    assert second.process.wait(60) == 1
    assert "Traceback" not in second.log
