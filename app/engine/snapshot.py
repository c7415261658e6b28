"""The snapshot: the graph of a window as JSON, with health, reasons, places and words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import networkx as nx
import numpy as np

from app.catalogue import Title
from app.changes.naming import Rule as ChangeRule
from app.engine.impact import impact
from app.engine.judging import Judging, judge_all, why_of
from app.engine.moments import rfc3339
from app.engine.placement import Placement
from app.engine.presence import Presence, ends_of
from app.engine.registered import NOTHING, Registered
from app.house import House
from topology.health import LOUDNESS, Objective, State
from topology.layout import Group
from topology.members import Members, edge_id, only_logging
from topology.model import Kind, Service

NOTED_WINDOW_S = 300
"""The window whose pictures say since when a node has its state."""
LATE_AFTER_S = 15.0
OTHERS = Title("Others", "其他")
USERS = Title("Users", "用户")
LOGS_ONLY: Mapping[str, str] = {
    "en": "Logs only: its lines are counted, but no call of it or to it was seen, and nothing is promised of them.",
    "zh": "仅有日志：统计了它的日志，但没有看到任何相关调用，也没有为其日志设定目标。",
}
QUIET_FIGURES: Mapping[str, Any] = {
    "calls": 0, "errors": 0, "originated_errors": 0, "protected": 0, "calls_per_s": 0.0, "error_ratio": None,
    "p50_ms": None, "p95_ms": None, "p99_ms": None, "self_ms": None, "originated_ratio": None, "sampled": None,
    "zones": [], "instances_by_zone": {}, "sources": [], "exact": True, "log_lines": None, "log_errors": None,
}
NO_CHANGE: Mapping[str, Any] = {"change": None, "changed_at": None}
QUIET_PATH: Mapping[str, Any] = {
    "calls": 0, "errors": 0, "protected": 0, "calls_per_s": 0.0, "error_ratio": None, "sampled": None, "protocols": [],
    "sources": [], "exact": True, "client_p95_ms": None, "server_p95_ms": None, "cross_zone_calls": 0,
}


@dataclass(frozen=True)
class Rules:
    """What the house decided about health and grouping."""

    objective: Objective
    stale_after_s: float
    leave_after_s: float
    group_by: str
    environment: str
    demo: bool
    settles_after_s: float = 50.0
    """How long after a call its self time is known: the pairing horizon, a window, and what sending takes."""
    change_rules: Sequence[ChangeRule] = ()
    failed_within_s: float = 3600.0
    lags_s: Mapping[str, float] = field(default_factory=dict)
    """How far behind the sources are that are asked now and then, by name: that late, nothing of theirs is stale."""
    counting: frozenset[str] = frozenset()
    """Those of them that count themselves."""


@dataclass(frozen=True)
class Moment:
    """When the snapshot is taken, of what window, and how old the newest data is."""

    now_s: float
    window_s: int
    data_age_s: float | None
    seq: int
    live: bool = False
    partial: frozenset[str] = frozenset()
    """The sources that told only a part of the window."""
    late_after_s: float = LATE_AFTER_S
    """From which age on the data is late."""


class Drawing:
    """Turns graphs into snapshots; remembers only which domain a virtual node was given."""

    def __init__(self, rules: Rules, house: House, presence: Presence, placement: Placement,
                 registered: Registered) -> None:
        self._rules, self._house, self._presence, self._placement = rules, house, presence, placement
        self._registered = registered
        self._domains: dict[str, str] = {}
        objective = rules.objective
        self._objective = {"error_ratio": round(1 - objective.availability, 9), "p95_ms": objective.latency_ms,
                           "latency_share": objective.latency_share}

    def snapshot(self, graph: nx.DiGraph, members: Members, judging: Judging, moment: Moment,
                 quality: Mapping[str, int], flags: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON of `GET /api/v1/graph` with the extras that the pages need. `flags` are changes by node id."""
        self.judge(graph, members, judging, moment)
        felt = impact(graph, judging.failures)
        groups, layers = self._groups(graph), self._house.entries.layers
        configured = {g.id for g in self._house.entries.groups}
        fixed = [Group(g["id"], g["lead"]) for g in groups if g["lead"] or g["id"] in configured]
        places = self._placement.place(graph, fixed, [x.id for x in layers], moment.now_s)
        nodes = [self._node(graph, n, places[n], felt, moment) for n in sorted(graph)]
        for node in nodes:
            node |= flags.get(node["id"], NO_CHANGE)
        edges = [self._edge(graph, a, b, felt, moment) for a, b in sorted(graph.edges)]
        return {
            "at": rfc3339(moment.now_s), "window_s": moment.window_s, "data_age_s": moment.data_age_s,
            "late_after_s": moment.late_after_s,
            "demo": self._rules.demo, "seq": moment.seq, "environment": self._rules.environment,
            "overall": overall(nodes), "groups": groups,
            "layers": [{"id": layer.id, "title": _title(layer.title, layer.id)} for layer in layers],
            "problems": self._problems(nodes, moment), "nodes": nodes, "edges": edges, "quality": dict(quality),
        }

    def judge(self, graph: nx.DiGraph, members: Members, judging: Judging, moment: Moment) -> None:
        """Completes and judges a graph in place; the live one of five minutes says since when a node has its state."""
        self._complete(graph, members, moment.now_s)
        for service in self._registered.never_heard(graph) if moment.live else ():
            graph.add_node(service.id, service=service, never=True, **QUIET_FIGURES)
        self._registered.lay_over(graph, moment.now_s, moment.live)
        self._describe(graph)
        judge_all(graph, members, judging, self._rules.objective)
        _mark_logging(graph, members)
        if moment.live and moment.window_s == NOTED_WINDOW_S:
            states = {n: State(data["health"]) for n, data in graph.nodes(data=True)}
            self._presence.note_states(states, moment.now_s)

    def _complete(self, graph: nx.DiGraph, members: Members, now_s: float) -> None:
        """Adds who was here and is quiet now, and takes out who left."""
        present = self._presence.present(now_s, self._rules.leave_after_s)
        drawn = set(graph) | {data["id"] for *_, data in graph.edges(data=True)}
        for key in present - drawn:
            ends = ends_of(key)
            for service in ends or (Service.from_id(key),):
                shown = members.display(service)
                if shown is not None and shown.id not in graph:
                    graph.add_node(shown.id, service=shown, **QUIET_FIGURES)
            if ends:
                self._complete_path(graph, members, ends)
        quiet = [n for n, data in graph.nodes(data=True) if data["calls"] == 0]
        gone = [n for n in quiet if n not in present and not _lives(graph, n)]
        graph.remove_nodes_from(gone)
        idle = [(a, b) for a, b, data in graph.edges(data=True) if data["calls"] == 0 and data["id"] not in present]
        graph.remove_edges_from(idle)

    def _complete_path(self, graph: nx.DiGraph, members: Members, ends: tuple[Service, Service]) -> None:
        caller, callee = (members.display(end) for end in ends)
        if caller and callee and caller != callee and not graph.has_edge(caller.id, callee.id):
            graph.add_edge(caller.id, callee.id, id=edge_id(caller, callee), **QUIET_PATH)

    def _describe(self, graph: nx.DiGraph) -> None:
        for node, data in graph.nodes(data=True):
            service = data["service"]
            said = self._house.describe(service)
            data["kind"] = str(service.kind)
            data["title"] = {"en": said.title_en, "zh": said.title_zh}
            data["domain"] = said.domain or self._domains.get(node) or self._domain_of_callers(graph, node)
            data["layer"] = said.layer or ("user" if service.kind is Kind.USER else "")
            data["owner"], data["runbook"] = said.owner, said.runbook
            data["zones"] = data["zones"] or [said.zone] * bool(said.zone)
            by_zone = "+".join(data["zones"])
            data["group"] = {"domain": data["domain"], "layer": data["layer"], "zone": by_zone}[self._rules.group_by]

    def _domain_of_callers(self, graph: nx.DiGraph, node: str) -> str:
        """A virtual node belongs where most of its calls come from; once given, that stays."""
        service = graph.nodes[node]["service"]
        if service.kind is Kind.USER:
            return "users"
        if service.kind in (Kind.SERVICE, Kind.UNKNOWN):
            return ""
        callers = [(data["calls"], caller) for caller, _, data in graph.in_edges(node, data=True)]
        domain = self._house.describe(graph.nodes[max(callers)[1]]["service"]).domain if callers else ""
        if domain:
            self._domains[node] = domain
        return domain

    def _groups(self, graph: nx.DiGraph) -> list[dict[str, Any]]:
        present = {data["group"] for _, data in graph.nodes(data=True)}
        entries = self._house.entries
        listed = entries.layers if self._rules.group_by == "layer" else entries.groups
        known = [{"id": g.id, "title": _title(g.title, g.id), "lead": getattr(g, "lead", False)} for g in listed
                 if g.id in present]
        rest = sorted(present - {g["id"] for g in known})
        lead = [{"id": g, "title": _title(USERS, g), "lead": True} for g in rest if g == "users"]
        others = [{"id": g, "title": _title(OTHERS if not g else None, g), "lead": False} for g in rest if g != "users"]
        return lead + known + others

    def _node(self, graph: nx.DiGraph, node: str, at: tuple[float, float], felt: Any, moment: Moment) -> dict[str, Any]:
        data = graph.nodes[node]
        service, judgement = data["service"], data["judgement"]
        first_s, last_s = self._presence.seen.get(node, (moment.now_s, moment.now_s))
        figures = {key: data[key] for key in (*QUIET_FIGURES, *NOTHING)}
        return {
            "id": node, "environment": service.environment, "namespace": service.namespace, "name": service.name,
            **{key: data[key] for key in ("kind", "title", "domain", "layer", "owner", "runbook", "health")}, **figures,
            "group": data["group"], "stale": self._stale(data, moment.now_s - last_s),
            "why": data["why"] or why_of(judgement), "slo": data["slo"], "slo_kind": data["slo_kind"],
            "budget_left": None if judgement.budget_left is None else round(judgement.budget_left, 4),
            "complete": moment.partial.isdisjoint(data["sources"]), "first_seen": rfc3339(first_s),
            "last_seen": None if data.get("never") else rfc3339(last_s), "x": at[0], "y": at[1],
            "pinned": self._placement.pinned(node), "feels": felt.feels.get(node), "origin": node in felt.origins,
            "objective": self._objective, "logs_only": data.get("logs_only", False),
        }

    def _edge(self, graph: nx.DiGraph, caller: str, callee: str, felt: Any, moment: Moment) -> dict[str, Any]:
        data = graph.edges[caller, callee]
        first_s, last_s = self._presence.seen.get(data["id"], (moment.now_s, moment.now_s))
        client = data["client_p95_ms"]
        return {
            "id": data["id"], "source": caller, "target": callee, **{key: data[key] for key in QUIET_PATH},
            "p95_ms": client if client is not None else data["server_p95_ms"], "health": data["health"],
            "stale": self._stale(data, moment.now_s - last_s), "why": data["why"] or why_of(data["judgement"]),
            "complete": moment.partial.isdisjoint(data["sources"]), "objective": self._objective, "slo": data["slo"],
            "first_seen": rfc3339(first_s), "last_seen": rfc3339(last_s), "impact": (caller, callee) in felt.paths,
            "protection": _protection(data),
        }

    def _stale(self, data: Mapping[str, Any], age_s: float) -> bool:
        """Whether nothing was heard for longer than the quickest of those who tell of it may take."""
        lag_s = min((self._rules.lags_s.get(source, 0.0) for source in data["sources"]), default=0.0)
        return age_s > self._rules.stale_after_s + lag_s

    def _problems(self, nodes: Sequence[Mapping[str, Any]], moment: Moment) -> list[dict[str, Any]]:
        rows = []
        for node in nodes:
            state = State(node["health"])
            since_s = self._presence.since(node["id"], state) if moment.live else None
            if state is not State.OK:
                since = None if since_s is None else rfc3339(since_s)
                rows.append({"id": node["id"], "health": state, "since": since, "text": node["why"]})
        return sorted(rows, key=lambda row: (-LOUDNESS[row["health"]], row["since"] or "", row["id"]))


