"""Memory of bodies that is used again, and how gRPC waits for its sockets."""

from __future__ import annotations

import time

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_recording import Recorder, listening, post, raw, until

from collectors.otlp.bodies import LARGEST_BYTES, Bodies
from collectors.otlp.grpc_polling import poll_directly

HEAD = b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: %d\r\n\r\n"


def body_of(name: str) -> bytes:
    """A request with one span."""
    spans = [{"scope_spans": [{"spans": [{"name": name}]}]}]
    return ExportTraceServiceRequest(resource_spans=spans).SerializeToString()


def test_memory_of_bodies_is_bounded_and_used_again() -> None:
    """No more is lent than there is, nothing for larger bodies, and what came back last goes out first."""
    bodies = Bodies(most=2)
    first, second = bodies.lend(LARGEST_BYTES), bodies.lend(1)
    assert first is not None
    assert second is not None
    assert bodies.lend(1) is None
    bodies.give_back(first)
    assert bodies.lend(LARGEST_BYTES + 1) is None
    assert bodies.lend(5) is first


def test_bodies_in_many_pieces_and_pipelined_arrive_as_they_are() -> None:
    """Whatever pieces the network makes of announced bodies, each arrives whole, in order, and its memory is free after
    the answer."""
    recorder = Recorder()
    sent = [body_of("x" * size) for size in (1, 40_000, 7, 300_000)]
    stream = b"".join(HEAD % len(body) + body for body in sent)
    with listening(recorder, grpc=None) as receiver, raw(receiver) as connection:
        for piece in (stream[:90], stream[90:140], stream[140:50_000], stream[50_000:]):
            connection.sendall(piece)
            time.sleep(0.02)
        answers = b""
        while answers.count(b"HTTP/1.1 200 OK") < len(sent):
            more = connection.recv(65536)
            assert more
            answers += more
        assert [request.SerializeToString() for _, request in recorder.requests] == sent
        assert receiver._http is not None
        assert receiver._http.bodies.lent == 0


def test_a_sender_that_leaves_amid_a_body_gives_its_memory_back() -> None:
    """Nothing stays held for a connection that is gone."""
    with listening(Recorder(), grpc=None) as receiver:
        server = receiver._http
        assert server is not None
        with raw(receiver) as connection:
            connection.sendall(HEAD % 100_000 + b"x" * 50_000)
            until(lambda: receiver.budget.in_flight_bytes == 50_000)
            assert server.bodies.lent == 1
        until(lambda: server.bodies.lent == 0 and receiver.budget.in_flight_bytes == 0)
        body = body_of("after")
        assert post(receiver, "/v1/traces", body, content_type="application/x-protobuf").status == 200


def test_who_has_chosen_how_grpc_waits_keeps_it() -> None:
    """The setting is made only where the environment has none."""
    chosen = {"GRPC_EXPERIMENTS": "work_serializer_dispatch"}
    poll_directly(chosen)
    assert chosen == {"GRPC_EXPERIMENTS": "work_serializer_dispatch"}
    unset: dict[str, str] = {}
    poll_directly(unset)
    assert "-event_engine_listener" in unset["GRPC_EXPERIMENTS"]
