"""What the reader of logs can be told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from collectors.config import Matching, Pace, Range
from collectors.elastic.connection import Connection

Pattern = Annotated[str, Matching(r"[^\s/?#\"\\|]+", "names or patterns of indices, such as logs-*")]


@dataclass(frozen=True, slots=True)
class Fields:
    """A house's own names of fields, dotted whether documents nest them or not. What is not named here is looked for
    where the layout has it."""

    time: str = ""
    service: str = ""
    namespace: str = ""
    environment: str = ""
    level: str = ""
    body: str = ""
    trace_id: str = ""
    span_id: str = ""
    instance: str = ""
    operation: str = ""


@dataclass(frozen=True, slots=True)
class Index:
    """Indices that are asked with one question. With the layout `auto` the mappings tell which layouts there are."""

    pattern: Pattern
    layout: Literal["auto", "ecs", "otel", "logstash", "apm_errors", "skywalking", "own"] = "auto"
    fields: Fields = Fields()

    def check(self) -> Iterator[tuple[str, str, str]]:
        """A layout of one's own has at least these fields."""
        if self.layout == "own":
            for name in ("service", "body"):
                if not getattr(self.fields, name):
                    yield f"fields.{name}", "the name of a field, because the layout is own", "none"


@dataclass(frozen=True, slots=True)
class Config:
    """Logs of one cluster. Of every pull no more than `max_lines` error lines are read, the newest first; all lines
    are counted. A counting question asks for `max_groups` groups a page and, where documents name operations, for the
    `max_operations` with most error lines."""

    cluster: Connection = Connection()
    indices: tuple[Index, ...] = (Index("logs-*"),)
    pace: Pace = Pace(interval_s=60.0)
    max_lines: Annotated[int, Range(0, 20_000)] = 2000
    max_groups: Annotated[int, Range(100, 50_000)] = 10_000
    max_operations: Annotated[int, Range(0, 5000)] = 200

    def check(self) -> Iterator[tuple[str, str, str]]:
        """At least one pattern."""
        if not self.indices:
            yield "indices", "at least one pattern", "none"
