"""Flags of changes in charts, and what the panel and the page of an objective ask for: pure data in, data out."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from slo_entries import entry
from snapshots import AT_S, Shelf, chain

from app.engine.moments import rfc3339
from app.figures import FLAGS, Flag, Signal, signal_figure
from app.web.change_words import BEFORE_S, LATELY_S, flags, known, sentence
from app.web.facts import Asked, NodeFacts, facts
from app.web.language import Messages
from app.web.slo_facts import slo_facts
from app.web.slo_figures import BudgetTale, BurnTale, budget_figure, burn_figure
from app.web.wording import Wording

TIMES = [AT_S, AT_S + 60, AT_S + 120]
FLAG = Flag(AT_S + 30, "Deployment 1 → 2")


@pytest.fixture
def w() -> Wording:
    """English words."""
    return Wording(Messages(Path(__file__).parents[1] / "assets"))


def change(at_s: float, **said: Any) -> dict[str, Any]:
    """A deployment of the ledger as `Views.changes` tells it."""
    return {"uid": f"api/{at_s}", "at": rfc3339(at_s), "kind": "deployment", "title": "1 → 2", "version": "2",
            "author": None, "link": None, "outcome": "unknown", "source": "api", "ended": None,
            "service": "prod/bank/ledger", "service_title": {"en": "ledger", "zh": "总账"}, **said}  # fmt: skip


def flagged(figure: Any) -> list[tuple[Any, ...]]:
    """(when, height, words) of every flag of a figure."""
    marks = [trace for trace in figure.data if trace.name == FLAGS and trace.mode == "markers"]
    return [one for trace in marks for one in zip(trace.x, trace.y, trace.customdata, strict=True)]


def test_a_flag_stands_in_the_chart_of_a_signal_at_its_time() -> None:
    """A line up to the top of the scale with a flag there, in the viewer's zone; without changes nothing is added."""
    zone = ZoneInfo("Asia/Shanghai")
    signal = Signal(TIMES, [1.0, 3.0, 2.0], ["a", "b", "c"], flags=[FLAG])
    figure = signal_figure(signal, "dark", zone)
    when = datetime.fromtimestamp(AT_S + 30, zone).replace(tzinfo=None)
    assert flagged(figure) == [(when, signal.top, "Deployment 1 → 2")]
    line = next(trace for trace in figure.data if trace.name == FLAGS and trace.mode == "lines")
    assert (list(line.x[:2]), list(line.y[:2])) == ([when, when], [0, signal.top])
    assert flagged(signal_figure(Signal(TIMES, [1.0, 3.0, 2.0], ["a", "b", "c"]), "dark")) == []


def test_foreign_words_of_a_flag_are_no_markup() -> None:
    """Plotly takes tags in labels for markup: they are written out."""
    hostile = Flag(AT_S, "<a href='javascript:alert(1)'>x</a> & y")
    figure = signal_figure(Signal(TIMES, [1.0, 1.0, 1.0], ["", "", ""], flags=[hostile]), "light")
    assert flagged(figure)[0][2] == "&lt;a href='javascript:alert(1)'&gt;x&lt;/a&gt; &amp; y"


def test_flags_stand_in_the_charts_of_an_objective() -> None:
    """In that of the budget up to all of it, in those of the burn up to the top of the scale."""
    budget = budget_figure(BudgetTale(TIMES, [1.0, 0.9, 0.8], [1.0] * 3, ["", "", ""], "ok", flags=[FLAG]), "dark")
    burn = burn_figure(BurnTale(TIMES, [1.0, 2.0, 3.0], [0.0] * 3, ["", "", ""], 14.4, "page", flags=[FLAG]), "dark")
    assert [height for _, height, _ in flagged(budget)] == [1.0]
    assert [height for _, height, _ in flagged(burn)] == [burn.layout.yaxis.range[1]]


def test_only_changes_of_the_time_shown_are_flags(w: Wording) -> None:
    """Oldest first; what lies outside would widen the axis; failed and running ones say so."""
    told = [change(AT_S + 500), change(AT_S + 60, outcome="failed"), change(AT_S, kind="scaling"), change(AT_S - 1)]
    assert flags(told, TIMES, w) == [Flag(AT_S, "Scaling 1 → 2"), Flag(AT_S + 60, "Deployment 1 → 2, failed")]
    assert flags(told, [], w) == []
    assert sentence(change(AT_S, outcome="succeeded"), w) == "Deployment 1 → 2"


def test_what_may_have_caused_trouble_is_asked_for() -> None:
    """The node, whom it calls, whose trouble it feels, and everything; without trouble only the node and everything."""
    shelf = Shelf()
    node = {"id": "a", "feels": "c", "callees": [{"target": "b"}]}
    known(shelf, node, AT_S, AT_S + 100)
    known(shelf, node, None, AT_S + 100)
    asked = [one[1:5] for one in shelf.asked if one[0] == "changes"]
    assert asked == [({"a", "b", "c", ""}, None, AT_S - BEFORE_S, AT_S + 1),
                     ({"a", ""}, None, AT_S + 100 - LATELY_S, AT_S + 101)]


def test_the_panel_knows_since_when_a_node_is_in_trouble() -> None:
    """The beginning of its trouble is that of the snapshot's list of problems; a healthy node has none."""
    ledger = {"id": "prod/bank/ledger", "health": "burning", "since": rfc3339(AT_S - 60), "text": {}}
    shelf = Shelf({**chain(), "problems": [ledger]})
    shelf.changed = [change(AT_S - 90)]
    found = facts(shelf, Asked("prod/bank/ledger", 300, None), AT_S)
    assert isinstance(found, NodeFacts)
    assert (found.since_s, [one["uid"] for one in found.changes]) == (AT_S - 60, [f"api/{AT_S - 90}"])
    assert list(found.trend.changes) == found.changes
    healthy = facts(shelf, Asked("prod/bank/web", 300, None), AT_S)
    assert isinstance(healthy, NodeFacts)
    assert (healthy.since_s, healthy.changes) == (None, [])


def test_the_page_of_an_objective_asks_for_the_changes_of_whom_it_judges() -> None:
    """Those of its service, or of both ends of its path, and of everything."""
    shelf = Shelf(slos=[entry("one", service="prod/bank/ledger"), entry("two", edge="prod/a/b>prod/c/d")])
    for name in ("one", "two"):
        assert slo_facts(shelf, name, "1h", AT_S) is not None
    asked = [one[1] for one in shelf.asked if one[0] == "changes"]
    assert asked == [{"prod/bank/ledger", ""}, {"prod/a/b", "prod/c/d", ""}]
