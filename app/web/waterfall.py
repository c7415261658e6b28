"""A trace as bars on one time axis, made of plain elements: every text is text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dash import html
from dash.development.base_component import Component

from app.critical_path import on_path
from app.views import Json
from app.web.language import spoken
from app.web.wording import Wording

LEAST_WIDTH = 0.35
DEEPEST = 24


@dataclass(frozen=True, slots=True)
class Row:
    """One bar: how deep, from where to where as per cent of the whole, and whether it decided the duration."""

    span: Json
    depth: int
    left: float
    width: float
    critical: bool


def rows(trace: Json) -> list[Row]:
    """The spans in the order of a waterfall: parents before children, by start. Orphans stand at the left."""
    spans = trace["spans"]
    if not spans:
        return []
    first = min(span["start_ms"] for span in spans)
    whole = max(span["start_ms"] + span["duration_ms"] for span in spans) - first or 1.0
    critical = on_path(spans)
    return [
        Row(
            span, depth, (span["start_ms"] - first) / whole * 100,
            max(span["duration_ms"] / whole * 100, LEAST_WIDTH), span["span_id"] in critical,
        )
        for span, depth in _ordered(spans)
    ]  # fmt: skip


def waterfall(
    shown: list[Row], w: Wording, nodes: Mapping[str, Json], details: bool = False, most: int | None = None
) -> html.Div:
    """Rows as elements. `nodes` gives titles and health by service id; with `details` a row
    opens to its attributes, and has an id and a place for marks by its number."""
    cut = shown if most is None else _telling(shown, most)
    lines = [_line(row, w, nodes.get(row.span.get("service_id") or "", {}), details, number)
             for number, row in enumerate(cut)]  # fmt: skip
    return html.Div(lines, className="waterfall full" if details else "waterfall", role="list")


def _telling(shown: list[Row], most: int) -> list[Row]:
    """The critical path first when there are too many rows, then as many others as fit, in their order."""
    kept = sorted(shown, key=lambda row: (not row.critical, -row.width))[:most]
    ids = {row.span["span_id"] for row in kept}
    return [row for row in shown if row.span["span_id"] in ids]


def _ordered(spans: list[Json]) -> list[tuple[Json, int]]:
    known = {span["span_id"] for span in spans}
    children: dict[str | None, list[Json]] = {}
    for span in sorted(spans, key=lambda one: (-one["start_ms"], one["duration_ms"])):
        parent = span["parent_id"] if span["parent_id"] in known else None
        children.setdefault(parent, []).append(span)
    order: list[tuple[Json, int]] = []
    todo = [(span, 0) for span in children.get(None, ())]
    while todo:
        span, depth = todo.pop()
        order.append((span, depth))
        todo += [(child, depth + 1) for child in children.pop(span["span_id"], ())]
    return order


def _line(row: Row, w: Wording, node: Json, details: bool, number: int) -> Component:
    state, title = node.get("health", "ok"), spoken(node.get("title"), row.span["service"])
    tone = f" state-{state}" if row.critical and state != "ok" else ""
    inset = {"paddingLeft": f"{min(row.depth, DEEPEST) * 8}px"}
    name = html.Span(_name(row, title, w, details), className="name", style=inset)
    bar = html.I(style={"left": f"{row.left:.3f}%", "width": f"{row.width:.3f}%"}, className="bar-of" + tone)
    marks = [html.Span(id=f"marks-{number}", className="marks")] if details else []
    took = html.Span(w.millis(row.span["duration_ms"]), className="n")
    parts = [name, html.Span([bar, *marks], className="track"), took]
    look = "line" + (" critical" if row.critical else "") + (" failed" if row.span["failed"] else "")
    if not details:
        return html.Div(parts, className=look, role="listitem", title=_tip(row, w))
    return html.Details([html.Summary(parts, className=look), _attributes(row.span, w)], role="listitem",
                        id=f"row-{number}")  # fmt: skip


def _name(row: Row, title: str, w: Wording, details: bool) -> list[Component | str]:
    name: list[Component | str] = [html.B(title)]
    if row.span["failed"]:
        name.insert(0, html.I(className="plate plate-exhausted", title=w("trace.failed")))
    return [*name, " ", html.Span(row.span["operation"], className="quiet")] if details else name


def _tip(row: Row, w: Wording) -> str:
    words = [row.span["service"], row.span["operation"], w.millis(row.span["duration_ms"])]
    return " · ".join([*words, w("trace.critical")] if row.critical else words)


def _attributes(span: Json, w: Wording) -> html.Div:
    facts = {w("trace.kind"): span.get("kind"), w("trace.zone"): span.get("zone"),
             w("trace.status"): span.get("status_message"), w("trace.span_id"): span["span_id"]}  # fmt: skip
    pairs = [(str(key), str(value)) for key, value in facts.items() if value]
    pairs += [(str(key), str(value)) for key, value in sorted((span.get("attributes") or {}).items())]
    cells = [cell for key, value in pairs for cell in (html.Span(key), html.Code(value))]
    return html.Div(cells, className="attributes")
