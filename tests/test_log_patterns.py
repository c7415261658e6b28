"""Patterns of error lines: what is one, what is new, what outlives a restart, and what is forgotten."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.logs.patterns import KEPT_CHARS, LogPatterns, Said
from app.logs.templates import Templates, fixed_words
from topology import log_patterns
from topology.log_patterns import KNOWN_FOR_S, Pattern, PatternTable
from topology.model import Service

NOW_S = 1_800_000_000.0
ORDERS, PAYMENTS = Service("prod", "", "orders"), Service("prod", "", "payments")


def said(body: str, at_s: float = NOW_S, service: Service = ORDERS) -> Said:
    """An error line."""
    return Said(service, "error", body, at_s)


def templates(patterns: LogPatterns, from_s: float = NOW_S - 3600, to_s: float = NOW_S + 60) -> dict[str, int]:
    """Lines by template."""
    return {one["template"]: one["count"] for one in patterns.patterns(None, from_s, to_s)}


def test_lines_that_differ_in_what_varies_are_one_pattern():
    """Numbers, ids and addresses, and words that differ between lines that are else alike, are taken out."""
    patterns = LogPatterns()
    patterns.note([said(f"could not reserve stock for order {7000 + n}: timeout after {n * 3}ms") for n in range(20)])
    patterns.note([said(f"connection to 10.0.3.{n}:5432 refused\n  at com.example.Shop({n})") for n in range(5)])
    patterns.note([said(f"user {name} not found") for name in ("anna", "bob", "carl")])
    patterns.note([said("request 4bf92f3577b34da6a3ce929d0e0e4736 failed"), said("card 453957******1486 refused")])
    assert templates(patterns) == {
        "could not reserve stock for order <number>: timeout after <number>ms": 20,
        "connection to <address> refused": 5, "user <*> not found": 3, "request <id> failed": 1,
        "card <number> refused": 1,
    }


def test_services_have_patterns_of_their_own():
    """The same words of two services are two patterns, and each is listed for its own."""
    patterns = LogPatterns()
    patterns.note([said("out of memory"), said("out of memory", service=PAYMENTS)])
    found = patterns.patterns({ORDERS.id}, NOW_S - 60, NOW_S + 60)
    assert [(one["service"], one["template"]) for one in found] == [("prod//orders", "out of memory")]
    assert len(patterns.patterns(None, NOW_S - 60, NOW_S + 60)) == 2


def test_a_pattern_is_new_for_an_hour_and_nothing_is_while_a_service_is_learnt():
    """What is first said long after its service was first heard is new, for an hour, and is listed first."""
    patterns = LogPatterns()
    patterns.note([said(f"old trouble {n}", NOW_S - 7200 + n) for n in range(9)])
    patterns.note([said("early trouble of another kind", NOW_S - 7000)])
    patterns.note([said("a fault nobody has seen", NOW_S - 600)])
    patterns.note([said("old trouble 7", NOW_S - 60) for _ in range(5)])

    def new(to_s: float) -> dict[str, bool]:
        return {one["template"]: one["is_new"] for one in patterns.patterns(None, NOW_S - 7200, to_s)}

    assert new(NOW_S) == {"a fault nobody has seen": True, "old trouble <number>": False,
                          "early trouble of another kind": False}
    assert next(iter(new(NOW_S))) == "a fault nobody has seen"
    assert not new(NOW_S + 3600)["a fault nobody has seen"]


def test_the_first_error_of_a_service_that_is_long_known_is_new():
    """It was known by its calls or its other lines: silence about errors is no reason to learn. One that is only just
    known is learnt, whoever tells of it."""
    patterns = LogPatterns()
    patterns.note([said("out of memory", NOW_S - 60)])

    def new(since_s: float | None) -> bool:
        found, = patterns.patterns(None, NOW_S - 300, NOW_S, lambda _service: since_s)
        return found["is_new"]

    assert [new(since_s) for since_s in (None, NOW_S - 120, NOW_S - 7200)] == [False, False, True]


def test_patterns_too_many_to_be_kept_with_their_counts_are_not_new_after_a_restart(monkeypatch):
    """Those that were quiet for longest lose their counts, and are known all the same."""
    monkeypatch.setattr("app.logs.patterns.KEPT_CHARS", 160)
    patterns = LogPatterns()
    patterns.note([said(f"{word} fault", NOW_S - 7200 + n) for n, word in enumerate(["a", "b", "c", "d"] * 30)])
    patterns.note([said(f"{word} {word} {word}", NOW_S - 5000) for word in ("one", "two", "three", "four", "five")])
    again = LogPatterns()
    again.restore(patterns.content())
    assert sum(templates(again, NOW_S - 9000).values()) < sum(templates(patterns, NOW_S - 9000).values())
    before = {one["template"]: one["id"] for one in patterns.patterns(None, NOW_S - 9000, NOW_S)}
    again.note([said("a fault")])
    found, = again.patterns(None, NOW_S - 60, NOW_S + 60)
    assert (found["id"], found["count"], found["is_new"]) == (before["a fault"], 1, False)


def test_counts_of_patterns_say_of_how_many_lines_they_are():
    """All patterns of a service together are of so many lines that were read, whichever of them is listed."""
    patterns = LogPatterns()
    patterns.note([said("out of memory"), said("out of memory"), said("disk full"), said("x", service=PAYMENTS)])
    found = patterns.patterns({ORDERS.id}, NOW_S - 60, NOW_S + 60)
    assert [(one["count"], one["lines_read"]) for one in found] == [(2, 3), (1, 3)]


def test_lines_are_counted_by_minute_and_less_finely_later():
    """A window counts its whole minutes; what is older than two hours is counted by the half hour, and no line is lost
    before a day is over."""
    patterns = LogPatterns()
    patterns.note([said("boom", NOW_S - 60 * n) for n in range(300, -1, -1)])
    assert templates(patterns, NOW_S - 300) == {"boom": 6}
    assert templates(patterns, NOW_S - 30_000) == {"boom": 301}
    patterns.note([said("boom", NOW_S + 2 * KNOWN_FOR_S)])
    assert templates(patterns, NOW_S - 30_000, NOW_S + 3 * KNOWN_FOR_S)["boom"] < 301


def test_patterns_outlive_a_restart():
    """Ids, counts, and since when a pattern is known come back, and lines go on to be the same pattern."""
    patterns = LogPatterns()
    patterns.note([said(f"order {n} of user anna lost", NOW_S - 5000 + n) for n in range(3)])
    again = LogPatterns()
    again.restore(patterns.content())
    again.note([said("order 8 of user bob lost", NOW_S)])
    before, after = (one.patterns(None, NOW_S - 6000, NOW_S + 60) for one in (patterns, again))
    assert [one["id"] for one in after] == [one["id"] for one in before]
    assert (after[0]["count"], after[0]["first_seen"]) == (4, before[0]["first_seen"])
    assert again.of(ORDERS, "order 9 of user carl lost") == before[0]["id"]
    assert not after[0]["is_new"]


def test_patterns_are_bounded(monkeypatch):
    """Beyond the bound those are forgotten that were quiet for longest, and what is kept over a restart is bounded."""
    monkeypatch.setattr(log_patterns, "MOST_PATTERNS", 50)
    patterns = LogPatterns()
    words = [f"{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(200)]
    patterns.note([said(f"{word} {word} {word}", NOW_S + n) for n, word in enumerate(words)])
    assert len(templates(patterns, to_s=NOW_S + 300)) == 50
    assert patterns.of(ORDERS, "aa aa aa") == ""
    assert patterns.of(ORDERS, f"{words[-1]} {words[-1]} {words[-1]}") != ""
    assert len(patterns.content()) < 2 * KEPT_CHARS


def test_content_is_the_same_while_nothing_is_new():
    """What is kept over a restart is made anew only after a line."""
    patterns = LogPatterns()
    patterns.note([said("boom")])
    first = patterns.content()
    assert patterns.content() is first
    patterns.note([said("boom")])
    assert patterns.content() is not first


def test_the_words_all_lines_have_find_them():
    """The longest run of fixed words of a template is in every line of it."""
    assert fixed_words("could not reserve stock for order <number>: timeout <*>") == "could not reserve stock for order"
    assert fixed_words("<*> <number>") == ""


@given(st.lists(st.text(max_size=60), max_size=30))
def test_every_line_finds_its_pattern_again(bodies):
    """Whatever the lines are, each has a template right after it was placed, and placing it again is the same one."""
    mine = Templates()
    for body in bodies:
        number, _ = mine.place(body)
        assert mine.place(body)[0] == number


@given(st.lists(st.tuples(st.floats(0, 500_000), st.integers(1, 9)), min_size=1, max_size=200))
def test_counts_of_the_last_hours_are_exact(told):
    """However minutes are folded, the lines of the last two hours are all there, and none of the day before is more
    than there were."""
    pattern = Pattern("p", "s", "t", "error", 1e6, 1e6)
    for at_s, lines in sorted(told):
        pattern.add(1e6 + at_s, lines)
    newest = max(at_s for at_s, _ in told) + 1e6
    since = newest - 3600 - newest % 60
    assert pattern.between(since, newest + 1) == sum(n for at_s, n in told if 1e6 + at_s >= since)
    assert pattern.between(0, newest + 1) <= sum(n for _, n in told)


def test_a_table_lists_only_what_spoke():
    """A pattern without lines in a window is not listed there."""
    table = PatternTable()
    quiet = Pattern("p-1", "s", "t", "error", NOW_S, NOW_S)
    quiet.add(NOW_S)
    table.put(quiet)
    assert table.said({"s"}, NOW_S + 3600, NOW_S + 7200) == []
    assert [(one.id, n) for one, n in table.said({"s"}, NOW_S - 60, NOW_S + 60)] == [("p-1", 1)]
