"""Replies whose documents stay text, each to be decoded when its turn comes.

To decode a document of Jaeger into dictionaries takes as long as the server takes to send it, and ten times the memory
of its text; of most of it (the process, the tags) the text has been seen before.
"""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

Text = msgspec.Raw


class Hit(msgspec.Struct, frozen=True, gc=False):
    """The text of a document, "null" where it has none, and its place in the order."""

    source: Text = msgspec.field(name="_source", default=msgspec.Raw(b"null"))
    sort: Any = None


class _Hits(msgspec.Struct):
    hits: list[Hit]


class _Found(msgspec.Struct):
    hits: _Hits
    pit_id: str | None = None
    timed_out: bool = False
    shards: Any = msgspec.field(name="_shards", default=None)


_FOUND = msgspec.json.Decoder(_Found)


def hits_as_texts(reply: bytes) -> Any:
    """The reply to a search with a `Hit` for each hit; any other reply in plain Python. ValueError where it is no
    JSON."""
    try:
        found = _FOUND.decode(reply)
    except ValueError:
        return orjson.loads(reply)
    return {"hits": {"hits": found.hits.hits}, "pit_id": found.pit_id, "timed_out": found.timed_out,
            "_shards": found.shards}
