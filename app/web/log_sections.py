"""Log lines in the panel. Whatever comes from outside is text, never markup."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from dash import html

from app.views import Json
from app.web.facts import NodeFacts
from app.web.sections import section
from app.web.wording import Wording

MOST_PATTERNS = 8
LOUD = {"error": "error", "fatal": "error", "warn": "warn"}


def logs(known: NodeFacts, base: str, w: Wording) -> html.Section | None:
    """How many lines of a service are errors, the patterns of these, new ones first, and the newest of them."""
    patterns, lines, (errors, total) = known.patterns, known.lines, known.logged
    new = sum(1 for one in patterns if one["is_new"])
    note = [w("panel.logs.new", new)] if new else []
    note += [w("panel.logs.rate", f"{errors:,}", f"{total:,}")] if total else []
    asked = urlencode({"service": known.node["id"]})
    everything = html.A(w("panel.logs.all"), href=f"{base}logs?{asked}", className="go")
    nothing = html.P(w("logs.patterns.none"), className="quiet") if total and not (patterns or lines) else None
    listed = html.Ul([_pattern(one, base, w) for one in patterns[:MOST_PATTERNS]], className="log-patterns")
    newest = html.Ul([_line(line, base, w) for line in lines], className="log")
    title = w("panel.logs.patterns") if patterns else w("panel.logs")
    found = section(title, " · ".join(note), listed if patterns else None, newest if lines else None, nothing)
    if found is not None:
        found.children[0].children.append(everything)
    return found


def _pattern(one: Json, base: str, w: Wording) -> html.Li:
    asked = urlencode({"service": one["service"], "pattern": one["id"]})
    words = [w("logs.count.one") if one["count"] == 1 else w("logs.count", f"{one['count']:,}")]
    read, counted = one.get("lines_read", 0), one.get("lines_counted", 0)
    words += [w("logs.read_of", f"{read:,}", f"{counted:,}")] if read < counted else []
    words.append(w("logs.since", w.day_and_clock(one["first_seen"])))
    return html.Li(html.A([
        html.Span([html.Em(w("logs.new"), className="new") if one["is_new"] else None, _level(one["level"], w)]),
        html.Code(one["template"] or w("logs.empty_body")),
        html.Small(" · ".join(words)),
    ], href=f"{base}logs?{asked}"))  # fmt: skip


def _line(line: Json, base: str, w: Wording) -> html.Li:
    """A line, with the operation it was written in and its trace where they are known."""
    trace_id, where = line.get("trace_id"), line.get("operation")
    return html.Li([
        html.Time(w.clock(line.get("time")), title=w.day_and_clock(line.get("time"))),
        html.Div([html.Code(str(line.get("body") or "")), html.Small(where, className="quiet") if where else None]),
        html.A(w("panel.trace"), href=f"{base}traces/{quote(trace_id)}") if trace_id else None,
    ])  # fmt: skip


def _level(level: str, w: Wording) -> html.B:
    return html.B(w("level." + level), className=f"level {LOUD.get(level, '')}")
