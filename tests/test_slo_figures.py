"""Charts and figures of one SLO: pure data in, data out."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slo_entries import AT_S, DAY_S, entry
from snapshots import Shelf

from app.web import viewer
from app.web.language import Messages
from app.web.slo_facts import slo_facts
from app.web.slo_figures import BudgetTale, BurnTale, Span, budget_figure, burn_figure, merged
from app.web.slo_page import slo_parts
from app.web.slo_words import burn, left, length_s, title_of
from app.web.wording import Wording

ASSETS = Path(__file__).parents[1] / "assets"
TIMES = [AT_S - 2 * DAY_S, AT_S - DAY_S, AT_S]


@pytest.fixture
def w():
    """English words."""
    return Wording(Messages(ASSETS))


def tale(left_now=0.4, **changes):
    """Three days of a budget."""
    made = {"times_s": TIMES, "left": [1.0, 0.7, left_now], "ideal": [1.0, 0.9, 0.8], "words": ["a", "b", "c"],
            "state": "burning"}  # fmt: skip
    return BudgetTale(**{**made, **changes})


def test_the_budget_is_drawn_beside_the_ideal_line_with_alerts_behind():
    """Ideal line, budget and newest point are traces; alerts that overlap are one band; the pace leads to zero."""
    spans = [Span("page", AT_S - 7200, AT_S - 3600), Span("page", AT_S - 4000, AT_S), Span("ticket", AT_S - 60, AT_S)]
    figure = budget_figure(tale(spans=spans, spent_at_s=AT_S + 3600), "dark")
    ideal, budget, newest, pace = figure.data
    assert (list(ideal.y), list(budget.y)) == ([1.0, 0.9, 0.8], [1.0, 0.7, 0.4])
    assert (list(newest.y), list(pace.y)) == ([0.4], [0.4, 0])
    assert pace.x[1] == datetime.fromtimestamp(AT_S + 3600, UTC).replace(tzinfo=None)
    assert [(shape.x0, shape.x1) for shape in figure.layout.shapes] == [
        tuple(datetime.fromtimestamp(time, UTC).replace(tzinfo=None) for time in band)
        for band in ((AT_S - 60, AT_S), (AT_S - 7200, AT_S))
    ]


def test_an_overspent_budget_stays_readable():
    """The scale goes below nothing as far as the budget does, and where that is too far the figure is written."""
    deep = budget_figure(tale(left_now=-0.6), "dark")
    assert list(deep.layout.yaxis.ticktext) == ["\u221250 %", "0 %", "50 %", "100 %"]
    abyss = budget_figure(tale(left_now=-12.0), "dark")
    assert abyss.layout.yaxis.range[0] > -1.1
    assert [note.text for note in abyss.layout.annotations] == ["↓ \u22121200 %"]


def test_a_burn_has_its_colour_only_where_both_windows_reach_the_factor():
    """One window above the threshold is no alert, and is drawn quietly; both are."""
    made = {"times_s": TIMES, "words": ["", "", ""], "factor": 14.4, "severity": "page"}
    quiet = burn_figure(BurnTale(long=[1, 2, 20], short=[1, 2, 3], **made), "dark")
    loud = burn_figure(BurnTale(long=[1, 2, 14.4], short=[1, None, 15], **made), "dark")
    assert quiet.data[-1].line.color != loud.data[-1].line.color
    assert loud.layout.shapes[0].y0 == 14.4


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).map(lambda pair: tuple(sorted(pair))), max_size=8))
def test_merged_spans_are_the_same_time(spans):
    """Spans that overlap become one: they cover what the others did, are in order and apart."""
    found = merged(spans)
    covered = {half for start, end in spans for half in range(2 * start, 2 * end + 1)}
    assert {half for start, end in found for half in range(int(2 * start), int(2 * end) + 1)} == covered
    assert all(before[1] < after[0] for before, after in pairwise(found))


def test_with_little_data_the_charts_begin_where_it_does():
    """Ten minutes of data in a period of 30 days are not a point at the edge: the chart of the budget is theirs."""

    class Young(Shelf):
        def slo_history(self, name, from_s, to_s, step_s):
            found = super().slo_history(name, from_s, to_s, step_s)
            pairs = zip(found["budget_left"], found["times"], strict=True)
            found["budget_left"] = [one if time > AT_S - 600 else None for one, time in pairs]
            return found

    known = slo_facts(Young(slos=[entry("web-availability")]), "web-availability", "", AT_S)
    assert AT_S - 1800 < known.period["times"][0] < AT_S - 600
    assert known.range == "1h"
    old = slo_facts(Shelf(slos=[entry("web-availability")]), "web-availability", "", AT_S)
    assert old.period["times"][0] < AT_S - 29 * DAY_S
    assert old.range == "1d"


def test_charts_end_with_the_figures_of_the_head(w):
    """More may have been counted since the sentence was made: bar, sentence and both charts say one number."""
    known = slo_facts(Shelf(slos=[entry("web-availability", budget_left=-2.83)]), "web-availability", "", AT_S)
    assert known.period["budget_left"][-1] == -2.83
    assert {window: values[-1] for window, values in known.recent["burn"].items()} == {
        window: known.slo["burn"][window] for window in known.recent["burn"]}  # fmt: skip
    assert known.recent["burn"]


def test_alerts_on_the_page_name_their_condition_and_who_is_silent(w):
    """An alert of OpenSLO's own condition has a name and no pair of windows; a ticket below a page is marked."""
    shelf = Shelf(slos=[entry("web-availability", "burning")])
    plain = shelf.slo
    alert = {"severity": "ticket", "long": "1h", "short": "1h", "since": AT_S - 60, "until": None, "peak_burn": 3.0}
    alert |= {"name": "an-hour-at-ten", "state": "suppressed"}
    shelf.slo = lambda name: {**plain(name), "alert_history": [alert]}
    text = str(slo_parts(slo_facts(shelf, "web-availability", "1h", AT_S), "web-availability", "/", w).below[1])
    assert "an-hour-at-ten" in text
    assert "1 min, silent below the page" in text
    assert "Since (UTC)" in text


