"""Questions about log lines: the newest error lines, their patterns, and searches over all sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from app.engine.moments import rfc3339
from app.engine.naming import Naming
from app.engine.parts import Parts
from app.examples import rows_of
from collectors.contract import FoundLine, LineQuery
from topology.model import Service

MOST_TRACES = 10
"""Of how many kept traces it is looked up which operation a line was written in."""


class LogAnswers(Naming):
    """The part of the engine that answers about log lines; what it reads from is the engine's."""

    parts: Parts

    def note_lines(self, source: str, lines: Sequence[FoundLine]) -> None:
        """Takes in the newest error lines that a pull of a source brought (`Pulled.lines`)."""
        self.parts.logs.note(source, lines)

    def logs(self, service: str | None = None, trace: str | None = None, from_s: float | None = None,
             to_s: float | None = None, limit: int = 100, pattern: str | None = None) -> list[dict[str, Any]]:
        """The newest error lines that are at hand, masked, newest first. `pattern` is the id of one, or a text."""
        logs = self.parts.logs
        known = logs.patterns.words(pattern) if pattern else None
        wanted = "" if known else (pattern or "").casefold()
        ids = self._ids(service)
        lines = [line for line in logs.newest()
                 if (ids is None or line.service.id in ids) and trace in (None, line.trace_id)
                 and (from_s is None or line.time_s >= from_s) and (to_s is None or line.time_s < to_s)
                 and wanted in line.body.casefold()
                 and (known is None or logs.patterns.of(line.service, line.body) == pattern)]
        lines.sort(key=lambda line: -line.time_s)
        return self._lines(lines[:limit])

    def log_patterns(self, service: str | None, from_s: float, to_s: float, limit: int = 100) -> list[dict[str, Any]]:
        """The patterns of error lines with lines in [from_s, to_s), new ones first, then by lines."""
        self.parts.logs.listen()
        found = self.parts.logs.patterns.patterns(self._ids(service), from_s, to_s)[:limit]
        return [{**one, "service": self.drawn_as(Service.from_id(one["service"])).id} for one in found]

    def _ids(self, service: str | None) -> set[str] | None:
        """The ids under which sources may know a node; None for all nodes."""
        if service is None:
            return None
        try:
            return {one.id for one in self.known_as(service)}
        except ValueError:
            return set()

    def find_lines(self, query: Mapping[str, Any], cancelled: Callable[[], bool]) -> Iterator[dict[str, Any]]:
        """The lines that match out of every source, newest first, piece by piece: `lines`, `reached` (how far back the
        search has come) and `faults` (what could not be searched). ValueError for a service that is none."""
        node = query.get("service")
        services = self.known_as(node) if node else []
        asked = LineQuery(**{**query, "service": services[0] if services else None})
        for found in self.parts.logs.search(asked, cancelled, services):
            reached = None if found.reached_s is None else rfc3339(found.reached_s)
            yield {"lines": self._lines(found.lines), "reached": reached, "faults": [*found.faults]}

    def _lines(self, lines: Sequence[FoundLine]) -> list[dict[str, Any]]:
        operations = self._operations([line.trace_id for line in lines if line.span_id])
        return [{
            "time": rfc3339(line.time_s), "service": self.drawn_as(line.service).id, "level": line.level,
            "body": line.body,
            "trace_id": line.trace_id or None, "span_id": line.span_id or None, "instance": line.instance or None,
            "operation": operations.get((line.trace_id, line.span_id)), "stack": line.attributes.get("stack"),
            "pattern": self.parts.logs.patterns.of(line.service, line.body) or None,
        } for line in lines]  # fmt: skip

    def _operations(self, trace_ids: Sequence[str]) -> dict[tuple[str, str], str]:
        """The operations of the spans of kept traces, by trace and span: in which a line was written."""
        found: dict[tuple[str, str], str] = {}
        for trace_id in [*dict.fromkeys(filter(None, trace_ids))][:MOST_TRACES]:
            example = self.parts.store.example(trace_id)
            for span in rows_of(example) if example else ():
                found[trace_id, span["span_id"]] = span["operation"]
        return found
