"""The page of the sources: what every collector delivers, and what was lost, merged, refused or is waiting."""

from __future__ import annotations

from dataclasses import dataclass

from dash import html
from dash.development.base_component import Component

from app.slo.definitions import CONFIGURATION
from app.views import Json
from app.web import likeness, registered, sections
from app.web.options import WebOptions
from app.web.wording import UNKNOWN, Wording, amount

HEALTH = {"ok": "ok", "waiting": "no_data", "degraded": "at_risk", "failed": "burning", "off": "no_data"}
EXPLAINED = ("spans", "pending", "duplicates", "late")
TROUBLE = (
    "lost_parents", "overflow", "invalid", "ahead_of_time", "unnamed_targets", "expired_early", "truncated_children",
    "refused_requests", "told_refused", "told_too_late",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Told:
    """What `app.views.Views` tells of sources, quality, faults of SLO documents, registries, and likenesses."""

    sources: list[Json]
    quality: Json
    faults: list[Json]
    registry: Json
    alike: list[Json]


def page(told: Told, options: WebOptions, w: Wording) -> list[Component]:
    """The content of `/sources`."""
    nothing_yet = not any(source["state"] in ("ok", "degraded") for source in told.sources)
    open_questions = (registered.unheard(told.registry, w), likeness.suggested(told.alike, w))
    return [
        html.Header([html.H1(w("sources.title")), html.P(_summary(told.sources, w), className="quiet")]),
        *([_first_step(options, w)] if nothing_yet else []),
        html.Div([_source(source, w) for source in told.sources], className="sources"),
        *([_slo_faults(told.faults, w)] if told.faults else []),
        *[section for section in open_questions if section],
        html.Section([html.H2(w("sources.quality")), html.P(w("sources.quality.about"), className="quiet"),
                      *_quality(told.quality, w)]),
    ]  # fmt: skip


def _slo_faults(faults: list[Json], w: Wording) -> html.Section:
    """What is wrong in the SLO documents, errors first, each with its file and line."""
    ranked = sorted(faults, key=lambda one: one["level"] != "error")
    lines = [
        html.Li([
            html.B(w("slo.fault." + one["level"]), className=one["level"]),
            html.Code(f"{one['file']}:{one.get('line') or 1}"),
            html.Span(": ".join(str(one[key]) for key in ("path", "message") if one.get(key))),
        ])
        for one in ranked
    ]  # fmt: skip
    loud = " errors" if ranked[0]["level"] == "error" else ""
    text = html.P(w("slo.faults.text"), className="quiet")
    return html.Section([html.H2(w("slo.faults", len(faults))), text, html.Ul(lines)], className="slo-faults" + loud)


def _quality(quality: Json, w: Wording) -> list[Component]:
    """Counters with an explanation as cards, the rest as a line of figures."""
    told = [name for name in (*EXPLAINED, *TROUBLE) if name in quality]
    rest = [_chip(name, value, w) for name, value in sorted(quality.items()) if name not in told]
    return [html.Div([_counter(name, quality[name], w) for name in told], className="counters"),
            html.Ul(rest, className="chips")]  # fmt: skip


def _summary(sources: list[Json], w: Wording) -> str:
    counts = {state: sum(source["state"] == state for source in sources) for state in HEALTH}
    return " · ".join(w(f"sources.count.{state}", count) for state, count in counts.items() if count)


def _source(source: Json, w: Wording) -> html.Article:
    state = HEALTH.get(source["state"], "no_data")
    read = source["kind"] == CONFIGURATION and source["state"] == "ok"  # nothing arrives: files are read
    about = "read" if read else source["state"]
    word = w("sources.state." + about)
    head = html.Header([sections.sign(state, word, large=True),
                        html.Div([html.H2(source["name"]), html.P(f"{word} · {source['kind']}", className="quiet")])])
    facts: list[tuple[str, str]] = [
        (w("sources.rate"), w.rate(source.get("rate_per_s"))),
        (w("sources.lag"), w.duration(source.get("lag_s"))),
        (w("sources.last_seen"), w.day_and_clock(source.get("last_seen"))),
    ]
    error = source.get("last_error")
    why = w.because(source.get("last_error_why"), str(error)) if error else ""
    return html.Article(
        [
            head,
            html.P(w(f"sources.about.{about}"), className="quiet"),
            None if read else html.Dl([html.Div([html.Dt(key), html.Dd(value)]) for key, value in facts],
                                      className="facts-list"),
            html.P([html.B(w("sources.last_error")), " ", html.Code(why)], className="why state-" + state)
            if error else None,
            html.Ul([_chip(name, value, w) for name, value in source.get("counters", {}).items()], className="chips"),
        ],
        className=f"source state-{state}",
    )  # fmt: skip


def _chip(name: str, value: object, w: Wording) -> html.Li:
    key = "sources.counter." + name
    return html.Li([html.B(_number(value)), " ", w(key) if key in w.say else name.replace("_", " ")])


def _counter(name: str, value: object, w: Wording) -> html.Div:
    key = f"sources.quality.{name}"
    loud = name in TROUBLE and isinstance(value, int | float) and value > 0
    title = w(key) if key in w.say else name.replace("_", " ")
    text = w(key + ".text") if key + ".text" in w.say else ""
    return html.Div([html.B(_number(value)), html.H3(title), html.P(text)], className="loud" if loud else "")


def _number(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return UNKNOWN if value is None else str(value)
    return f"{value:,}" if isinstance(value, int) and abs(value) < 1e7 else amount(value)


def _first_step(options: WebOptions, w: Wording) -> html.Section:
    return html.Section(
        [html.H2(w("sources.empty")), html.P(w("sources.empty.text", options.otlp_grpc, options.otlp_http)),
         html.Pre(options.first_step, tabIndex=0)],
        className="first-step",
    )  # fmt: skip
