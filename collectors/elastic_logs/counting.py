"""Lines counted by the cluster: one composite aggregation over minute, service and level, whatever the number of lines.

A composite is paged by its `after_key`; the newest minutes come first, so that what a refusal cuts off is the oldest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from collectors.contract import MINUTE_S
from collectors.elastic.cluster import Cluster
from collectors.elastic.refusals import TooManyBuckets, shortfall
from collectors.elastic_logs.clauses import spelled
from collectors.elastic_logs.operations import Group, Of, asked, read
from collectors.elastic_logs.services import service_of
from collectors.elastic_logs.views import View
from collectors.log_records import LEVELS, WORDS, level_of

FEWEST_GROUPS = 100
_MINUTE_MS = MINUTE_S * 1000
_ENOUGH = 0.8
"""Of the time a request may take: a search that stops by itself still answers in part."""


@dataclass(slots=True)
class Counted:
    """Lines by (minute, service, level), and the operations that documents name of error lines; error lines by
    minute, and how their levels are written in the documents; `shortfalls` say why a count may be too low; `nameless`
    lines are of no service."""

    lines: Counter[Group] = field(default_factory=Counter)
    named: Of = field(default_factory=Counter)
    errors: Counter[int] = field(default_factory=Counter)
    spellings: set[tuple[str, Any]] = field(default_factory=set)
    shortfalls: list[str] = field(default_factory=list)
    nameless: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    """Counts the lines of a view with a time in [from_s, to_s), `groups` a page; the first page tells up to so many
    `operations` of error lines."""

    view: View
    from_s: int
    to_s: int
    timeout_s: float
    operations: int = 0

    def body(self, groups: int, after: Mapping[str, Any] | None) -> dict[str, Any]:
        """The search of one page."""
        composite: dict[str, Any] = {"size": groups, "sources": [*self._sources()]}
        if after is not None:
            composite["after"] = after
        lines: dict[str, Any] = {"composite": composite}
        if self.view.layout.level_tags:
            lines["aggs"] = {"levels": {"filters": {"filters": _tagged(self.view.layout.level_tags)}}}
        errors = asked(self.view, self.operations) if after is None else {}
        return {
            "size": 0, "track_total_hits": False, "timeout": f"{max(1, int(self.timeout_s * _ENOUGH))}s",
            "query": self.view.query(self.from_s, self.to_s), "aggs": {"lines": lines, **errors},
        }

    def _sources(self) -> Iterator[dict[str, Any]]:
        view = self.view
        width: Mapping[str, Any] = {"date_histogram": {"field": view.time, "fixed_interval": "1m", "order": "desc"}}
        if not view.dated:
            width = {"histogram": {"field": view.time, "interval": _MINUTE_MS, "order": "desc"}}
        yield {"minute": width}
        services = {f"service_{number}": name for number, name in enumerate(view.services)}
        named = {**services, "environment": view.environment, "namespace": view.namespace,
                 "level": view.level, "number": view.number}
        for name, counted in named.items():
            if counted:
                yield {name: {"terms": {"field": counted, "missing_bucket": True}}}


def count(cluster: Cluster, question: Question, groups: int, environment: str) -> Counted:
    """Every line of the question; `environment` is that of services which name none. SourceUnavailable when a page is
    refused."""
    counted, after = Counted(), None
    while True:
        try:
            reply = cluster.search(question.view.pattern, question.body(groups, after))
        except TooManyBuckets:
            if groups <= FEWEST_GROUPS and not question.operations:
                raise
            if groups <= FEWEST_GROUPS:
                question = replace(question, operations=0)
            groups = max(FEWEST_GROUPS, groups // 4)
            continue
        if missing := shortfall(reply):
            counted.shortfalls.append(missing)
        told = reply.get("aggregations") or {}
        if after is None:
            counted.named = read(question.view, told, environment)
        page = told.get("lines") or {}
        for bucket in page.get("buckets", ()):
            _add(counted, question.view, bucket, environment)
        after = page.get("after_key")
        if after is None or len(page["buckets"]) < groups:
            return counted


def _add(counted: Counted, view: View, bucket: Mapping[str, Any], environment: str) -> None:
    key, lines = bucket["key"], int(bucket["doc_count"])
    name = next((key[f"service_{n}"] for n in range(len(view.services)) if key[f"service_{n}"]), "")
    service = service_of(view.layout, {**key, "service": name}.get, environment)
    if service is None:
        counted.nameless += lines
        return
    minute = int(key["minute"]) // 1000
    for level, spelling, number in _levels(view, bucket):
        counted.lines[minute, service, level] += number
        if level in ("error", "fatal"):
            counted.errors[minute] += number
            counted.spellings.add((level, spelling))


def _levels(view: View, bucket: Mapping[str, Any]) -> Iterator[tuple[str, Any, int]]:
    """(level, as it is spelled, lines) of a group."""
    key, lines = bucket["key"], int(bucket["doc_count"])
    if view.layout.level_tags:
        found = {level: int(told["doc_count"]) for level, told in bucket["levels"]["buckets"].items()}
        rest = lines - sum(found.values())
        yield from ((level, None, n) for level, n in {**found, "info": found.get("info", 0) + rest}.items() if n > 0)
        return
    word, number = key.get("level"), key.get("number")
    if word is None and number is None:
        yield view.layout.assumed_level, None, lines
    else:
        yield level_of(int(number or 0), "" if word is None else str(word)), word, lines


def _tagged(tags: str) -> dict[str, Any]:
    """One group a level, told by pairs such as `level=ERROR`."""
    return {level: {"terms": {tags: spelled(WORDS[level], "level={}".format)}} for level in LEVELS}
