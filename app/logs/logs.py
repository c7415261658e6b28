"""The newest error lines of all sources, their patterns, and what a search has to ask for.

Whoever asks sources hands over what a pull brought with `note`, and keeps `checkpoints` with its own; `restore` takes
them back before anything is noted.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.line_search import LineSearch
from app.logs.patterns import LogPatterns, Said
from collectors.contract import FoundLine, LineQuery
from collectors.otlp.logs import LogLine
from topology.model import Service

PER_SERVICE, MOST = 100, 20_000
PATTERNS, READ_UNTIL = "log_patterns", "log_lines_until"
OTLP = ""
"""The name under which lines that services sent themselves are counted."""
WIDER = 5
"""How many times more lines than wanted are looked through for those of a pattern."""


@dataclass
class Logs:
    """Bounded for every service and altogether. Thread-safe. `received` gives the newest error lines that services
    sent themselves."""

    received: Callable[[], Sequence[LogLine]] = tuple
    patterns: LogPatterns = field(default_factory=LogPatterns)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[Service, deque[FoundLine]] = {}
        self._held = 0
        self._until: dict[str, float] = {}
        self._before: dict[str, float] = {}
        self._known: frozenset[int] = frozenset()
        self._kept_until = b"{}"

    def note(self, source: str, lines: Sequence[FoundLine]) -> None:
        """Takes in the newest error lines that a pull of a source brought, each of which it brings once in its life."""
        with self._lock:
            new = self._unread(source, lines)
            for line in sorted(new, key=lambda line: line.time_s):
                self._keep(line)
        self.patterns.note(Said(line.service, line.level, line.body, line.time_s) for line in new)

    def _unread(self, source: str, lines: Sequence[FoundLine]) -> list[FoundLine]:
        """Without what was taken in before a restart."""
        before_s = self._before.get(source, 0.0)
        self._until[source] = max([self._until.get(source, 0.0), *(line.time_s for line in lines)])
        return [line for line in lines if line.time_s > before_s]

    def _keep(self, line: FoundLine) -> None:
        # at the end of the dictionary are those who spoke last
        said = self._lines[line.service] = self._lines.pop(line.service, deque(maxlen=PER_SERVICE))
        self._held += len(said) < PER_SERVICE
        said.appendleft(line)
        while self._held > MOST:
            self._held -= len(self._lines.pop(next(iter(self._lines))))

    def listen(self) -> None:
        """Takes in what services sent themselves since it was last called; call it every few seconds."""
        lines = [_found(line) for line in self.received()]
        with self._lock:
            told = [(hash((line.service, line.time_s, line.body, line.span_id)), line) for line in lines]
            new = [line for mark, line in told if mark not in self._known]
            self._known = frozenset(mark for mark, _ in told)
            new = self._unread(OTLP, new)
        self.patterns.note(Said(line.service, line.level, line.body, line.time_s) for line in new)

    def newest(self) -> list[FoundLine]:
        """The newest error lines of every source, in no order."""
        with self._lock:
            asked = [line for lines in self._lines.values() for line in lines]
        return [*asked, *map(_found, self.received())]

    def search(self, query: LineQuery, services: Sequence[Service] = ()) -> LineSearch:
        """What sources are to be asked for, and the newest error lines that match it. `services` are all the names
        under which sources may know the service that is meant."""
        wanted, asked = self._asked(query)
        queries = [replace(asked, service=one) for one in services] if services and not query.pattern else [asked]
        at_hand = [line for line in self.newest() if any(matches(line, one) for one in queries)]
        return LineSearch(queries, query.limit, wanted, at_hand)

    def _asked(self, query: LineQuery) -> tuple[Callable[[FoundLine], bool], LineQuery]:
        """Sources know no patterns: they are asked for what all lines of one have in common."""
        if not query.pattern:
            return (lambda _line: True), query
        known = self.patterns.words(query.pattern)
        if known is None:
            return (lambda _line: False), replace(query, limit=1)
        service, words = known
        asked = replace(query, service=Service.from_id(service), pattern="", text=query.text or words,
                        limit=query.limit * WIDER)
        return (lambda line: self.patterns.of(line.service, line.body) == query.pattern), asked

    def checkpoints(self) -> Mapping[str, bytes]:
        """What is kept over a restart, by the name of the checkpoint; the same objects while nothing is new."""
        self.listen()
        with self._lock:
            until = json.dumps(self._until, sort_keys=True).encode()
            self._kept_until = self._kept_until if self._kept_until == until else until
        return {PATTERNS: self.patterns.content(), READ_UNTIL: self._kept_until}

    def restore(self, checkpoints: Mapping[str, bytes]) -> None:
        """Takes back what `checkpoints` gave before a restart."""
        self.patterns.restore(checkpoints.get(PATTERNS, b"[]"))
        self._before = json.loads(checkpoints.get(READ_UNTIL, b"{}"))
        self._until = dict(self._before)


def matches(line: FoundLine, query: LineQuery) -> bool:
    """Whether a line that is at hand is wanted by a query; of its pattern nothing is known here."""
    return (
        query.from_s <= line.time_s < query.to_s and query.service in (None, line.service)
        and query.trace_id in ("", line.trace_id) and (not query.levels or line.level in query.levels)
        and query.text.casefold() in line.body.casefold()
    )


def _found(line: LogLine) -> FoundLine:
    return FoundLine(line.time_s, line.service, line.level, line.body, line.trace_id, line.span_id, line.instance)
