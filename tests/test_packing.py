"""Packed windows: every count comes back as it was, in few bytes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from topology.histogram import ladder
from topology.packing import add_packed, numbers, pack, unpack
from topology.rollup import COUNTS, RollupBatch, coarsen, from_rows

BUCKETS = ladder([1_000_000]).buckets
START_S = 1_800_000_000
SERIES = 3000

counts = st.one_of(
    st.integers(0, 300).map(float),
    st.integers(0, 2**53).map(float),
    st.sampled_from([-1.0, 10 / 3, 1e-300, -0.25, 2.0**60, 1e300]),
)
cells = st.dictionaries(st.integers(0, BUCKETS - 1), counts.filter(bool), max_size=20)
windows = st.dictionaries(
    st.integers(0, SERIES - 1),
    st.tuples(st.lists(counts, min_size=len(COUNTS), max_size=len(COUNTS)), cells),
    max_size=12,
)


def window(rows: dict[int, tuple[list[float], dict[int, float]]]) -> RollupBatch:
    """One window with these counts and cells by series."""
    return coarsen(from_rows(10, [(START_S, series, *row) for series, row in rows.items()]), 10)


def same(a: RollupBatch, b: RollupBatch) -> bool:
    """Whether two batches hold the same rows, to the last bit."""
    names = ("starts_s", "series", "counts", "hist_row", "hist_bucket", "hist_n")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)


@settings(max_examples=300, deadline=None)
@given(windows)
def test_what_was_packed_comes_back_exactly(rows):
    """Whole and broken, negative and huge counts: unpacking gives the bits that were packed."""
    before = window(rows)
    packed = pack(before)
    assert same(unpack(packed, 10, np.ones(SERIES, bool)), before)
    assert numbers(packed).tolist() == sorted(rows)


@settings(max_examples=100, deadline=None)
@given(windows, st.integers(0, SERIES))
def test_only_chosen_series_are_unpacked(rows, most):
    """Series that were not asked for, or are not known to who asks, are passed over."""
    packed = pack(window(rows))
    chosen = np.zeros(most, bool)
    chosen[::2] = True
    wanted = {series: row for series, row in rows.items() if series < most and series % 2 == 0}
    assert same(unpack(packed, 10, chosen), window(wanted))


@settings(max_examples=100, deadline=None)
@given(windows)
def test_adding_packed_rows_is_adding_their_counts(rows):
    """Sums over a packed window equal sums over its rows; taking it away again leaves nothing at all."""
    before = window(rows)
    packed, sums, buckets = pack(before), np.zeros((SERIES, len(COUNTS))), np.zeros((SERIES, BUCKETS))
    add_packed(packed, 1.0, 0.0, sums, buckets)
    assert np.array_equal(sums[before.series], before.counts)
    assert np.array_equal(buckets[before.series[before.hist_row], before.hist_bucket], before.hist_n)
    add_packed(packed, -1.0, 1e-3, sums, buckets)
    assert not sums.any()
    assert not buckets.any()


def test_busy_series_takes_few_bytes():
    """A series with the usual counts and twelve buckets takes less than thirty bytes; unpacked it takes over 200."""
    cells = {40 + at: float(n) for at, n in enumerate((1, 2, 5, 9, 14, 12, 9, 4, 3, 1, 1, 1))}
    rows = {series: ([62.0, 1.0, 0.0, 0.0, 812_345.0, 91_234.0, 62.0], cells) for series in range(1000)}
    assert pack(window(rows)).content.nbytes < 30 * 1000
