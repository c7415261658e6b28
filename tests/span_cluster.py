"""The small Elasticsearch of the tests with spans in it: it counts them in slices of time, as spans are asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from elastic_cluster import Cluster, Reply, _millis, matches


@dataclass
class SpanCluster(Cluster):
    """Indices of documents; `put_spans` adds to them."""

    def put_spans(self, index: str, documents: Iterable[Mapping[str, Any]]) -> None:
        """More documents in an index."""
        self.indices.setdefault(index, ({}, []))[1].extend(dict(document) for document in documents)

    def _search(self, pattern: str, body: Any) -> Reply:
        if isinstance(body, dict) and "query" in body:
            body["query"] = _flat(body["query"])
        slices = body.pop("aggs", None) if isinstance(body, dict) and "@timestamp" in body.get("aggs", ()) else None
        status, reply = super()._search(pattern, body)
        if slices and status == 200 and self._matching(pattern):
            held = [document for name in self._matching(pattern) for document in self.indices[name][1]
                    if matches(body["query"], document)]
            reply["aggregations"] = {name: _histogram(told["date_histogram"]["field"], held)
                                     for name, told in slices.items()}
        return status, reply


def _flat(query: Any) -> Any:
    """A query without what is asked of nested documents, which none of the tests' has."""
    if isinstance(query, list):
        return [_flat(part) for part in query]
    if isinstance(query, dict):
        return {"match_none": {}} if "nested" in query else {name: _flat(part) for name, part in query.items()}
    return query


def _histogram(name: str, documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    counts = Counter(_millis(document, name) // 10_000 * 10_000 for document in documents if _millis(document, name))
    return {"buckets": [{"key": key, "doc_count": n} for key, n in sorted(counts.items())]}
