"""Calendar and rolling periods: where they begin and end in the zones of the world."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topology.slo.objectives import Period
from topology.slo.period import period_bounds

DAY_S = 86400
FIRST, LAST = datetime.fromisoformat("2020-01-01"), datetime.fromisoformat("2030-12-31")
ZONES = ["UTC", "Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Asia/Shanghai", "Africa/Casablanca"]


def calendar(length: str, start: str, zone: str = "UTC") -> Period:
    """A calendar period; its length in seconds is only a guess for it."""
    days = {"m": 1 / 1440, "h": 1 / 24, "d": 1, "w": 7, "M": 30, "Q": 90, "Y": 365}
    return Period(length, int(int(length[:-1]) * days[length[-1]] * DAY_S), False, start, ZoneInfo(zone))


def at(text: str, zone: str = "UTC") -> float:
    """A local time as epoch seconds."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def bounds(period: Period, at_s: float) -> tuple[str, str]:
    """From when to when, in local time."""
    begin, end = (datetime.fromtimestamp(s, period.zone) for s in period_bounds(period, at_s))
    return begin.strftime("%Y-%m-%d %H:%M"), end.strftime("%Y-%m-%d %H:%M")


def test_rolling_is_the_newest_length():
    """30 days before now, to now."""
    assert period_bounds(Period("30d", 30 * DAY_S), 5e9) == (5e9 - 30 * DAY_S, 5e9)


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_a_day_follows_the_clock(day, hours):
    """In Vienna the day on which the clock goes forward has 23 hours, the one on which it goes back 25."""
    period = calendar("1d", "2026-01-01 00:00:00", "Europe/Vienna")
    begin, end = period_bounds(period, at(f"{day} 12:00", "Europe/Vienna"))
    assert (end - begin) / 3600 == hours


def test_a_month_begins_on_its_day_or_the_last_one():
    """From the 31st of January on: 28 or 29 February, 31 March, 30 April."""
    period = calendar("1M", "2026-01-31 00:00:00")
    assert bounds(period, at("2026-02-15")) == ("2026-01-31 00:00", "2026-02-28 00:00")
    assert bounds(period, at("2026-02-28")) == ("2026-02-28 00:00", "2026-03-31 00:00")
    assert bounds(period, at("2026-04-30")) == ("2026-04-30 00:00", "2026-05-31 00:00")
    assert bounds(period, at("2028-02-29")) == ("2028-02-29 00:00", "2028-03-31 00:00")


def test_quarters_and_years():
    """A quarter is three months; a year that began on 29 February begins on 28 February in between."""
    assert bounds(calendar("1Q", "2025-11-30 08:00:00"), at("2026-01-01")) == ("2025-11-30 08:00", "2026-02-28 08:00")
    leap = calendar("1Y", "2024-02-29 00:00:00")
    assert bounds(leap, at("2026-02-27")) == ("2025-02-28 00:00", "2026-02-28 00:00")
    assert bounds(leap, at("2028-03-01")) == ("2028-02-29 00:00", "2029-02-28 00:00")


def test_a_week_of_a_working_calendar():
    """Weeks from Monday 09:00 in New York stay at 09:00 through the change of the clock."""
    period = calendar("1w", "2026-03-02 09:00:00", "America/New_York")
    assert bounds(period, at("2026-03-09 08:59", "America/New_York")) == ("2026-03-02 09:00", "2026-03-09 09:00")
    begin, end = period_bounds(period, at("2026-03-03", "America/New_York"))
    assert end - begin == 7 * DAY_S - 3600


def test_a_time_that_the_clock_skips_or_shows_twice():
    """02:30 is skipped on 29 March in Vienna: the day begins an hour later; on 25 October the first 02:30 counts."""
    period = calendar("1d", "2026-01-01 02:30:00", "Europe/Vienna")
    assert bounds(period, at("2026-03-29 12:00", "Europe/Vienna")) == ("2026-03-29 03:30", "2026-03-30 02:30")
    begin, _ = period_bounds(period, at("2026-10-25 12:00", "Europe/Vienna"))
    assert datetime.fromtimestamp(begin, UTC) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_before_its_start_the_calendar_goes_back():
    """A moment before the first period lies in one of those that would have been."""
    assert bounds(calendar("1M", "2026-05-01 00:00:00"), at("2026-02-10")) == ("2026-02-01 00:00", "2026-03-01 00:00")


def test_hours_are_lengths():
    """Twelve hours are twelve hours, also through the night of the change."""
    period = calendar("12h", "2026-03-28 18:00:00", "Europe/Vienna")
    begin, end = period_bounds(period, at("2026-03-29 03:00", "Europe/Vienna"))
    assert end - begin == 12 * 3600


def test_a_length_that_is_none_is_refused():
    """A length that OpenSLO does not know names itself."""
    with pytest.raises(ValueError, match="1x"):
        period_bounds(Period("1x", DAY_S, rolling=False, start="2026-01-01 00:00:00"), 0.0)


def plain_borders(length: str, start: datetime, until: datetime):
    """Local borders one after the other, by counting days and by walking from month to month."""
    count, unit = int(length[:-1]), length[-1]
    if unit in "dw":
        here = start
        while here <= until:
            yield here
            here += timedelta(days=count * (7 if unit == "w" else 1))
        return
    year, month, step = start.year, start.month, count * {"M": 1, "Q": 3, "Y": 12}[unit]
    while start.replace(year=year, month=month, day=1) <= until:
        day = start.day
        while True:
            try:
                yield start.replace(year=year, month=month, day=day)
                break
            except ValueError:
                day -= 1
        for _ in range(step):
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(["1d", "3d", "1w", "2w", "1M", "2M", "1Q", "1Y"]),
    st.datetimes(FIRST, LAST - timedelta(days=6 * 365)).map(lambda moment: moment.replace(microsecond=0)),
    st.sampled_from(ZONES),
    st.integers(0, 4 * 365 * DAY_S),
)
def test_periods_follow_each_other_as_a_plain_walk_says(length, start, zone, later_s):
    """Every moment lies in the one period that walking from the start border by border finds; periods leave no gap."""
    period, first_s = calendar(length, start.isoformat(sep=" "), zone), at(start.isoformat(), zone)
    moment_s = first_s + later_s
    borders = [local.replace(tzinfo=ZoneInfo(zone)).timestamp() for local in plain_borders(length, start, LAST)]
    expected = max(border for border in borders if border <= moment_s), min(b for b in borders if b > moment_s)
    assert period_bounds(period, moment_s) == expected
    assert period_bounds(period, expected[1])[0] == expected[1]
