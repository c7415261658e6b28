"""What the reader of stored spans can be told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from collectors.config import Matching, Pace, Range
from collectors.elastic.connection import Connection

Pattern = Annotated[str, Matching(r"[^\s/?#\"\\|,]+", "the name or pattern of indices, such as jaeger-span-*")]
Character = Annotated[str, Matching(r"\S", "one character")]


@dataclass(frozen=True, slots=True)
class Cluster(Connection):
    """A cluster whose documents are read, which takes more queries than counting them."""

    max_queries: Annotated[int, Range(1, 100_000)] = 600


@dataclass(frozen=True, slots=True)
class Config:
    """Spans of one cluster. Every document tells its layout itself, so `indices` may be of several kinds.

    A pull first counts documents in slices of ten seconds, and reads those slices that have other counts than when
    they were read: a wide `pace.overlap` costs a question, not the documents. A page has `page_size` documents, fewer
    where they are large. `dot` is what Jaeger writes for dots in the names of tags (`tag_dot_replacement`)."""

    cluster: Cluster = Cluster()
    indices: tuple[Pattern, ...] = ("jaeger-span-*", "traces-*")
    page_size: Annotated[int, Range(100, 10_000)] = 2500
    dot: Character = "@"
    pace: Pace = Pace(overlap_s=600.0, settle_s=10.0)

    def check(self) -> Iterator[tuple[str, str, str]]:
        """At least one pattern."""
        if not self.indices:
            yield "indices", "at least one pattern", "none"

    @property
    def spans_apart_s(self) -> float:
        """How much later than its other end one end of a call may come: with the minute after, which is asked for one
        interval later."""
        return 60.0 + 2 * self.pace.interval_s
