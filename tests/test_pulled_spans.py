"""Spans of sources that are asked: counted once however often they are read, at their own time, under their source."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_run import Clock, Run
from traffic import SECOND, call, request, spans_of

from app.remembered import KEPT_S, Remembered
from app.runner.spans import deliver
from collectors.contract import Pulled
from collectors.otlp.decoding import SpanDecoder
from collectors.otlp.thinning import without
from topology.errors import SourceUnavailable
from topology.model import EdgeKey, OperationKey
from topology.rollup import CALLS
from topology.store.memory import MemoryStore

CONFIGURATION = "collectors:\n  old: {kind: jaeger, url: 'http://127.0.0.1:9'}\n"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """An engine that has a source of spans named old."""
    config = tmp_path / "synoptic.yaml"
    config.write_text(CONFIGURATION)
    return Run(tmp_path / "data", config=config)


def page(seeds: range, end_ns: int) -> bytes:
    """Calls web -> orders, one a seed, that ended shortly before a moment."""
    blocks = [block for seed in seeds for block in call(random.Random(seed), end_ns - SECOND - seed * 10**6)]
    return request(*blocks)


def read(run: Run, *pages: bytes) -> None:
    """One reading of the source, handed on."""
    assert deliver(Pulled(spans=iter(pages)), "old", run.intakes) == len(pages)


def calls(run: Run, kind: type = EdgeKey, ago_s: float = 3600.0) -> dict[str, float]:
    """The calls from web to orders, or the work of orders, that are stored, by source."""
    kept = run.store.rollups(run.clock.now_s - ago_s, run.clock.now_s + 60, 10, run.engine.parts.ladder)
    found: dict[str, float] = {}
    for number, row in zip(kept.batch.series.tolist(), kept.batch.counts.tolist(), strict=True):
        key = kept.keys[number]
        name = key.callee.name if isinstance(key, EdgeKey) else getattr(key, "service", key).name
        caller = key.caller.name if isinstance(key, EdgeKey) else "web"
        if isinstance(key, kind) and name == "orders" and caller == "web":
            found[key.source] = found.get(key.source, 0.0) + row[CALLS]
    return found


def test_a_span_that_is_read_again_counts_once_beyond_the_horizon_of_pairing(run):
    """Minutes are read again and again: what was counted is known for long after pairing has forgotten it."""
    end_ns = run.clock.ns()
    for _ in range(5):
        read(run, page(range(20), end_ns))
        run.settle(200)
    assert calls(run) == {"old": 20}
    assert calls(run, OperationKey) == {"old": 20}
    assert run.engine.quality()["read_again"] == 4 * 60


def test_new_spans_among_known_ones_are_counted(run):
    """A page may hold spans that were read before beside late ones: exactly these are new."""
    end_ns = run.clock.ns()
    read(run, page(range(20), end_ns))
    run.settle(200)
    read(run, page(range(10, 25), end_ns))
    run.settle(200)
    assert calls(run) == {"old": 25}


def test_series_carry_the_name_of_their_source(run):
    """The same calls, sent by services and read from a source, are series of two sources."""
    run.take(page(range(7), run.clock.ns()))
    read(run, page(range(3), run.clock.ns()))
    run.settle(200)
    assert calls(run) == calls(run, OperationKey) == {"otlp": 7, "old": 3}


def test_spans_of_a_day_ago_count_at_their_own_time(run):
    """After an outage the past is caught up with: what is far too late for a sender is not for a source."""
    end_ns = run.clock.ns() - 86_000 * SECOND
    read(run, page(range(30), end_ns))
    run.take(page(range(100, 130), end_ns))
    run.settle(200)
    assert calls(run, ago_s=90_000) == {"old": 30}
    assert calls(run) == {}


@pytest.mark.parametrize("ended", ["crashed", "stopped"])
@pytest.mark.parametrize("settled_s", [0, 4, 14, 300])
def test_a_restart_counts_nothing_twice_and_loses_nothing(run, ended, settled_s):
    """Wherever a reading was when the process ended: read again, it is counted once."""
    end_ns = run.clock.ns()
    read(run, page(range(40), end_ns), page(range(40, 60), end_ns))
    run.settle(settled_s)
    for _ in range(2):
        run = getattr(run, ended)(down_s=40)
        read(run, page(range(30, 70), end_ns))
        run.settle(settled_s)
    run.settle(300)
    assert calls(run) == calls(run, OperationKey) == {"old": 70}


def test_a_restart_in_the_middle_of_a_page_counts_both_ends_of_a_call(run):
    """One end of every call was read before the process ended, the other after: they are one call."""
    clients, servers = zip(*(call(random.Random(seed), run.clock.ns() - SECOND) for seed in range(25)), strict=True)
    read(run, request(*clients))
    run = run.crashed(down_s=20)
    read(run, request(*clients, *servers))
    run.settle(300)
    assert calls(run) == {"old": 25}
    assert run.engine.quality()["lost_parents"] == 0


def test_ends_of_a_call_may_come_with_readings_a_minute_apart(run):
    """A call across the end of a minute is read with two minutes: its source gives pairing the time."""
    clients, servers = zip(*(call(random.Random(seed), run.clock.ns() - SECOND) for seed in range(25)), strict=True)
    read(run, request(*clients))
    run.settle(90)
    read(run, request(*servers))
    run.settle(300)
    assert calls(run) == {"old": 25}


def test_a_source_that_breaks_off_is_counted_as_far_as_it_came(run):
    """What was read before a source fails is counted, and known when all of it is read again."""
    end_ns = run.clock.ns()

    def broken() -> Iterator[bytes]:
        yield page(range(10), end_ns)
        raise SourceUnavailable("gone")

    with pytest.raises(SourceUnavailable):
        deliver(Pulled(spans=broken()), "old", run.intakes)
    run.settle(60)
    read(run, page(range(10), end_ns), page(range(10, 20), end_ns))
    run.settle(200)
    assert calls(run) == {"old": 20}


def test_journals_are_separate(run):
    """What a source brings is written beside the journal of the senders, in a folder of its own."""
    read(run, page(range(10), run.clock.ns()))
    assert run.journal.last == 0
    assert run.intakes.of("old").quality()["journal_bytes"] > 0
    assert [path.name for path in (run.directory / "journal").iterdir() if path.is_dir()] == ["old"]


def test_a_source_that_brings_no_spans_has_no_intake(run):
    """Other kinds of sources hand over nothing, and nothing is made of it."""
    assert deliver(Pulled(), "otlp-counts", run.intakes) == 0


def columns_of(body: bytes):
    """The decoded spans of a request."""
    return SpanDecoder(1, 1 << 12).decode(body)


def test_what_was_read_is_forgotten_only_while_it_is_read():
    """A source that is down for a day, or a process that does not run, forgets nothing; one that is read goes on."""
    remembered = Remembered("old")
    mine = columns_of(page(range(5), 10**18))
    remembered.add(mine)
    remembered.read(1_000.0)
    remembered.read(90_000.0)
    assert remembered.known(mine).all()
    at_s, last_s = 90_000.0, 90_000.0 + 2 * KEPT_S
    while at_s < last_s:
        at_s += 30
        remembered.read(at_s)
    assert not remembered.known(mine).any()
    assert len(remembered) == 0


def test_what_was_read_is_bounded():
    """Beyond the bound the minutes that were met longest ago are forgotten, and that is counted."""
    remembered = Remembered("old", most_ids=100, most_minutes=4)
    for minute in range(10):
        remembered.read(1_000.0 + minute)
        remembered.add(columns_of(page(range(10 * minute, 10 * minute + 10), 10**18 + minute * 60 * SECOND)))
    assert len(remembered) <= 100
    assert remembered.dropped == 300 - len(remembered)
    assert remembered.known(columns_of(page(range(90, 100), 10**18 + 9 * 60 * SECOND))).all()


def test_only_what_changed_is_stored_again():
    """A minute that brought nothing new is not written with every commit."""
    remembered, again = Remembered("old"), Remembered("old")
    remembered.add(columns_of(page(range(5), 10**18)))
    first = remembered.contents()
    remembered.saved(first)
    assert remembered.contents() == {}
    remembered.add(columns_of(page(range(5, 9), 10**18 + 60 * SECOND)))
    second = remembered.contents()
    assert len(first) == len(second) == 1
    assert first.keys() != second.keys()
    again.restore(first | second)
    for seeds, end_ns in ((range(5), 10**18), (range(5, 9), 10**18 + 60 * SECOND)):
        assert again.known(columns_of(page(seeds, end_ns))).all()
    assert again.contents() == {}


def test_a_request_without_some_spans_keeps_the_others_and_their_resources():
    """Spans are taken out by their place; a resource whose spans are all gone goes too."""
    body = page(range(3), 10**18)
    kept = columns_of(without(body, [row != 2 for row in range(9)]))
    assert kept.used == 1
    assert kept.wide[0].tolist() == columns_of(body).wide[2].tolist()
    assert without(request(spans_of("idle")), []) == b""


def test_two_lives_of_a_store_share_what_was_read(tmp_path):
    """Ids are stored in the same commit as the counts: a store that lost neither counts nothing twice."""
    config = tmp_path / "synoptic.yaml"
    config.write_text(CONFIGURATION)
    clock, store = Clock(), MemoryStore()
    first = Run(tmp_path / "one", clock, store, config=config)
    end_ns = clock.ns()
    read(first, page(range(12), end_ns))
    first.settle(300)
    second = Run(tmp_path / "two", clock, store, config=config)
    read(second, page(range(15), end_ns))
    second.settle(300)
    assert calls(second) == {"old": 15}
