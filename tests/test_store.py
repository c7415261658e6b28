"""The contract of `Store`, kept by every store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from topology.histogram import Ladder, ladder
from topology.model import EdgeKey, Entity, GaugeKey, InstanceKey, Kind, LogKey, OperationKey, SeriesKey, Service, Side
from topology.rollup import COUNTS, RollupBatch, SeriesTable, empty, from_rows
from topology.store.contract import Commit, Example, ExampleQuery, KeyedRollups, Store, about
from topology.store.duckdb import DuckDBStore
from topology.store.memory import MemoryStore
from topology.store.tiers import DAY_S, HOUR_S, Retention, Tier

NOON_S = 1_800_000_000 - 1_800_000_000 % DAY_S + 12 * HOUR_S
LADDER = ladder()
PAY = Service("prod", "bank", "pay")
CORE = Service("prod", "bank", "core")
LEDGER = Service("prod", "bank", "ledger", Kind.DATABASE)
KEYS: list[SeriesKey] = [
    OperationKey(PAY, "dc-a", "POST /pay"),
    OperationKey(PAY, "dc-b", "nightly", root=True, source="jaeger"),
    EdgeKey(PAY, "dc-a", CORE, "dc-b", "grpc"),
    EdgeKey(CORE, "dc-b", LEDGER, "", "sql", Side.SERVER, "oap"),
    InstanceKey(CORE, "dc-b", "core-1", "2.4.1"),
    LogKey(PAY, "error"),
    GaugeKey(CORE, "dc-b", "core-1", "process.cpu.utilization"),
]

Opener = Callable[[Retention | None], Store]


@pytest.fixture(params=["memory", "duckdb"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens an empty store of each make, as often as asked."""
    stores: list[Store] = []

    def opener(retention: Retention | None = None) -> Store:
        path = tmp_path / f"{len(stores)}.duckdb"
        stores.append(MemoryStore(retention) if request.param == "memory" else DuckDBStore(path, 0.0, retention))
        return stores[-1]

    yield opener
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Opener) -> Store:
    """An empty store of each make."""
    return opened(None)


def counts(calls: float, errors: float = 0.0, total: float = 0.0) -> list[float]:
    """A row of counts."""
    return [calls, errors, 0.0, 0.0, total, 0.0, calls]


def keyed(rows: list[tuple[int, int, list[float], dict[int, float]]], window_s: int = 10,
          bounds: Ladder = LADDER, keys: list[SeriesKey] = KEYS) -> KeyedRollups:
    """Rows of (start_s, place in KEYS, counts, histogram)."""
    return KeyedRollups(from_rows(window_s, rows), keys, bounds)


def as_rows(found: KeyedRollups) -> list[tuple[SeriesKey, int, list[float], dict[int, float]]]:
    """What was read, as plain rows in the order read."""
    batch = found.batch
    hist: list[dict[int, float]] = [{} for _ in range(len(batch))]
    for row, bucket, n in zip(batch.hist_row, batch.hist_bucket, batch.hist_n, strict=True):
        hist[row][int(bucket)] = hist[row].get(int(bucket), 0.0) + float(n)
    return [(found.keys[batch.series[i]], int(batch.starts_s[i]), batch.counts[i].tolist(), hist[i])
            for i in range(len(batch))]


def total_calls(store: Store, from_s: float = 0.0, to_s: float = 4e9, window_s: int = 10) -> float:
    """The calls of all series in a span."""
    return float(store.rollups(from_s, to_s, window_s, LADDER).batch.counts[:, 0].sum())


def test_every_kind_of_series_comes_back_with_its_counts(store: Store) -> None:
    """Each kind of key is read back equal, with counts and histogram, ordered by series and window."""
    rows = [(NOON_S, place, counts(place + 0.5, 1, 99), {place: 2.0, 40: 0.25}) for place in range(len(KEYS))]
    store.commit(Commit(keyed(rows)))
    found = as_rows(store.rollups(NOON_S, NOON_S + 10, 10, LADDER))
    assert {row[0]: row[1:] for row in found} == {KEYS[p]: (s, c, h) for s, p, c, h in rows}
    batch = store.rollups(NOON_S, NOON_S + 10, 10, LADDER).batch
    assert (batch.counts.dtype, batch.hist_n.dtype, batch.hist_bucket.dtype) == (np.float64, np.float64, np.int16)


