"""A cluster that is asked: what it is, searches, points in time, and what fields its indices have."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

import orjson

from collectors.elastic.ceiling import Ceiling
from collectors.elastic.connection import Connection
from collectors.elastic.refusals import is_silent, refusal
from collectors.elastic.transport import Decode, OfficialClient, PlainJson, Reply, Transport
from topology.errors import SourceUnavailable, Why

Flavour = Literal["elasticsearch", "opensearch"]
OLDEST_FOR_CLIENT = (7, 14)
"""From here on Elasticsearch says in every reply what it is, which the official client insists on."""
_CLOSED = (403, 404, 405)
"""What `GET /` is answered with where the login, a proxy or the distribution does not allow it."""
SHARD_ORDER = ({"_shard_doc": "asc"},)
INDEX_ORDER = ({"_index": "asc"}, {"_seq_no": "asc"})
_LENIENT = "ignore_unavailable=true&allow_no_indices=true"


@dataclass(frozen=True, slots=True)
class Product:
    """What a server is. The version is (0, 0) where the login may not see it."""

    flavour: Flavour
    version: tuple[int, int]


class Cluster:
    """One cluster. Nothing is asked before it is needed. Thread-safe; nothing is ever written to the cluster.

    Every method that asks raises SourceUnavailable in plain words; see collectors.elastic.refusals for the kinds that
    can be told apart. Every request counts against the ceiling of the connection.
    """

    def __init__(self, connection: Connection, clock: Callable[[], float]) -> None:
        self.connection = connection
        self._ceiling = Ceiling(connection.max_queries, clock)
        self._lock = threading.Lock()
        self._plain: Transport = PlainJson(connection)
        self._transport: Transport | None = None
        self._product: Product | None = None
        self._asked = 0
        self._refused = 0

    @property
    def flavour(self) -> Flavour:
        """What answers there; asked for once."""
        return self.product().flavour

    @property
    def version(self) -> tuple[int, int]:
        """Its major and minor version, (0, 0) where the login may not see it; asked for once."""
        return self.product().version

    def product(self, index: str = "") -> Product:
        """What answers there, from `GET /`; where that is not allowed, from what a harmless search says of itself, of
        `index` where the login may search no more than that."""
        if self._product is None:
            told = self._counted(self._plain, "GET", "/")
            if told.status >= 300 and told.status not in _CLOSED:
                raise refusal(told.status, told.body)
            found = self._shown(index) if told.status in _CLOSED else _told(told)
            self._transport = self._way(found)
            self._product = found
        return self._product

    def _shown(self, index: str) -> Product:
        """401 and 403 come without the name of the product, so they decide nothing."""
        target = f"/{_path(index)}/_search?{_LENIENT}" if index else "/_search"
        shown = self._counted(self._plain, "POST", target, {"size": 0, "track_total_hits": False})
        if shown.status != 200:
            raise refusal(shown.status, shown.body)
        return Product("elasticsearch" if shown.genuine else "opensearch", (0, 0))

    def _way(self, product: Product) -> Transport:
        if product.flavour == "opensearch" or (0, 0) < product.version < OLDEST_FOR_CLIENT:
            return self._plain
        return OfficialClient(self.connection)

    def search(self, index: str, body: Mapping[str, Any], decode: Decode = orjson.loads) -> dict[str, Any]:
        """The reply to a search of `index` (names and patterns, separated by commas); a body with a `pit` names its
        indices itself. Indices that are missing are left out. A reply may be only a part: see refusals.shortfall.
        `decode` may leave the hits as they are, of everything else it makes plain Python."""
        target = "/_search" if "pit" in body else f"/{_path(index)}/_search?{_LENIENT}"
        self.product(index)
        reply = self._ask("POST", target, body, decode)
        if is_silent(reply):
            raise SourceUnavailable("no shard of the index is available (its health is red)", why=Why.NO_DATA)
        return reply

    def open_point(self, index: str, keep_alive_s: float) -> str:
        """The id of a point in time: pages read by it are of one state. NoSuchIndex when nothing matches."""
        keep = f"keep_alive={max(1, int(keep_alive_s))}s"
        if self.product(index).flavour == "opensearch":
            found = self._ask("POST", f"/{_path(index)}/_search/point_in_time?{keep}&{_LENIENT}")
            return str(found["pit_id"])
        return str(self._ask("POST", f"/{_path(index)}/_pit?{keep}&ignore_unavailable=true")["id"])

    def close_point(self, point: str) -> None:
        """Lets the cluster forget a point in time; it forgets by itself what cannot be closed."""
        with suppress(SourceUnavailable):
            if self.flavour == "opensearch":
                self._ask("DELETE", "/_search/point_in_time", {"pit_id": [point]})
            else:
                self._ask("DELETE", "/_pit", {"id": point})

    def tie_breaker(self) -> Sequence[Mapping[str, Any]]:
        """What a sort ends with, so that no two documents of a point in time are equal: in Elasticsearch. OpenSearch
        has nothing of the kind (its `_shard_doc` counts every shard from nought); there as many may be equal as an
        index has shards, see `sure`."""
        return SHARD_ORDER if self.flavour == "elasticsearch" else INDEX_ORDER

    def sure(self, places: Sequence[Any], size: int) -> int:
        """How many hits of a page may be taken, by their places in the order: of a full page of OpenSearch not the last
        ones, which may share their place with some that the page had no room for. They come again after those before
        them. All, where the whole page is one place."""
        if self.flavour == "elasticsearch" or len(places) < size:
            return len(places)
        count = len(places)
        while count and places[count - 1] == places[-1]:
            count -= 1
        return count or len(places)

    def field_caps(self, index: str, fields: Sequence[str]) -> dict[str, Any]:
        """The types of `fields` (names and patterns) in the indices, as the field capabilities API tells them."""
        names = quote(",".join(fields), safe=",*")
        self.product(index)
        return self._ask("GET", f"/{_path(index)}/_field_caps?fields={names}&{_LENIENT}")

    def left(self) -> int:
        """How many queries may be made before the ceiling of this minute."""
        return self._ceiling.left()

    def counters(self) -> Mapping[str, float]:
        """The requests made since the start, and how many of them were refused or not answered."""
        return {"queries": float(self._asked), "queries_failed": float(self._refused)}

    def close(self) -> None:
        """Ends all connections."""
        self._plain.close()
        if self._transport is not None:
            self._transport.close()

    def _ask(
        self, method: str, target: str, body: Mapping[str, Any] | None = None, decode: Decode = orjson.loads
    ) -> dict[str, Any]:
        self.product()
        assert self._transport is not None
        reply = self._counted(self._transport, method, target, body, decode)
        if reply.status >= 300:
            raise refusal(reply.status, reply.body)
        if not isinstance(reply.body, dict):
            raise SourceUnavailable("what answers there is neither Elasticsearch nor OpenSearch", why=Why.STRANGER)
        return reply.body

    def _counted(
        self, transport: Transport, method: str, target: str, body: Mapping[str, Any] | None = None,
        decode: Decode = orjson.loads,
    ) -> Reply:
        self._ceiling.pass_one()
        failed = True
        try:
            reply = transport.ask(method, target, body, decode)
            failed = reply.status >= 300
        finally:
            with self._lock:
                self._asked += 1
                self._refused += failed
        return reply


def connect(connection: Connection, clock: Callable[[], float]) -> Cluster:
    """The cluster at these hosts; it is first asked when something is wanted of it. `clock` gives epoch seconds."""
    return Cluster(connection, clock)


def _told(reply: Reply) -> Product:
    body = reply.body if isinstance(reply.body, dict) else {}
    version = body["version"] if isinstance(body.get("version"), dict) else {}
    number = re.match(r"(\d+)\.(\d+)", str(version.get("number", "")))
    if number is None:
        raise SourceUnavailable("what answers there is neither Elasticsearch nor OpenSearch", why=Why.STRANGER)
    flavour: Flavour = "opensearch" if version.get("distribution") == "opensearch" else "elasticsearch"
    return Product(flavour, (int(number[1]), int(number[2])))


def _path(index: str) -> str:
    return quote(index, safe=",*-.")
