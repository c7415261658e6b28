"""What the page of one SLO shows, asked from the engine in one go. Blocking: call it in a thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.views import Json, Views
from app.web.change_words import in_span
from app.web.slo_words import length_s

RANGES = {"1h": (3600, 60), "6h": (21_600, 120), "1d": (86_400, 600), "7d": (604_800, 3600), "30d": (2_592_000, 14_400)}
"""What the charts of the burn may show: how much time, in what steps."""
BUDGET_STEPS = 240
SPENDERS = 10
YOUNG = 0.05
"""With data for less than this part of the period the chart of the budget begins where the data does."""
FIRST_S = 300
NOTHING: Json = {"times": [], "good": [], "total": [], "budget_left": [], "ideal": [], "burn": {}}


@dataclass(frozen=True, slots=True)
class SloFacts:
    """Everything the page says about one SLO. `nodes` maps ids to the nodes of the newest snapshot."""

    slo: Json
    period: Json
    recent: Json
    spenders: list[Json]
    nodes: Mapping[str, Json]
    now_s: float
    range: str
    changes: list[Json]


def slo_facts(views: Views, name: str, chosen: str, now_s: float) -> SloFacts | None:
    """What is known of an SLO; None when there is none of this name."""
    slo = views.slo(name)
    if slo is None:
        return None
    period, since_s = _budget_history(views, slo, now_s)
    period = _as_told(period, slo)
    range_ = chosen if chosen in RANGES else _range_of(now_s - since_s)
    span_s, step_s = RANGES[range_]
    recent = _as_told(views.slo_history(name, now_s - span_s, now_s, step_s) or NOTHING, slo)
    nodes = {node["id"]: node for node in views.snapshot()["nodes"]}
    ids = (slo.get("edge") or slo.get("service") or "").split(">")
    changes = in_span(views, ids, min([*period["times"][:1], now_s - span_s]), now_s)
    return SloFacts(slo, period, recent, views.slo_spenders(name, SPENDERS) or [], nodes, now_s, range_, changes)


def _budget_history(views: Views, slo: Json, now_s: float) -> tuple[Json, float]:
    """The budget over the period, or since there is data where that is not long ago; and since when there is."""
    period_s = length_s(slo["window"])
    whole = _history(views, slo["name"], now_s - period_s, now_s)
    step_s = period_s / BUDGET_STEPS
    since_s = _first_known(whole, now_s if slo["budget_left"] is not None else now_s - period_s) - step_s
    if now_s - since_s >= period_s * YOUNG:
        return whole, max(since_s, now_s - period_s)
    near = _history(views, slo["name"], since_s, now_s)
    first_s = _first_known(near, since_s)
    return _history(views, slo["name"], first_s - FIRST_S, now_s), first_s


def _as_told(columns: Json, slo: Json) -> Json:
    """Columns that end with what the page says in words: more may have been counted since that was found."""
    if not columns["times"] or slo["budget_left"] is None:
        return columns
    burn = {window: [*values[:-1], slo["burn"].get(window, values[-1])] for window, values in columns["burn"].items()}
    return {**columns, "budget_left": [*columns["budget_left"][:-1], slo["budget_left"]], "burn": burn}


def _first_known(columns: Json, otherwise: float) -> float:
    """When the budget is known for the first time."""
    pairs = zip(columns["times"], columns["budget_left"], strict=True)
    return next((time for time, left in pairs if left is not None), otherwise)


def _history(views: Views, name: str, from_s: float, to_s: float) -> Json:
    step_s = max(60, int((to_s - from_s) / BUDGET_STEPS) // 60 * 60)
    return views.slo_history(name, from_s // step_s * step_s, to_s, step_s) or NOTHING


def _range_of(age_s: float) -> str:
    """The shortest range that shows everything there is, a day at most."""
    return next((one for one in ("1h", "6h") if RANGES[one][0] >= age_s), "1d")
