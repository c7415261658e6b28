"""The golden signals of a node or path as charts in the panel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from dash import dcc, html
from dash.development.base_component import Component

from app.figures import AXIS_PX, PLOT_PX, Signal, signal_figure
from app.views import Json
from app.web import viewer
from app.web.change_words import flags
from app.web.facts import Trend
from app.web.wording import Wording

Value = float | None
HELD_S = 120
CONFIG: Any = {"displayModeBar": False, "responsive": True, "showTips": False}


@dataclass(frozen=True, slots=True)
class _Chart:
    key: str
    read: Callable[[Json, int], list[Value]]
    say: Callable[[Value], str]
    floor: float
    objective: str = ""


@dataclass(frozen=True, slots=True)
class Drawing:
    """One chart: its figure and what stands above it."""

    key: str
    figure: go.Figure
    caption: list[Component]
    look: str
    height_px: int

    def element(self) -> html.Figure:
        """The chart as a new element."""
        caption = html.Figcaption(self.caption, className=self.look, id=f"caption-{self.key}")
        style = {"height": f"{self.height_px}px"}
        graph = dcc.Graph(figure=self.figure, config=CONFIG, style=style, id=f"signal-{self.key}")
        return html.Figure([caption, graph])

    def changes(self) -> dict[str, dict[str, Any]]:
        """What to set, by id, on the element that is there already: plotly then redraws without a blank moment."""
        return {f"caption-{self.key}": {"children": self.caption, "className": self.look},
                f"signal-{self.key}": {"figure": self.figure}}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Charts:
    """The golden signals of one node or path; `shape` tells whether elements drawn before can be kept."""

    title: html.H3
    drawings: list[Drawing]
    in_row: int

    @property
    def shape(self) -> str:
        """The charts that are there, in order."""
        return " ".join(drawing.key for drawing in self.drawings)

    def section(self) -> html.Section:
        """All charts as new elements."""
        elements = [drawing.element() for drawing in self.drawings]
        return html.Section([self.title, html.Div(elements, className=f"charts row-of-{self.in_row}")])


def charts(trend: Trend, item: Json, w: Wording) -> Charts | None:
    """Calls, errors, latency, and saturation where it is known, over one time axis; None without any data."""
    if trend.now is None:
        return None
    known = [chart for chart in _all(w) if _any(chart.read(trend.now, trend.step_s)) or chart.key != "saturation"]
    in_row = 2 if len(known) == 4 else 3
    drawn = [_drawing(chart, trend, item, w, axis=place >= len(known) - in_row) for place, chart in enumerate(known)]
    return Charts(_title(trend, item, w), drawn, in_row)


def _all(w: Wording) -> tuple[_Chart, ...]:
    return (
        _Chart("calls", _per_second, w.rate, 1.0),
        _Chart("errors", _ratio, w.percent, 0.002, "error_ratio"),
        _Chart("p95", lambda columns, _: list(columns.get("p95", ())), w.millis, 1.0, "p95_ms"),
        _Chart("saturation", _saturation, w.share, 1.0),
    )


def _title(trend: Trend, item: Json, w: Wording) -> html.H3:
    times = (trend.now or {}).get("times", ())
    legend: list[Component | str] = [w("panel.last", w.duration(len(times) * trend.step_s))]
    if trend.yesterday and any(_any(chart.read(trend.yesterday, trend.step_s)) for chart in _all(w)):
        legend += [html.I(className="dash"), w("panel.yesterday")]
    if item.get("objective"):
        legend += [html.I(className="dash long"), w("panel.objective")]
    return html.H3([w("panel.signals"), html.Span(legend)])


def _drawing(chart: _Chart, trend: Trend, item: Json, w: Wording, axis: bool) -> Drawing:
    columns = trend.now or {}
    values = chart.read(columns, trend.step_s)
    before = chart.read(trend.yesterday, trend.step_s) if trend.yesterday else []
    objective = (item.get("objective") or {}).get(chart.objective)
    guilty = _guilty(item) == chart.key
    signal = Signal(
        columns["times"], values, [chart.say(value) for value in values], before, objective, chart.floor,
        item["health"] if guilty else "quiet", flags(trend.changes, columns["times"], w),
    )  # fmt: skip
    newest = next((value for value in reversed(values) if value is not None), None)
    figure = signal_figure(signal, viewer.theme.get(), viewer.zone.get(), axis)
    caption = [html.Span(w("panel.signal." + chart.key)), html.B(chart.say(_now(chart.key, item, newest)))]
    look = f"guilty state-{item['health']}" if guilty else ""
    return Drawing(chart.key, figure, caption, look, PLOT_PX + (AXIS_PX if axis else 0))


def _now(key: str, item: Json, newest: Value) -> Value:
    """The figure of the window where the node has one, so that panel and map say the same."""
    known = {"calls": "calls_per_s", "errors": "error_ratio", "p95": "p95_ms"}
    value: Value = item.get(known[key]) if key in known else newest
    return value


GUILTY = {"availability": "errors", "latency": "p95"}


def _guilty(item: Json) -> str:
    """Which signal the health is about, as on the map; none when nothing of it is to be seen in this window.

    Where no objective says, it is failures if they are more than a few, else a latency beyond the objective.
    """
    if item["health"] in ("ok", "no_data"):
        return ""
    failed, limit_ms = item.get("error_ratio") or 0, (item.get("objective") or {}).get("p95_ms", 0)
    kind, slow = item.get("slo_kind"), (item.get("p95_ms") or 0) > limit_ms
    found = GUILTY.get(kind, "") if kind else "errors" if failed > 0.01 else "p95" if slow else ""
    return "" if found == "errors" and not failed else found


def _per_second(columns: Json, step_s: int) -> list[Value]:
    return [None if count is None else count / step_s for count in columns.get("calls", ())]


def _ratio(columns: Json, _step_s: int) -> list[Value]:
    pairs: Sequence[tuple[Value, Value]] = list(zip(columns.get("errors", ()), columns.get("calls", ()), strict=False))
    return [errors / calls if errors is not None and calls else None for errors, calls in pairs]


def _saturation(columns: Json, step_s: int) -> list[Value]:
    return held(columns.get("saturation", ()), HELD_S // step_s)


def held(values: Sequence[Value], most: int) -> list[Value]:
    """A gauge between its samples: the last value stands for up to `most` steps, as gauges come once a minute."""
    kept: list[Value] = []
    newest, age = None, 0
    for value in values:
        newest, age = (newest, age + 1) if value is None else (value, 0)
        kept.append(newest if age <= most else None)
    return kept


def _any(values: Sequence[Value]) -> bool:
    return any(value is not None for value in values)
