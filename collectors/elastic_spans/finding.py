"""Questions of a person: which traces there are, and all spans of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from collectors.contract import TraceQuery
from collectors.elastic_spans.asking import between

SERVICE = ("process.serviceName", "resource.attributes.service.name", "Resource.service.name", "service.name")
TRACE = ("traceID", "trace_id", "TraceId", "trace.id")
_TOOK = (("startTimeMillis", "duration", 1000), ("trace_id", "duration", 1_000_000), ("TraceId", "Duration", 1000),
         ("trace.id", "transaction.duration.us", 1000), ("trace.id", "span.duration.us", 1000))
"""A field that tells the layout, the one with the duration, and how many of its units are a millisecond."""
_FAILED = ({"term": {"status.code": "Error"}}, {"term": {"event.outcome": "failure"}}, {"term": {"TraceStatus": 2}},
           {"term": {"tag.error": "true"}},
           {"nested": {"path": "tags", "ignore_unmapped": True, "query": {"bool": {"filter": [
               {"term": {"tags.key": "error"}}, {"term": {"tags.value": "true"}}]}}}})  # fmt: skip
NEWEST = ({"startTimeMillis": {"order": "desc", "unmapped_type": "date"}},
          {"@timestamp": {"order": "desc", "unmapped_type": "date"}})


def matching(query: TraceQuery) -> Mapping[str, Any]:
    """Spans by which the traces of a query are found."""
    clauses: list[Mapping[str, Any]] = [between(query.from_s, query.to_s)]
    if query.service is not None:
        clauses.append(any_of({"term": {name: query.service.label}} for name in SERVICE))
    if query.min_ms > 0:
        clauses.append(any_of({"bool": {"filter": [{"exists": {"field": known}},
                                                   {"range": {name: {"gte": query.min_ms * unit}}}]}}
                              for known, name, unit in _TOOK))
    if query.failed_only:
        clauses.append(any_of(_FAILED))
    return {"bool": {"filter": clauses}}


def of_traces(ids: Sequence[str]) -> Mapping[str, Any]:
    """All spans of these traces. Jaeger may have left leading zeros away."""
    written = sorted({form for one in ids for form in (one, one.lstrip("0"), one.zfill(32))} - {""})
    return any_of({"terms": {name: written}} for name in TRACE)


def any_of(clauses: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """What fits one of them."""
    return {"bool": {"should": list(clauses), "minimum_should_match": 1}}
