"""What the Tempo collector can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from collectors.config import Matching, Name, Pace, Range
from collectors.reaching import Url
from collectors.spans.site import Site

TraceQl = Annotated[str, Matching(r"\{.*\}", 'a TraceQL query in braces, such as {} or { resource.cluster = "a" }')]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(Site):
    """One Tempo, at the address of its query frontend, and the `tenant` whose traces are read.

    `query` says which traces are read, in TraceQL. A search brings at most `max_traces`: where there are more, shorter
    times are asked for. Every trace is a request of its own, `parallel` of them at a time."""

    url: Url = "http://127.0.0.1:3200"
    tenant: Name | None = None
    query: TraceQl = "{}"
    max_traces: Annotated[int, Range(10, 262_144)] = 1000
    max_requests: Annotated[int, Range(10, 1_000_000)] = 20_000
    parallel: Annotated[int, Range(1, 32)] = 4
    pace: Pace = field(default=Pace(overlap_s=120.0, settle_s=30.0))

    @property
    def spans_apart_s(self) -> float:
        """How much later than its other end one end of a call may come: with the minute after, which is asked for one
        interval later."""
        return 60.0 + 2 * self.pace.interval_s
