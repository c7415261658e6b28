"""The state of every node and path of a picture: that of its worst objective. What has no objective of its own, paths
above all, is judged by the default of `topology.health`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import networkx as nx

from app.engine.evidence import Judged
from app.engine.impact import Failures
from app.slo.told import LOADING, Told, Verdict, no_verdict
from topology.health import Events, Evidence, Judgement, Objective, State, judge
from topology.members import Members
from topology.model import Kind

TROUBLE = (State.AT_RISK, State.EXHAUSTED, State.BURNING)


@dataclass(frozen=True)
class Judging:
    """What objectives say, and the four spans of evidence for whatever has none, all over the same members."""

    told: Told
    failures: Callable[[], Failures]
    """Where failures began, in the hour that sentences are about; asked for only where something is wrong."""
    short: Judged
    long: Judged
    day: Judged
    period: Judged

    def evidence(self, of: str, number: int) -> Evidence | None:
        """What is known of one of the `nodes` or `edges`; None when it was called lately and nothing was bad."""
        short, long, day, period = (judged.row(of, number) for judged in (self.short, self.long, self.day, self.period))
        if short[0] > 0 and long[0] > 0 and not (any(long[1:]) or any(day[1:]) or any(period[1:]) or any(short[1:])):
            return None
        return Evidence(Events(*short), Events(*long), Events(*day), Events(*period))


def judge_all(graph: nx.DiGraph, members: Members, judging: Judging, objective: Objective) -> None:
    """Gives every node and path `judgement`, `health`, `slo`, `slo_kind` and, where it is the same for many, `why`."""
    _judge_nodes(graph, members, judging, objective)
    _judge_paths(graph, members, judging, objective)
    quiet, spotless = _common(objective)
    said = {id(judgement): why_of(judgement) for judgement in (quiet, spotless)}
    for data in [d for _, d in graph.nodes(data=True)] + [d for _, _, d in graph.edges(data=True)]:
        judgement = data.setdefault("judgement", quiet)
        data["health"], data["why"] = str(judgement.state), said.get(id(judgement))
        data.setdefault("slo", "default")
        data.setdefault("slo_kind", None)


@lru_cache(maxsize=8)
def _common(objective: Objective) -> tuple[Judgement, Judgement]:
    """Most have no data or no bad call, and are judged alike: that is worked out once."""
    quiet, spotless = (judge(Evidence(e, e, e, e), objective) for e in (Events(), Events(1)))
    return quiet, spotless


def _judge_nodes(graph: nx.DiGraph, members: Members, judging: Judging, objective: Objective) -> None:
    numbers = {node: number for number, node in enumerate(members.node_ids())}
    for node, data in graph.nodes(data=True):
        verdict = judging.told.verdict(node)
        if verdict is not None:
            data["slo"], data["slo_kind"] = verdict.slo, verdict.kind
            data["judgement"] = Judgement(verdict.state, verdict.budget_left, _sentence(verdict, judging, node))
        elif node in judging.told.beyond or data["service"].kind in (Kind.USER, Kind.UNKNOWN):
            if data["calls"]:
                data["judgement"] = _judged(judging, numbers[node], node, objective)
        elif node in numbers:
            said = LOADING.__getitem__ if judging.told.loading else no_verdict
            data["slo"], data["judgement"] = None, Judgement(State.NO_DATA, None, said)


def _sentence(verdict: Verdict, judging: Judging, about: str) -> Callable[[str], str]:
    if verdict.state not in TROUBLE:
        return verdict.why
    # Where failures began is found over an hour: in most ticks nobody reads the sentence.
    return lambda language: verdict.why(language, judging.failures().origin_of(about))


def _judge_paths(graph: nx.DiGraph, members: Members, judging: Judging, objective: Objective) -> None:
    ids = members.node_ids()
    _, spotless = _common(objective)
    for number, (caller, callee) in enumerate(members.edges):
        data = graph.get_edge_data(ids[caller], ids[callee])
        verdict = judging.told.verdict(data["id"]) if data else None
        if data and verdict is not None:
            data["slo"] = verdict.slo
            data["judgement"] = Judgement(verdict.state, verdict.budget_left, _sentence(verdict, judging, data["id"]))
        elif data and data["calls"]:
            evidence = judging.evidence("edges", number)
            data["judgement"] = judge(evidence, objective) if evidence else spotless


def _judged(judging: Judging, number: int, node: str, objective: Objective) -> Judgement:
    """The judgement of a node beyond the bound of objectives, or of those who call."""
    evidence = judging.evidence("nodes", number)
    if evidence is None:
        return _common(objective)[1]

    def originated_in() -> tuple[Mapping[str, str], float] | None:
        origin = judging.failures().origin_of(node)
        return (origin.names, origin.share) if origin is not None else None

    return judge(replace(evidence, originated_in=originated_in), objective)


def why_of(judgement: Judgement) -> Mapping[str, str]:
    """The sentence of a judgement in both languages."""
    return {"en": judgement.why_en, "zh": judgement.why_zh}
