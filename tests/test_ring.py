"""The ring: running sums that always equal what they are the sums of, whatever comes when."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from topology.grouping import grouped
from topology.histogram import ladder
from topology.ring import Ring, Totals
from topology.rollup import RollupBatch, from_rows

LADDER = ladder([1_000_000])
START_S = 1_800_000_000
SPANS_S = (30, 60, 120)
KEEP_S = 200

deltas = st.tuples(
    st.integers(-400, 60),
    st.integers(0, 5),
    st.sampled_from([1.0, 2.5, 10 / 3, 1e6 / 7]),
    st.integers(0, LADDER.buckets - 1),
)
steps = st.lists(st.tuples(st.integers(0, 45), st.lists(deltas, max_size=4)), min_size=1, max_size=25)


def batch(now_s: int, rows: list[tuple[int, int, float, int]]) -> RollupBatch:
    """Calls of (seconds from now, series, weight, bucket)."""
    return from_rows(
        10,
        [((now_s + at) // 10 * 10, series, [n, 0, 0, 0, n * 7, 0, 1], {bucket: n}) for at, series, n, bucket in rows],
    )


def same(a: Totals, b: Totals) -> bool:
    """Whether the totals are alike, and what is nothing in one is exactly nothing in the other."""
    pairs = ((a.counts, b.counts), (a.buckets, b.buckets))
    return all(
        x.shape == y.shape and np.allclose(x, y, rtol=1e-9, atol=1e-6) and ((x == 0) == (y == 0)).all()
        for x, y in pairs
    )


@settings(max_examples=150, deadline=None)
@given(steps, st.lists(st.sets(st.sampled_from(SPANS_S)), min_size=25, max_size=25))
def test_running_sums_equal_the_windows_they_cover(walk, read):
    """For any deltas, late or ahead of time, weighted oddly, any steps of the clock, and whether it was read lately or
    not, every running sum is what adding up its windows anew gives."""
    ring, now_s = Ring(LADDER, keep_s=KEEP_S, spans_s=SPANS_S), START_S
    for (step_s, rows), spans_s in zip(walk, read, strict=False):
        now_s += step_s
        ring.advance(now_s)
        ring.add(batch(now_s, rows))
        newest_s = now_s // 10 * 10
        for span_s in spans_s:
            assert same(ring.last(span_s), ring.between(newest_s - span_s + 10, newest_s + 10))


@settings(max_examples=50, deadline=None)
@given(steps)
def test_renumbered_ring_counts_the_same(walk):
    """Series that get other numbers keep their counts; those that are forgotten are gone from every sum."""
    ring, now_s = Ring(LADDER, keep_s=KEEP_S, spans_s=SPANS_S), START_S
    for step_s, rows in walk:
        now_s += step_s
        ring.advance(now_s)
        ring.add(batch(now_s, rows))
    before = ring.between(0, now_s + 1000)
    new_of = np.array([2, -1, 0, 1, -1, 3])
    ring.renumber(new_of, 4)
    after = ring.between(0, now_s + 1000)
    for old in range(len(before.counts)):
        if new_of[old] >= 0:
            assert np.allclose(after.counts[new_of[old]], before.counts[old])
    assert np.isclose(
        after.counts[:, 0].sum(), sum(before.counts[old, 0] for old in range(len(before.counts)) if new_of[old] >= 0)
    )


def test_sum_of_what_is_gone_is_nothing():
    """After weights of sampled spans left the window there is exactly zero, not the rounding error of many sums."""
    ring = Ring(LADDER, spans_s=(60,))
    for step in range(100):
        ring.advance(START_S + step)
        ring.add(batch(START_S + step, [(0, 0, 10 / 3, 5), (0, 0, 0.1 + step, 5)]))
    ring.advance(START_S + 1000)
    assert not ring.last(60).counts.any()
    assert not ring.last(60).buckets.any()


@settings(deadline=None)
@given(st.lists(st.integers(0, 6)), st.sampled_from([np.int32, np.int64]))
def test_groups_are_those_of_a_stable_sort(numbers, kind):
    """Elements are ordered as a stable sort by their group orders them, and every group starts where it should."""
    group = np.array(numbers, kind)
    order, starts = grouped(group, 7)
    assert order.tolist() == np.argsort(group, kind="stable").tolist()
    assert starts.tolist() == np.searchsorted(np.sort(group), np.arange(8)).tolist()


def test_late_counts_land_in_their_window_and_too_late_ones_nowhere():
    """A delta for a window that is kept counts there; one for a window that is forgotten is left to the store."""
    ring = Ring(LADDER, keep_s=KEEP_S, spans_s=(60,))
    ring.advance(START_S)
    ring.add(batch(START_S, [(-150, 0, 1.0, 0), (-KEEP_S - 10, 1, 1.0, 0), (0, 1, 1.0, 0)]))
    assert ring.between(START_S - 150, START_S - 140).counts[:, 0].tolist() == [1.0, 0.0]
    assert ring.between(0, START_S + 10).counts[:, 0].tolist() == [1.0, 1.0]
    assert ring.last(60).counts[:, 0].tolist() == [0.0, 1.0]


def test_what_comes_late_is_packed_within_a_minute():
    """A settled window is packed at once; what comes later lies beside it for a minute at most, and always counts."""
    ring, late = Ring(LADDER, spans_s=(60,)), batch(START_S - 100, [(0, 0, 1.0, 0), (0, 1, 1.0, 0)])
    held, counted = [], []
    for now_s in range(START_S, START_S + 240, 10):
        ring.advance(now_s)
        ring.add(late)
        held.append(sum(len(part) for part in ring._windows[(START_S - 100) // 10].loose))
        counted.append(ring.between(START_S - 100, START_S - 90).counts[:, 0].tolist())
    assert held[0] == 0
    assert max(held) == 12
    assert held.count(2) == 4
    assert counted == [[float(n), float(n)] for n in range(1, 25)]


def test_rows_of_chosen_series_come_window_by_window():
    """`rows` gives the windows of the asked series only, in order of time."""
    ring = Ring(LADDER, spans_s=(60,))
    ring.advance(START_S)
    ring.add(batch(START_S, [(0, 0, 1.0, 0), (-20, 1, 2.0, 0), (-10, 1, 3.0, 0), (-10, 1, 1.0, 1)]))
    rows = ring.rows(START_S - 60, START_S + 10, np.array([1], np.int32))
    assert list(zip(rows.starts_s.tolist(), rows.counts[:, 0].tolist(), strict=True)) == [
        (START_S - 20, 2.0),
        (START_S - 10, 4.0),
    ]


def test_clock_that_goes_back_moves_nothing():
    """A clock set back neither loses nor doubles counts."""
    ring = Ring(LADDER, spans_s=(60,))
    ring.advance(START_S)
    ring.add(batch(START_S, [(0, 0, 1.0, 0)]))
    ring.advance(START_S - 500)
    ring.advance(START_S)
    assert ring.last(60).counts[0, 0] == 1.0
