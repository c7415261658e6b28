"""The receiver of SkyWalking segments: who is let in, what is answered, what is refused, what is bounded."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import httpx
import pytest
import trustme
from google.protobuf.json_format import ParseDict
from otlp_recording import Recorder, until
from running import soon
from segment_senders import COLLECT, call, channel, collection, messages, post, receiving

from app.configuration import load
from collectors.config import Address, Secret
from collectors.contract import Signal
from collectors.receiving.tls import Tls
from collectors.skywalking_segments.config import Config
from collectors.skywalking_segments.events import change
from collectors.skywalking_segments.grpc_server import ASKED, LEFT_OUT
from collectors.skywalking_segments.protocol.skywalking_pb2 import (
    Event,
    InstanceProperties,
    KeyStringValuePair,
    LogData,
)
from collectors.skywalking_segments.receiver import SegmentReceiver
from topology.changes import Change, ChangeKind, Outcome
from topology.errors import ConfigurationError, Overloaded, StoreFull
from topology.model import Service


def segment(name: str = "GET:/", **fields: Any) -> dict[str, Any]:
    """A segment of one span."""
    span = {"spanId": 0, "parentSpanId": -1, "startTime": 1700000000000, "endTime": 1700000000005,
            "operationName": name, "spanType": "Entry", "spanLayer": "Http"}  # fmt: skip
    return {"traceId": "a" * 32, "traceSegmentId": f"segment of {name}", "service": "orders",
            "serviceInstance": "orders-0", "spans": [span], **fields}  # fmt: skip


def resource(recorder: Recorder, at: int = -1) -> dict[str, str]:
    """Who sent the spans of a request."""
    found = recorder.of(Signal.TRACES)[at].resource_spans[0].resource
    return {attribute.key: attribute.value.string_value for attribute in found.attributes}


def refused(port: int | None, method: str, sent: list[bytes], **metadata: str) -> tuple[str, str]:
    """The code and the words with which a call is refused."""
    with channel(port) as made, pytest.raises(grpc.RpcError) as caught:
        call(made, method, sent, **metadata)
    return caught.value.code().name, caught.value.details()


def test_zone_and_version_come_from_the_properties_of_the_instance():
    """What an instance reported, over gRPC or HTTP, is said of its spans from then on; a group is a namespace."""
    recorder = Recorder()
    told = InstanceProperties(service="shop::orders", serviceInstance="orders-0", properties=[
        KeyStringValuePair(key="zone", value="east"), KeyStringValuePair(key="version", value="7")])
    by_http = {"service": "web", "serviceInstance": "web-0", "properties": [
        {"key": "zone", "value": "west"}, {"key": "Process No.", "value": "1"}]}
    with receiving(recorder) as receiver, channel(receiver.grpc_port) as made:
        call(made, COLLECT, messages([segment(service="shop::orders")]))
        assert resource(recorder) == {
            "service.namespace": "shop", "service.name": "orders", "service.instance.id": "orders-0"}
        assert call(made, "ManagementService/reportInstanceProperties", [told.SerializeToString()]) == b""
        assert post(receiver.http_port, "/v3/management/reportProperties", by_http).json() == {}
        assert post(receiver.http_port, "/v3/management/keepAlive", by_http).status_code == 200
        call(made, COLLECT, messages([segment(service="shop::orders")]))
        assert resource(recorder) == {"service.namespace": "shop", "service.name": "orders",
                                      "service.instance.id": "orders-0", "service.version": "7",
                                      "cloud.availability_zone": "east"}  # fmt: skip
        call(made, COLLECT, messages([segment(service="web", serviceInstance="web-0")]))
        assert resource(recorder)["cloud.availability_zone"] == "west"
        assert receiver.status()["counters"]["instances"] == 2


def test_zones_outlive_a_restart_and_a_crash(tmp_path):
    """What instances reported is in a file within seconds, so that the next life knows their zones from the first
    segment; a damaged file is none."""
    kept, recorder = tmp_path / "instances" / "agents.json", Recorder()
    told = {"service": "orders", "serviceInstance": "orders-0", "properties": [{"key": "zone", "value": "east"}]}
    with receiving(recorder, around={"kept": kept}) as receiver:
        assert post(receiver.http_port, "/v3/management/reportProperties", told).status_code == 200
        assert soon(lambda: kept.exists() and b"east" in kept.read_bytes())
        crashed = kept.read_bytes()
    lives = [(crashed, "east"), (kept.read_bytes(), "east"), (b"[[1,2", None), (b"{}", None), (b"[7]", None)]
    for content, zone in lives:
        kept.write_bytes(content)
        with receiving(recorder, around={"kept": kept}) as receiver:
            assert post(receiver.http_port, "/v3/segment", segment()).status_code == 200
        assert resource(recorder).get("cloud.availability_zone") == zone


def test_lines_of_a_stream_share_who_sent_them():
    """A line without service and instance has those of the line before, in a gRPC stream and in a JSON array."""
    recorder = Recorder()
    line = {"timestamp": 1700000000000, "service": "orders", "serviceInstance": "orders-0",
            "body": {"text": {"text": "first"}}, "tags": {"data": [{"key": "level", "value": "ERROR"}]}}  # fmt: skip
    stream = [LogData(service="web", timestamp=1).SerializeToString(), LogData(timestamp=2).SerializeToString()]
    with receiving(recorder) as receiver, channel(receiver.grpc_port) as made:
        call(made, "LogReportService/collect", stream)
        assert post(receiver.http_port, "/v3/logs", [line, {"body": {"json": {"json": "{}"}}}]).status_code == 200
    blocks = [block for request in recorder.of(Signal.LOGS) for block in request.resource_logs]
    sent = [(block.resource.attributes[0].value.string_value, record) for block in blocks
            for record in block.scope_logs[0].log_records]  # fmt: skip
    assert [record.time_unix_nano for service, record in sent if service == "web"] == [10**6, 2 * 10**6]
    assert [(record.body.string_value, record.severity_text) for service, record in sent if service == "orders"] == [
        ("first", "ERROR"), ("{}", "")]


def event(**fields: Any) -> Event:
    """A deployment of orders."""
    plain = {"uuid": "u1", "name": "Deploy", "source": {"service": "shop::orders"}, "startTime": 5000, "endTime": 7000}
    return ParseDict({**plain, **fields}, Event())


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"message": "of secret", "parameters": {"version": "7"}},
         Change("agents:u1", 5.0, ChangeKind.DEPLOYMENT, "Deploy: of ***", "agents", Service("prod", "shop", "orders"),
                version="7", outcome=Outcome.SUCCEEDED, ended_s=7.0)),
        ({"name": "Shutdown", "type": "Error", "source": {"service": "web"}, "endTime": 0},
         Change("agents:u1", 5.0, ChangeKind.RESTART, "Shutdown", "agents", Service("prod", "", "web"),
                outcome=Outcome.FAILED)),
        ({"name": "ConfigChange", "source": {}, "endTime": 0},
         Change("agents:u1", 5.0, ChangeKind.CONFIGURATION, "ConfigChange", "agents")),
        ({"name": "ScalingReplicaSet", "source": {}, "endTime": 0},
         Change("agents:u1", 5.0, ChangeKind.SCALING, "ScalingReplicaSet", "agents")),
        ({"name": "Pulled"}, None), ({"uuid": ""}, None), ({"startTime": 0}, None),
    ],
)  # fmt: skip
def test_events_are_changes(fields, expected):
    """An event that tells of a change is one, masked, with its service, version and outcome; others are left out."""
    found = change(event(**fields), "agents", "prod", Config(), lambda text: text.replace("secret", "***"))
    assert found == expected


def test_events_of_a_stream_are_noted():
    """Events that tell of changes are handed on in their order, others are counted."""
    noted: list[Change] = []
    with receiving(Recorder(), around={"note": noted.extend}) as receiver, channel(receiver.grpc_port) as made:
        names = ("Start", "Pulled", "rollback")
        sent = [event(name=name, uuid=name).SerializeToString() for name in names]
        assert call(made, "EventService/collect", sent) == b""
        counted = receiver.status()["counters"]
    assert [one.title for one in noted] == ["Start", "rollback"]
    assert (counted["events_requests"], counted["left_out"]) == (2, 1)


@pytest.mark.parametrize("package", ["skywalking.v3.", ""])
def test_whatever_else_agents_call_is_answered(package):
    """Queries get no commands, metrics and profiles are read to their end and counted; older agents name no
    package."""
    recorder = Recorder()
    with receiving(recorder) as receiver, channel(receiver.grpc_port) as made:
        for method in (*ASKED, *LEFT_OUT):
            assert made.stream_unary(f"/{package}{method}")(iter([b"anything", b""]), timeout=20) == b""
        assert made.stream_unary(f"/{package}{COLLECT}")(iter(messages([segment()])), timeout=20) == b""
        assert receiver.status()["counters"]["left_out"] == 2 * len(LEFT_OUT)
    assert recorder.span_names() == {"GET:/"}


def test_a_method_or_path_that_does_not_exist_is_refused():
    """Unknown methods are UNIMPLEMENTED; unknown paths 404, other methods than POST 405, compressed bodies 415."""
    with receiving(Recorder()) as receiver:
        assert refused(receiver.grpc_port, "BrowserPerfService/collectPerfData", [b""])[0] == "UNIMPLEMENTED"
        base = f"http://127.0.0.1:{receiver.http_port}"
        assert post(receiver.http_port, "/v1/traces", []).status_code == 404
        answer = httpx.get(f"{base}/v3/segments", verify=False)  # noqa: S501
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
        assert post(receiver.http_port, "/v3/segments", b"", content_encoding="gzip").status_code == 400
        assert post(receiver.http_port, "/v3/segments", b"", **{"content-encoding": "gzip"}).status_code == 415


def test_token_is_asked_for():
    """Without the token in `Authentication` nothing is taken, over gRPC and HTTP; with it everything is."""
    recorder = Recorder()
    with receiving(recorder, token=Secret("s3cret")) as receiver:
        for wrong in ({}, {"authentication": "other"}, {"authorization": "Bearer s3cret"}):
            assert refused(receiver.grpc_port, COLLECT, messages([segment()]), **wrong)[0] == "UNAUTHENTICATED"
            assert post(receiver.http_port, "/v3/segment", segment(), **wrong).status_code == 401
        assert recorder.requests == []
        with channel(receiver.grpc_port) as made:
            call(made, COLLECT, messages([segment("a")]), authentication="s3cret")
        assert post(receiver.http_port, "/v3/segment", segment("b"), Authentication="s3cret").status_code == 200
        assert receiver.status()["counters"]["refused_unauthenticated"] == 6
    assert recorder.span_names() == {"a", "b"}


def test_tls_on_both_ports(tmp_path):
    """With certificates both servers speak TLS, and with a client authority only to those who show a certificate."""
    authority = trustme.CA()
    own, client = authority.issue_cert("127.0.0.1", "localhost"), authority.issue_cert("agent")
    own.private_key_pem.write_to_path(tmp_path / "key.pem")
    own.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    client.private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = Tls(tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "ca.pem")
    recorder = Recorder()
    with receiving(recorder, tls=tls) as receiver:
        shown = grpc.ssl_channel_credentials(
            authority.cert_pem.bytes(), client.private_key_pem.bytes(), client.cert_chain_pems[0].bytes())
        with grpc.secure_channel(f"localhost:{receiver.grpc_port}", shown) as made:
            call(made, COLLECT, messages([segment("over gRPC")]))
        trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        address = f"https://localhost:{receiver.http_port}/v3/segment"
        with pytest.raises(httpx.TransportError):
            httpx.post(address, json=segment(), verify=trusting)
        trusting.load_cert_chain(tmp_path / "client.pem")
        assert httpx.post(address, json=segment("over HTTP"), verify=trusting).status_code == 200
    assert recorder.span_names() == {"over gRPC", "over HTTP"}


@pytest.mark.parametrize(
    ("trouble", "code", "status"),
    [(Overloaded("full", 2.0), "UNAVAILABLE", 503), (StoreFull("no room"), "UNAVAILABLE", 503),
     (RuntimeError("a fault of our own"), "INTERNAL", 500)],
)
def test_what_cannot_be_taken_now_is_refused_so_that_it_may_come_again(trouble, code, status):
    """When the intake or the disk refuses, so do both servers, with the time to wait over HTTP; faults tell nothing."""
    for recorder in (Recorder(refusal=trouble), Recorder(unsettled=trouble)):
        with receiving(recorder) as receiver:
            told = refused(receiver.grpc_port, COLLECT, messages([segment()]))
            assert told[0] == code
            answer = post(receiver.http_port, "/v3/segments", [segment()])
            assert answer.status_code == status
            assert ("retry-after" in answer.headers) == (status == 503)
            assert "fault of our own" not in told[1] + answer.text
            assert receiver.status()["state"] == "degraded"


def test_nobody_is_answered_before_the_disk():
    """An answer waits for `settle`; the letters of many senders that wait together are one request."""
    recorder = Recorder()
    recorder.disk.clear()
    with receiving(recorder) as receiver, ThreadPoolExecutor(20) as senders, channel(receiver.grpc_port) as made:
        sent = [senders.submit(call, made, COLLECT, messages([segment(str(number))])) for number in range(20)]
        time.sleep(0.3)
        assert not any(one.done() for one in sent)
        assert receiver.status()["counters"]["in_flight_bytes"] > 0
        recorder.disk.set()
        assert [one.result(10) for one in sent] == [b""] * 20
        until(lambda: receiver.status()["counters"]["in_flight_bytes"] == 0)
    assert recorder.span_names() == {str(number) for number in range(20)}
    assert len(recorder.requests) < 20


def test_bytes_in_flight_are_bounded():
    """Beyond `in_flight` senders are told to come back; what was waiting is answered once the disk is there."""
    recorder = Recorder()
    recorder.disk.clear()
    big = segment("x" * 700_000, traceSegmentId="s")
    with receiving(recorder, in_flight_bytes=1 << 20, max_body_bytes=1 << 20) as receiver, \
            ThreadPoolExecutor(1) as senders:  # fmt: skip
        first = senders.submit(post, receiver.http_port, "/v3/segment", big)
        until(lambda: receiver.budget.in_flight_bytes >= 700_000)
        assert refused(receiver.grpc_port, COLLECT, messages([big]))[0] == "UNAVAILABLE"
        assert post(receiver.http_port, "/v3/segment", big).status_code == 503
        recorder.disk.set()
        assert first.result(10).status_code == 200
        until(lambda: receiver.budget.in_flight_bytes == 0)


def test_bodies_are_bounded():
    """A message over `max_body` is refused over gRPC, also when it was compressed, and over HTTP with and without an
    announced length."""
    recorder = Recorder()
    big = [segment("x" * 200_000)]
    with receiving(recorder, max_body_bytes=64 << 10) as receiver:
        assert refused(receiver.grpc_port, COLLECT, messages(big))[0] == "RESOURCE_EXHAUSTED"
        with grpc.insecure_channel(f"127.0.0.1:{receiver.grpc_port}") as made:
            method = made.stream_unary(f"/skywalking.v3.{COLLECT}")
            with pytest.raises(grpc.RpcError) as caught:
                method(iter(messages(big)), timeout=20, compression=grpc.Compression.Gzip)
            assert caught.value.code().name == "RESOURCE_EXHAUSTED"
            small = messages([segment("compressed " * 1000)])
            method(iter(small), timeout=20, compression=grpc.Compression.Gzip)
        assert post(receiver.http_port, "/v3/segments", big).status_code == 413
        pieces = (b"[" + b" " * 30_000 for _ in range(5))
        answer = httpx.post(f"http://127.0.0.1:{receiver.http_port}/v3/segments", content=pieces, verify=False)  # noqa: S501
        assert answer.status_code == 413
        until(lambda: receiver.budget.in_flight_bytes == 0)
    assert recorder.span_names() == {"compressed " * 1000}


def test_slow_and_vanishing_senders_hold_nothing():
    """Who does not send on is cut off with 408, and who leaves leaves nothing behind."""
    head = b"POST /v3/segments HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n[1,"
    with receiving(Recorder(), request_timeout_s=1.0) as receiver:
        with socket.create_connection(("127.0.0.1", receiver.http_port), timeout=10) as slow:
            slow.sendall(head)
            assert slow.recv(100).startswith(b"HTTP/1.1 408")
        with socket.create_connection(("127.0.0.1", receiver.http_port), timeout=10) as leaving:
            leaving.sendall(head)
        with channel(receiver.grpc_port) as made:
            begun = made.stream_unary(f"/skywalking.v3.{COLLECT}").future(iter(messages([segment()]) * 3))
            begun.cancel()
        with channel(receiver.grpc_port) as made:
            assert call(made, COLLECT, messages([segment()])) == b""
        until(lambda: receiver.budget.in_flight_bytes == 0)
        assert receiver.status()["counters"]["refused_too_slow"] == 1


def test_open_streams_keep_nobody_waiting_and_end_with_the_receiver():
    """300 agents that keep their streams open do not keep others from being served; a stop ends in seconds, and what
    they had sent is taken."""
    recorder = Recorder()
    over = threading.Event()

    def endless(number: int):
        yield from messages([segment(str(number))])
        over.wait(30)

    with receiving(recorder) as receiver, channel(receiver.grpc_port) as made:
        method = made.stream_unary(f"/skywalking.v3.{COLLECT}")
        streams = [method.future(endless(number)) for number in range(300)]
        assert call(made, COLLECT, messages([segment("another")])) == b""
        until(lambda: len(recorder.span_names()) == 301)
        began = time.monotonic()
        receiver.stop()
        assert time.monotonic() - began < 5
        over.set()
        assert all(stream.exception(10) is not None for stream in streams)
    assert recorder.span_names() == {"another", *(str(number) for number in range(300))}


def test_address_in_use_is_a_fault_and_nothing_listens():
    """When one address cannot be had the receiver does not start, says so, and leaves the other address free."""
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as other:
        port, free = taken.getsockname()[1], other.getsockname()[1]
        other.close()
        for settings in ({"grpc": Address("127.0.0.1", port), "http": Address("127.0.0.1", free)},
                         {"http": Address("127.0.0.1", port), "grpc": Address("127.0.0.1", free)}):  # fmt: skip
            receiver = SegmentReceiver(Config(**settings), Recorder())
            with pytest.raises(ConfigurationError, match=str(port)):
                receiver.start()
            assert receiver.status()["state"] == "failed"
            assert str(port) in receiver.status()["last_error"]
            with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", free), timeout=1):
                pass


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        ({"GRPC": "null", "HTTP": "null"}, "expected an address for grpc or http, found neither"),
        ({"MAX_BODY": "2MiB", "IN_FLIGHT": "1MiB"}, "expected at least max_body, found less"),
        ({"GRPC": "127.0.0.1:4317"}, "127.0.0.1:4317"),
        ({"ZONE_PROPERTIES": "zone"}, "did you mean zone_attributes?"),
    ],
)
def test_configuration_that_makes_no_sense_is_a_fault(environ, complaint):
    """No server at all, a bound below another, an address of somebody else, an unknown key: each is named."""
    prefix = "SYNOPTIC__COLLECTORS__AGENTS__"
    with pytest.raises(ConfigurationError) as caught:
        load(None, {f"{prefix}KIND": "skywalking_segments", **{prefix + key: value for key, value in environ.items()}})
    assert complaint in str(caught.value)
    assert load(None, {f"{prefix}KIND": "skywalking_segments"}).collectors["agents"].config == Config()


def test_state_of_the_source():
    """Off before the start, waiting until something comes, ok then, off after the stop; counters tell how much."""
    receiver = SegmentReceiver(Config(grpc=Address("127.0.0.1", 0), http=None), Recorder(), "agents")
    assert receiver.status()["state"] == "off"
    receiver.start()
    try:
        assert (receiver.status()["state"], receiver.http_port) == ("waiting", None)
        with channel(receiver.grpc_port) as made:
            call(made, "TraceSegmentReportService/collectInSync", [collection([segment("a"), segment("b")])])
        row = receiver.status()
        assert (row["name"], row["kind"], row["state"]) == ("agents", "skywalking_segments", "ok")
        assert (row["counters"]["segments"], row["counters"]["traces_requests"]) == (2, 1)
    finally:
        receiver.stop()
    receiver.stop()
    assert receiver.status()["state"] == "off"
