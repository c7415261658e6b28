"""Charts, waterfalls and the words of figures: pure data in, data out."""

import re
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snapshots import AT, AT_S, Shelf, edge, node, span, trace

from app.figures import TOKENS, Signal, faded, signal_figure
from app.web import viewer
from app.web.facts import Asked, facts
from app.web.language import Messages
from app.web.options import WebOptions
from app.web.sections import emphasised, neighbours, safe_link
from app.web.signals import held
from app.web.waterfall import rows, waterfall
from app.web.wording import UNKNOWN, Wording, zone_name

ASSETS = Path(__file__).parents[1] / "assets"
KEY = re.compile(r'"((?:panel|sources|trace|error)\.[a-z_0-9.]+[a-z0-9_])"')
TIMES = [AT_S, AT_S + 60, AT_S + 120]


@pytest.fixture
def w():
    """The words of the viewer's language, English unless a test says otherwise."""
    return Wording(Messages(ASSETS))


@pytest.fixture
def chinese():
    """A viewer who reads Chinese, eight hours east."""
    tokens = viewer.language.set("zh"), viewer.zone.set(ZoneInfo("Asia/Shanghai"))
    yield
    viewer.language.reset(tokens[0])
    viewer.zone.reset(tokens[1])


def test_colours_are_those_of_the_theme():
    """Every colour of the charts is the token of the same name in theme.css."""
    css = (ASSETS / "theme.css").read_text(encoding="utf-8")
    for theme, tokens in TOKENS.items():
        block = css.split(f'[data-theme="{theme}"]')[1].split("}")[0]
        declared = dict(re.findall(r"--(\w+): (#[0-9A-Fa-f]{6})", block))
        assert {name: declared[name] for name in tokens} == tokens


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_signal_stands_on_the_page(theme):
    """The chart has no ground of its own, a hole where a value is unknown, and words for every value."""
    figure = signal_figure(Signal(TIMES, [1.0, None, 3.0], ["1/s", UNKNOWN, "3/s"], state="burning"), theme)
    area, line = figure.data
    assert (figure.layout.paper_bgcolor, figure.layout.plot_bgcolor) == ("rgba(0,0,0,0)", "rgba(0,0,0,0)")
    assert list(line.y) == [1.0, None, 3.0]
    assert line.connectgaps is False
    assert list(area.y) == []
    assert list(line.customdata) == ["1/s", UNKNOWN, "3/s"]
    assert line.line.color == TOKENS[theme]["burning"]


def test_yesterday_and_the_objective_are_drawn_when_known():
    """The second line and the objective appear only with data, and the scale holds them."""
    bare = signal_figure(Signal(TIMES, [1.0, 1.0, 1.0], ["", "", ""], [None, None, None]), "dark")
    full = Signal(TIMES, [1.0, 1.0, 1.0], ["", "", ""], [5.0, 6.0, None], objective=10.0)
    figure = signal_figure(full, "dark")
    assert (len(bare.data), len(bare.layout.shapes)) == (2, 0)
    assert [trace.line.dash for trace in figure.data] == ["dot", None, None]
    assert figure.layout.shapes[0].y0 == 10.0
    assert figure.layout.yaxis.range[1] > 10.0


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e9)), max_size=5), st.one_of(st.none(), st.floats(0, 1e9)))
def test_the_scale_holds_everything(values, objective):
    """Nothing known is ever above the upper end of the scale, and an empty chart still has a scale."""
    top = Signal(TIMES, values, [], values, objective, floor=1.0).top
    assert top >= max([value for value in (*values, objective) if value is not None], default=1.0)
    assert top >= 1.0


def test_times_are_those_of_the_viewer():
    """The axis shows the viewer's clock, as plotly knows no zones."""
    signal = Signal(TIMES, [1, 2, 3], ["", "", ""])
    for zone, hour in ((UTC, 8), (ZoneInfo("Asia/Shanghai"), 16)):
        assert signal_figure(signal, "dark", zone).data[0].x[0].hour == hour


def test_a_colour_fades():
    """Six hex digits become the same colour with an opacity."""
    assert faded("#E8462A", 0.11) == "rgba(232,70,42,0.11)"