def test_rows_of_one_window_add_up_and_corrections_take_away(store: Store) -> None:
    """Later rows of the same series and window, also negative ones and within one batch, are summed."""
    store.commit(Commit(keyed([(NOON_S, 0, counts(5), {3: 4.0, 9: 1.0}), (NOON_S, 0, counts(1), {3: 1.0})])))
    store.commit(Commit(keyed([(NOON_S, 0, counts(-2, 1), {9: -1.0, 3: -1.0})])))
    assert as_rows(store.rollups(NOON_S, NOON_S + 10, 10, LADDER)) == [(KEYS[0], NOON_S, counts(4, 1), {3: 4.0})]


def test_windows_are_merged_to_the_length_asked_for(store: Store) -> None:
    """A longer window sums the shorter ones in it, and the span is widened to whole windows."""
    store.commit(Commit(keyed([(NOON_S + 10 * i, 0, counts(1), {i: 1.0}) for i in range(12)])))
    found = store.rollups(NOON_S + 35, NOON_S + 65, 60, LADDER)
    assert found.batch.window_s == 60
    assert [(row[1], row[2][0], sum(row[3].values())) for row in as_rows(found)] == [
        (NOON_S, 6.0, 6.0), (NOON_S + 60, 6.0, 6.0)]


def test_only_what_is_chosen_is_read(store: Store) -> None:
    """A choice restricts the series; without histograms the counts stay the same and the histogram is empty."""
    store.commit(Commit(keyed([(NOON_S, place, counts(1), {1: 1.0}) for place in range(len(KEYS))])))
    found = store.rollups(NOON_S, NOON_S + 10, 10, LADDER, about(LEDGER))
    assert [row[0] for row in as_rows(found)] == [KEYS[3]]
    bare = store.rollups(NOON_S, NOON_S + 10, 10, LADDER, lambda key: isinstance(key, EdgeKey), histograms=False)
    assert {(row[0], row[2][0]) for row in as_rows(bare)} == {(KEYS[2], 1.0), (KEYS[3], 1.0)}
    assert len(bare.batch.hist_n) == 0
    assert len(store.rollups(NOON_S, NOON_S + 10, 10, LADDER, lambda _key: False).batch) == 0


def test_an_empty_store_answers_with_nothing(store: Store) -> None:
    """Reading where nothing was counted, and committing nothing, both are fine."""
    store.commit(Commit())
    store.commit(Commit(KeyedRollups(empty(10), [], LADDER)))
    found = store.rollups(0, 4e9, 10, LADDER)
    assert (len(found.batch), len(found.keys), found.batch.counts.shape) == (0, 0, (0, len(COUNTS)))
    assert (store.entities(), store.checkpoints(), store.positions()) == ([], {}, {})
    assert store.example("none") is None


def test_a_window_of_no_tier_is_refused(store: Store) -> None:
    """Rollups must come in the window of a tier; nothing of such a commit is kept."""
    with pytest.raises(ValueError, match="no tier has windows of 7 s"):
        store.commit(Commit(keyed([(NOON_S, 0, counts(1), {})], window_s=7), checkpoints={"a": b"1"}))
    assert store.checkpoints() == {}


def test_keys_may_grow_between_commits(store: Store) -> None:
    """The key list of a SeriesTable is handed in as it grows; numbers keep their meaning."""
    table = SeriesTable()
    for start, key in enumerate(KEYS):
        store.commit(Commit(KeyedRollups(
            from_rows(10, [(NOON_S + 10 * start, table.number(key), counts(1), {})]), table.keys, LADDER)))
    assert {row[0] for row in as_rows(store.rollups(0, 4e9, 10, LADDER))} == set(KEYS)


def test_bounds_survive_a_change_of_thresholds(store: Store) -> None:
    """Counts are found under the same bound in another ladder; a bound gone falls into the bucket around it,
    and what is above all bounds stays there."""
    with_slo = ladder([250_123])
    place = int(np.searchsorted(with_slo.bounds_us, 250_123))
    last = with_slo.buckets - 1
    store.commit(Commit(keyed([(NOON_S, 0, counts(6), {place: 1.0, place + 1: 2.0, last: 3.0})], bounds=with_slo)))
    ((_, _, _, same),) = as_rows(store.rollups(NOON_S, NOON_S + 1, 10, ladder([1_234, 250_123])))
    ((_, _, _, without),) = as_rows(store.rollups(NOON_S, NOON_S + 1, 10, LADDER))
    assert same == {place + 1: 1.0, place + 2: 2.0, last + 1: 3.0}
    assert without == {int(LADDER.bucket(250_123)): 3.0, LADDER.buckets - 1: 3.0}


