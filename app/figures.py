"""Data -> plotly figures. Pure: no clock, no request; colours are those of `assets/theme.css`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

import plotly.graph_objects as go

FONT = '"Plex", "Noto Sans CJK SC", "Noto Sans SC", "PingFang SC", "Microsoft YaHei", system-ui, sans-serif'
TOKENS = {
    "dark": {
        "ok": "#4FBB97", "at_risk": "#F2D338", "burning": "#E8462A", "exhausted": "#FF74E5", "no_data": "#667286",
        "line": "#2A3548", "text": "#E6EBF4", "quiet": "#9AA7BD", "yesterday": "#6C7B96", "raised": "#212C40",
    },
    "light": {
        "ok": "#185F48", "at_risk": "#93661D", "burning": "#810307", "exhausted": "#8F0097", "no_data": "#6B768A",
        "line": "#DCE1E8", "text": "#1B2430", "quiet": "#566176", "yesterday": "#9AA5B5", "raised": "#EDF0F5",
    },
}  # fmt: skip
ROOM = 1.14
PLOT_PX = 58
AXIS_PX = 18
FLAGS = "changes"
"""The name of the traces that are changes."""


@dataclass(frozen=True, slots=True)
class Flag:
    """A change: when it was made, and what is said of it."""

    at_s: float
    words: str


@dataclass(frozen=True, slots=True)
class Signal:
    """One golden signal over time. `values` and `yesterday` are in step with `times_s`; None is unknown.

    `words` say each value to a person, `floor` is the least height of the scale, `state` gives the
    colour (a health word, or "quiet").
    """

    times_s: Sequence[float]
    values: Sequence[float | None]
    words: Sequence[str]
    yesterday: Sequence[float | None] = ()
    objective: float | None = None
    floor: float = 1.0
    state: str = "quiet"
    flags: Sequence[Flag] = ()

    @property
    def top(self) -> float:
        """The upper end of the scale: everything drawn fits under it with some room."""
        known = [value for value in (*self.values, *self.yesterday, self.objective) if value is not None]
        return max(max(known, default=0.0) * ROOM, self.floor)


def signal_figure(signal: Signal, theme: str, zone: tzinfo = UTC, axis: bool = False) -> go.Figure:
    """The signal as a small area chart on a transparent ground; `axis` adds the times below."""
    colours = TOKENS[theme]
    tone = colours[signal.state]
    when = [datetime.fromtimestamp(time_s, zone).replace(tzinfo=None) for time_s in signal.times_s]
    figure = go.Figure(layout=_layout(colours, signal.top, axis, when))
    if any(value is not None for value in signal.yesterday):
        dotted = {"color": colours["yesterday"], "width": 1.1, "dash": "dot"}
        figure.add_scatter(x=when, y=list(signal.yesterday), mode="lines", line=dotted, hoverinfo="skip")
    if signal.objective is not None:
        figure.add_hline(y=signal.objective, line={"color": colours["text"], "width": 1, "dash": "dash"}, opacity=0.65)
    across, up = _area(when, signal.values)
    figure.add_scatter(
        x=across, y=up, mode="lines", line={"width": 0}, fill="tozeroy", fillcolor=faded(tone, 0.11), hoverinfo="skip"
    )
    figure.add_scatter(
        x=when, y=list(signal.values), customdata=list(signal.words), mode="lines+markers", connectgaps=False,
        marker={"size": _alone(signal.values), "color": tone},
        line={"color": tone, "width": 1.8, "shape": "linear"}, hovertemplate="%{customdata}<extra></extra>",
    )  # fmt: skip
    add_flags(figure, signal.flags, signal.top, colours, zone)
    return figure


def add_flags(figure: go.Figure, flags: Sequence[Flag], top: float, colours: dict[str, str], zone: tzinfo) -> None:
    """Changes as lines from the ground to a flag at `top`; pointing at the flag says what was changed."""
    if not flags:
        return
    when = [datetime.fromtimestamp(flag.at_s, zone).replace(tzinfo=None) for flag in flags]
    across = [moment for one in when for moment in (one, one, None)]
    figure.add_scatter(x=across, y=[0, top, None] * len(when), mode="lines", hoverinfo="skip", cliponaxis=False,
                       line={"color": colours["text"], "width": 1.1}, opacity=0.75, name=FLAGS)  # fmt: skip
    figure.add_scatter(
        x=when, y=[top] * len(when), customdata=[_plain_text(flag.words) for flag in flags], mode="markers",
        marker={"symbol": "triangle-right", "size": 9, "color": colours["text"], "line": {"width": 0}}, name=FLAGS,
        cliponaxis=False, hovertemplate="⚑ %{customdata}<extra></extra>",
    )  # fmt: skip


def _plain_text(words: str) -> str:
    """Foreign words as text: plotly takes some tags for markup."""
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _area(when: Sequence[datetime], values: Sequence[float | None]) -> tuple[list[datetime], list[float]]:
    """The outline under the lines, on the ground between them: plotly itself would close over a gap aslant."""
    across: list[datetime] = []
    up: list[float] = []
    padded = [None, *values, None]
    for i, moment in enumerate(when):
        before, value, after = padded[i : i + 3]
        if value is not None and (before is not None or after is not None):
            heights = [0.0] * (before is None) + [value] + [0.0] * (after is None)
            across += [moment] * len(heights)
            up += heights
    return across, up


def _alone(values: Sequence[float | None]) -> list[int]:
    """Sizes of the marks: a value between two unknown ones would be no line at all."""
    padded = [None, *values, None]
    return [4 if padded[i] is None and padded[i + 2] is None else 0 for i in range(len(values))]


def faded(colour: str, opacity: float) -> str:
    """`#RRGGBB` as rgba with an opacity from 0 to 1."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def _layout(colours: dict[str, str], top: float, axis: bool, when: Sequence[datetime]) -> go.Layout:
    ticks = {"size": 11, "color": colours["quiet"], "family": FONT}
    across = {
        "type": "date", "showgrid": False, "zeroline": False, "fixedrange": True, "showline": True,
        "linecolor": colours["line"], "showticklabels": axis, "tickfont": ticks, "tickformat": "%H:%M", "nticks": 4,
        "ticks": "", "hoverformat": "%H:%M:%S", "range": [when[0], when[-1]] if when else None,
        "showspikes": True, "spikethickness": 1, "spikedash": "solid", "spikecolor": colours["quiet"],
        "spikemode": "across",
    }  # fmt: skip
    up = {"range": [0, top], "visible": False, "fixedrange": True}
    label = {"bgcolor": colours["raised"], "bordercolor": colours["line"],
             "font": {"color": colours["text"], "size": 12, "family": FONT}}  # fmt: skip
    return go.Layout(
        height=PLOT_PX + (AXIS_PX if axis else 0), margin={"l": 0, "r": 0, "t": 2, "b": AXIS_PX if axis else 1},
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", showlegend=False, xaxis=across, yaxis=up,
        hovermode="x unified", hoverlabel=label, dragmode=False, font={"family": FONT}, template=None,
        uirevision="kept", transition={"duration": 0},
    )  # fmt: skip
