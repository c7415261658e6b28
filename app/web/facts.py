"""What the panel shows of a node or a path, asked from the engine in one go. Blocking: call it in a thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.views import Json, Views
from app.web import change_words
from app.web.moments import seconds
from app.web.options import WINDOWS_S
from app.web.slo_section import about

CHART_S = {60: (900, 10), 300: (5400, 60), 900: (10_800, 120), 3600: (43_200, 600)}
"""Of each window, how much time its charts show, and in what steps."""
ARRIVAL_S = 10
DAY_S = 86_400
SIGNALS = ("calls", "errors", "p95", "saturation")
TRACES = 6
LINES, PATTERNS = 5, 8


@dataclass(frozen=True, slots=True)
class Asked:
    """A checked selection: the id of a node or path, over which window, ending when (None is now)."""

    id: str
    window_s: int
    at_s: float | None

    @classmethod
    def of(cls, selection: Any, view: Any) -> Asked | None:
        """From what the browser sent, which may be anything; None when nothing is selected."""
        chosen, seen = (item if isinstance(item, dict) else {} for item in (selection, view))
        identity, at_s = chosen.get("id"), seen.get("at")
        if not isinstance(identity, str) or not identity:
            return None
        window_s = WINDOWS_S.get(str(seen.get("window")), WINDOWS_S["5m"])
        moment = float(at_s) if isinstance(at_s, int | float) and 0 < at_s < 4e9 else None
        return cls(identity, window_s, moment)


@dataclass(frozen=True, slots=True)
class Trend:
    """The golden signals as columns, and the same time yesterday; None where the engine has none."""

    now: Json | None
    yesterday: Json | None
    step_s: int
    changes: Sequence[Json] = ()


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """Everything the panel says about one node. `around` maps ids to the nodes of the snapshot."""

    node: Json
    around: Mapping[str, Json]
    groups: Mapping[str, Json]
    trend: Trend
    traces: list[Json]
    example: Json | None
    lines: list[Json]
    patterns: list[Json]
    logged: tuple[int, int]
    slos: list[Json]
    changes: list[Json]
    since_s: float | None
    end_s: float


@dataclass(frozen=True, slots=True)
class PathFacts:
    """Everything the panel says about one path between two nodes."""

    edge: Json
    around: Mapping[str, Json]
    trend: Trend
    slos: list[Json]


def facts(views: Views, asked: Asked, now_s: float) -> NodeFacts | PathFacts | None:
    """What is known of the node or path with this id; None when neither is known in this window."""
    return node_facts(views, asked, now_s) or path_facts(views, asked, now_s)


def node_facts(views: Views, asked: Asked, now_s: float) -> NodeFacts | None:
    """None when the node is not known in this window."""
    node = views.service(asked.id, asked.window_s, asked.at_s)
    if node is None:
        return None
    snapshot = views.snapshot(asked.window_s, asked.at_s)
    trend = _trend(views, asked, node, now_s)
    end_s = asked.at_s or now_s
    traces = _traces(views, node, asked, end_s)
    chosen = max(traces, key=_telling, default=None)
    from_s = end_s - CHART_S[asked.window_s][0]
    lines = views.logs(asked.id, from_s=from_s, to_s=end_s, limit=LINES)
    patterns = views.log_patterns(asked.id, from_s, end_s, PATTERNS)
    logged = _logged(views.log_counts(asked.id, from_s, end_s, CHART_S[asked.window_s][1]))
    since_s = _since_s(snapshot, asked.id)
    return NodeFacts(
        node, {one["id"]: one for one in snapshot["nodes"]}, {one["id"]: one for one in snapshot.get("groups", [])},
        trend, traces, views.trace(chosen["trace_id"]) if chosen else None, lines, patterns, logged,
        _slos(views, asked), change_words.known(views, node, since_s, end_s), since_s, end_s,
    )  # fmt: skip


def path_facts(views: Views, asked: Asked, now_s: float) -> PathFacts | None:
    """None when the path is not known in this window."""
    snapshot = views.snapshot(asked.window_s, asked.at_s)
    edge = next((one for one in snapshot["edges"] if one["id"] == asked.id), None)
    if edge is None:
        return None
    around = {one["id"]: one for one in snapshot["nodes"]}
    return PathFacts(edge, around, _trend(views, asked, edge, now_s), _slos(views, asked))


def _logged(counts: Json) -> tuple[int, int]:
    """Error lines, and all lines."""
    lines = {level: sum(n or 0 for n in column) for level, column in counts["levels"].items()}
    return int(lines.get("error", 0) + lines.get("fatal", 0)), int(sum(lines.values()))


def _since_s(snapshot: Json, node_id: str) -> float | None:
    """When the trouble of a node began; None without trouble, or where that is not known."""
    found = next((one["since"] for one in snapshot["problems"] if one["id"] == node_id), None)
    return seconds(found) if found else None


def _slos(views: Views, asked: Asked) -> list[Json]:
    """The SLOs of what is selected. They stand as of now, so a picture of the past has none."""
    return about(views.slos(), asked.id) if asked.at_s is None else []


def _traces(views: Views, node: Json, asked: Asked, end_s: float) -> list[Json]:
    """Traces of the node; a store sends no spans of its own, so the traces of its busiest caller stand for it."""
    busiest = max(node["callers"], key=lambda edge: edge["calls"] or 0, default=None)
    whose = busiest["source"] if busiest and node["kind"] != "service" else asked.id
    return views.traces(whose, from_s=end_s - CHART_S[asked.window_s][0], to_s=end_s, limit=TRACES)


def _telling(trace: Json) -> tuple[bool, float]:
    """A failed trace tells most, then a slow one."""
    return bool(trace["failed"]), trace["duration_ms"]


def _trend(views: Views, asked: Asked, item: Json, now_s: float) -> Trend:
    end_s = asked.at_s or now_s - ARRIVAL_S
    span_s, step_s = _scale(asked.window_s, end_s - seconds(item["first_seen"]))
    end_s = end_s // step_s * step_s
    now = views.series(asked.id, SIGNALS, end_s - span_s, end_s, step_s)
    yesterday = views.series(asked.id, SIGNALS, end_s - span_s - DAY_S, end_s - DAY_S, step_s)
    changes = change_words.in_span(views, asked.id.split(">"), end_s - span_s, end_s)
    return Trend(now, yesterday, step_s, changes)


def _scale(window_s: int, age_s: float) -> tuple[int, int]:
    """How much time and in what steps: what the window asks for, or less where there is less history than that."""
    scales = [CHART_S[one] for one in sorted(CHART_S) if one <= window_s]
    return next((scale for scale in scales if scale[0] >= age_s), scales[-1])