def test_old_counts_move_to_coarser_tiers(store: Store) -> None:
    """After an hour windows are a minute, after a week an hour; recent ones stay fine; nothing is lost."""
    for age_s in (60, 2 * HOUR_S + 50, 9 * DAY_S):
        start_s = NOON_S - age_s
        store.commit(Commit(keyed([(start_s - start_s % 10, 0, counts(4), {7: 4.0})])))
    done = store.compact(NOON_S)
    assert done.moved >= 2
    assert store.rollups(NOON_S - 600, NOON_S, 10, LADDER).batch.window_s == 10
    assert store.rollups(NOON_S - 3 * HOUR_S, NOON_S, 10, LADDER).batch.window_s == 60
    assert store.rollups(NOON_S - 10 * DAY_S, NOON_S, 10, LADDER).batch.window_s == HOUR_S
    assert store.rollups(NOON_S - 3 * HOUR_S, NOON_S, 7 * 60, LADDER).batch.window_s == 7 * 60
    assert total_calls(store) == 12
    assert store.compact(NOON_S).moved == 0


def test_late_counts_for_a_compacted_range_add_up(store: Store) -> None:
    """What comes for an hour that has moved on is found at once, and after the next compaction, once."""
    store.commit(Commit(keyed([(NOON_S - 3 * HOUR_S, 0, counts(4), {7: 4.0})])))
    store.compact(NOON_S)
    store.commit(Commit(keyed([(NOON_S - 3 * HOUR_S + 20, 0, counts(1), {8: 1.0})])))
    expected = [(KEYS[0], NOON_S - 3 * HOUR_S, counts(5), {7: 4.0, 8: 1.0})]
    assert as_rows(store.rollups(NOON_S - 4 * HOUR_S, NOON_S, 10, LADDER)) == expected
    store.compact(NOON_S)
    assert as_rows(store.rollups(NOON_S - 4 * HOUR_S, NOON_S, 10, LADDER)) == expected


def test_a_coarser_source_lands_in_its_own_tier(store: Store) -> None:
    """Rollups that arrive by the minute are kept by the minute and add up with finer ones."""
    store.commit(Commit(keyed([(NOON_S, 0, counts(6), {7: 6.0})], window_s=60)))
    store.commit(Commit(keyed([(NOON_S + 10, 0, counts(1), {7: 1.0})])))
    assert as_rows(store.rollups(NOON_S, NOON_S + 60, 10, LADDER)) == [(KEYS[0], NOON_S, counts(7), {7: 7.0})]


def test_what_is_past_its_time_is_dropped_with_its_series(store: Store) -> None:
    """Past the last tier rows go, series without rows go, entities not seen for as long go with their place."""
    store.commit(Commit(keyed([(NOON_S - 401 * DAY_S, 0, counts(4), {7: 4.0}), (NOON_S, 1, counts(1), {})]), [
        Entity("old", 0, NOON_S - 401 * DAY_S), Entity("new", 0, NOON_S)]))
    store.save_positions({"old": (1, 2), "new": (3, 4)})
    done = store.compact(NOON_S)
    assert (done.expired, done.series) == (1, 1)
    assert [row[0] for row in as_rows(store.rollups(0, 4e9, 10, LADDER))] == [KEYS[1]]
    assert [entity.key for entity in store.entities()] == ["new"]
    assert store.positions() == {"new": (3, 4)}
    store.commit(Commit(keyed([(NOON_S, 0, counts(2), {})])))
    assert total_calls(store) == 3


def test_entities_widen(store: Store) -> None:
    """First seen only falls, last seen only rises, whatever the order of sightings."""
    store.commit(Commit(entities=[Entity("a", 50, 60), Entity("b", 1, 2), Entity("a", 55, 90)]))
    store.commit(Commit(entities=[Entity("a", 40, 45)]))
    assert sorted(store.entities(), key=lambda entity: entity.key) == [Entity("a", 40, 90), Entity("b", 1, 2)]


