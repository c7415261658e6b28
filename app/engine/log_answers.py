"""Questions about log lines: the newest error lines, their patterns, and searches over all sources."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from app.engine.moments import rfc3339
from app.engine.naming import Naming
from app.engine.parts import Parts
from app.engine.presence import Presence
from app.engine.trace_lines import TraceLines
from app.examples import rows_of
from app.line_search import LineSearch
from collectors.contract import FoundLine, LineQuery
from topology.model import Service

MOST_TRACES = 10
"""Of how many kept traces it is looked up which operation a line was written in."""


class LogAnswers(Naming):
    """The part of the engine that answers about log lines; what it reads from is the engine's."""

    parts: Parts
    presence: Presence
    trace_lines: TraceLines

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
        return self.told_lines(lines[:limit])

    def log_patterns(self, service: str | None, from_s: float, to_s: float, limit: int = 100) -> list[dict[str, Any]]:
        """The patterns of error lines with lines in [from_s, to_s), new ones first, then by lines; of how many of the
        error lines of its service that are counts, each says."""
        self.parts.logs.listen()
        found = self.parts.logs.patterns.patterns(self._ids(service), from_s, to_s, self._known_since)
        read = Counter[str]()
        for source, lines in {one["service"]: one["lines_read"] for one in found}.items():
            read[self.drawn_as(Service.from_id(source)).id] += lines
        counted = self.error_lines(from_s, to_s) if found else {}
        told = [{**one, **self._named(Service.from_id(one["service"]))} for one in found[:limit]]
        return [{**one, "lines_read": (n := read[one["service"]]),
                 "lines_counted": max(n, counted.get(one["service"], 0))} for one in told]

    def _known_since(self, service: str) -> float | None:
        """Since when anything tells of a service, as a source names it."""
        return self.presence.seen.get(self.drawn_as(Service.from_id(service)).id, (None,))[0]

    @abstractmethod
    def error_lines(self, from_s: float, to_s: float) -> Mapping[str, int | float]:
        """The error lines of every node, by its id, in whole minutes."""

    def _ids(self, service: str | None) -> set[str] | None:
        """The ids under which sources may know a node; None for all nodes."""
        if service is None:
            return None
        try:
            return {one.id for one in self.known_as(service)}
        except ValueError:
            return set()

    def line_search(self, query: Mapping[str, Any]) -> LineSearch:
        """What sources are to be asked for; see `app.views.Views`."""
        node = query.get("service")
        services = self.known_as(node) if node else []
        asked = LineQuery(**{**query, "service": services[0] if services else None})
        return self.parts.logs.search(asked, services)

    def told_lines(self, lines: Sequence[FoundLine]) -> list[dict[str, Any]]:
        """Lines as `logs` has them."""
        operations = self._operations([line.trace_id for line in lines if line.span_id])
        done = self.trace_lines.operations({(line.service, line.trace_id) for line in lines if line.trace_id})
        return [{
            "time": rfc3339(line.time_s), **self._named(line.service), "level": line.level, "body": line.body,
            "trace_id": line.trace_id or None, "span_id": line.span_id or None, "instance": line.instance or None,
            "operation": operations.get((line.trace_id, line.span_id)) or done.get((line.service, line.trace_id)),
            "stack": line.attributes.get("stack"),
            "pattern": self.parts.logs.patterns.of(line.service, line.body) or None,
        } for line in lines]  # fmt: skip

    def _named(self, service: Service) -> dict[str, Any]:
        node = self.drawn_as(service)
        return {"service": node.id, "service_title": self.title_of(node)}

    def _operations(self, trace_ids: Sequence[str]) -> dict[tuple[str, str], str]:
        """The operations of the spans of kept traces, by trace and span: in which a line was written."""
        found: dict[tuple[str, str], str] = {}
        for trace_id in [*dict.fromkeys(filter(None, trace_ids))][:MOST_TRACES]:
            example = self.parts.store.example(trace_id)
            for span in rows_of(example) if example else ():
                found[trace_id, span["span_id"]] = span["operation"]
        return found
