"""In which operation error lines were written: what their documents name or, where they name none, what is known of
their trace. Whatever is not told so is counted for its service only.

Names are counted by the cluster, in the one question that counts all lines. Traces are those of the error lines that
are read anyway: to count lines by trace costs a cluster several times what counting them by service and level does,
because nearly every trace is another (measured, see docs/collectors/elastic_logs.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from collectors.contract import MINUTE_S, Operations
from collectors.elastic_logs.clauses import of_levels
from collectors.elastic_logs.layouts import Layout
from collectors.elastic_logs.services import decoded, service_of
from collectors.elastic_logs.views import View
from collectors.log_records import ERRORS, level_of
from topology.model import Service

MOST_OF_SERVICE = 200
"""Different operations of a service; lines of any beyond are counted for the service only."""
MOST_LEVELS = 5
MINUTE_MS = MINUTE_S * 1000
Group = tuple[int, Service, str]
"""Minute, service and level."""


Of = Counter[tuple[Group, str]]
"""Error lines of a group by what is told of them: the name of an operation, or a trace."""


def asked(view: View, most: int) -> dict[str, Any]:
    """The aggregation that tells the operations of error lines, the `most` frequent ones, beside that of all lines;
    none where documents name no operations."""
    if not view.operation or not most:
        return {}
    within: dict[str, Any] = {}
    for name, told in reversed([*_dimensions(view, most)]):
        within = {"aggs": {name: {**told, **within}}}
    terms = {"field": view.operation, "size": most, "shard_size": most, "collect_mode": "breadth_first"}
    errors = {"bool": {"filter": of_levels(view, _levels(view.layout))}}
    return {"errors": {"filter": errors, "aggs": {"operations": {"terms": terms, **within}}}}


def _levels(layout: Layout) -> list[str]:
    """Where levels cannot be told apart, the operations of fatal lines, the few, are left out."""
    return ["error"] if layout.level_tags else sorted(ERRORS)


def _dimensions(view: View, most: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """What tells the group of a line, one within the other."""
    texts = {f"service_{number}": name for number, name in enumerate(view.services)}
    texts |= {"environment": view.environment, "namespace": view.namespace, "level": "" if view.numeric else view.level}
    for name, counted in texts.items():
        if counted:
            yield name, {"terms": {"field": counted, "size": MOST_LEVELS if name == "level" else most, "missing": ""}}
    numbers = {"level": view.level if view.numeric else "", "number": view.number}
    for name, counted in numbers.items():
        if counted:
            yield name, {"terms": {"field": counted, "size": MOST_LEVELS, "missing": 0}}
    if view.dated:
        yield "minute", {"date_histogram": {"field": view.time, "fixed_interval": "1m", "min_doc_count": 1}}
    else:
        yield "minute", {"histogram": {"field": view.time, "interval": MINUTE_MS, "min_doc_count": 1}}


def read(view: View, aggregations: Mapping[str, Any], environment: str) -> Of:
    """What the cluster told; `environment` is that of services which name none."""
    found: Of = Counter()
    told = (aggregations.get("errors") or {}).get("operations") or {}
    names = [name for name, _ in _dimensions(view, 1)]
    for bucket in told.get("buckets", ()):
        for key, lines in _leaves(bucket, names):
            group = _group(view, key, environment)
            if group is not None:
                found[group, str(bucket["key"])] += lines
    return found


def _leaves(bucket: Mapping[str, Any], names: list[str]) -> Iterator[tuple[dict[str, Any], int]]:
    """Every combination within a bucket, and its lines."""
    if not names:
        yield {}, int(bucket["doc_count"])
        return
    for inner in bucket[names[0]]["buckets"]:
        for key, lines in _leaves(inner, names[1:]):
            yield {names[0]: inner["key"], **key}, lines


def _group(view: View, key: Mapping[str, Any], environment: str) -> Group | None:
    name = next((key[f"service_{n}"] for n in range(len(view.services)) if key[f"service_{n}"]), "")
    service = service_of(view.layout, {**key, "service": name}.get, environment)
    word, number = str(key.get("level") or ""), int(key.get("number") or 0)
    level = level_of(number, word) if word or number else view.layout.assumed_level
    level = "error" if view.layout.level_tags else level
    return (int(key["minute"]) // 1000, service, level) if service and level in ERRORS else None


@dataclass(slots=True)
class Placing:
    """Gives error lines to operations. Remembers the operations of every service, so that they stay few."""

    mask: Callable[[str], str]
    operations: Operations
    _known: dict[Service, set[str]] = field(default_factory=dict)

    def placed(self, named: Of, traced: Of, layout: Layout) -> Of:
        """Lines by group and operation, as far as that is known: of those whose documents name an operation, and of
        those that were read and name a trace."""
        found: Of = Counter()
        done = self.operations({(group[1], trace) for group, trace in traced})
        for (group, trace), lines in traced.items():
            found[group, self._bounded(group[1], done.get((group[1], trace), ""))] += lines
        for (group, name), lines in named.items():
            shown = _endpoint(name) if layout.encoded else name
            found[group, self._bounded(group[1], self.mask(shown))] += lines
        return Counter({(group, operation): lines for (group, operation), lines in found.items() if operation})

    def _bounded(self, service: Service, operation: str) -> str:
        known = self._known.setdefault(service, set())
        if operation and operation not in known and len(known) < MOST_OF_SERVICE:
            known.add(operation)
        return operation if operation in known else ""


def _endpoint(identity: str) -> str:
    """The name in a SkyWalking id of an endpoint: the service's id, an underscore, the encoded name."""
    return decoded(f"{identity.rpartition('_')[2]}.1")


def split(lines: Counter[Group], placed: Of) -> Iterator[tuple[Group, str, int]]:
    """(group, operation, lines), every line once: what is left of a group has no operation."""
    left = Counter(lines)
    for (group, operation), n in placed.items():
        n = min(n, left[group])
        left[group] -= n
        if n:
            yield group, operation, n
    yield from ((group, "", n) for group, n in left.items() if n)
