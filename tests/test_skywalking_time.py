"""An OAP's own clock: half-hour zones, midnights, changes of the clocks, the limit of points; and the latencies it
tells, as calls by bucket."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.skywalking.latency import Spreader, quantiles_ms
from collectors.skywalking.server_time import MINUTE_S, MOST_POINTS, ServerZone, offset
from topology.histogram import ladder

DAY_S = 86_400
PERCENTILES = st.lists(st.integers(0, 2000), min_size=5, max_size=5).map(
    lambda ranks: tuple(float(rank * 10) for rank in sorted(ranks)))  # fmt: skip


def at(text: str) -> int:
    """The epoch second of a time written in UTC."""
    return int(datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC).timestamp())


def learnt(text: str, at_s: float = 0.0) -> ServerZone:
    """A zone that the server has told."""
    zone = ServerZone()
    zone.learn(at_s, text)
    return zone


@pytest.mark.parametrize(("text", "minutes"), [("+0530", 330), ("-0330", -210), ("+0000", 0), ("+1245", 765)])
def test_offsets_have_minutes(text: str, minutes: int) -> None:
    """`+0530` is five hours and a half, and not 530 hundredths."""
    assert offset(text).utcoffset(None).total_seconds() == minutes * 60


@pytest.mark.parametrize("text", ["Z", "0530", "+5", "Asia/Kolkata"])
def test_what_is_no_offset_is_refused(text: str) -> None:
    """A zone that is none is not guessed."""
    with pytest.raises(ValueError, match=re.escape(text)):
        offset(text)


def test_minutes_are_written_on_the_servers_clock() -> None:
    """The same minute is another string in another zone."""
    (stretch,) = learnt("+0530").stretches(at("2026-11-21 04:42"), at("2026-11-21 04:45"))
    assert stretch.duration == {"start": "2026-11-21 1012", "end": "2026-11-21 1014", "step": "MINUTE"}
    assert (stretch.minutes, stretch.end_s) == (3, at("2026-11-21 04:45"))


def test_a_window_is_cut_at_the_servers_midnight() -> None:
    """Midnight in Kolkata is half past six in the evening, UTC."""
    first, second = learnt("+0530").stretches(at("2026-11-21 18:28"), at("2026-11-21 18:33"))
    assert (first.end, first.minutes) == ("2026-11-21 2359", 2)
    assert (second.start, second.minutes) == ("2026-11-22 0000", 3)


@settings(deadline=None)
@given(st.integers(-14 * 4, 14 * 4), st.integers(0, 3 * DAY_S // 60), st.integers(0, 1500))
def test_stretches_are_the_window_cut_where_it_must_be(quarters: int, start: int, length: int) -> None:
    """They cover every minute once and in order, none is too long, and none goes on after a midnight of the server."""
    sign, away = "-" if quarters < 0 else "+", abs(quarters) * 15
    zone = learnt(f"{sign}{away // 60:02d}{away % 60:02d}")
    from_s = at("2026-11-20 00:00") + start * MINUTE_S
    stretches = zone.stretches(from_s, from_s + length * MINUTE_S)
    minutes = [each.start_s + step * MINUTE_S for each in stretches for step in range(each.minutes)]
    assert minutes == [*range(from_s, from_s + length * MINUTE_S, MINUTE_S)]
    assert all(0 < each.minutes <= MOST_POINTS and each.start[:10] == each.end[:10] for each in stretches)


def test_a_named_zone_knows_its_past() -> None:
    """The clocks of Berlin went back on 25 October 2026 at 01:00 UTC: each side is written on its own clock."""
    before, after = ServerZone("Europe/Berlin").stretches(at("2026-10-25 00:58"), at("2026-10-25 01:02"))
    assert (before.start, before.end) == ("2026-10-25 0258", "2026-10-25 0259")
    assert (after.start, after.end) == ("2026-10-25 0200", "2026-10-25 0201")


def test_a_change_of_the_clocks_is_learnt() -> None:
    """A server that says another offset than before has changed its clock at the half hour before; earlier minutes are
    still written as they were."""
    zone = learnt("+0200", at("2026-10-25 00:40"))
    zone.learn(at("2026-10-25 01:00") + 20, "+0100")
    before, after = zone.stretches(at("2026-10-25 00:58"), at("2026-10-25 01:02"))
    assert (before.end, after.start) == ("2026-10-25 0259", "2026-10-25 0200")


def test_searches_are_cut_by_day() -> None:
    """A time box over two midnights is three, with seconds."""
    zone = learnt("+0530")
    days = zone.days(at("2026-11-20 12:00"), at("2026-11-22 12:00"))
    assert [end for _, end in days] == [at("2026-11-20 18:30"), at("2026-11-21 18:30"), at("2026-11-22 12:00")]
    assert all(left[1] == right[0] for left, right in pairwise(days))
    assert zone.box(*days[0]) == {"start": "2026-11-20 173000", "end": "2026-11-20 235959", "step": "SECOND"}


@given(st.integers(1, 100_000), PERCENTILES, st.one_of(st.none(), st.floats(0, 30_000)))
def test_every_call_falls_into_one_bucket(calls: int, ranks: tuple[float, ...], mean_ms: float | None) -> None:
    """The buckets are whole numbers and add up to the calls."""
    buckets = Spreader(ladder()).spread(calls, mean_ms, ranks)
    assert sum(buckets.values()) == calls
    assert all(n == int(n) > 0 for n in buckets.values())


@given(PERCENTILES)
def test_percentiles_read_back_are_those_told(ranks: tuple[float, ...]) -> None:
    """What is read from the buckets is within the ten milliseconds of what OAP says and the width of a bucket."""
    steps = ladder()
    counts = np.zeros((1, steps.buckets))
    for bucket, n in Spreader(steps).spread(100_000, None, ranks).items():
        counts[0, bucket] = n
    found_ms = steps.quantiles_us(counts, (0.5, 0.75, 0.9, 0.95, 0.99))[0] / 1000
    for told, read in zip(ranks, found_ms.tolist(), strict=True):
        assert told * 0.9 - 1 <= read <= (told + 10) * 1.1 + 1


def test_the_mean_decides_where_in_ten_milliseconds() -> None:
    """All percentiles of 30 with a mean of 31 are durations of 31 ms."""
    assert quantiles_ms((30.0,) * 5, 31.0) == pytest.approx([31.0] * 7, abs=0.01)
    assert quantiles_ms((0.0,) * 5, 2.0) == pytest.approx([2.0] * 7, abs=0.01)


def test_without_percentiles_there_is_only_the_mean() -> None:
    """All calls fall where the mean is; without a mean none does."""
    steps = ladder()
    assert dict(Spreader(steps).spread(7, 20.0, None)) == {int(steps.bucket(20_000)): 7.0}
    assert dict(Spreader(steps).spread(7, None, None)) == {}
