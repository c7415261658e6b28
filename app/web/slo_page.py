"""The page of one SLO: why its colour, how its budget was spent, what spent it, and what it says as a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import yaml
from dash import dcc, html
from dash.development.base_component import Component

from app.engine.moments import rfc3339
from app.views import Json
from app.web import sections, viewer
from app.web.change_words import flags
from app.web.language import spoken
from app.web.sections import data
from app.web.slo_facts import RANGES, SloFacts
from app.web.slo_figures import BudgetTale, BurnTale, Span, budget_figure, burn_figure
from app.web.slo_words import burn, left, percent_of, subject_of, text_of, title_of, window_word
from app.web.wording import UNKNOWN, Wording, zone_name

MOST_PAST_ALERTS = 12
TIMES = ("slo.head.when", "slo.head.since")
SOON = 0.25
"""The pace is drawn ahead for this part of the time that is shown."""
CONFIG: Any = {"displayModeBar": False, "responsive": True, "showTips": False}


@dataclass(frozen=True, slots=True)
class SloParts:
    """The page in parts: those that follow the time, the figures by id, and those that stay while it is looked at."""

    head: Sequence[Component]
    figures: Mapping[str, Any]
    captions: Mapping[str, list[Component]]
    charts: Sequence[Component]
    below: Sequence[Component]
    still: Sequence[Component]
    shape: str


def slo_parts(known: SloFacts | None, name: str, base: str, w: Wording) -> SloParts:
    """The content of the page. Charts whose `shape` is the same need only their figures and captions changed."""
    if known is None:
        return SloParts(_missing(name, base, w), {}, {}, [], [], [], f"{name} nothing")
    figures, captions = _figures(known, w), _captions(known, w)
    charts = [_budget_section(known, figures, w), _burn_section(known, figures, captions, w)]
    below = [_spenders(known, base, w), _alerts(known, w)]
    still = [_what_if(known.slo, w), _document(known.slo, w)]
    shape = f"{name} {len(figures)} {known.range} {viewer.theme.get()}"
    return SloParts(_head(known, base, w), figures, captions, charts, below, still, shape)


def _missing(name: str, base: str, w: Wording) -> list[Component]:
    words = html.Div([html.H1(name), html.P(w("slo.missing"))])
    return [html.Header([sections.sign("no_data", "", large=True), words, _tools(None, base, w)], className="top"),
            html.P(w("slo.missing.text"), className="why state-no_data")]  # fmt: skip


def _head(known: SloFacts, base: str, w: Wording) -> list[Component]:
    slo, state = known.slo, known.slo["state"]
    word = w("state." + state)
    about = [word, percent_of(slo["target"]), _window(slo, w), w("slo.method." + slo["method"]), slo["name"]]
    where = html.A(subject_of(slo, known.nodes), href=_on_map(slo, base), className="go")
    title = html.H1([where, f" · {title_of(slo, w)}"])
    lines: list[Component | None] = [
        html.Header([sections.sign(state, word, large=True), html.Div([title, html.P(" · ".join(about))]),
                     _tools(slo, base, w)], className="top"),
        html.P(sections.emphasised(spoken(slo.get("why"))), className=f"why state-{state}"),
        html.P(text_of(slo["description"]), className="about quiet") if slo.get("description") else None,
        html.P(w("slo.is_default"), className="about quiet") if slo.get("default") else None,
        _facts(slo, w),
    ]  # fmt: skip
    return [line for line in lines if line is not None]


def _window(slo: Json, w: Wording) -> str:
    return w("slo.rolling" if slo.get("rolling", True) else "slo.calendar", window_word(slo["window"], w))


def _on_map(slo: Json, base: str) -> str:
    return f"{base}?select={quote(slo.get('edge') or slo.get('service') or '', safe='')}"


def _tools(slo: Json | None, base: str, w: Wording) -> html.Nav:
    close = html.A(html.I(className="glyph glyph-close"), href=base + "slos", className="slo-close",
                   title=w("slo.all"), **data(aria_label=w("slo.all")))  # fmt: skip
    if slo is None:
        return html.Nav([close])
    address = f"{base}api/v1/slos/{quote(slo['name'], safe='')}/history.csv?step=1h"
    sheet = html.A(w("action.csv"), href=address, className="tool line", title=w("slo.csv"), download="")
    copy = html.Button(html.I(className="glyph glyph-copy"), type="button", className="panel-copy",
                       title=w("panel.copy"), **data(aria_label=w("panel.copy")))  # fmt: skip
    return html.Nav([sheet, copy, close])


def _facts(slo: Json, w: Wording) -> html.Dl:
    spent = slo.get("exhausted_in_s")
    gone = slo["budget_left"] is not None and slo["budget_left"] <= 0
    rows = [
        (w("panel.budget"), left(slo["budget_left"], w)),
        (w("slo.column.spent"), w("state.exhausted") if gone else w.duration(spent)),
        (w("slo.ratio_of", percent_of(slo["target"])), _exact(slo["ratio"])),
        (w("slo.events"), _events(slo, w)), (w("slo.column.coverage"), w.share(slo["coverage"])),
        (w("slo.bad_allowed"), _allowed(slo)),
    ]  # fmt: skip
    return html.Dl([html.Div([html.Dt(key), html.Dd(value)]) for key, value in rows], className="slo-facts")


def _exact(ratio: float | None) -> str:
    """A ratio in per cent with as many digits as a promise of five nines needs."""
    return UNKNOWN if ratio is None else f"{ratio * 100:.4f}".rstrip("0").rstrip(".") + " %"


def _events(slo: Json, w: Wording) -> str:
    return UNKNOWN if slo["total"] is None else f"{_count(slo['total'])}"


def _allowed(slo: Json) -> str:
    """Bad events against the budget: what the engine's share of it says, since a default's budget is a projection."""
    if not slo["total"]:
        return UNKNOWN
    bad, spent = slo["total"] - slo["good"], 1 - (1.0 if slo["budget_left"] is None else slo["budget_left"])
    allowed = bad / spent if bad and spent > 0 else (1 - float(slo["target"])) * slo["total"]
    return f"{_count(bad)} / {_count(allowed)}"


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or float(value).is_integer() else f"{value:.1f}"


def _figures(known: SloFacts, w: Wording) -> dict[str, Any]:
    theme, zone = viewer.theme.get(), viewer.zone.get()
    figures: dict[str, Any] = {"slo-budget": budget_figure(_tale(known, w), theme, zone)}
    for number, rule in enumerate(known.slo.get("rules") or ()):
        long, short = (known.recent["burn"].get(rule[side]) or [] for side in ("long", "short"))
        if long and short:
            pairs = zip(long, short, strict=True)
            words = [f"{burn(one, w)} · {window_word(rule['short'], w)} {burn(other, w)}" for one, other in pairs]
            tale = BurnTale(known.recent["times"], long, short, words, float(rule["factor"]), rule["severity"],
                            flags(known.changes, known.recent["times"], w))
            figures[f"slo-burn-{number}"] = burn_figure(tale, theme, zone)
    return figures


def _tale(known: SloFacts, w: Wording) -> BudgetTale:
    slo, columns = known.slo, known.period
    first_s = columns["times"][0] if columns["times"] else known.now_s
    spans = [Span(one["severity"], max(first_s, one["since"]), one["until"] or known.now_s)
             for one in slo.get("alert_history") or () if (one["until"] or known.now_s) > first_s]  # fmt: skip
    in_s = slo.get("exhausted_in_s")
    soon = in_s is not None and in_s < (known.now_s - first_s) * SOON
    words = [left(value, w) for value in columns["budget_left"]]
    return BudgetTale(columns["times"], columns["budget_left"], columns["ideal"], words, slo["state"], spans,
                      known.now_s + in_s if soon and in_s is not None else None,
                      flags(known.changes, columns["times"], w))  # fmt: skip


def _budget_section(known: SloFacts, figures: Mapping[str, Any], w: Wording) -> html.Section:
    legend: sections.Children = [
        html.I(className="dash"), w("slo.even_pace"), html.I(className="band page"), w("slo.severity.page"),
        html.I(className="band ticket"), w("slo.severity.ticket"),
    ]  # fmt: skip
    title = html.H2([w("slo.budget_over", _window(known.slo, w)), html.Span(legend)])
    return html.Section([title, _graph("slo-budget", figures)])


def _graph(identity: str, figures: Mapping[str, Any]) -> dcc.Graph:
    figure = figures[identity]
    return dcc.Graph(figure=figure, config=CONFIG, style={"height": f"{figure.layout.height}px"}, id=identity)


def _burn_section(
    known: SloFacts, figures: Mapping[str, Any], captions: Mapping[str, list[Component]], w: Wording
) -> html.Section:
    buttons = [html.Button(window_word(one, w), type="button",
                           **data(data_range=one, aria_pressed=str(one == known.range).lower()))
               for one in RANGES]  # fmt: skip
    seg = html.Span(buttons, className="seg", role="group", **data(aria_label=w("slo.range")))
    cells = []
    for number in range(len(known.slo.get("rules") or ())):
        caption = html.Figcaption(captions[f"slo-rule-{number}"], id=f"slo-rule-{number}")
        drawn = f"slo-burn-{number}" in figures
        cells.append(html.Figure([caption, _graph(f"slo-burn-{number}", figures)] if drawn else [caption]))
    title = html.H2([w("slo.burn_by"), html.Span([w("slo.pace"), seg])])
    return html.Section([title, html.Div(cells, className="burns")])


def _captions(known: SloFacts, w: Wording) -> dict[str, list[Component]]:
    """Of every rule: its windows, how fast they burn now, and from when on it alerts."""
    return {f"slo-rule-{number}": _caption(known.slo, rule, w)
            for number, rule in enumerate(known.slo.get("rules") or ())}  # fmt: skip


def _caption(slo: Json, rule: Json, w: Wording) -> list[Component]:
    long, short = slo["burn"].get(rule["long"]), slo["burn"].get(rule["short"])
    fires = any((one["long"], one["short"]) == (rule["long"], rule["short"]) for one in slo.get("alerts") or ())
    names = w("slo.pair", window_word(rule["long"], w), window_word(rule["short"], w))
    limit = w("slo.above." + rule["severity"], w("slo.times", f"{float(rule['factor']):g}"))
    never = "" if rule.get("reachable", True) else f" · {w('slo.unreachable')}"
    figures = html.B(f"{burn(long, w)} · {burn(short, w)}", className=f"fires {rule['severity']}" if fires else "")
    return [html.Span([html.Strong(names), html.Small(limit + never)]), figures]


def _spenders(known: SloFacts, base: str, w: Wording) -> html.Section:
    if not known.spenders:
        return html.Section([html.H2(w("slo.spent_by")), html.P(w("slo.nothing_spent"), className="quiet")])
    lines = [_spender(one, known.slo, base, w) for one in known.spenders]
    heads = ("slo.head.when", "slo.head.origin", "slo.head.bad", "slo.head.share")
    head = _table_head(heads, known.now_s, w)
    note = html.Span(w("slo.spent_by.note"))
    return html.Section([html.H2([w("slo.spent_by"), note]), html.Table([head, html.Tbody(lines)], className="spent")])


def _table_head(heads: Sequence[str], now_s: float, w: Wording) -> html.Thead:
    """Headings by their words; those of times name the viewer's zone."""
    words = [w(key) + (f" ({zone_name(now_s)})" if key in TIMES else "") for key in heads]
    return html.Thead(html.Tr([html.Th(word, className="n" if i > 1 else "") for i, word in enumerate(words)]))


