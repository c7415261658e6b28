"""The panel at the right of the map: everything known about the chosen node or path."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dash import html
from dash.development.base_component import Component

from app.links import Link, filled, of_service
from app.views import Json, Views
from app.web import log_sections, registered, sections
from app.web.change_words import listed
from app.web.facts import Asked, NodeFacts, PathFacts, facts
from app.web.language import spoken
from app.web.signals import Charts, charts
from app.web.slo_section import objectives
from app.web.slo_words import left
from app.web.wording import UNKNOWN, Wording

Parts = Sequence[Component | None]
Rows = list[tuple[str, Component | str]]

LOOKED_AT_S = 3600.0
"""What links to other tools show: the hour up to the moment that is looked at."""


@dataclass(frozen=True, slots=True)
class Content:
    """What the panel shows, above, within and below the charts; all empty when nothing is selected."""

    above: list[Component]
    charts: Charts | None = None
    below: tuple[Component, ...] = ()

    @property
    def shape(self) -> str:
        """Which charts of what are shown."""
        return self.charts.shape if self.charts else ""


class Panel:
    """Makes the panel's content. `base` is the published base path, `clock` tells the time, `links` are the house's."""

    def __init__(self, views: Views, w: Wording, base: str, clock: Callable[[], float],
                 links: Sequence[Link] = ()) -> None:
        self._views, self._w, self._base, self._clock, self._links = views, w, base, clock, links

    async def content(self, selection: Any, view: Any) -> Content:
        """The elements for what is selected; nothing when nothing is."""
        asked = Asked.of(selection, view)
        if asked is None:
            return Content([])
        found = await asyncio.to_thread(facts, self._views, asked, self._clock())
        if found is None:
            return Content(self._unknown(asked))
        return self._node(found) if isinstance(found, NodeFacts) else self._path(found)

    def _node(self, known: NodeFacts) -> Content:
        node, w = known.node, self._w
        above = [
            self._head(node, sections.name_of(node), self._about(known), origin=node.get("origin", False)),
            sections.why(node),
            self._felt(known),
            self._figures(known),
        ]
        below = [
            self._changes(known) if known.since_s is not None else None,
            objectives(known.slos, self._base, w),
            *self._neighbours(known),
            sections.operations(node["operations"], node.get("log"), w),
            sections.examples(node, known.traces, known.example, known.around, self._base, w),
            log_sections.logs(known, self._base, w),
            self._changes(known) if known.since_s is None else None,
            registered.instances(node, w),
            sections.provenance(node, w),
        ]
        return _content(above, None if node.get("logs_only") else charts(known.trend, node, w), below)

    def _neighbours(self, known: NodeFacts) -> Parts:
        """Callers and callees; of a service that only logs there is nothing to say about calls."""
        node, w = known.node, self._w
        if node.get("logs_only"):
            return ()
        return (sections.neighbours("source", node["callers"], known.around, _calls, w),
                sections.neighbours("target", node["callees"], known.around, _time, w))  # fmt: skip

    def _changes(self, known: NodeFacts) -> Component | None:
        """Of a node in trouble right below the charts, since it may tell the cause; else further down."""
        return listed(known.changes, known.node, known.since_s, known.end_s, self._base, self._w)

    def _path(self, known: PathFacts) -> Content:
        edge, w = known.edge, self._w
        ends = [known.around.get(edge[side]) for side in ("source", "target")]
        names = " → ".join(sections.name_of(end) if end else UNKNOWN for end in ends)
        about = " · ".join([w("panel.path"), *edge.get("protocols", ())])
        links = [html.Li([html.Span(w(key), className="quiet"), sections.go_to(end)])
                 for key, end in zip(("panel.from", "panel.to"), ends, strict=True) if end]  # fmt: skip
        above: Parts = [
            self._head(edge, names, about),
            sections.why(edge),
            html.Ul(links, className="ends"),
            _facts_list(self._path_figures(edge)),
        ]
        below = [objectives(known.slos, self._base, w), sections.provenance(edge, w)]
        return _content(above, charts(known.trend, edge, w), below)

    def _head(self, item: Json, name: str, about: str, origin: bool = False) -> html.Header:
        w = self._w
        title: list[Component | str] = [html.Span(name, className="title", title=name)]
        if origin:
            title.append(html.Em(w("panel.origin"), className="origin"))
        words = w("state." + item["health"]) + (f" · {w('panel.stale')}" if item.get("stale") else "")
        return html.Header(
            [
                sections.sign(item["health"], words, large=True),
                html.Div([html.H2(title), html.P(f"{words} · {about}", title=about)]),
                sections.tools(w),
            ],
            className="p-head",
        )

    def _about(self, known: NodeFacts) -> str:
        node, w = known.node, self._w
        group = known.groups.get(node["domain"], {})
        other = node["name"] if sections.name_of(node) != node["name"] else ""
        zones = w("panel.zones", ", ".join(node["zones"])) if node["zones"] else ""
        only = w("map.logs_only") if node.get("logs_only") else ""
        words = [w("kind." + node["kind"]), only, spoken(group.get("title"), node["domain"] or ""), other, zones]
        return " · ".join(word for word in words if word)

    def _felt(self, known: NodeFacts) -> Component | None:
        source = known.around.get(known.node.get("feels") or "")
        if source is None:
            return None
        return html.P([html.I(className="glyph glyph-feels"), self._w("panel.feels"), " ", sections.go_to(source)],
                      className="felt")  # fmt: skip

    def _figures(self, known: NodeFacts) -> Component | None:
        w, node = self._w, known.node
        around = of_service(node["id"], known.end_s - LOOKED_AT_S, known.end_s)
        outside = sections.elsewhere(filled(self._links, around))
        runbook = sections.safe_link(w("panel.runbook"), node.get("runbook"))
        rows: Rows = [(w("panel.budget"), left(node.get("budget_left"), w)), *self._counted(node)]
        if node.get("owner"):
            rows.append((w("panel.owner"), node["owner"]))
        if runbook is not None:
            rows.append((w("panel.runbook"), runbook))
        if outside is not None:
            rows.append((w("panel.elsewhere"), outside))
        return _facts_list(rows)

    def _counted(self, node: Json) -> Rows:
        """Of a service that only logs its lines; of a store or a user no more than their callers or callees tell."""
        w = self._w
        if node.get("logs_only"):
            log = node.get("log") or {}
            return [(w("panel.log_lines"), sections.count(log.get("lines"))),
                    (w("panel.log_errors"), sections.count(log.get("error_lines")))]
        rows: Rows = [(w("panel.p50_p99"), f"{w.millis(node['p50_ms'])} / {w.millis(node['p99_ms'])}")]
        if node["kind"] == "service":
            rows.append((w("panel.self"), w.millis(node.get("self_ms"))))
            rows.append((w("panel.originated"), w.percent(node.get("originated_ratio"))))
        return rows

    def _path_figures(self, edge: Json) -> Rows:
        w = self._w
        rows: Rows = [
            (w("panel.client_p95"), w.millis(edge.get("client_p95_ms"))),
            (w("panel.server_p95"), w.millis(edge.get("server_p95_ms"))),
            (w("panel.cross_zone"), w.share(_part(edge.get("cross_zone_calls"), edge["calls"]))),
        ]
        if edge.get("protection"):
            rows.append((w("panel.protection"), w("panel.protection." + edge["protection"])))
        return rows

    def _unknown(self, asked: Asked) -> list[Component]:
        w = self._w
        words = html.Div([html.H2(asked.id), html.P(w("panel.gone"))])
        head = html.Header([sections.sign("no_data", "", large=True), words, sections.tools(w)], className="p-head")
        return [head, html.P(w("panel.gone.text"), className="why state-no_data")]


def _content(above: Parts, drawn: Charts | None, below: Parts) -> Content:
    kept = tuple(part for part in below if part is not None)
    return Content([part for part in above if part is not None], drawn, kept)


def _facts_list(rows: Rows) -> html.Dl:
    return html.Dl([html.Div([html.Dt(key), html.Dd(value)]) for key, value in rows], className="facts-list")


def _part(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _calls(edge: Json) -> float:
    return edge["calls_per_s"] or 0.0


def _time(edge: Json) -> float:
    return (edge["calls_per_s"] or 0.0) * (edge.get("p95_ms") or 0.0)