def _mark_logging(graph: nx.DiGraph, members: Members) -> None:
    """Marks services of which only log lines are known, and tells where these come from; without an objective about
    them, nothing is judged."""
    for number in np.flatnonzero(only_logging(members)).tolist():
        data = graph.nodes.get(members.nodes[number].id)
        if data is not None:
            data["logs_only"], data["sources"] = True, data.get("log_sources", [])
            if data["health"] == State.NO_DATA and data["slo_kind"] is None:
                data["why"] = LOGS_ONLY


def _lives(graph: nx.DiGraph, node: str) -> bool:
    return any(data["calls"] for *_, data in [*graph.in_edges(node, data=True), *graph.out_edges(node, data=True)])


def _title(title: Title | None, fallback: str) -> dict[str, str]:
    return {"en": title.en, "zh": title.zh or title.en} if title else {"en": fallback, "zh": fallback}


def _protection(data: Mapping[str, Any]) -> str | None:
    """A path is marked where a rate limit or a breaker turned calls away: a breaker fails at the caller, untimed
    by any server."""
    if not data["protected"]:
        return None
    return "rate_limited" if data["server_p95_ms"] is not None else "breaker_open"


def overall(nodes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The state of the whole in one word, one headline and one sentence."""
    counts = {str(state): 0 for state in State}
    for node in nodes:
        counts[node["health"]] += 1
    loudest = [node for node in nodes if node["health"] == _state(counts)]
    return {"state": _state(counts), "counts": counts, **_headline(_state(counts), counts, nodes, loudest)}


def _state(counts: Mapping[str, int]) -> str:
    for state in (State.BURNING, State.EXHAUSTED, State.AT_RISK):
        if counts[state]:
            return str(state)
    return str(State.OK if counts[State.OK] else State.NO_DATA)


_HEADLINES = {
    "burning": ("{n} burning: {names}", "{n} 个服务快速消耗预算：{names}"),
    "exhausted": ("{n} with no budget left: {names}", "{n} 个服务预算耗尽：{names}"),
    "at_risk": ("{n} at risk: {names}", "{n} 个服务有风险：{names}"),
    "ok": ("Everything is healthy", "一切正常"),
    "no_data": ("No data", "无数据"),
}


def _headline(state: str, counts: Mapping[str, int], nodes: Sequence[Mapping[str, Any]],
              loudest: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    ordered = sorted(loudest, key=lambda node: (not node["origin"], node["budget_left"] or 0, node["id"]))
    first = ordered[0] if ordered and state in ("burning", "exhausted", "at_risk") else None
    felt = sum(1 for node in nodes if node["feels"])
    headline, detail = {}, {}
    for language, number in (("en", 0), ("zh", 1)):
        names = ", ".join(node["title"][language] for node in ordered[:2]) + (" …" if len(ordered) > 2 else "")
        headline[language] = _HEADLINES[state][number].format(n=counts[state], names=names)
        if felt and state == "burning":
            headline[language] += f" · {felt} feel it" if language == "en" else f" · 波及 {felt} 个服务"
        detail[language] = first["why"][language] if first else ""
    return {"headline": headline, "detail": detail}
