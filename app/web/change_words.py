"""How changes are said: in the panel, in charts, and which of them are asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dash import html
from dash.development.base_component import Component

from app.figures import Flag
from app.views import Json, Views
from app.web import sections
from app.web.moments import seconds
from app.web.wording import Wording
from topology.deployments import SOURCE as DATA
from topology.store.contract import EVERYTHING

BEFORE_S = 6 * 3600
"""How far back a cause is looked for."""
LATELY_S = 7 * 86_400
MOST_FLAGS, MOST_LISTED = 20, 8


def in_span(views: Views, ids: Collection[str], from_s: float, to_s: float) -> list[Json]:
    """The changes of some nodes and of everything that a chart of this time shows as flags."""
    return views.changes({*ids, EVERYTHING}, None, from_s, to_s, MOST_FLAGS)


def flags(changes: Sequence[Json], times_s: Sequence[float], w: Wording) -> list[Flag]:
    """Changes as flags of a chart of these times, oldest first."""
    made = [Flag(seconds(one["at"]), sentence(one, w)) for one in reversed(changes)]
    return [flag for flag in made if times_s and times_s[0] <= flag.at_s <= times_s[-1]]


def known(views: Views, node: Json, since_s: float | None, end_s: float) -> list[Json]:
    """What was changed before a node's trouble began: at the node, at those it calls, at the one whose trouble it
    feels, and everywhere; without trouble, what was changed at the node and everywhere lately."""
    ids = {node["id"], EVERYTHING}
    if since_s is None:
        return views.changes(ids, None, end_s - LATELY_S, end_s + 1, MOST_LISTED)
    ids |= {edge["target"] for edge in node["callees"]} | ({node["feels"]} if node.get("feels") else set())
    return views.changes(ids, None, since_s - BEFORE_S, since_s + 1, MOST_LISTED)


def sentence(change: Json, w: Wording) -> str:
    """`Deployment 1.4.1 → 1.4.2, failed`."""
    said = f"{w('change.kind.' + change['kind'])} {change['title']}"
    outcome = change["outcome"]
    return said if outcome in ("unknown", "succeeded") else f"{said}, {w('change.outcome.' + outcome)}"


def listed(changes: Sequence[Json], node: Json, since_s: float | None, now_s: float, base: str,
           w: Wording) -> html.Section | None:
    """What was changed before trouble began at `since_s`, with its distance from that, or lately."""
    if not changes and since_s is None:
        return None
    title = w("panel.changes") if since_s is None else w("panel.changes.before")
    lines = [_line(one, node, since_s or now_s, since_s is not None, w) for one in changes[:MOST_LISTED]]
    none = html.P(w("panel.changes.none", w.duration(BEFORE_S)), className="quiet")
    note = html.A(w("panel.changes.all"), href=base + "changes", className="go")
    content: Component = html.Ul(lines, className="changes") if lines else none
    return html.Section([html.H3([title, html.Span(note)]), content])


def _line(change: Json, node: Json, then_s: float, before: bool, w: Wording) -> html.Li:
    away = w.duration(max(0.0, then_s - seconds(change["at"])))
    about = [w("change.kind." + change["kind"]), _outcome(change, w), change["author"] or "", _source(change, w)]
    link = sections.safe_link(change["title"], change["link"]) or html.B(change["title"])
    return html.Li([
        html.I(className="glyph glyph-flag"),
        html.Div([html.Div([link, *_whose(change, node, w)]), html.Small(" · ".join(word for word in about if word))]),
        html.Div([html.B(w("panel.changes.earlier", away) if before else w("panel.ago", away)),
                  html.Small(w.day_and_minute(change["at"]))], className="n"),
    ])  # fmt: skip


def _whose(change: Json, node: Json, w: Wording) -> sections.Children:
    """At which other service, or everywhere."""
    if change["service"] is None:
        return [" ", html.Span(w("change.everything"), className="quiet")]
    if change["service"] == node["id"]:
        return []
    other = {"id": change["service"], "name": change["service"], "title": change["service_title"]}
    return [" · ", sections.go_to(other)]


def _source(change: Json, w: Wording) -> str:
    """Who told of it."""
    return w("change.source.data") if change["source"] == DATA else str(change["source"])


def _outcome(change: Json, w: Wording) -> str:
    return "" if change["outcome"] == "unknown" else w("change.outcome." + change["outcome"])