def _spender(one: Json, slo: Json, base: str, w: Wording) -> html.Tr:
    """An interval, as a link to the map at its end."""
    about = slo.get("edge") or slo.get("service") or ""
    address = f"{base}?at={rfc3339(one['to'])}&select={quote(about, safe='')}"
    when = html.A(w.day_and_minute(rfc3339(one["from"])), href=address, className="go", title=w("slo.to_map"))
    origins = [_origin(origin, one, base, w) for origin in one["origins"][:3]]
    bar = html.I(style={"width": f"{max(2.0, one['share'] * 100):.1f}%"})
    return html.Tr([
        html.Td([when, html.Small(w.duration(one["to"] - one["from"]))]),
        html.Td(origins or UNKNOWN), html.Td(f"{_count(one['bad'])} / {_count(one['total'])}", className="n"),
        html.Td([html.Span(bar), html.B(w.percent(one["share"]))], className="share"),
    ])  # fmt: skip


def _origin(origin: Json, one: Json, base: str, w: Wording) -> html.Span:
    address = f"{base}?at={rfc3339(one['to'])}&select={quote(origin['id'], safe='')}"
    link = html.A(spoken(origin.get("title"), origin["id"]), href=address, className="go")
    return html.Span([link, f" {w.share(origin['share'])}"], className="origin-of")