def test_a_waterfall_keeps_parents_before_children():
    """Rows come as a tree by start time, placed as shares of the whole, orphans at the left."""
    spans = [span("c", "a", 50, 50), span("a", None, 0, 100), span("b", "a", 10, 20), span("x", "lost", 90, 10),
             span("d", "c", 60, 5)]  # fmt: skip
    shown = [(row.span["span_id"], row.depth, row.left, row.width) for row in rows(trace("t", spans))]
    assert shown == [("a", 0, 0, 100), ("b", 1, 10, 20), ("c", 1, 50, 50), ("d", 2, 60, 5), ("x", 0, 90, 10)]


def test_a_long_waterfall_keeps_what_decided(w):
    """Cut to a few rows, the critical path stays, in its order."""
    spans = [span("root", None, 0, 1000), *(span(f"quick{i}", "root", 10, 20) for i in range(30)),
             span("slow", "root", 40, 900)]  # fmt: skip
    kept = waterfall(rows(trace("t", spans)), w, {}, most=3).children
    assert next(line.title.split(" · ")[1] for line in kept) == "root"
    assert "slow" in kept[-1].title
    assert len(kept) == 3


def test_a_trace_of_nothing_and_of_no_time():
    """A trace without spans, or whose spans take no time, has rows without a division by zero."""
    assert rows({"spans": []}) == []
    assert [(row.left, row.width > 0) for row in rows({"spans": [span("a", None, 5, 0)]})] == [(0, True)]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, UNKNOWN), (0, "0/s"), (0.04, "< 0.1/s"), (4.04, "4.0/s"), (9.96, "10/s"), (999.6, "1.0 k/s"),
     (25_400, "25 k/s"), (1_250_000, "1.2 M/s")],
)  # fmt: skip
def test_rates_are_short(w, value, text):
    """Three significant digits at most, and unknown is a dash, never zero."""
    assert w.rate(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, UNKNOWN), (0, "0 %"), (0.00005, "< 0.01 %"), (0.0042, "0.42 %"), (0.032, "3.2 %"), (0.9999, "100 %")],
)
def test_ratios_are_per_cent(w, value, text):
    """Small failures are not rounded to none."""
    assert w.percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, UNKNOWN), (0, "0 ms"), (7.52, "7.5 ms"), (84.2, "84 ms"), (999.7, "1.00 s"), (1840, "1.84 s"),
     (30_010, "30.0 s"), (150_000, "2.5 min")],
)  # fmt: skip
def test_latencies_carry_their_unit(w, value, text):
    """Milliseconds, seconds, minutes, whichever reads best."""
    assert w.millis(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, UNKNOWN), (0.4, "0 s"), (44, "44 s"), (1440, "24 min"), (66_420, "18 h 27 min"), (162_000, "1 d 21 h"),
     (86_400, "1 d"), (3600, "1 h")],
)  # fmt: skip
def test_spans_of_time_have_two_units(w, seconds, text):
    """The two largest units, the smaller only where it says something."""
    assert w.duration(seconds) == text


def test_words_and_times_follow_the_viewer(w, chinese):
    """Units are in the viewer's language, moments in the viewer's zone, and the zone has a name."""
    assert (w.rate(12), w.millis(1840)) == ("12/秒", "1.84 秒")
    assert w.clock(AT) == "16:00:00"
    assert w.day_and_clock(AT) == "2026-01-01 16:00:00"
    assert zone_name(AT_S) == "UTC+8"


def test_figures_of_a_sentence_are_bold():
    """The opening word and the telling figures stand out; the text stays as it was."""
    parts = emphasised("Burning: 3.2 % of calls failed, 16x the budgeted rate.")
    bold = [part.children for part in parts if not isinstance(part, str)]
    assert bold == ["Burning:", "3.2 %", "16x"]
    assert "".join(part if isinstance(part, str) else part.children for part in parts) == (
        "Burning: 3.2 % of calls failed, 16x the budgeted rate."
    )


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", " javascript:x", "//evil", "", None, "ftp://x"])
def test_only_web_links_lead_outside(address):
    """A configured link is shown only if it is http or https."""
    assert safe_link("Runbook", address) is None
    assert safe_link("Runbook", "https://runbooks.example/x").href == "https://runbooks.example/x"


def test_neighbours_come_by_what_they_contribute(w):
    """The largest share first, shares of the whole, and a line for those left out."""
    edges = [edge(f"s{i}", "hub", calls_per_s=float(i)) for i in range(1, 9)]
    around = {one["id"]: one for one in (node(f"s{i}") for i in range(1, 9))}
    shown = neighbours("source", edges, around, lambda one: one["calls_per_s"], w)
    lines = shown.children[1].children[1].children
    names = [line.children[0].children.children[1].children for line in lines]
    assert names == ["s8", "s7", "s6", "s5", "s4", "s3"]
    assert lines[0].children[4].children[1].children == "22 %"
    assert "2" in shown.children[2].children


