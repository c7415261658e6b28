"""The sections of the panel: data in, elements out. Whatever comes from outside is text, never markup."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from dash import html
from dash.development.base_component import Component

from app.views import Json
from app.web.language import spoken
from app.web.waterfall import rows, waterfall
from app.web.wording import UNKNOWN, Wording

MOST_NEIGHBOURS = 6
MOST_OPERATIONS = 6
MOST_ROWS = 14
BOLD = re.compile(r"^[^:：]{1,40}[:：]|\d[\d.,]*(?:x| 倍| %)")
Children = list[Component | str]


def name_of(node: Json) -> str:
    """The node's title in the viewer's language, else its name."""
    return spoken(node.get("title"), node["name"])


def sign(state: str, word: str, large: bool = False) -> html.I:
    """The badge of a state; `word` says it to those who cannot see it."""
    return html.I(className=f"plate plate-{state}{' large' if large else ''}", title=word, role="img")


def go_to(node: Json, what: str = "node") -> html.A:
    """A link that selects a node or path on the map; it works as an ordinary link too."""
    address = "?select=" + quote(node["id"], safe="")
    return html.A(name_of(node), href=address, className="go", **data(data_select=node["id"], data_what=what))


def tools(w: Wording) -> html.Nav:
    """Copy the link; close."""
    names = ("copy", "close")
    return html.Nav([
        html.Button(html.I(className=f"glyph glyph-{name}"), type="button", className="panel-" + name,
                    title=w("panel." + name), **data(aria_label=w("panel." + name)))
        for name in names
    ])  # fmt: skip


def data(**attributes: str) -> dict[str, Any]:
    """Attributes whose names hold a hyphen, such as `data-select`."""
    return {name.replace("_", "-"): value for name, value in attributes.items()}


def why(item: Json) -> html.P:
    """The sentence that explains the health, its figures in bold."""
    return html.P(emphasised(spoken(item.get("why"))), className=f"why state-{item['health']}")


def emphasised(sentence: str) -> Children:
    """The opening word and the telling figures in bold."""
    parts: Children = []
    end = 0
    for found in BOLD.finditer(sentence):
        parts += [sentence[end : found.start()], html.B(found[0])]
        end = found.end()
    return [part for part in (*parts, sentence[end:]) if part != ""]


def safe_link(text: str, address: str | None) -> Component | None:
    """A link to the outside, only where it is http or https."""
    if not address or urlsplit(address).scheme not in ("http", "https"):
        return None
    return html.A(text, href=address, target="_blank", rel="noopener noreferrer", className="out")


def elsewhere(links: Sequence[Mapping[str, str]]) -> Component | None:
    """Links of the house to other tools, side by side."""
    found = [link for one in links if (link := safe_link(one["name"], one["url"])) is not None]
    return html.Span([part for link in found for part in (link, " ")][:-1], className="elsewhere") if found else None


def section(title: str, note: str, *content: Component | None) -> html.Section | None:
    """A titled section; None when there is nothing in it."""
    kept = [part for part in content if part is not None]
    return html.Section([html.H3([title, html.Span(note)]), *kept]) if kept else None


def neighbours(
    side: str, edges: Sequence[Json], around: Mapping[str, Json], weigh: Callable[[Json], float], w: Wording
) -> html.Section:
    """Callers (`side` is "source") or callees ("target"), what contributes most first."""
    what = "callers" if side == "source" else "callees"
    if not edges:
        return html.Section([html.H3(w("panel." + what)), html.P(w(f"panel.no_{what}"), className="quiet")])
    total = sum(weigh(edge) for edge in edges) or 1.0
    ranked = sorted(edges, key=weigh, reverse=True)
    lines = [_neighbour(edge, around.get(edge[side]), weigh(edge) / total, w) for edge in ranked[:MOST_NEIGHBOURS]]
    rest = len(edges) - len(lines)
    more = html.P(w("panel.more", rest), className="quiet") if rest > 0 else None
    table = html.Table([_heads(w, what, f"panel.share.{what}"), html.Tbody(lines)], className="near")
    found = section(w("panel." + what), str(len(edges)), table, more)
    assert found is not None
    return found


def operations(found: Sequence[Json], log: Json | None, w: Wording) -> html.Section | None:
    """The failing operations first, then the slowest; with their error lines, and how many of all these are known to
    belong to an operation, where the service logs any."""
    ranked = sorted(found, key=lambda one: (one["error_ratio"] or 0, one.get("error_lines") or 0, one["p95_ms"] or 0),
                    reverse=True)  # fmt: skip
    errors = log["error_lines"] if log else 0
    lines = [
        html.Tr([
            html.Td(html.Span(one["operation"], className="cut", title=one["operation"])),
            html.Td(w.rate(one["calls_per_s"]), className="n"), _ratio(one, w),
            html.Td(w.millis(one["p95_ms"]), className="n"),
            *([html.Td(count(one.get("error_lines")), className="n")] if errors else []),
        ])
        for one in ranked[:MOST_OPERATIONS]
    ]  # fmt: skip
    heads = _heads(w, "operations", "panel.column.error_lines" if errors else "")
    table = html.Table([heads, html.Tbody(lines)], className="near") if lines else None
    known = w("panel.operations.lines", count(log["of_operations"]), count(errors)) if log and errors else ""
    return section(w("panel.operations"), " · ".join(filter(None, [w("panel.worst_first"), known])), table)


def count(number: float | None) -> str:
    """A number of things, with commas."""
    return UNKNOWN if number is None else f"{number:,}"


def instance_rows(
    found: Sequence[Json], w: Wording, mark: Callable[[Json, Wording], Component | None]
) -> html.Table | None:
    """Instances that speak, by zone, with their version, share of the trouble, and a word that `mark` has of them."""
    ranked = sorted(found, key=lambda one: (one["zone"] or "", one["instance"]))
    lines = [
        html.Tr([
            html.Td(html.Span([html.Em(one["zone"] or UNKNOWN, className="zone"), one["instance"], mark(one, w)],
                              className="cut", title=one["instance"])),
            html.Td(one.get("version") or UNKNOWN, className="n"), _ratio(_with_ratio(one), w),
            html.Td(w.millis(one["p95_ms"]), className="n"),
        ])
        for one in ranked[:12]
    ]  # fmt: skip
    return html.Table([_heads(w, "instances", version=True), html.Tbody(lines)], className="near") if lines else None


def examples(
    node: Json, traces: Sequence[Json], example: Json | None, around: Mapping[str, Json], base: str, w: Wording
) -> html.Section | None:
    """One trace in full, links to the others, and the search for all traces of a service."""
    bars = waterfall(rows(example), w, around, most=MOST_ROWS) if example else None
    note = f"{example['operation']} · {w.clock(example['at'])} · {w.millis(example['duration_ms'])}" if example else ""
    links = [_trace_link(one, base, w) for one in traces]
    address = f"{base}traces?service={quote(node['id'], safe='')}"
    search = html.P(html.A(w("panel.traces.search"), href=address, className="out"), className="quiet")
    kept = html.Ul(links, className="traces") if links else None
    return section(w("panel.traces"), note, bars, kept, search if node["kind"] == "service" else None)


def provenance(item: Json, w: Wording) -> html.Section:
    """Who saw it, whether all of it, and since when."""
    words = [
        w("panel.seen_by", ", ".join(item.get("sources") or ()) or UNKNOWN),
        _sampled(item.get("sampled"), w),
        w("panel.complete" if item.get("complete") else "panel.partial"),
        *([w("panel.not_exact")] if item.get("exact") is False else []),
    ]
    seen = w("panel.seen", w.day_and_clock(item.get("first_seen")), w.day_and_clock(item.get("last_seen")))
    return html.Section([html.P(" · ".join(words)), html.P(seen)], className="provenance quiet")


def _sampled(share: float | None, w: Wording) -> str:
    if share is None:
        return w("panel.unsampled")
    return w("panel.all") if share == 1 else w("panel.sampled", w.share(share))


def _neighbour(edge: Json, node: Json | None, share: float, w: Wording) -> html.Tr:
    end: Component | str = UNKNOWN
    if node is not None:
        end = html.Span([sign(node["health"], w("state." + node["health"])), go_to(node)], className="with")
    bar = html.I(style={"width": f"{max(2.0, share * 100):.1f}%"}, className=f"share-of state-{edge['health']}")
    return html.Tr([
        html.Td(end), html.Td(w.rate(edge["calls_per_s"]), className="n"), _ratio(edge, w),
        html.Td(w.millis(edge.get("p95_ms")), className="n"),
        html.Td([html.Span(bar), html.B(w.share(share))], className="share"),
    ])  # fmt: skip


def _heads(w: Wording, first: str, share: str = "", version: bool = False) -> html.Thead:
    middle = "panel.column.version" if version else "panel.column.rate"
    heads = [html.Th(w("panel.head." + first)), *(html.Th(w(key), className="n") for key in
             (middle, "panel.column.errors", "panel.column.p95"))]  # fmt: skip
    return html.Thead(html.Tr([*heads, html.Th(w(share), className="n")] if share else heads))


def _ratio(item: Json, w: Wording) -> html.Td:
    bad = (item["error_ratio"] or 0) > 0.01
    return html.Td(w.percent(item["error_ratio"]), className="n bad" if bad else "n")


def _with_ratio(instance: Json) -> Json:
    return {**instance, "error_ratio": instance["errors"] / instance["calls"] if instance["calls"] else None}


def _trace_link(trace: Json, base: str, w: Wording) -> html.Li:
    failed = html.I(className="plate plate-exhausted", title=w("trace.failed")) if trace["failed"] else None
    return html.Li(html.A([
        html.Span([failed, trace["operation"]]), html.Span(trace["trace_id"][:8]),
        html.Span(w.clock(trace["at"])), html.B(w.millis(trace["duration_ms"])),
    ], href=f"{base}traces/{quote(trace['trace_id'])}"))  # fmt: skip
