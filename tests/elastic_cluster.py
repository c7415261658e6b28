"""A small Elasticsearch on a port of this machine: indices with mappings and documents, the few searches that are made
of it, and troubles on demand. Its replies have the shapes of real ones (../shared/samples/elasticsearch-live)."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from collectors.elastic_logs.documents import value_of

Reply = tuple[int, Any]
EXPIRED = {"error": {"type": "search_phase_execution_exception", "reason": "all shards failed", "root_cause": [
    {"type": "search_context_missing_exception", "reason": "No search context found for id [7]"}]}, "status": 404}


@dataclass
class Cluster:
    """What the server holds, and what it was asked: (method, path, body). `troubles` are replies given in place of the
    next ones; `missing` are (index, reason) of shards that do not answer; `red`: none does. So many documents share a
    place in the order as there are `shards`, as in OpenSearch."""

    number: str = "8.19.0"
    distribution: str = ""
    indices: dict[str, tuple[dict[str, str], list[dict[str, Any]]]] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    troubles: list[Reply | None] = field(default_factory=list)
    missing: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    points: dict[str, str] = field(default_factory=dict)
    red: bool = False
    shards: int = 1
    url: str = ""

    def put(self, index: str, mappings: Mapping[str, Any], documents: Sequence[Mapping[str, Any]]) -> None:
        """An index with its fields and documents."""
        self.indices[index] = (dict(_types(mappings)), [dict(document) for document in documents])

    def searches(self) -> list[Any]:
        """The bodies of all searches."""
        return [body for method, path, body in self.asked if path.partition("?")[0].endswith("_search")]

    def answer(self, method: str, path: str, body: Any) -> Reply:
        """The reply to a request."""
        self.asked.append((method, path, body))
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble is not None:
            return trouble
        name, _, rest = unquote(urlsplit(path).path).strip("/").rpartition("/")
        if not name and not rest:
            version = {"number": self.number, **({"distribution": self.distribution} if self.distribution else {})}
            return 200, {"name": "node-1", "cluster_name": "fake", "version": version}
        if rest == "_field_caps":
            return 200, self._capabilities(name)
        if rest in ("_pit", "point_in_time"):
            return self._point(method, name.removesuffix("/_search"), body)
        return self._search(name, body)

    def _point(self, method: str, name: str, body: Any) -> Reply:
        if method == "DELETE":
            self.points.clear()
            return 200, {"succeeded": True, "num_freed": 1}
        point = f"point-{len(self.asked)}"
        self.points[point] = name
        return 200, {"pit_id" if self.distribution else "id": point}

    def _matching(self, pattern: str) -> list[str]:
        return [name for name in self.indices if any(fnmatchcase(name, part) for part in pattern.split(","))]

    def _capabilities(self, pattern: str) -> Any:
        found: dict[str, dict[str, Any]] = {}
        if self.red:
            return {"indices": [], "fields": found}
        for index in self._matching(pattern):
            for name, kind in self.indices[index][0].items():
                told = found.setdefault(name, {}).setdefault(kind, {"type": kind, "searchable": True, "indices": []})
                told["indices"].append(index)
        return {"indices": self._matching(pattern), "fields": found}

    def _search(self, pattern: str, body: Any) -> Reply:
        if "pit" in body:
            if body["pit"]["id"] not in self.points:
                return 404, EXPIRED
            pattern = self.points[body["pit"]["id"]]
        if self.red:
            return 503, {"error": {"type": "search_phase_execution_exception", "reason": "all shards failed"}}
        names = self._matching(pattern)
        shards: dict[str, Any] = {"total": len(names) + len(self.missing), "successful": len(names), "skipped": 0,
                                  "failed": len(self.missing)}
        if self.missing:
            shards["failures"] = [{"shard": 0, "index": at, "node": "n", "reason": why} for at, why in self.missing]
        reply: dict[str, Any] = {"took": 1, "timed_out": False, "_shards": shards, "hits": {"hits": []}}
        if not names:
            return 200, reply
        hits = [(name, number, document) for name in names for number, document in enumerate(self.indices[name][1])
                if matches(body.get("query", {"match_all": {}}), document)]
        if "aggs" in body:
            found = [document for _, _, document in hits]
            reply["aggregations"] = {name: composite(told, found) if "composite" in told else nested(told, found)
                                     for name, told in body["aggs"].items()}
        reply["hits"]["hits"] = _page(hits, body, self.shards)
        return 200, reply


def _page(hits: Sequence[tuple[str, int, Mapping[str, Any]]], body: Any, shards: int) -> list[Any]:
    times = [next(iter(order)) for order in body.get("sort", ()) if isinstance(order, Mapping)
             and not next(iter(order)).startswith("_")]
    time = body["docvalue_fields"][0]["field"] if "docvalue_fields" in body else ""
    rows = [{"_index": name, "_id": str(number), "_source": document, "fields": {time: [str(_millis(document, time))]},
             "sort": [*(-_millis(document, at) for at in times), at_shard // shards]}
            for at_shard, (name, number, document) in enumerate(hits)]
    rows.sort(key=lambda row: row["sort"])
    after = body.get("search_after")
    return [row for row in rows if after is None or row["sort"] > after][: body.get("size", 10)]


def _millis(document: Mapping[str, Any], name: str) -> int:
    value = value_of(document, name)
    if isinstance(value, int):
        return value
    return int(datetime.fromisoformat(value).timestamp() * 1000) if value else 0


def _types(mappings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, told in mappings.get("properties", {}).items():
        if "properties" in told:
            yield from _types(told, f"{above}{name}.")
        else:
            yield above + name, told["type"]
            yield from ((f"{above}{name}.{part}", kind["type"]) for part, kind in told.get("fields", {}).items())


def _values(document: Mapping[str, Any], name: str) -> list[Any]:
    value = value_of(document, name.removesuffix(".keyword"))
    return value if isinstance(value, list) else [] if value is None else [value]


def matches(query: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    """Whether a document is found by a query."""
    (kind, told), = query.items()
    if kind == "bool":
        should = told.get("should")
        return (all(matches(part, document) for part in told.get("filter", ()))
                and not any(matches(part, document) for part in told.get("must_not", ()))
                and (not should or any(matches(part, document) for part in should)))
    if kind in ("match_all", "match_none"):
        return kind == "match_all"
    if kind == "exists":
        return bool(_values(document, told["field"]))
    (name, wanted), = told.items()
    return _holds(kind, wanted, name, document)


def _holds(kind: str, wanted: Any, name: str, document: Mapping[str, Any]) -> bool:
    values = _values(document, name)
    if kind == "range":
        number = _millis(document, name)
        return bool(values) and wanted["gte"] <= number < wanted["lt"]
    if kind == "match_phrase":
        phrase, words = (re.findall(r"\w+", str(text).lower()) for text in (wanted, values[0] if values else ""))
        return any(phrase == words[at : at + len(phrase)] for at in range(len(words)))
    return bool({*map(str, wanted if kind == "terms" else [wanted])} & {*map(str, values)})


def composite(told: Mapping[str, Any], documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A page of a composite aggregation, the first source descending, as all that are asked for here."""
    sources = [next(iter(source.items())) for source in told["composite"]["sources"]]
    counts: Counter[tuple[Any, ...]] = Counter()
    tagged: dict[tuple[Any, ...], Counter[str]] = {}
    for document in documents:
        key = tuple(_bucket(source, document) for _, source in sources)
        counts[key] += 1
        for level, one in told.get("aggs", {}).get("levels", {}).get("filters", {}).get("filters", {}).items():
            tagged.setdefault(key, Counter())[level] += matches(one, document)
    keys = sorted(counts, key=lambda key: (-key[0], *(str(part or "") for part in key[1:])))
    after = told["composite"].get("after")
    if after is not None:
        keys = keys[keys.index(tuple(after.values())) + 1 :]
    keys = keys[: told["composite"]["size"]]
    named = [{name: part for (name, _), part in zip(sources, key, strict=True)} for key in keys]
    buckets = []
    for name, key in zip(named, keys, strict=True):
        levels = {"levels": {"buckets": {level: {"doc_count": n} for level, n in tagged.get(key, {}).items()}}}
        buckets.append({"key": name, "doc_count": counts[key], **(levels if key in tagged else {})})
    return {"buckets": buckets, **({"after_key": named[-1]} if named else {})}