def test_checkpoints_and_positions_replace_by_name(store: Store) -> None:
    """The newest value of a name counts; other names stay."""
    store.commit(Commit(checkpoints={"otlp": b"\x00\xff", "jaeger": b"7"}))
    store.commit(Commit(checkpoints={"otlp": b"2"}))
    store.save_positions({"a": (1.5, -2), "b": (3, 4)})
    store.save_positions({"a": (9, 9)})
    assert store.checkpoints() == {"otlp": b"2", "jaeger": b"7"}
    assert store.positions() == {"a": (9, 9), "b": (3, 4)}


def example(trace_id: str, start_s: float = NOON_S, ms: float = 5.0, failed: bool = False, size: int = 10,
            operation: str = "POST /pay") -> Example:
    """An example trace of the pay service."""
    return Example(trace_id, PAY.id, operation, start_s, ms, failed, 3, bytes(size))


def test_examples_are_found_by_what_is_asked(store: Store) -> None:
    """Service, operation, span of time, duration and failure restrict; newest first; at most the limit."""
    store.commit(Commit(examples=[example("a", NOON_S, 5), example("b", NOON_S + 1, 50),
                                  example("c", NOON_S + 2, 7, failed=True, operation="GET /")]))

    def found(**asked: object) -> list[str]:
        query = ExampleQuery(NOON_S, NOON_S + 10, **asked)  # type: ignore[arg-type]
        return [summary.trace_id for summary in store.examples(query)]

    assert found() == ["c", "b", "a"]
    assert found(limit=1) == ["c"]
    assert found(min_ms=7.0) == ["c", "b"]
    assert found(failed_only=True) == ["c"]
    assert found(operation="POST /pay") == ["b", "a"]
    assert found(service_id=CORE.id) == []
    assert store.examples(ExampleQuery(NOON_S + 1, NOON_S + 2))[0] == example("b", NOON_S + 1, 50).summary()


def test_a_trace_may_be_an_example_of_several_operations(store: Store) -> None:
    """Its payload is kept once, the newest one; committing it again adds nothing."""
    store.commit(Commit(examples=[example("a"), example("a", operation="GET /")]))
    store.commit(Commit(examples=[example("a", size=99)]))
    assert {s.operation: s.payload_bytes for s in store.examples(ExampleQuery(0, 4e9))} == {
        "POST /pay": 99, "GET /": 99}
    kept = store.example("a")
    assert kept is not None
    assert kept.payload == bytes(99)


def test_examples_keep_to_their_bytes_an_hour(opened: Opener) -> None:
    """Of an hour with too much, failed traces stay first, then the slowest; old ones go."""
    store = opened(Retention(examples_s=DAY_S, example_bytes_per_hour=250))
    store.commit(Commit(examples=[
        example("quick", ms=1, size=100), example("slow", ms=900, size=100),
        example("failed", ms=2, failed=True, size=100), example("other hour", NOON_S + HOUR_S, size=200),
        example("old", NOON_S - 2 * DAY_S, size=1)]))
    assert store.compact(NOON_S + HOUR_S).examples == 2
    assert {s.trace_id for s in store.examples(ExampleQuery(0, 4e9))} == {"slow", "failed", "other hour"}
    assert store.example("quick") is None


def test_foreign_text_never_stops_a_commit(store: Store) -> None:
    """Quotes, NUL, newlines, all planes and half a surrogate pair in names are stored, not interpreted."""
    nasty = "'; DROP TABLE series; -- \x00\n\u202e\U0001f4a9"
    broken = "half \ud83d"
    keys: list[SeriesKey] = [OperationKey(Service("p", nasty, "s"), "", nasty),
                             LogKey(Service("p", "n", broken), "warn")]
    store.commit(Commit(keyed([(NOON_S, 0, counts(1), {}), (NOON_S, 1, counts(2), {})], keys=keys),
                        [Entity(nasty, 0, 1), Entity(broken, 0, 1)], {}, [example(broken), example(nasty)]))
    store.commit(Commit(keyed([(NOON_S, 1, counts(2), {})], keys=list(keys))))
    found = as_rows(store.rollups(0, 4e9, 10, LADDER))
    assert keys[0] in [row[0] for row in found]
    assert sorted(row[2][0] for row in found) == [1, 4]
    assert store.example(nasty) is not None


