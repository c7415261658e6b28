"""Questions to a cluster about spans: how many there are in a slice of time, and the documents themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from collectors.elastic.cluster import Cluster
from collectors.elastic.refusals import NoSuchIndex, PointExpired, ReplyTooLarge, shortfall
from collectors.elastic_spans.layouts import WANTED
from collectors.elastic_spans.texts import Hit, Text, hits_as_texts
from topology.errors import SourceUnavailable

SLICE_S = 10
KEEP_ALIVE_S = 60
RESTARTS = 3
TIMES = ("@timestamp", "startTimeMillis")
"""The fields that say when a span began: that of everything else, and that of Jaeger. A document may have both."""
Coming = Future[tuple[Sequence[Hit], bool]]
Counts = dict[int, int]
"""Documents by the start of the slice, epoch seconds."""


def between(from_s: float, to_s: float) -> dict[str, Any]:
    """Documents of spans that begin in [from_s, to_s)."""
    span = {"gte": int(from_s * 1000), "lt": int(to_s * 1000), "format": "epoch_millis"}
    return {"bool": {"should": [{"range": {name: span}} for name in TIMES], "minimum_should_match": 1}}


@dataclass(frozen=True, slots=True)
class Counted:
    """How many documents there are in each slice that has any; why some may not be counted ("" when all are), the
    indices that did not answer, and whether there is any index at all."""

    slices: Counts
    lacks: str
    silent: Sequence[str]
    any_index: bool


def counts(cluster: Cluster, index: str, from_s: int, to_s: int) -> Counted:
    """The documents of every slice in [from_s, to_s)."""
    slices = {name: {"date_histogram": {"field": name, "fixed_interval": f"{SLICE_S}s", "min_doc_count": 1}}
              for name in TIMES}
    reply = cluster.search(index, {"size": 0, "track_total_hits": False, "query": between(from_s, to_s),
                                   "aggs": slices})
    found: Counts = {}
    for told in (reply.get("aggregations") or {}).values():
        for bucket in told.get("buckets") or ():
            start_s = int(bucket["key"]) // 1000
            if from_s <= start_s < to_s:
                found[start_s] = found.get(start_s, 0) + int(bucket["doc_count"])
    shards = reply.get("_shards") or {}
    silent = sorted({str(one["index"]) for one in shards.get("failures") or () if one.get("index")})
    return Counted(found, shortfall(reply), silent, bool(shards.get("total", 1)))


def stretches(starts: Sequence[int], longest_s: int = 60) -> Iterator[tuple[int, int]]:
    """Slices (ascending starts) as [from_s, to_s) of neighbours within one minute."""
    first = last = None
    for start in starts:
        if first is not None and last is not None and (start != last + SLICE_S or start - first >= longest_s):
            yield first, last + SLICE_S
            first = start
        first, last = start if first is None else first, start
    if first is not None and last is not None:
        yield first, last + SLICE_S


@dataclass(slots=True)
class Reading:
    """The documents of a stretch of time, page by page; the next page is fetched while one is worked on.

    A stretch is over when it is read, so documents come in the order that is quickest. A point in time that expires is
    opened again and read from its start: what was read before is known to whoever counts spans. Whoever works on pages
    may change `size`, up to `most`, which falls where replies were too large, and not ask for `whole` documents but for
    the fields that are read. Indices that are `silent` are left out where nothing can be read with them. `lacks` says
    why documents may be missing, "" while none are known to be.
    """

    cluster: Cluster
    index: str
    query: Mapping[str, Any]
    size: int
    most: int
    silent: Sequence[str] = ()
    whole: bool = True
    lacks: str = ""
    _point: str = ""
    _sort: Sequence[Mapping[str, Any]] = field(default_factory=tuple)

    def pages(self) -> Iterator[list[Text]]:
        """The texts of documents; SourceUnavailable when the cluster refuses to go on."""
        with ThreadPoolExecutor(1, "span pages") as ahead:
            try:
                yield from self._from_points(ahead)
            except NoSuchIndex:
                return
            finally:
                if self._point:
                    self.cluster.close_point(self._point)

    def _from_points(self, ahead: ThreadPoolExecutor) -> Iterator[list[Text]]:
        for again in range(RESTARTS + 1):
            try:
                self._point, self._sort = self._open(), self.cluster.tie_breaker()
                yield from self._from_point(ahead)
                return
            except PointExpired:
                self._point = ""
                if again == RESTARTS:
                    raise

    def _open(self) -> str:
        """A point in time: it needs every shard, unlike a search."""
        try:
            return self.cluster.open_point(self.index, KEEP_ALIVE_S)
        except NoSuchIndex:
            raise
        except SourceUnavailable:
            if not self.silent:
                raise
        return self.cluster.open_point(",-".join([self.index, *self.silent]), KEEP_ALIVE_S)

    def _from_point(self, ahead: ThreadPoolExecutor) -> Iterator[list[Text]]:
        coming: Coming | None = ahead.submit(self._page, None)
        while coming is not None:
            hits, full = coming.result()
            coming = ahead.submit(self._page, hits[-1].sort) if full else None
            if hits:
                texts = [hit.source for hit in hits]
                del hits
                yield texts

    def _page(self, after: Sequence[Any] | None) -> tuple[Sequence[Hit], bool]:
        """The hits after a place, and whether there are as many as were asked for."""
        size = self.size
        body: dict[str, Any] = {
            "query": self.query, "pit": {"id": self._point, "keep_alive": f"{KEEP_ALIVE_S}s"}, "size": size,
            "sort": [*self._sort], "track_total_hits": False, "_source": True if self.whole else list(WANTED),
        }
        if after is not None:
            body["search_after"] = after
        try:
            reply = self.cluster.search(self.index, body, hits_as_texts)
        except ReplyTooLarge:
            if size == 1:
                raise
            self.size = self.most = max(1, size // 4)
            return self._page(after)
        self._point = str(reply.get("pit_id") or self._point)
        self.lacks = shortfall(reply) or self.lacks
        hits = reply["hits"]["hits"]
        return hits[: self.cluster.sure([hit.sort for hit in hits], size)], len(hits) >= size


def documents(cluster: Cluster, index: str, query: Mapping[str, Any], most: int,
              sort: Sequence[Mapping[str, Any]] = ()) -> tuple[list[Text], str]:
    """The texts of at most so many documents in one reply, and why some may be missing. SourceUnavailable where there
    are none to be had."""
    body = {"query": query, "size": most, "sort": [*sort] or [{"_doc": "asc"}], "track_total_hits": False,
            "_source": list(WANTED)}
    try:
        reply = cluster.search(index, body, hits_as_texts)
    except NoSuchIndex:
        return [], ""
    except ReplyTooLarge as error:
        if most < 100:
            raise SourceUnavailable(str(error), why=error.why) from error
        return documents(cluster, index, query, most // 4, sort)
    return [hit.source for hit in reply["hits"]["hits"]], shortfall(reply)