def nested(told: Mapping[str, Any], documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A filter, terms or histogram aggregation with what is within it; the most frequent first."""
    def within(kept: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        inner = {name: nested(one, kept) for name, one in told.get("aggs", {}).items()}
        return {"doc_count": len(kept), **inner}

    if "filter" in told:
        return within([document for document in documents if matches(told["filter"], document)])
    kind, asked = next((kind, asked) for kind, asked in told.items() if kind != "aggs")
    groups: dict[Any, list[Mapping[str, Any]]] = {}
    for document in documents:
        key = _bucket({kind: asked}, document)
        key = asked.get("missing") if key is None else key
        if key is not None:
            groups.setdefault(key, []).append(document)
    ranked = sorted(groups.items(), key=lambda group: -len(group[1]))[: asked.get("size")]
    return {"buckets": [{"key": key, **within(kept)} for key, kept in ranked]}


def _bucket(source: Mapping[str, Any], document: Mapping[str, Any]) -> Any:
    (kind, told), = source.items()
    if kind == "terms":
        return next(iter(_values(document, told["field"])), None)
    return _millis(document, told["field"]) // 60_000 * 60_000


@contextmanager
def serving(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster on a free port; its address is in `url`."""
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # in one packet, or the reader waits for the second

        def _reply(self) -> None:
            text = self.rfile.read(int(self.headers.get("content-length") or 0))
            cluster.headers.append({name.lower(): value for name, value in self.headers.items()})
            status, answer = cluster.answer(self.command, self.path, json.loads(text) if text else None)
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "text/html" if isinstance(answer, bytes) else "application/json")
            if not cluster.distribution and status < 400:
                self.send_header("x-elastic-product", "Elasticsearch")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _reply

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    cluster.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
