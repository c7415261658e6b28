"""Crashes at every step, in one process and under a clock that a test moves: many lives count as one."""

import random
from pathlib import Path

import numpy as np
import pytest
from engine_run import Clock, Run
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span
from traffic import SECOND, add, call, request, spans_of

from collectors.contract import Signal
from topology.histogram import ladder

LADDER = ladder([1_000_000])
Delivery = tuple[float, bytes]


def database_call(rng: random.Random, at_ns: int) -> tuple[ResourceSpans]:
    """A call of orders to a database, which sends no spans."""
    orders = spans_of("orders")
    made = add(orders, rng.randbytes(16), rng.randbytes(8), rng.randbytes(8), Span.SPAN_KIND_CLIENT, "SELECT", at_ns)
    made.attributes.add(key="db.system.name").value.string_value = "postgresql"
    made.attributes.add(key="db.namespace").value.string_value = "bank"
    return (orders,)


def deliveries(rng: random.Random, steps: int = 100) -> list[Delivery]:
    """Requests with the time since the one before: sides of calls apart from each other, some sent twice, some for
    ever lost, and calls of a database."""
    waiting: list[ResourceSpans] = []
    found: list[Delivery] = []
    now_ns = int(1_800_000_000 * SECOND)
    for _ in range(steps):
        pause_s = rng.choice([0.01, 0.5, 2.0, 9.0])
        now_ns += int(pause_s * SECOND)
        for _ in range(rng.randrange(4)):
            waiting += call(rng, now_ns - SECOND // 5, rng.random() < 0.2)
        waiting += database_call(rng, now_ns - SECOND // 5)
        waiting = [block for block in waiting if rng.random() > 0.02]
        rng.shuffle(waiting)
        going, waiting = waiting[len(waiting) // 2 :], waiting[: len(waiting) // 2]
        body = request(*going)
        found.append((pause_s, body))
        if rng.random() < 0.1:
            found.append((0.3, body))
    return [*found, (0.1, request(*waiting))]


def lived(directory: Path, requests: list[Delivery], rng: random.Random | None) -> tuple[dict, int]:
    """All counts in the end, by series and window, and how many lives it took. With `rng` the engine crashes at
    random moments: after a request that nobody counted yet, after a tick, after a commit."""
    run, lives = Run(directory, Clock(1_800_000_000.0)), 1
    for pause_s, body in requests:
        run.clock.now_s += pause_s
        run.take(body)
        if rng is not None and rng.random() < 0.15:
            run, lives = run.crashed(down_s=0), lives + 1
        if rng is None or rng.random() < 0.7:
            run.step(0)
        if rng is not None and rng.random() < 0.1:
            run, lives = run.crashed(down_s=0), lives + 1
    run.settle(50)
    return counted(run), lives


def counted(run: Run) -> dict:
    """Everything committed: (series, window) to counts and buckets."""
    kept = run.store.rollups(1_799_990_000, 1_800_010_000, 10, LADDER)
    batch = kept.batch
    cells = {
        (kept.keys[series], start): [counts.round(3).tolist(), np.zeros(LADDER.buckets)]
        for series, start, counts in zip(batch.series, batch.starts_s.tolist(), batch.counts, strict=True)
    }
    rows = list(cells.values())
    for row, bucket, n in zip(batch.hist_row.tolist(), batch.hist_bucket.tolist(), batch.hist_n.tolist(), strict=True):
        rows[row][1][bucket] += n
    return {key: (counts, buckets.tolist()) for key, (counts, buckets) in cells.items() if any(counts) or buckets.any()}


@pytest.mark.parametrize("seed", range(6))
def test_many_lives_count_as_one(seed, tmp_path):
    """However often the program crashes between requests, ticks and commits, every count is that of a run without."""
    requests = deliveries(random.Random(seed))
    truth, _ = lived(tmp_path / "one", requests, None)
    found, lives = lived(tmp_path / "many", requests, random.Random(seed))
    assert lives > 5
    assert len(truth) > 50
    assert found.keys() == truth.keys()
    assert [key for key in truth if found[key] != truth[key]] == []


def test_sides_of_a_call_before_and_after_a_crash_are_one_call(tmp_path):
    """A client's span from before the crash and the server's span from after it are one pair, with no unknown side."""
    run = Run(tmp_path)
    web, orders = call(random.Random(1), run.clock.ns() - SECOND)
    run.take(request(web))
    run.step()
    run = run.crashed(down_s=5)
    run.take(request(orders))
    run.settle()
    assert run.edge("web", "orders")["calls"] == 1
    assert sorted(run.names()) == ["orders", "user", "web"]
    assert run.engine.quality()["lost_parents"] == 0


def test_request_sent_again_after_a_crash_counts_once(tmp_path):
    """A sender that got no answer sends the request to the next life too, before and after a commit; it counts once."""
    run = Run(tmp_path)
    body = request(*call(random.Random(2), run.clock.ns() - SECOND))
    run.take(body)
    run = run.crashed(down_s=3)
    run.take(body)
    run = run.settle(14).crashed()
    run.take(body)
    assert run.settle().node("orders")["calls"] == 1


def test_lost_end_of_the_journal_never_hides_what_comes_after(tmp_path):
    """When the log lost counted records (a disk that lied), new requests get tickets past the checkpoint, so that the
    next crash replays them."""
    run = Run(tmp_path)
    rng = random.Random(3)
    for _ in range(20):
        run.take(request(*call(rng, run.clock.ns() - SECOND)))
    run.settle(20)
    for path in (tmp_path / "journal").iterdir():
        path.unlink()
    run = run.crashed()
    run.take(request(*call(rng, run.clock.ns() - SECOND)))
    assert run.crashed().settle(4).node("orders")["calls"] == 21


@pytest.mark.parametrize("signal", [Signal.TRACES, Signal.LOGS, 99])
def test_record_nobody_can_read_does_not_stop_the_start(signal, tmp_path):
    """A journaled request that cannot be read any more is left out; everything after it is counted."""
    run = Run(tmp_path)
    run.journal.append(signal, run.clock.ns(), b"\xff" * 50)
    run.take(request(*call(random.Random(4), run.clock.ns() - SECOND)))
    assert run.crashed().settle(4).node("orders")["calls"] == 1
