"""Snapshots as the engine makes them, and a Views over fixed ones: what the web layer is tested on."""

# ruff: noqa: D102 - what each method of the shelf answers is said by Views

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import slo_entries

from app.engine.moments import rfc3339
from app.line_search import LineSearch
from collectors.contract import FoundLine, LineQuery
from topology.model import Service

Json = dict[str, Any]
AT = "2026-01-01T08:00:00.000Z"
AT_S = 1_767_254_400.0
WHY = {
    "en": "Healthy: 1 % of calls failed, 0.1x the budgeted rate.",
    "zh": "正常：1 % 的调用失败，为预算速率的 0.1 倍。",
}


def node(name: str, **changes: Any) -> Json:
    """A healthy service; its id is `prod/bank/<name>` unless changed."""
    made = {
        "id": f"prod/bank/{name}", "environment": "prod", "namespace": "bank", "name": name,
        "title": {"en": name, "zh": name}, "kind": "service", "domain": "bank", "layer": "business", "zones": ["a"],
        "instances_by_zone": {"a": 2}, "calls": 1200, "errors": 12, "originated_errors": 3, "protected": 0,
        "calls_per_s": 4.0, "error_ratio": 0.01, "p50_ms": 12.0, "p95_ms": 80.0, "p99_ms": 210.0, "self_ms": 7.5,
        "health": "ok", "stale": False, "why": WHY, "slo": "default", "budget_left": 0.93, "sources": ["otlp"],
        "sampled": None, "complete": True, "first_seen": AT, "last_seen": AT, "x": 0.0, "y": 0.0, "pinned": False,
        "owner": None, "runbook": None, "feels": None, "origin": False, "change": None,
    }  # fmt: skip
    return {**made, **changes}


def edge(caller: str, callee: str, **changes: Any) -> Json:
    """A healthy path between two services made by `node`."""
    ends = f"prod/bank/{caller}", f"prod/bank/{callee}"
    made = {
        "id": ">".join(ends), "source": ends[0], "target": ends[1], "protocols": ["http"], "calls": 1200, "errors": 12,
        "protected": 0, "calls_per_s": 4.0, "error_ratio": 0.01, "client_p95_ms": 84.0, "server_p95_ms": 80.0,
        "p95_ms": 84.0, "cross_zone_calls": 0, "health": "ok", "stale": False, "why": WHY, "sources": ["otlp"],
        "sampled": None, "complete": True, "first_seen": AT, "last_seen": AT, "impact": False, "protection": None,
    }  # fmt: skip
    return {**made, **changes}


def snapshot(nodes: Sequence[Json] = (), edges: Sequence[Json] = (), seq: int = 1, **changes: Any) -> Json:
    """A whole snapshot of five minutes."""
    counts = {"ok": len(nodes), "at_risk": 0, "burning": 0, "exhausted": 0, "no_data": 0}
    words = {"en": "All healthy", "zh": "全部正常"}
    made = {
        "seq": seq, "at": AT, "window_s": 300, "data_age_s": 3.1, "demo": False, "environment": "prod",
        "overall": {"state": "ok", "counts": counts, "headline": words, "detail": words},
        "groups": [{"id": "bank", "title": {"en": "Bank", "zh": "银行"}, "lead": False}], "layers": [], "problems": [],
        "nodes": list(nodes), "edges": list(edges), "quality": {"spans": 48_000, "lost_parents": 3, "pending": 120},
    }  # fmt: skip
    return {**made, **changes}


def chain() -> Json:
    """web -> orders -> ledger -> ledger-db, and a bystander; ledger is burning and in two zones."""
    nodes = [
        node("web", layer="channel"), node("orders"),
        node("ledger", health="burning", zones=["a", "b"], error_ratio=0.2, domain="accounts", origin=True),
        node("ledger-db", kind="database", domain="accounts", id="prod/bank/ledger-db/~database"), node("mail"),
    ]  # fmt: skip
    database = edge("ledger", "ledger-db", target="prod/bank/ledger-db/~database", id="ledger>db")
    return snapshot(nodes, [edge("web", "orders"), edge("orders", "ledger"), database])


def span(name: str, parent: str | None, start_ms: float, duration_ms: float, **changes: Any) -> Json:
    """One span of a trace; `name` is its id and its operation."""
    made = {
        "span_id": name, "parent_id": parent, "service": "ledger", "service_id": "prod/bank/ledger", "operation": name,
        "kind": "server", "start_ms": start_ms, "duration_ms": duration_ms, "failed": False, "status_message": "",
        "attributes": {}, "zone": "a",
    }  # fmt: skip
    return {**made, **changes}


