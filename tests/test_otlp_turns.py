"""Requests of many threads that share the wait for the disk, and memory of bodies that is used again."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_recording import Recorder, listening, post, raw

from collectors.contract import Signal
from collectors.otlp.bodies import LARGEST_BYTES, Bodies
from collectors.otlp.grpc_polling import poll_directly
from collectors.otlp.reception import Reception
from collectors.otlp.turns import Turns
from collectors.receiving.budget import Budget
from collectors.receiving.traffic import Traffic
from topology.errors import MalformedInput

THREADS = 8
HEAD = b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: %d\r\n\r\n"


def body_of(name: str) -> bytes:
    """A request with one span."""
    spans = [{"scope_spans": [{"spans": [{"name": name}]}]}]
    return ExportTraceServiceRequest(resource_spans=spans).SerializeToString()


def turns(recorder: Recorder) -> Turns:
    """Turns at a recording intake."""
    return Turns(Reception(recorder, Budget(1 << 20), Traffic(time.time), 1 << 20))


def until(happened: object) -> None:
    """Waits for a condition; fails after ten seconds."""
    end_s = time.monotonic() + 10
    while not happened():  # type: ignore[operator]
        assert time.monotonic() < end_s
        time.sleep(0.005)


def test_whoever_comes_while_the_disk_works_is_made_durable_together() -> None:
    """While one request waits for the disk others gather; one more wait is enough for all of them."""
    recorder = Recorder()
    shared = turns(recorder)
    recorder.disk.clear()
    with ThreadPoolExecutor(THREADS) as pool:
        first = pool.submit(shared.receive, Signal.TRACES, body_of("first"))
        until(lambda: recorder.requests)
        others = [pool.submit(shared.receive, Signal.TRACES, body_of(str(k))) for k in range(THREADS - 1)]
        until(lambda: len(shared._waiting) == THREADS - 1)
        recorder.disk.set()
        tickets = {one.result(10).ticket for one in (first, *others)}
    assert tickets == set(range(1, THREADS + 1))
    assert recorder.settled == [1, THREADS]


def test_a_bad_request_is_refused_alone() -> None:
    """In a group only the thread with the damaged request gets its error."""
    recorder = Recorder()
    shared = turns(recorder)
    recorder.disk.clear()
    with ThreadPoolExecutor(THREADS) as pool:
        first = pool.submit(shared.receive, Signal.TRACES, body_of("first"))
        until(lambda: recorder.requests)
        bad = pool.submit(shared.receive, Signal.TRACES, b"\xff\xff")
        good = pool.submit(shared.receive, Signal.TRACES, body_of("good"))
        until(lambda: len(shared._waiting) == 2)
        recorder.disk.set()
        with pytest.raises(MalformedInput):
            bad.result(10)
        assert {first.result(10).ticket, good.result(10).ticket} == {1, 2}


def test_a_disk_that_fails_fails_all_that_waited_for_it_and_nobody_after() -> None:
    """No request of the group is told a success; the next one is served again."""
    recorder = Recorder(unsettled=OSError("disk"))
    shared = turns(recorder)
    with ThreadPoolExecutor(THREADS) as pool:
        waiting = [pool.submit(shared.receive, Signal.TRACES, body_of(str(k))) for k in range(THREADS)]
        assert all(isinstance(one.exception(10), OSError) for one in waiting)
    recorder.unsettled = None
    assert shared.receive(Signal.TRACES, body_of("after")).ticket == THREADS + 1


def test_many_threads_all_get_their_own_receipt() -> None:
    """However the threads meet, each request is handed over once and each thread gets its own ticket."""
    recorder = Recorder()
    shared = turns(recorder)

    def send(k: int) -> tuple[int, str]:
        return shared.receive(Signal.TRACES, body_of(str(k))).ticket, str(k)

    with ThreadPoolExecutor(THREADS) as pool:
        told = dict(pool.map(send, range(400)))
    names = [request.resource_spans[0].scope_spans[0].spans[0].name for _, request in recorder.requests]
    assert told == dict(enumerate(names, 1))
    assert sorted(names) == sorted(map(str, range(400)))


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


def test_threads_end_without_a_leader_left_behind() -> None:
    """After a burst nobody leads and nobody waits."""
    shared = turns(Recorder())
    burst = [threading.Thread(target=shared.receive, args=(Signal.TRACES, body_of("x"))) for _ in range(20)]
    for thread in burst:
        thread.start()
    for thread in burst:
        thread.join(10)
    assert not shared._led
    assert not shared._waiting
