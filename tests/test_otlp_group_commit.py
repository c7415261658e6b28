"""Requests that wait for the disk together."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_recording import Recorder, span_names, until

from collectors.contract import Receipt, Signal
from collectors.otlp.group_commit import GroupCommit, Outcome, is_quick
from topology.errors import MalformedInput

SENDERS = 8


def body_of(name: str) -> bytes:
    """A request with one span."""
    spans = [{"scope_spans": [{"spans": [{"name": name}]}]}]
    return ExportTraceServiceRequest(resource_spans=spans).SerializeToString()


@pytest.fixture
def recorder() -> Recorder:
    """Takes what is handed over."""
    return Recorder()


@pytest.fixture
def commit(recorder: Recorder) -> Iterator[GroupCommit]:
    """One that does every step at once, in the thread that comes to it."""
    one = GroupCommit(recorder, "test", soon=lambda step: step(), back=lambda step: step())
    yield one
    one.close()


def receive(commit: GroupCommit, recorder: Recorder, body: bytes, *, quick: bool = True) -> Future[Outcome]:
    """Hands a request over; its outcome, once that is told."""
    told: Future[Outcome] = Future()
    commit.receive(partial(recorder.take, Signal.TRACES, body), told.set_result, quick=quick)
    return told


def test_whoever_comes_while_the_disk_works_is_made_durable_together(commit: GroupCommit, recorder: Recorder) -> None:
    """While one request waits for the disk others gather; one more wait is enough for all of them."""
    recorder.disk.clear()
    told = [receive(commit, recorder, body_of(str(k))) for k in range(SENDERS)]
    assert not any(one.done() for one in told)
    recorder.disk.set()
    assert [one.result(10) for one in told] == [Receipt(k + 1) for k in range(SENDERS)]
    assert recorder.settled == [1, SENDERS]


def test_what_has_arrived_before_the_disk_is_asked_goes_with_it(recorder: Recorder) -> None:
    """The first wait, too, is one for all that came before it was begun."""
    steps: deque[Callable[[], object]] = deque()
    commit = GroupCommit(recorder, "test", soon=steps.append, back=lambda step: step())
    told = [receive(commit, recorder, body_of(str(k))) for k in range(SENDERS)]
    assert len(steps) == 1
    steps.popleft()()
    assert [one.result(10) for one in told] == [Receipt(k + 1) for k in range(SENDERS)]
    assert recorder.settled == [SENDERS]
    commit.close()


def test_a_bad_request_is_refused_alone_and_at_once(commit: GroupCommit, recorder: Recorder) -> None:
    """Of requests that come together only the damaged one gets its error, and does not wait for the disk."""
    recorder.disk.clear()
    first, bad, good = (receive(commit, recorder, body) for body in (body_of("first"), b"\xff\xff", body_of("good")))
    assert isinstance(bad.result(0), MalformedInput)
    recorder.disk.set()
    assert [first.result(10), good.result(10)] == [Receipt(1), Receipt(2)]


def test_a_disk_that_fails_fails_all_that_waited_for_it_and_nobody_after(
    commit: GroupCommit, recorder: Recorder
) -> None:
    """No request of the group is told a success; the next one is served again."""
    recorder.disk.clear()
    recorder.unsettled = OSError("disk")
    waiting = [receive(commit, recorder, body_of(str(k))) for k in range(SENDERS)]
    recorder.disk.set()
    assert all(isinstance(one.result(10), OSError) for one in waiting)
    recorder.unsettled = None
    assert receive(commit, recorder, body_of("after")).result(10) == Receipt(SENDERS + 1)


@pytest.mark.parametrize("quick", [True, False])
def test_many_threads_all_get_their_own_receipt(commit: GroupCommit, recorder: Recorder, quick: bool) -> None:
    """However the threads meet, each request is handed over once and each sender gets its own ticket."""

    def send(k: int) -> tuple[Outcome, str]:
        return receive(commit, recorder, body_of(str(k)), quick=quick).result(10), str(k)

    with ThreadPoolExecutor(SENDERS) as pool:
        told = {outcome.ticket: name for outcome, name in pool.map(send, range(400)) if isinstance(outcome, Receipt)}
    assert told == {ticket: span_names(request).pop() for ticket, (_, request) in enumerate(recorder.requests, 1)}
    assert len(told) == 400


def test_an_answer_that_fails_keeps_nobody_from_theirs(
    commit: GroupCommit, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever goes wrong while one sender is told, the others are told, and later ones are served."""
    recorder.disk.clear()
    first = receive(commit, recorder, body_of("first"))
    commit.receive(partial(recorder.take, Signal.TRACES, body_of("lost")), lambda _: 1 / 0, quick=True)  # type: ignore[arg-type, return-value]
    third = receive(commit, recorder, body_of("third"))
    recorder.disk.set()
    assert [first.result(10), third.result(10)] == [Receipt(1), Receipt(3)]
    assert receive(commit, recorder, body_of("after")).result(10) == Receipt(4)
    assert "an answer failed" in caplog.text


def test_what_takes_long_is_taken_in_by_another_thread(commit: GroupCommit, recorder: Recorder) -> None:
    """The thread that serves all connections goes on while a request that is not quick is taken in."""
    gate, threads = threading.Event(), []

    def take() -> Receipt:
        threads.append(threading.current_thread().name)
        gate.wait(10)
        return recorder.take(Signal.TRACES, body_of("slow"))

    told: Future[Outcome] = Future()
    commit.receive(take, told.set_result, quick=False)
    assert receive(commit, recorder, body_of("quick")).result(10) == Receipt(1)
    assert not told.done()
    gate.set()
    assert told.result(10) == Receipt(2)
    assert [name.startswith("test-decode") for name in threads] == [True]


def test_nothing_is_left_running(recorder: Recorder) -> None:
    """After a burst nobody waits, and closing ends every thread."""
    commit = GroupCommit(recorder, "ending", soon=lambda step: step(), back=lambda step: step())
    told = [receive(commit, recorder, body_of(str(k)), quick=k % 2 == 0) for k in range(20)]
    assert all(isinstance(one.result(10), Receipt) for one in told)
    commit.close()
    until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("ending")])
    assert recorder.settled[-1] == 20


@pytest.mark.parametrize(("signal", "size", "compressed", "quick"), [
    (Signal.TRACES, 2 << 20, False, True), (Signal.TRACES, (2 << 20) + 1, False, False),
    (Signal.TRACES, 256 << 10, True, True), (Signal.TRACES, (256 << 10) + 1, True, False),
    (Signal.LOGS, 64 << 10, True, True), (Signal.METRICS, (64 << 10) + 1, False, False),
])  # fmt: skip
def test_a_request_is_quick_by_what_it_costs(signal: Signal, size: int, compressed: bool, quick: bool) -> None:
    """Spans are scanned quickly; log records and metrics take longer, and so does decompression."""
    assert is_quick(signal, size, compressed=compressed) is quick
