"""An SLO over time as plotly figures: how its budget was spent, how fast it burned. Pure: no clock, no request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

import plotly.graph_objects as go

from app.figures import FONT, TOKENS, Flag, add_flags, faded

BUDGET_PX = 300
BURN_PX = 92
LEAST_BURN = 1.2
LOWEST = -1.0
"""Where the scale of the budget ends at the latest: below, only the figure is written."""
ROOM = 1.12
SPANS = {"page": "burning", "ticket": "at_risk"}
BANDS = {"ticket": 0.16, "page": 0.24}
"""How strongly alerts stand behind the budget, the louder ones on top."""
Value = float | None


@dataclass(frozen=True, slots=True)
class Span:
    """An alert from when to when (epoch seconds); `severity` is page or ticket."""

    severity: str
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class BudgetTale:
    """The budget left over time beside the ideal line; None is unknown. `words` say each value. `spent_at_s` is when
    the budget is gone at the present pace, None when it is not, or not soon."""

    times_s: Sequence[float]
    left: Sequence[Value]
    ideal: Sequence[Value]
    words: Sequence[str]
    state: str
    spans: Sequence[Span] = ()
    spent_at_s: float | None = None
    flags: Sequence[Flag] = ()


@dataclass(frozen=True, slots=True)
class BurnTale:
    """The burn of the two windows of a rule over time, the factor that both must reach, and how values are said."""

    times_s: Sequence[float]
    long: Sequence[Value]
    short: Sequence[Value]
    words: Sequence[str]
    factor: float
    severity: str
    flags: Sequence[Flag] = ()


def budget_figure(tale: BudgetTale, theme: str, zone: tzinfo = UTC) -> go.Figure:
    """The budget as an area that falls from 100 %, the ideal line, alerts as bands, the pace as a dashed line."""
    colours = TOKENS[theme]
    tone, when = colours[tale.state], _local(tale.times_s, zone)
    figure = go.Figure(layout=_layout(colours, BUDGET_PX, when, tale))
    _bands(figure, tale.spans, colours, zone)
    figure.add_scatter(x=when, y=list(tale.ideal), mode="lines", hoverinfo="skip",
                       line={"color": colours["yesterday"], "width": 1.2, "dash": "dot"})  # fmt: skip
    figure.add_scatter(
        x=when, y=list(tale.left), customdata=list(tale.words), mode="lines", connectgaps=False, fill="tozeroy",
        fillcolor=faded(tone, 0.10), line={"color": tone, "width": 2}, hovertemplate="%{customdata}<extra></extra>",
    )  # fmt: skip
    add_flags(figure, tale.flags, 1.0, colours, zone)
    known = [(time, left) for time, left in zip(when, tale.left, strict=True) if left is not None]
    if known and known[-1][1] >= LOWEST:
        _now(figure, known[-1], tale, tone, zone)
    elif known:
        font = {**_ticks(colours), "color": colours["text"]}
        figure.add_annotation(x=known[-1][0], y=LOWEST, text=f"↓ {_percent(known[-1][1])}", showarrow=False,
                              xanchor="right", yanchor="bottom", font=font)  # fmt: skip
    return figure


def _now(figure: go.Figure, last: tuple[datetime, float], tale: BudgetTale, tone: str, zone: tzinfo) -> None:
    """The newest point, and where the present pace leads from it."""
    figure.add_scatter(x=[last[0]], y=[last[1]], mode="markers", marker={"size": 8, "color": tone}, hoverinfo="skip")
    if tale.spent_at_s is not None:
        end = _local([tale.spent_at_s], zone)[0]
        figure.add_scatter(x=[last[0], end], y=[last[1], 0], mode="lines", hoverinfo="skip",
                           line={"color": tone, "width": 1.8, "dash": "dash"})  # fmt: skip


def burn_figure(tale: BurnTale, theme: str, zone: tzinfo = UTC) -> go.Figure:
    """The burn of the long window as an area, of the short one as a thin line, the factor as a dashed line."""
    colours = TOKENS[theme]
    pairs = zip(tale.long, tale.short, strict=True)
    fires = any(one is not None and other is not None and min(one, other) >= tale.factor for one, other in pairs)
    tone = colours[SPANS.get(tale.severity, "at_risk")] if fires else colours["quiet"]
    when = _local(tale.times_s, zone)
    top = max([value for value in (*tale.long, *tale.short) if value is not None] + [tale.factor, LEAST_BURN]) * ROOM
    figure = go.Figure(layout=_small_layout(colours, when, top))
    figure.add_hline(y=tale.factor, line={"color": colours["text"], "width": 1, "dash": "dash"}, opacity=0.65)
    figure.add_scatter(x=when, y=list(tale.short), mode="lines", connectgaps=False, hoverinfo="skip",
                       line={"color": colours["yesterday"], "width": 1})  # fmt: skip
    figure.add_scatter(
        x=when, y=list(tale.long), customdata=list(tale.words), mode="lines", connectgaps=False, fill="tozeroy",
        fillcolor=faded(tone, 0.11), line={"color": tone, "width": 1.8}, hovertemplate="%{customdata}<extra></extra>",
    )  # fmt: skip
    add_flags(figure, tale.flags, top, colours, zone)
    return figure


def _bands(figure: go.Figure, spans: Sequence[Span], colours: dict[str, str], zone: tzinfo) -> None:
    for severity, opacity in BANDS.items():
        tone = colours[SPANS[severity]]
        for from_s, to_s in merged([(span.from_s, span.to_s) for span in spans if span.severity == severity]):
            start, end = _local([from_s, to_s], zone)
            figure.add_vrect(x0=start, x1=end, fillcolor=tone, opacity=opacity, line={"width": 1, "color": tone})


def merged(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The same time as spans that do not overlap, in order."""
    found: list[tuple[float, float]] = []
    for from_s, to_s in sorted(spans):
        if found and from_s <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], to_s)
        else:
            found.append((from_s, to_s))
    return found


