"""Which minutes of a source are asked for: newest first, none twice for good, none left out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.runner.coverage import Coverage, Span, newest
from collectors.config import Pace
from topology.errors import MalformedInput

PACE = Pace(interval_s=30, overlap_s=300, settle_s=5, catch_up_s=7200)
STEPS = st.lists(st.tuples(st.integers(20, 4000), st.integers(0, 3)), min_size=1, max_size=30)


def test_newest_minutes_are_over_and_settled():
    """A minute is first asked for when it is over and what belongs to it had time to come."""
    assert newest(1_800_000_000 + 64.9, PACE) == Span(1_799_999_700, 1_800_000_000)
    assert newest(1_800_000_000 + 65, PACE) == Span(1_799_999_760, 1_800_000_060)


@settings(max_examples=200)
@given(STEPS)
def test_every_minute_is_read_once_after_it_could_change(steps):
    """Whatever the outages, once the past is caught up with every minute of it was read last when it was older than
    half the overlap; and no minute is read again after it was read for good."""
    now_s, coverage, read_at = 1_800_000_000.0, Coverage(), {}
    for wait_s, pieces in [*steps, (35, 1000)]:
        now_s += wait_s
        span = newest(now_s, PACE)
        coverage = coverage.after_live(span)
        read_at |= dict.fromkeys(range(span.from_s, span.to_s, 60), now_s)
        for _ in range(pieces):
            gap = coverage.gap(now_s, PACE)
            if gap is None:
                break
            assert all(gap.to_s <= known.from_s or gap.from_s >= known.to_s for known in coverage.final)
            coverage = coverage.after_past(gap)
            read_at |= dict.fromkeys(range(gap.from_s, gap.to_s, 60), now_s)
        coverage = Coverage.read(coverage.content(now_s))
    assert coverage.gap(now_s, PACE) is None
    assert coverage.missing_s(now_s, PACE) == 0
    oldest_s = -(-int(now_s - PACE.catch_up_s) // 60) * 60
    minutes = range(oldest_s, span.from_s, 60)
    assert set(minutes) <= read_at.keys()
    assert [m for m in minutes if read_at[m] - (m + 60) < PACE.overlap_s / 2] == []


def test_past_is_read_newest_first_and_piece_by_piece():
    """After an outage the minutes next to now come first, a quarter of an hour at a time."""
    coverage = Coverage((Span(1_799_990_000 // 60 * 60, 1_799_995_020),), Span(1_799_999_700, 1_800_000_000))
    now_s, found = 1_800_000_010.0, []
    while (gap := coverage.gap(now_s, PACE)) is not None:
        found.append(gap)
        coverage = coverage.after_past(gap)
    inside = [gap for gap in found if gap.from_s >= 1_799_995_020]
    assert inside[0] == Span(1_799_998_800, 1_799_999_700)
    assert [gap.to_s for gap in found] == sorted((gap.to_s for gap in found), reverse=True)
    assert max(gap.minutes for gap in found) == 15


def test_gap_begins_with_what_was_not_read_again_before_the_outage():
    """Minutes that were new when a source went away are read again when it is back; the older half is not."""
    coverage = Coverage().after_live(Span(600, 900)).after_live(Span(9000, 9300))
    assert coverage.final == (Span(600, 720),)
    assert coverage.gap(9310, PACE) == Span(8100, 9000)
    for _ in range(100):
        gap = coverage.gap(9310, PACE)
        if gap is None:
            break
        coverage = coverage.after_past(gap)
    assert coverage.final == (Span(600, 720), Span(2160, 9000))
    assert coverage.missing_s(9310, PACE) == 0


def test_clock_that_goes_back_takes_nothing_back():
    """What is read for good stays so when the clock jumps."""
    before = Coverage().after_live(Span(600, 900)).after_live(Span(660, 960))
    assert before.final == (Span(600, 660),)
    assert before.after_live(Span(300, 600)) == before


def test_damaged_checkpoint_is_refused():
    """A checkpoint that is none says so, and nothing is one too."""
    assert Coverage.read(None) == Coverage()
    for damaged in (b"", b"[]", b'{"final": 3, "live": null}', b'{"final": [[1]], "live": null}'):
        with pytest.raises(MalformedInput):
            Coverage.read(damaged)
