"""The life of calls of the OTLP/gRPC server: waiting, large, empty, silent, cancelled, and at its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import grpc
import pytest
from otlp_calls import BODY, KIB, TRACES, channel, details, export, refused, request_of
from otlp_recording import Recorder, listening, until

from collectors.contract import Body, Receipt, Signal
from collectors.otlp import grpc_server
from collectors.otlp.receiver import OtlpReceiver


@pytest.fixture
def recorder() -> Recorder:
    """Takes what the receiver hands over."""
    return Recorder()


@pytest.fixture
def receiver(recorder: Recorder) -> Iterator[OtlpReceiver]:
    """A running gRPC receiver."""
    with listening(recorder, http=None) as running:
        yield running


def test_more_calls_than_messages_are_read_at_once_are_all_served(recorder: Recorder) -> None:
    """Concurrent calls beyond the number of messages that are read wait their turn; none is refused."""
    with listening(recorder, http=None, grpc_messages=2) as receiver, channel(receiver) as connection:
        calls = [connection.unary_unary(TRACES).future(BODY, timeout=20) for _ in range(60)]
        assert [call.result() for call in calls] == [b""] * 60
        assert receiver.budget.in_flight_bytes == 0


def test_calls_that_wait_for_the_disk_are_made_durable_together(recorder: Recorder, receiver: OtlpReceiver) -> None:
    """What arrives while the disk works is settled at once when it is free again."""
    recorder.disk.clear()
    with channel(receiver) as connection:
        calls = [connection.unary_unary(TRACES).future(BODY, timeout=20) for _ in range(30)]
        until(lambda: len(recorder.requests) == 30)
        recorder.disk.set()
        assert [call.result() for call in calls] == [b""] * 30
    assert recorder.settled[-1] == 30
    assert len(recorder.settled) <= 2


def test_messages_beyond_the_bytes_in_flight_are_welcome_later(recorder: Recorder) -> None:
    """While others wait for the disk, a message that has no room is UNAVAILABLE with RetryInfo, and is taken later."""
    recorder.disk.clear()
    with listening(recorder, http=None, max_body_bytes=64 * KIB, in_flight_bytes=1 << 20) as receiver:
        body = request_of(60 * KIB)
        with channel(receiver) as connection:
            calls = [connection.unary_unary(TRACES).future(body, timeout=20) for _ in range(17)]
            until(lambda: len(recorder.requests) == 17)
            error = refused(receiver, body)
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            assert details(error) is not None
            recorder.disk.set()
            assert [call.result() for call in calls] == [b""] * 17
        assert export(receiver, body) == b""
        assert receiver.budget.in_flight_bytes == 0


def test_large_messages_do_not_keep_others_waiting(
    recorder: Recorder, receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that takes long to take in gets another thread than the one that serves all connections, and its
    answer waits for nothing that arrives there."""
    monkeypatch.setattr(grpc_server, "SWEEP_S", 60.0)
    assert export(receiver) == b""
    threads: list[str] = []
    take = recorder.take

    def slowly(signal: Signal, body: Body) -> Receipt:
        threads.append(threading.current_thread().name)
        time.sleep(0.1)
        return take(signal, body)

    recorder.take = slowly  # type: ignore[method-assign]
    assert export(receiver, request_of(3 << 20)) == b""
    assert export(receiver, request_of(1 << 20), compression=grpc.Compression.Gzip) == b""
    assert threads == ["otlp-grpc-decode_0", "otlp-grpc"]


@pytest.mark.parametrize("messages", [0, 2])
def test_a_call_with_another_number_of_messages_harms_no_other(
    recorder: Recorder, receiver: OtlpReceiver, messages: int
) -> None:
    """A call that ends without a message is UNIMPLEMENTED; of several, the first is taken."""
    with channel(receiver) as connection:
        call = connection.stream_unary(TRACES).future(iter([BODY] * messages), timeout=20)
        assert call.code() is (grpc.StatusCode.OK if messages else grpc.StatusCode.UNIMPLEMENTED)
    assert export(receiver) == b""
    assert len(recorder.requests) == 1 + min(messages, 1)


def test_a_message_that_does_not_come_is_given_up(recorder: Recorder) -> None:
    """A sender that begins a call and is silent keeps others waiting for `request_timeout` at most."""
    silent = threading.Event()
    with listening(recorder, http=None, grpc_messages=1, request_timeout_s=1.0) as receiver, \
            channel(receiver) as connection:  # fmt: skip
        call = connection.stream_unary(TRACES).future(iter(lambda: silent.wait(20) or BODY, b""), timeout=20)
        until(lambda: export(receiver) == b"")
        assert call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert receiver.status()["counters"]["refused_too_slow"] == 1
        silent.set()


def test_a_sender_that_gives_up_leaves_nothing_behind(recorder: Recorder, receiver: OtlpReceiver) -> None:
    """What it sent stays taken, and holds none of the bytes in flight."""
    recorder.disk.clear()
    with channel(receiver) as connection:
        call = connection.unary_unary(TRACES).future(BODY, timeout=20)
        until(lambda: len(recorder.requests) == 1)
        call.cancel()
    recorder.disk.set()
    until(lambda: receiver.budget.in_flight_bytes == 0)
    assert export(receiver) == b""


def test_stopping_answers_what_is_under_way_and_cuts_off_what_does_not_end(recorder: Recorder) -> None:
    """A message that is in gets its answer; a call that sends none is cut off after the grace; nobody else gets in."""
    silent = threading.Event()
    with listening(recorder, http=None) as receiver, channel(receiver) as connection:
        recorder.disk.clear()
        taken = connection.unary_unary(TRACES).future(BODY, timeout=20)
        mute = connection.stream_unary(TRACES).future(iter(lambda: silent.wait(20) or BODY, b""), timeout=20)
        until(lambda: len(recorder.requests) == 1)
        stopping = threading.Thread(target=receiver.stop)
        stopping.start()
        recorder.disk.set()
        assert taken.result() == b""
        stopping.join(10)
        assert not stopping.is_alive()
        assert mute.code() in {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE}
        silent.set()
        late = connection.unary_unary(TRACES).future(BODY, timeout=5)
        assert late.code() is grpc.StatusCode.UNAVAILABLE