def _alerts(known: SloFacts, w: Wording) -> html.Section:
    past = known.slo.get("alert_history") or ()
    if not past:
        return html.Section([html.H2(w("slo.alerts")), html.P(w("slo.no_alerts"), className="quiet")])
    heads = ("slo.head.alert", "slo.head.since", "slo.head.lasted", "slo.head.peak")
    head = _table_head(heads, known.now_s, w)
    lines = [_alert(one, known.now_s, w) for one in past[:MOST_PAST_ALERTS]]
    return html.Section([html.H2([w("slo.alerts"), html.Span(str(len(past)))]),
                         html.Table([head, html.Tbody(lines)], className="spent alerts")])  # fmt: skip


def _alert(one: Json, now_s: float, w: Wording) -> html.Tr:
    state = {"page": "burning"}.get(one["severity"], "at_risk")
    word = w("slo.severity." + one["severity"])
    pair = one.get("name") or w("slo.pair", window_word(one["long"], w), window_word(one["short"], w))
    open_ = w("slo.open.quiet" if one.get("state") == "suppressed" else "slo.open")
    lasted = w.duration((one["until"] or now_s) - one["since"])
    return html.Tr([
        html.Td(html.Span([sections.sign(state, word), html.B(word), html.Span(pair, className="quiet")],
                          className="with")),
        html.Td(w.day_and_minute(rfc3339(one["since"]))),
        html.Td(lasted if one["until"] else f"{lasted}, {open_}", className="n"),
        html.Td(burn(one.get("peak_burn"), w), className="n"),
    ])  # fmt: skip


def _what_if(slo: Json, w: Wording) -> html.Section:
    """The host of a form that the browser fills: it asks the interface for programs."""
    host = html.Div(**data(
        data_synoptic="what-if", data_name=slo["name"], data_target=slo["target"],
        data_threshold="" if slo.get("threshold_ms") is None else f"{slo['threshold_ms']:g}",
        data_ratio=str(slo["ratio"] or ""), data_left="" if slo["budget_left"] is None else str(slo["budget_left"]),
    ))  # fmt: skip
    return html.Section([html.H2([w("slo.what_if"), html.Span(w("slo.what_if.note"))]), host], className="what-if")


def _document(slo: Json, w: Wording) -> html.Section:
    text = yaml.safe_dump(slo.get("document") or {}, sort_keys=False, allow_unicode=True, width=100)
    copy = html.Button(html.I(className="glyph glyph-paper"), type="button", className="copy-text",
                       title=w("action.copy"), **data(aria_label=w("action.copy")))  # fmt: skip
    box = html.Div([html.Pre(text, tabIndex=0), copy], className="command")
    return html.Section([html.H2([w("slo.document"), html.Span(html.Code(slo.get("file") or w("slo.default")))]), box])
