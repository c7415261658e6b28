"""The critical path of a trace: the stretches of spans that decided how long the whole took. Pure.

Backwards from the end of the root: the child that finished last held up its parent; before that child
began, the one that had finished last by then; and so on, inside every child likewise (Zhang et al.,
"CRISP: Critical Path Analysis of Large-Scale Microservice Architectures", USENIX ATC 2022, section 3).
Children are cut to the time of their parent, so clock skew and work that outlives its caller do not lead astray.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of the path: this span was what everything waited for, from `from_ms` to `to_ms`."""

    span_id: str
    from_ms: float
    to_ms: float


def critical_path(spans: Sequence[Json]) -> list[Stretch]:
    """The path, newest stretch first; its stretches tile the root span without gap or overlap.

    `spans` carry `span_id`, `parent_id`, `start_ms` and `duration_ms`. Where several spans have no
    known parent, the longest of them is the root. Cycles of parents end where they begin.
    """
    if not spans:
        return []
    children, root = _tree(spans)
    path: list[Stretch] = []
    seen = {root["span_id"]}
    # Work still to do, the latest on top: either a stretch that is settled or a span to look into.
    todo: list[Stretch | tuple[Json, float, float]] = [(root, root["start_ms"], _end(root))]
    while todo:
        item = todo.pop()
        if isinstance(item, Stretch):
            path.append(item)
        else:
            todo.extend(reversed(_inside(item, children, seen)))
    return path


def on_path(spans: Sequence[Json]) -> frozenset[str]:
    """The ids of the spans on the critical path."""
    return frozenset(stretch.span_id for stretch in critical_path(spans))


def _inside(
    work: tuple[Json, float, float], children: Mapping[str, list[Json]], seen: set[str]
) -> list[Stretch | tuple[Json, float, float]]:
    """A span from start to end as its own stretches and the children that held it up, latest first."""
    span, start, cursor = work
    found: list[Stretch | tuple[Json, float, float]] = []
    for child in sorted(children.get(span["span_id"], ()), key=_latest_first):
        begin, end = max(child["start_ms"], start), min(_end(child), work[2])
        if end > cursor or begin >= end or child["span_id"] in seen:
            continue
        seen.add(child["span_id"])
        found += [*_own(span, end, cursor), (child, begin, end)]
        cursor = begin
    return [*found, *_own(span, start, cursor)]


def _own(span: Json, start: float, end: float) -> Iterable[Stretch]:
    return [Stretch(span["span_id"], start, end)] if end > start else []


def _tree(spans: Sequence[Json]) -> tuple[dict[str, list[Json]], Json]:
    known = {span["span_id"] for span in spans}
    children: dict[str, list[Json]] = {}
    roots = []
    for span in spans:
        if span["parent_id"] in known and span["parent_id"] != span["span_id"]:
            children.setdefault(span["parent_id"], []).append(span)
        else:
            roots.append(span)
    return children, max(roots or spans, key=lambda span: span["duration_ms"])


def _end(span: Json) -> float:
    end: float = span["start_ms"] + span["duration_ms"]
    return end


def _latest_first(span: Json) -> tuple[float, float]:
    return -_end(span), span["start_ms"]