def test_readers_see_whole_commits_while_the_writer_and_compaction_go_on(store: Store) -> None:
    """With commits, compactions and reads at once, a read never sees a part of a commit, nor a count twice."""
    stop, wrong = threading.Event(), []

    def reading() -> None:
        while not stop.is_set():
            calls = total_calls(store)
            if calls % 10:
                wrong.append(calls)

    readers = [threading.Thread(target=reading) for _ in range(2)]
    for reader in readers:
        reader.start()
    for turn in range(40):
        start_s = NOON_S - turn * 600
        rows = [(start_s - 1800 * i, i % len(KEYS), counts(1), {i: 1.0}) for i in range(10)]
        store.commit(Commit(keyed(rows)))
        if turn % 5 == 0:
            store.compact(NOON_S)
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    assert total_calls(store) == 400


SMALL = Retention((Tier(10, 60), Tier(30, 300), Tier(120, 10_000_000)))
cells = st.dictionaries(st.integers(0, 5), st.integers(-3, 9).map(float), max_size=3)
row = st.tuples(st.integers(0, 120).map(lambda n: n * 10), st.integers(0, 4),
                st.integers(-5, 50).map(lambda n: counts(n, n / 2)), cells)
step = st.one_of(st.lists(row, max_size=6), st.integers(0, 2000).map(float))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(step, max_size=12), window_s=st.sampled_from([10, 30, 50, 120, 240]),
       span=st.tuples(st.integers(0, 1300), st.integers(0, 1300)))
def test_any_order_of_commits_and_compactions_keeps_every_count(
    opened: Opener, steps: list[object], window_s: int, span: tuple[int, int]
) -> None:
    """The sum over any span of whole windows is the sum of what was committed there, cell by cell."""
    store, committed = opened(SMALL), []
    for what in steps:
        if isinstance(what, float):
            store.compact(what)
        else:
            assert isinstance(what, list)
            committed += what
            store.commit(Commit(keyed(what)))
    found = store.rollups(min(span), max(span), window_s, LADDER)
    assert found.batch.window_s % window_s == 0
    assert _sums(as_rows(found)) == _expected(committed, found.batch, span)
    assert found.batch.series.tolist() == sorted(found.batch.series.tolist())


def _sums(rows: list[tuple[SeriesKey, int, list[float], dict[int, float]]]) -> dict[object, float]:
    cells = {(key, start, place): n for key, start, values, _ in rows for place, n in enumerate(values)}
    cells |= {(key, start, "bucket", b): n for key, start, _, hist in rows for b, n in hist.items()}
    assert len({(key, start) for key, start, _, _ in rows}) == len(rows)
    return {cell: n for cell, n in cells.items() if n}


def _expected(committed: list[tuple[int, int, list[float], dict[int, float]]], batch: RollupBatch,
              span: tuple[int, int]) -> dict[object, float]:
    window_s, sums = batch.window_s, {}
    for start, place, values, hist in committed:
        window = start - start % window_s
        if window + window_s > min(span) and window < max(span) and min(span) < max(span):
            for cell, n in [*(((KEYS[place], window, i), n) for i, n in enumerate(values)),
                            *(((KEYS[place], window, "bucket", b), n) for b, n in hist.items())]:
                sums[cell] = sums.get(cell, 0.0) + n
    return {cell: n for cell, n in sums.items() if n}


def test_frozen_moment_sees_nothing_of_later(store: Store) -> None:
    """What is committed or moved after the moment is not seen in it, by a thread of its own either; others see it."""
    store.commit(Commit(keyed([(NOON_S, 0, counts(1), {})])))
    with store.frozen() as moment:
        store.commit(Commit(keyed([(NOON_S, 0, counts(2), {}), (NOON_S + 10, 1, counts(4), {})])))
        store.compact(NOON_S + 30 * 86400.0)
        with ThreadPoolExecutor(1) as thread:
            found = thread.submit(moment.rollups, NOON_S - 3600, NOON_S + 3600, 3600, LADDER).result()
            seen = thread.submit(moment.seen, 0, 4e9).result()
    assert ([row[2][0] for row in as_rows(found)], list(seen)) == ([1.0], KEYS[:1])
    assert (total_calls(store, window_s=3600), set(store.seen(0, 4e9))) == (7.0, set(KEYS[:2]))
    assert list(store.seen(0, NOON_S - 7200)) == []
