"""Minutes that are told again: what is added up is the last word on each."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from topology.readings import Readings, by_minute
from topology.rollup import COUNTS, RollupBatch, concatenate, from_rows

MINUTES = (600, 660, 720)
CELLS = st.dictionaries(st.integers(0, 5), st.integers(1, 9), max_size=3)
SAID = st.dictionaries(st.integers(0, 6), st.tuples(st.integers(1, 50), st.integers(0, 5), CELLS), max_size=6)
TOLD = st.lists(st.tuples(st.sampled_from(["oap", "logs"]), st.sampled_from(MINUTES), SAID, st.booleans()), max_size=12)


def batch(start_s: int, said: dict) -> RollupBatch:
    """A minute as a source tells it: (calls, errors, buckets) by series."""
    return from_rows(60, [(start_s, number, [calls, errors, *[0.0] * 5], cells)
                          for number, (calls, errors, cells) in said.items()])  # fmt: skip


def sums(batches: list[RollupBatch]) -> dict:
    """Everything that was added, by minute and series, without zeros."""
    found: dict = {}
    for added in batches:
        for row, (start_s, number) in enumerate(zip(added.starts_s.tolist(), added.series.tolist(), strict=True)):
            counts = found.setdefault((start_s, number), [np.zeros(len(COUNTS)), {}])
            counts[0] += added.counts[row]
            for cell in np.flatnonzero(added.hist_row == row):
                bucket = int(added.hist_bucket[cell])
                counts[1][bucket] = counts[1].get(bucket, 0) + float(added.hist_n[cell])
    kept = {key: (tuple(counts), {b: n for b, n in cells.items() if n}) for key, (counts, cells) in found.items()}
    return {key: value for key, value in kept.items() if any(value[0]) or value[1]}


@settings(max_examples=300)
@given(TOLD)
def test_sums_of_all_differences_are_the_last_word(told):
    """Whatever a source told of a minute before, and however often, what counts is what it told last; where that was
    not complete, what it did not name stays."""
    readings, added, last = Readings(), [], {}
    for source, start_s, said, complete in told:
        said = {number + 10 * (source == "logs"): value for number, value in said.items()}
        added.append(readings.replace(source, start_s, batch(start_s, said), complete))
        last[source, start_s] = said if complete else last.get((source, start_s), {}) | said
    expected = sums([batch(start_s, said) for (_, start_s), said in last.items()])
    assert sums(added) == expected


def test_same_words_again_add_nothing():
    """A minute that is told as before is no row at all."""
    readings = Readings()
    said = batch(600, {1: (5, 1, {3: 5}), 2: (7, 0, {})})
    readings.replace("oap", 600, said)
    assert len(readings.replace("oap", 600, said)) == 0


def test_minute_that_was_forgotten_is_new_unless_it_is_recalled():
    """What a store has of a minute is recalled, so that telling it again adds nothing."""
    readings = Readings()
    said = batch(600, {1: (5, 1, {3: 5})})
    readings.replace("oap", 600, said)
    readings.forget_before("oap", 660)
    assert not readings.knows("oap", 600)
    readings.recall("oap", 600, said)
    assert len(readings.replace("oap", 600, said)) == 0


def test_minutes_keep_their_meaning_under_other_numbers():
    """After series were given other numbers, telling a minute again is compared with the same series."""
    readings = Readings()
    readings.replace("oap", 600, batch(600, {1: (5, 1, {3: 5}), 2: (7, 0, {})}))
    readings.renumber(np.array([-1, 0, 4]))
    assert sums([readings.replace("oap", 600, batch(600, {0: (6, 1, {3: 5}), 4: (7, 0, {})}))]) == {
        (600, 0): ((1.0, *[0.0] * 6), {})
    }


def test_rows_of_ten_seconds_are_told_apart_by_minutes():
    """Stored windows of any length up to a minute come back as one row a series and minute."""
    fine = from_rows(10, [(600, 1, [1.0] * 7, {2: 1}), (650, 1, [2.0] * 7, {2: 2}), (660, 1, [4.0] * 7, {})])
    found = by_minute(fine)
    assert sums(list(found.values())) == {(600, 1): ((3.0,) * 7, {2: 3.0}), (660, 1): ((4.0,) * 7, {})}
    assert sums([concatenate(list(found.values()))]) == sums(list(found.values()))