def test_a_page_whose_shape_is_the_same_needs_only_new_figures(w):
    """Another name, range or number of charts is another shape; later figures of the same are not."""
    shelf = Shelf(slos=[entry("web-availability"), entry("orders-availability")])
    parts = {key: slo_parts(slo_facts(shelf, name, chosen, now_s), name, "/", w)
             for key, (name, chosen, now_s) in {
                 "first": ("web-availability", "1d", AT_S), "later": ("web-availability", "1d", AT_S + 60),
                 "range": ("web-availability", "7d", AT_S), "other": ("orders-availability", "1d", AT_S),
             }.items()}  # fmt: skip
    assert parts["first"].shape == parts["later"].shape
    assert len({parts[key].shape for key in ("first", "range", "other")}) == 3
    assert set(parts["first"].figures) == {"slo-budget", *(f"slo-burn-{i}" for i in range(4))}


def test_defaults_are_named_in_the_language_of_the_reader(w):
    """What nobody wrote has no title of its own; what somebody wrote is shown as it was written."""
    quick = entry("a", default=True, kind="latency", threshold_ms=1000.0, title="Calls end within 1000 ms")
    assert title_of(quick, w) == "Calls end within 1.00 s"
    assert title_of(entry("b", title="Balances are shown at once"), w) == "Balances are shown at once"
    assert title_of(entry("c", title=""), w) == "c"
    token = viewer.language.set("zh")
    try:
        assert (title_of(quick, w), title_of(entry("d"), w)) == ("调用在 1.00 秒内结束", "无错误应答")
    finally:
        viewer.language.reset(token)


def test_words_of_burns_budgets_and_windows(w):
    """Burns are multiples, an overspent budget has a minus sign, unknown is a dash, a window is a length of time."""
    said = {None: "–", 0: "0x", 0.05: "< 0.1x", 0.42: "0.4x", 14.4: "14x", 160: "160x"}
    assert {value: burn(value, w) for value in said} == said
    assert [left(value, w) for value in (None, 1.0, 0.004, 0, -0.22)] == ["–", "100 %", "< 1 %", "0 %", "\u221222 %"]
    assert [length_s(window) for window in ("1h", "30d", "4w", "1M")] == [3600, 2_592_000, 2_419_200, 2_592_000]