def trace(trace_id: str, spans: Sequence[Json]) -> Json:
    """A kept trace of the ledger."""
    return {"trace_id": trace_id, "service": "prod/bank/ledger", "operation": "POST /entries", "at": AT,
            "duration_ms": max(one["start_ms"] + one["duration_ms"] for one in spans), "failed": False,
            "span_count": len(spans), "spans": list(spans)}  # fmt: skip


class Shelf:
    """A Views that answers from what it was given and writes down what it was asked."""

    def __init__(self, first: Json | None = None, traces: Sequence[Json] = (), lines: Sequence[Json] = (),
                 slos: Sequence[Json] = (), faults: Sequence[Json] = ()) -> None:  # fmt: skip
        self.objectives, self.faults = {one["name"]: one for one in slos}, list(faults)
        self.now = first if first is not None else chain()
        self.kept, self.lines = {one["trace_id"]: one for one in traces}, list(lines)
        self.asked: list[tuple[Any, ...]] = []
        self.pinned: dict[str, tuple[float, float]] = {}
        self.registered: Json = {"registries": [], "services": []}
        self.look_alike: list[Json] = []
        self.changed: list[Json] = []
        self.patterns: list[Json] = []
        self.at_hand: list[FoundLine] = []
        self.loaded = True
        self.state = "ok"
        self._listeners: list[Callable[[int], None]] = []

    def tick(self, following: Json) -> None:
        """The engine's tick: from now on `following` is the snapshot."""
        self.now = following
        for listener in list(self._listeners):
            listener(following["seq"])

    def snapshot(self, window_s: int = 300, at_s: float | None = None) -> Json:
        self.asked.append(("snapshot", window_s, at_s))
        return {**self.now, "window_s": window_s}

    def service(self, node_id: str, window_s: int = 300, at_s: float | None = None) -> Json | None:
        self.asked.append(("service", node_id, window_s, at_s))
        found = next((one for one in self.now["nodes"] if one["id"] == node_id), None)
        if found is None:
            return None
        figures = {"calls": 600, "errors": 6, "error_ratio": 0.01, "calls_per_s": 2.0}
        latency = {"p50_ms": 9.0, "p95_ms": 70.0, "p99_ms": 90.0}
        return {
            **found,
            "callers": [one for one in self.now["edges"] if one["target"] == node_id],
            "callees": [one for one in self.now["edges"] if one["source"] == node_id],
            "operations": [{"operation": "POST /entries", **figures, **latency}],
            "instances": [{"instance": "ledger-1", "zone": "a", "version": "4.1", **figures, **latency}],
        }

    def series(self, of: str, signals: Sequence[str], from_s: float, to_s: float, step_s: int) -> Json | None:
        self.asked.append(("series", of, tuple(signals), from_s, to_s, step_s))
        if of not in {one["id"] for one in (*self.now["nodes"], *self.now["edges"])}:
            return None
        times = [from_s + i * step_s for i in range(int((to_s - from_s) // step_s))]
        return {"times": times, **{name: [1.0] * (len(times) - 1) + [None] for name in signals}}

    def traces(self, service: str | None = None, min_ms: float | None = None, errors: bool = False,
               from_s: float | None = None, to_s: float | None = None, limit: int = 20) -> list[Json]:  # fmt: skip
        self.asked.append(("traces", service, min_ms, errors, from_s, to_s, limit))
        return [{key: value for key, value in one.items() if key != "spans"} for one in self.kept.values()][:limit]

    def trace(self, trace_id: str) -> Json | None:
        return self.kept.get(trace_id)

    def drawn_as(self, service: Service) -> Service:
        ids = {one["name"]: one["id"] for one in self.now["nodes"]}
        return Service.from_id(ids.get(service.name, service.id))

    def title_of(self, service: Service) -> dict[str, str]:
        titles = {one["id"]: one["title"] for one in self.now["nodes"]}
        return titles.get(service.id, {"en": service.name, "zh": service.name})

    def known_as(self, node_id: str) -> list[Service]:
        node = Service.from_id(node_id)
        return [node, Service(node.environment, "", node.name)]

    def log_counts(self, service: str | None, from_s: float, to_s: float, step_s: int) -> Json:
        self.asked.append(("log_counts", service, from_s, to_s, step_s))
        return {"times": [from_s], "levels": {"info": [5], "error": [0]}}

    def logs(self, service: str | None = None, trace: str | None = None, from_s: float | None = None,
             to_s: float | None = None, limit: int = 100, pattern: str | None = None) -> list[Json]:  # fmt: skip
        self.asked.append(("logs", service, trace, from_s, to_s, limit))
        return [line for line in self.lines if (pattern or "").casefold() in line["body"].casefold()][:limit]

    def log_patterns(self, service: str | None, from_s: float, to_s: float, limit: int = 100) -> list[Json]:
        self.asked.append(("log_patterns", service, from_s, to_s, limit))
        return self.patterns

    def line_search(self, query: Mapping[str, Any]) -> LineSearch:
        self.asked.append(("line_search", dict(query)))
        node = query.get("service")
        services = self.known_as(node) if node else [None]
        asked = LineQuery(query["from_s"], query["to_s"], None, query.get("trace_id") or "", limit=query["limit"])
        return LineSearch([replace(asked, service=one) for one in services], query["limit"], at_hand=self.at_hand)

    def told_lines(self, lines: Sequence[FoundLine]) -> list[Json]:
        return [self._told(one, self.drawn_as(one.service)) for one in lines]

    def _told(self, line: FoundLine, node: Service) -> Json:
        return {"time": rfc3339(line.time_s), "service": node.id, "service_title": self.title_of(node),
                "level": line.level, "body": line.body, "trace_id": line.trace_id or None,
                "span_id": line.span_id or None, "instance": line.instance or None,
                **dict.fromkeys(("operation", "stack", "pattern")), **line.attributes}  # fmt: skip

    def changes(self, services: Any, kinds: Any, from_s: float, to_s: float, limit: int) -> list[Json]:
        self.asked.append(("changes", services, kinds, from_s, to_s, limit))
        return [one for one in self.changed if (services is None or (one["service"] or "") in services)
                and (kinds is None or one["kind"] in kinds)][:limit]

    def delivery(self, from_s: float, to_s: float) -> Json:
        raise NotImplementedError  # the same

    def record_changes(self, told: Sequence[Any]) -> list[Json]:
        raise NotImplementedError  # tests tell the real engine

    def sources(self) -> list[Json]:
        return [{"name": "otlp", "kind": "otlp", "state": self.state, "rate_per_s": 812.5, "lag_s": 1.2,
                 "last_error": None, "last_seen": AT, "counters": {"spans": 48_000, "refused": 2}}]  # fmt: skip

    def alike(self) -> list[Json]:
        return self.look_alike

    def registry(self) -> Json:
        return self.registered

    def quality(self) -> Json:
        return dict(self.now["quality"])

    def slos(self) -> list[Json]:
        self.asked.append(("slos",))
        return list(self.objectives.values())

    def slo(self, name: str) -> Json | None:
        found = self.objectives.get(name)
        return found and slo_entries.details(found)

    def slo_history(self, name: str, from_s: float, to_s: float, step_s: int) -> Json | None:
        self.asked.append(("slo_history", name, from_s, to_s, step_s))
        found = self.objectives.get(name)
        return found and slo_entries.history(found, from_s, to_s, step_s)

    def slo_spenders(self, name: str, limit: int = 10) -> list[Json] | None:
        return slo_entries.spenders(limit) if name in self.objectives else None

    def slo_what_if(self, name: str, target: str | None, threshold_ms: float | None) -> Json | None:
        found = self.objectives.get(name)
        return found and slo_entries.what_if(found, target, threshold_ms)

    def alerts(self, open_only: bool = True, from_s: float | None = None, to_s: float | None = None) -> list[Json]:
        self.asked.append(("alerts", open_only, from_s, to_s))
        return [{"slo": name, "service": one["service"], **alert, "until": None, "peak_burn": 41.5,
                 "state": one["state"]} for name, one in self.objectives.items() for alert in one["alerts"]]

    def slo_faults(self) -> list[Json]:
        return self.faults

    def save_positions(self, positions: Mapping[str, tuple[float, float]]) -> None:
        for unknown in positions.keys() - {one["id"] for one in self.now["nodes"]}:
            raise KeyError(unknown)
        self.pinned.update(positions)

    def relayout(self) -> None:
        self.pinned.clear()

    def ready(self) -> bool:
        return self.loaded

    def subscribe(self, on_tick: Callable[[int], None]) -> Callable[[], None]:
        self._listeners.append(on_tick)
        return lambda: self._listeners.remove(on_tick)
