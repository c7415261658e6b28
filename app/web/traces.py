"""The page of one trace: its waterfall with the critical path, every span with its attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from dash import html
from dash.development.base_component import Component

from app.critical_path import critical_path
from app.views import Json
from app.web import trace_lines
from app.web.language import spoken
from app.web.sections import elsewhere, name_of
from app.web.trace_lines import Place
from app.web.waterfall import rows, waterfall
from app.web.wording import Wording

MOST_SHARES = 6


def missing(sources: Sequence[str], troubles: Sequence[Json], base: str, w: Wording) -> list[Component]:
    """What stands in place of a trace that nobody who answered has. `base` is the published base path."""
    asked = [html.P(w("trace.missing.asked", ", ".join(sources)), className="quiet")] if sources else []
    head = html.Header([html.H1(w("trace.missing")), html.P(w("trace.missing.text"), className="quiet"), *asked])
    search = html.P(html.A(w("trace.missing.search"), href=f"{base}traces", className="out"))
    return [head, html.Section([*trace_lines.troubles(troubles, w), search], className="trace-lines")]


def looking(sources: Sequence[str], w: Wording) -> list[Component]:
    """What stands in place of a trace while sources are asked for it."""
    words = html.P(w("trace.looking.text", ", ".join(sources)), className="quiet pulse", role="status")
    return [html.Header([html.H1(w("trace.looking")), words])]


def page(trace: Json, nodes: Mapping[str, Json], w: Wording, below: Callable[[Place], Component],
         links: Sequence[Mapping[str, str]] = ()) -> list[Component]:
    """The content of `/traces/<id>`. `nodes` gives titles and health by service id, `below` what follows it, `links`
    lead to other tools."""
    mark = html.Span([html.I(className="plate plate-exhausted"), w("trace.failed")], className="with")
    failed: list[Component | str] = [" · ", mark] if trace["failed"] else []
    services = {span["service"] for span in trace["spans"]}
    first = nodes.get(trace["service"])
    name = name_of(first) if first else trace["service"]
    facts = [w.day_and_clock(trace["at"]), w.millis(trace["duration_ms"]), w("trace.spans", len(trace["spans"])),
             w("trace.services", len(services))]  # fmt: skip
    facts += [w("trace.from", trace["source"])] if trace.get("source") else []
    shown = rows(trace)
    return [
        html.Header([
            html.H1([html.B(name), " ", trace["operation"]]),
            html.P(_line(facts, trace["trace_id"], failed), className="quiet"),
            elsewhere(links),
        ]),
        *([] if trace.get("complete", True) else [html.P(w("trace.partial"), className="why state-no_data partial")]),
        _shares(trace, nodes, w),
        html.Div([_scale(trace, w), waterfall(shown, w, nodes, details=True)], className="trace"),
        html.P(w("trace.about"), className="quiet"),
        below(Place.of(trace, shown)),
    ]  # fmt: skip


def _shares(trace: Json, nodes: Mapping[str, Json], w: Wording) -> html.Section:
    """Whose time the critical path is, by service."""
    services = {span["span_id"]: span.get("service_id") or span["service"] for span in trace["spans"]}
    titles = {services[span["span_id"]]: _title(span, nodes) for span in trace["spans"]}
    spent: dict[str, float] = {}
    for stretch in critical_path(trace["spans"]):
        service = services[stretch.span_id]
        spent[service] = spent.get(service, 0.0) + stretch.to_ms - stretch.from_ms
    whole = sum(spent.values()) or 1.0
    ranked = sorted(spent.items(), key=lambda item: -item[1])[:MOST_SHARES]
    lines = [
        html.Li([
            html.B(titles[service]),
            html.Span(html.I(style={"width": f"{time_ms / whole * 100:.2f}%"}), className="track"),
            html.Span(w.millis(time_ms)), html.Span(w.share(time_ms / whole)),
        ])
        for service, time_ms in ranked
    ]  # fmt: skip
    return html.Section([html.H2(w("trace.shares")), html.Ul(lines, className="path-shares")])


def _title(span: Json, nodes: Mapping[str, Json]) -> str:
    return spoken(nodes.get(span.get("service_id") or "", {}).get("title"), span["service"])


def _scale(trace: Json, w: Wording) -> html.Div:
    quarters = [html.Span(w.millis(trace["duration_ms"] * part / 4)) for part in range(5)]
    return html.Div([html.Span(w("trace.span")), html.Div(quarters), html.Span(w("trace.duration"))], className="scale")


def _line(words: list[str], trace_id: str, failed: list[Component | str]) -> list[Component | str]:
    return [" · ".join(words), " · ", html.Code(trace_id), *failed]