def _local(times_s: Sequence[float], zone: tzinfo) -> list[datetime]:
    return [datetime.fromtimestamp(time_s, zone).replace(tzinfo=None) for time_s in times_s]


def _layout(colours: dict[str, str], height: int, when: Sequence[datetime], tale: BudgetTale) -> go.Layout:
    known = [value for value in tale.left if value is not None]
    low = max(LOWEST, min(0.0, *known)) if known else 0.0
    marks = _marks(low)
    up = {
        "range": [low - 0.02 if low else 0.0, 1.02], "tickvals": marks, "ticktext": [_percent(mark) for mark in marks],
        "fixedrange": True, "gridcolor": colours["line"], "zeroline": True, "zerolinecolor": colours["quiet"],
        "tickfont": _ticks(colours),
    }  # fmt: skip
    margin = {"l": 52, "r": 8, "t": 8, "b": 26}
    return go.Layout(height=height, margin=margin, xaxis=_across(colours, when, 7), yaxis=up, **_plain(colours))


def _marks(low: float) -> list[float]:
    """The lines of the scale: quarters of the budget, or halves where much of it is overspent."""
    step = 0.25 if low > -0.5 else 0.5
    return [place * step for place in range(-int(-low / step), int(1 / step) + 1)]


def _percent(value: float) -> str:
    return f"{value * 100:.0f} %".replace("-", "\u2212")


def _small_layout(colours: dict[str, str], when: Sequence[datetime], top: float) -> go.Layout:
    up = {"range": [0, top], "visible": False, "fixedrange": True}
    margin = {"l": 0, "r": 0, "t": 2, "b": 18}
    return go.Layout(height=BURN_PX, margin=margin, xaxis=_across(colours, when, 4), yaxis=up, **_plain(colours))


def _across(colours: dict[str, str], when: Sequence[datetime], ticks: int) -> dict[str, Any]:
    days = bool(when) and (when[-1] - when[0]).days >= 3
    return {
        "type": "date", "showgrid": False, "zeroline": False, "fixedrange": True, "showline": True,
        "linecolor": colours["line"], "tickfont": _ticks(colours), "nticks": ticks, "ticks": "",
        "tickformat": "%m-%d" if days else "%H:%M", "hoverformat": "%m-%d %H:%M", "showspikes": True,
        "spikethickness": 1, "spikedash": "solid", "spikecolor": colours["quiet"], "spikemode": "across",
    }  # fmt: skip


def _ticks(colours: dict[str, str]) -> dict[str, Any]:
    return {"size": 11.5, "color": colours["quiet"], "family": FONT}


def _plain(colours: dict[str, str]) -> dict[str, Any]:
    label = {"bgcolor": colours["raised"], "bordercolor": colours["line"],
             "font": {"color": colours["text"], "size": 12, "family": FONT}}  # fmt: skip
    return {
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "showlegend": False,
        "hovermode": "x unified", "hoverlabel": label, "dragmode": False, "font": {"family": FONT}, "template": None,
        "uirevision": "kept", "transition": {"duration": 0},
    }  # fmt: skip
