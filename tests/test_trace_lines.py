"""The log lines of a trace: where each stands in the waterfall, whatever the browser sends back of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snapshots import AT, AT_S, span, trace

from app.engine.moments import rfc3339
from app.web.language import Messages
from app.web.options import WebOptions
from app.web.trace_lines import Place, lines_of, marks, said
from app.web.waterfall import rows
from app.web.wording import Wording

W = Wording(Messages(WebOptions().assets))
TRACE = trace("t1", [span("a", None, 0.0, 200.0), span("b", "a", 20.0, 100.0)])
PLACE = Place.of(TRACE, rows(TRACE))


def line(time: str, span_id: str | None = None, **changes: Any) -> dict[str, Any]:
    """A log line as an answer has it."""
    made = {"time": time, "service": "prod/bank/ledger", "level": "error", "body": "no money", "trace_id": "t1",
            "span_id": span_id, "instance": None, "source": None}  # fmt: skip
    return made | changes


def test_a_place_comes_back_as_it_went() -> None:
    """What goes to the browser is read back the same: the start of the trace, its length, and the row of every span."""
    assert Place.read(PLACE.told()) == PLACE
    assert (PLACE.start_s, PLACE.duration_ms, PLACE.rows) == (AT_S, 200.0, {"a": 0, "b": 1})


@pytest.mark.parametrize("wrong", [
    None, [], "x", {}, {**PLACE.told(), "start_s": "soon"}, {**PLACE.told(), "start_s": 1e300},
    {**PLACE.told(), "duration_ms": -1}, {**PLACE.told(), "duration_ms": float("nan")}, {**PLACE.told(), "rows": 3},
    {**PLACE.told(), "rows": {"a": "first"}},
])
def test_nonsense_from_a_browser_is_no_place(wrong: Any) -> None:
    """Whatever else comes back is told from a place, and asks nobody for lines."""
    assert Place.read(wrong) is None


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_a_mark_stands_within_the_trace(offset_s: float, duration_ms: float) -> None:
    """However early or late a line is, and however short the trace, its mark is between the ends."""
    place = Place("t1", AT_S, duration_ms, {})
    assert 0.0 <= place.share(line(rfc3339(AT_S + offset_s))) <= 1.0


def test_marks_stand_in_the_row_of_their_span() -> None:
    """A line of a known span is marked in its row at its time; one of another span, or of none, is only listed."""
    told = [line("2026-01-01T08:00:00.050Z", "b"), line("2026-01-01T08:00:00.100Z", "elsewhere"), line(AT)]
    found = marks(told, PLACE, W)
    assert list(found) == [1]
    assert [(getattr(mark, "href", ""), getattr(mark, "style", {})) for mark in found[1]] == [
        ("#line-0", {"left": "25.000%"})]
    content = lines_of({"lines": told, "troubles": []}, PLACE, "/", W)
    listed = content[1].children
    assert [one.id for one in listed] == ["line-0", "line-1", "line-2"]
    assert listed[0].children[0].children.endswith("00.050")
    assert [getattr(one.children[4], "href", None) for one in listed] == ["#row-1", None, None]


def test_who_gave_no_whole_answer_is_said() -> None:
    """A slow source is told in the reader's language, one that failed in its own words."""
    assert said({"source": "oap", "kind": "slow", "reason": "no answer within 10 s"}, W) == "no answer in time"
    assert said({"source": "oap", "kind": "failed", "reason": "nobody listens"}, W) == "nobody listens"
