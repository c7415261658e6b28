"""What the Jaeger collector can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from collectors.config import Name, Pace, Range
from collectors.reaching import Url
from collectors.spans.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(Site):
    """One Jaeger, at the address of its query service.

    Its `services` are read one after the other; none listed is all of them. A request brings at most `max_traces`:
    where there are more, shorter times are asked for. Jaeger refuses to search for more traces than it keeps."""

    url: Url = "http://127.0.0.1:16686"
    services: tuple[Name, ...] = ()
    max_traces: Annotated[int, Range(10, 100_000)] = 500
    pace: Pace = field(default=Pace(overlap_s=120.0, settle_s=10.0))

    @property
    def spans_apart_s(self) -> float:
        """How much later than its other end one end of a call may come: with the minute after, which is asked for one
        interval later."""
        return 60.0 + 2 * self.pace.interval_s