@pytest.mark.parametrize("selection", [None, {}, {"id": ""}, {"id": 5}, "x", [], {"id": None, "what": "edge"}])
def test_no_selection_is_none(selection):
    """Anything that is not an id is no selection."""
    assert Asked.of(selection, {"window": "5m"}) is None


def test_a_selection_is_checked():
    """Windows and moments that do not exist fall back to five minutes and now."""
    assert Asked.of({"id": "a"}, {"window": "1h", "at": 1000}) == Asked("a", 3600, 1000.0)
    assert Asked.of({"id": "a"}, {"window": "9y", "at": "then"}) == Asked("a", 300, None)


def test_facts_of_a_node_and_of_a_path():
    """An id is looked up as a node, then as a path; the example is the failed trace, else the slowest."""
    quick, slow = (trace(f"{i}", [span("root", None, 0, i)]) for i in (10, 30))
    shelf = Shelf(traces=[quick, slow])
    known = facts(shelf, Asked("prod/bank/ledger", 300, None), AT_S)
    assert known.example["trace_id"] == "30"
    failed = {**quick, "failed": True}
    assert facts(Shelf(traces=[failed, slow]), Asked("prod/bank/ledger", 300, None), AT_S).example["failed"]
    assert facts(shelf, Asked("ledger>db", 300, None), AT_S).edge["target"] == "prod/bank/ledger-db/~database"
    assert facts(shelf, Asked("nobody", 300, None), AT_S) is None


@pytest.mark.parametrize(("window_s", "age_s", "step_s", "shown"), [
    (300, 60, 10, 90), (300, 3600, 60, 90), (300, 9e5, 60, 90), (60, 9e5, 10, 90), (3600, 60, 10, 90),
    (3600, 9e5, 600, 72),
])  # fmt: skip
def test_charts_fit_the_history(window_s, age_s, step_s, shown):
    """A longer window shows more time in larger steps, but never more than there is history for."""
    trend = facts(Shelf(), Asked("prod/bank/ledger", window_s, None), AT_S + age_s).trend
    assert (trend.step_s, len(trend.now["times"])) == (step_s, shown)


def test_a_store_shows_the_traces_of_its_caller():
    """A database sends no spans, so the panel asks for those of the service that calls it most."""
    shelf = Shelf()
    facts(shelf, Asked("prod/bank/ledger-db/~database", 300, None), AT_S)
    assert [asked[1] for asked in shelf.asked if asked[0] == "traces"] == ["prod/bank/ledger"]


def test_a_lonely_value_is_marked():
    """A value between two unknown ones is a dot, since a line needs two."""
    marks = signal_figure(Signal(TIMES, [1.0, None, 3.0], ["", "", ""]), "dark").data[-1].marker.size
    assert list(marks) == [4, 0, 4]
    assert list(signal_figure(Signal(TIMES, [1.0, 2.0, None], ["", "", ""]), "dark").data[-1].marker.size) == [0, 0, 0]


def test_the_area_stands_on_the_ground_beside_a_gap():
    """Under each stretch of the line the area goes straight down at its ends, and nothing bridges a gap."""
    times = [AT_S + 60 * i for i in range(5)]
    area = signal_figure(Signal(times, [1.0, 2.0, None, 3.0, 4.0], [""] * 5), "dark").data[0]
    assert list(area.y) == [0.0, 1.0, 2.0, 0.0, 0.0, 3.0, 4.0, 0.0]
    assert [moment.minute for moment in area.x] == [0, 0, 1, 1, 3, 3, 4, 4]


def test_a_gauge_stands_between_its_samples():
    """The last sample holds for a while, then the figure is unknown again; nothing is made up before the first."""
    assert held([None, 0.4, None, None, None, 0.5], 2) == [None, 0.4, 0.4, 0.4, None, 0.5]


def test_both_languages_have_the_words_of_the_pages():
    """Every key that the pages' code names exists in both languages."""
    named = set()
    for path in (Path(__file__).parents[1] / "app" / "web").glob("*.py"):
        named |= set(KEY.findall(path.read_text(encoding="utf-8")))
    say = Messages(WebOptions().assets)
    for language in ("en", "zh"):
        token = viewer.language.set(language)
        missing = {key for key in named if key not in say}
        viewer.language.reset(token)
        assert missing == set()
