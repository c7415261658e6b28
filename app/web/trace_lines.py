"""The log lines of one trace below its waterfall, and their marks in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from dash import dcc, html
from dash.development.base_component import Component

from app.views import Json
from app.web.language import spoken
from app.web.moments import seconds
from app.web.sections import data
from app.web.waterfall import Row
from app.web.wording import Wording

MOST_MARKED = 1000
"""Rows of a waterfall in which lines can be marked: the browser sends their ids back."""
LEVELS = {"error": "error", "fatal": "error", "warn": "warn"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a trace is in time, and in which row of its waterfall each span stands. Goes to the browser and back."""

    trace_id: str
    start_s: float
    duration_ms: float
    rows: Mapping[str, int]

    @classmethod
    def of(cls, trace: Json, rows: Sequence[Row]) -> Place:
        """The place of a trace that is shown by these rows."""
        numbers = {row.span["span_id"]: number for number, row in enumerate(rows[:MOST_MARKED])}
        return cls(trace["trace_id"], seconds(trace["at"]), float(trace["duration_ms"]), numbers)

    @classmethod
    def read(cls, told: Any) -> Place | None:
        """From what the browser sent, which may be anything."""
        try:
            rows = {str(span): int(number) for span, number in dict(told["rows"]).items()}
            start_s, duration_ms = float(told["start_s"]), float(told["duration_ms"])
            known = 0 < start_s < 4e9 and 0 <= duration_ms < 1e12
            return cls(str(told["trace_id"]), start_s, duration_ms, rows) if known else None
        except (KeyError, TypeError, ValueError):
            return None

    def told(self) -> Json:
        """What `read` takes."""
        return {"trace_id": self.trace_id, "start_s": self.start_s, "duration_ms": self.duration_ms,
                "rows": dict(self.rows)}

    def share(self, line: Json) -> float:
        """How far into the trace a line is, from 0 to 1."""
        into_ms = (seconds(line["time"]) - self.start_s) * 1000
        return min(1.0, max(0.0, into_ms / self.duration_ms)) if self.duration_ms else 0.0


def section(place: Place, content: Sequence[Component]) -> html.Section:
    """Where the lines stand; the sources are asked for more, and lines marked, as soon as the page stands."""
    once = dcc.Interval(id="lines-open", interval=1, max_intervals=1)
    return html.Section([html.Div(content, id="trace-lines"), dcc.Store(id="trace-place", data=place.told()), once],
                        className="trace-lines")  # fmt: skip


def lines_of(found: Json, place: Place, base: str, w: Wording, asked: Sequence[str] = ()) -> list[Component]:
    """The lines, oldest first; which sources are still `asked` for more, and which did not answer."""
    rows = [_line(line, number, place, w) for number, line in enumerate(found["lines"])]
    every = html.A(w("trace.logs.all"), href=f"{base}logs?trace={quote(place.trace_id, safe='')}", className="go")
    head = html.H2([w("trace.logs"), html.Span([str(len(rows)), " · ", every] if rows else every)])
    empty = [] if rows or asked else [html.P(w("trace.logs.none"), className="quiet")]
    waits = [html.P(w("traces.asking", ", ".join(asked)), className="quiet pulse")] if asked else []
    return [head, *([html.Ol(rows, className="lines")] if rows else []), *empty,
            html.Div([*waits, *troubles(found["troubles"], w)], role="status")]  # fmt: skip


def troubles(found: Sequence[Json], w: Wording) -> list[Component]:
    """A line a source that gave no whole answer."""
    return [html.P([html.B(one["source"]), ": ", said(one, w)], className="trouble") for one in found]


def said(trouble: Json, w: Wording) -> str:
    """Why a source gave no whole answer."""
    return w("search.source.slow") if trouble["kind"] == "slow" else w.because(trouble.get("why"), trouble["reason"])


def marks(lines: Sequence[Json], place: Place, w: Wording) -> dict[int, list[Component]]:
    """The marks of lines by the row of the waterfall that they stand in."""
    found: dict[int, list[Component]] = {}
    for number, line in enumerate(lines):
        row = place.rows.get(line.get("span_id") or "")
        if row is not None:
            words = f"{_clock(line, w)} {w('level.' + line['level'])} {line['body']}"
            mark = html.A(href=f"#line-{number}", title=words, className=f"line-mark {LEVELS.get(line['level'], '')}",
                          style={"left": f"{place.share(line) * 100:.3f}%"}, **data(aria_label=words))  # fmt: skip
            found.setdefault(row, []).append(mark)
    return found


def _line(line: Json, number: int, place: Place, w: Wording) -> html.Li:
    name = spoken(line.get("service_title"), line["service"])
    row = place.rows.get(line.get("span_id") or "")
    where = html.A(w("trace.logs.span"), href=f"#row-{row}", className="go") if row is not None else html.Span()
    into = w("trace.logs.into", w.millis(max(0.0, (seconds(line["time"]) - place.start_s) * 1000)))
    return html.Li([
        html.Time(_clock(line, w), title=into, dateTime=line["time"]),
        html.B(w("level." + line["level"]), className=f"level {LEVELS.get(line['level'], '')}"),
        html.Span(name, className="whose", title=line["service"]), html.Code(str(line["body"])), where,
        html.Small(line.get("source") or w("search.kept_here"), className="quiet"),
    ], id=f"line-{number}")  # fmt: skip


def _clock(line: Json, w: Wording) -> str:
    """With milliseconds: most traces are shorter than a second."""
    return f"{w.clock(line['time'])}.{round(seconds(line['time']) * 1000) % 1000:03d}"
