"""The grid: what any span counted, whatever came late, early, at once or one by one."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from topology.slo.grid import CELL_S, DAY_S, HOUR_S, MINUTE_S, Grid, Resolution, resolutions
from topology.slo.incidence import Amounts

START_S = 1_800_000_000
SMALL = (Resolution(10, 12), Resolution(60, 15), Resolution(3600, 30), Resolution(86400, 5))
ROWS = 4

amounts = st.tuples(st.integers(-40_000, 90), st.integers(0, ROWS - 1), st.sampled_from([1.0, 3.0, 10 / 3, -1.0]))
walks = st.lists(st.tuples(st.integers(0, 4000), st.lists(amounts, max_size=5)), min_size=1, max_size=12)
Event = tuple[int, int, float]


def given_to(grid: Grid, events: list[Event]) -> None:
    """Adds events of (start, row, value) at once."""
    starts, rows, values = (np.array(column) for column in zip(*events, strict=True))
    grid.add(Amounts(starts.astype(np.int64), rows.astype(np.int64), values.astype(float)))


def counted(events: list[Event], from_s: int, to_s: int) -> np.ndarray:
    """What a span counts, event by event."""
    found = np.zeros(ROWS)
    for start_s, row, value in events:
        found[row] += value if from_s <= start_s < to_s else 0.0
    return found


@settings(max_examples=150, deadline=None)
@given(walks)
def test_every_span_is_the_sum_of_what_started_in_it(walk):
    """For any events, late or ahead of time, and any steps of the clock, a span from one border to another is exactly
    what started between them."""
    grid, now_s, events = Grid(SMALL, ROWS), START_S, []
    for step_s, batch in walk:
        now_s += step_s
        grid.advance(now_s)
        new = [((now_s + at) // CELL_S * CELL_S, row, value) for at, row, value in batch]
        events += new
        if new:
            given_to(grid, new)
    end_s = now_s // CELL_S * CELL_S + CELL_S
    for span_s in (10, 60, 110, 300, 840, 3600, 40_000, 200_000):
        from_s = grid.border_s(end_s - span_s)
        assert from_s <= end_s - span_s
        assert np.allclose(grid.between(end_s - span_s, end_s)[:ROWS], counted(events, from_s, end_s))
    assert grid.border_s(end_s - 100) == end_s - 100, "the newest borders are ten seconds apart"


@settings(max_examples=60, deadline=None)
@given(st.lists(amounts, min_size=1, max_size=20), st.randoms())
def test_order_of_what_comes_does_not_matter(batch, rng):
    """The same events in another order, in other batches and at other times of the clock give the same totals."""
    events = [((START_S + at) // CELL_S * CELL_S, row, float(round(value))) for at, row, value in batch]
    at_once = Grid(SMALL, ROWS)
    at_once.advance(START_S + 600)
    given_to(at_once, events)
    one_by_one = Grid(SMALL, ROWS)
    one_by_one.advance(START_S - 50_000)
    for number, event in enumerate(rng.sample(events, len(events))):
        one_by_one.advance(START_S + 20 * number)
        given_to(one_by_one, [event])
    one_by_one.advance(START_S + 600)
    for span_s in (30, 110, 600, 840, 7200, 80_000):
        start_s = START_S + 600 - span_s
        assert (at_once.between(start_s, START_S + 610) == one_by_one.between(start_s, START_S + 610)).all()


def test_new_rows_find_room_and_old_ones_stay():
    """Growing keeps what was counted; a new row has counted nothing."""
    grid = Grid(SMALL, ROWS)
    grid.advance(START_S)
    given_to(grid, [(START_S - 30, 2, 5.0)])
    grid.ensure(1000)
    given_to(grid, [(START_S, 999, 1.0)])
    found = grid.between(START_S - 60, START_S + 10)
    assert (found[2], found[999], found.sum()) == (5, 1, 6)


def test_hours_of_the_period_are_what_was_counted_in_each():
    """The hours of a row add up to its total, the one in progress included."""
    grid = Grid(SMALL, ROWS)
    grid.advance(START_S)
    given_to(grid, [(START_S - 5 * HOUR_S, 1, 3.0), (START_S - HOUR_S, 1, 2.0), (START_S, 1, 1.0)])
    first_s, hours = grid.hours()
    column = {first_s + HOUR_S * number: count for number, count in enumerate(hours[:, 1].tolist()) if count}
    assert column == {START_S - 5 * HOUR_S: 3, START_S - HOUR_S: 2, START_S: 1}


def test_memory_of_a_row_is_what_is_promised():
    """With thirty days a row takes less than 48 KB, most of it minutes of three days; an objective has two rows."""
    grid = Grid(resolutions(30 * DAY_S), 100)
    assert grid.bytes / grid.room < 48_000
    minutes = next(r for r in resolutions(30 * DAY_S) if r.step_s == MINUTE_S)
    assert minutes.borders > 3 * DAY_S // MINUTE_S
