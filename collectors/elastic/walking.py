"""Documents page by page, from one point in time, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from collectors.elastic.cluster import Cluster
from collectors.elastic.refusals import NoSuchIndex, PointExpired, ReplyTooLarge, shortfall

Hit = Mapping[str, Any]
MOST_A_PAGE = 1000
KEEP_ALIVE_S = 60
_RESTARTS = 3


@dataclass(frozen=True, slots=True)
class Page:
    """Some hits, in order; `shortfall` says in plain words why some may be missing."""

    hits: Sequence[Hit]
    shortfall: str = ""


@dataclass(slots=True)
class Walk:
    """A walk through the documents that match `body` (a query, and what is wanted of documents) in the order of `sort`,
    to which what tells equal ones apart is added; without a sort, in whatever order is quickest. At most `limit` are
    read. A point in time that expires is taken up again; documents that were read already are left out then."""

    cluster: Cluster
    index: str
    body: Mapping[str, Any]
    limit: int
    sort: Sequence[Mapping[str, Any]] = ()
    size: int = MOST_A_PAGE
    _seen: set[tuple[str, str]] = field(default_factory=set)
    _after: Sequence[Any] | None = None
    _point: str = ""

    def pages(self) -> Iterator[Page]:
        """The pages; SourceUnavailable when the cluster refuses to go on."""
        if self.limit <= self.size:
            yield self._only_page()
            return
        try:
            self._point = self.cluster.open_point(self.index, KEEP_ALIVE_S)
            yield from self._all_pages()
        except NoSuchIndex:
            return
        finally:
            if self._point:
                self.cluster.close_point(self._point)

    def _only_page(self) -> Page:
        """One page needs no point in time."""
        body = {**self.body, "sort": [*self.sort] or ["_doc"], "size": self.limit, "track_total_hits": False}
        try:
            reply = self.cluster.search(self.index, body)
        except ReplyTooLarge:
            self.limit = max(1, self.limit // 4)
            return self._only_page() if self.limit > 1 else Page((), "a document is too large to be read")
        return Page(reply["hits"]["hits"], shortfall(reply))

    def _all_pages(self) -> Iterator[Page]:
        restarts = 0
        while len(self._seen) < self.limit:
            try:
                hits, page = self._next()
            except PointExpired:
                restarts += 1
                if restarts > _RESTARTS:
                    raise
                self._point, self._after = self.cluster.open_point(self.index, KEEP_ALIVE_S), None
                continue
            except ReplyTooLarge:
                if self.size == 1:
                    raise
                self.size = max(1, self.size // 4)
                continue
            if not hits:
                return
            if page.hits:
                yield page

    def _next(self) -> tuple[Sequence[Hit], Page]:
        """The hits of the next page, and those of them that are new."""
        body: dict[str, Any] = {
            **self.body, "pit": {"id": self._point, "keep_alive": f"{KEEP_ALIVE_S}s"}, "size": self.size,
            "sort": [*self.sort, *self.cluster.tie_breaker()], "track_total_hits": False,
        }
        if self._after is not None:
            body["search_after"] = self._after
        reply = self.cluster.search(self.index, body)
        self._point = str(reply.get("pit_id") or self._point)
        hits = reply["hits"]["hits"]
        places = [hit["sort"] for hit in hits]
        self._after = places[self.cluster.sure(places, self.size) - 1] if hits else None
        new = [hit for hit in hits if (hit["_index"], hit["_id"]) not in self._seen][: self.limit - len(self._seen)]
        self._seen.update((hit["_index"], hit["_id"]) for hit in new)
        return hits, Page(new, shortfall(reply))
