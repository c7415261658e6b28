"""The newest error lines of minutes that were counted: few documents, each read once, only when there are new ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from collectors.contract import MINUTE_S, FoundLine
from collectors.elastic.cluster import Cluster
from collectors.elastic.walking import Walk
from collectors.elastic_logs.clauses import of_levels
from collectors.elastic_logs.counting import Counted
from collectors.elastic_logs.documents import Mask, line_of
from collectors.elastic_logs.operations import Of
from collectors.elastic_logs.services import named
from collectors.elastic_logs.views import View
from collectors.log_records import ERRORS
from topology.model import Service

MINUTES_REMEMBERED = 90


@dataclass(slots=True)
class _Read:
    """What was read of one minute: how many error lines it had then, the places of those that were read, and how many
    of these had which trace, by service and level."""

    counted: int = 0
    places: set[int] = field(default_factory=set)
    traces: Counter[tuple[Service, str, str]] = field(default_factory=Counter)


@dataclass(slots=True)
class ErrorLines:
    """Reads the error lines of a view. Remembers by minute what it read, for the minutes that may be asked again;
    `unread` are lines that were too many."""

    view: View
    environment: str
    mask: Mask
    unread: int = 0
    _minutes: dict[int, _Read] = field(default_factory=dict)

    def read(self, cluster: Cluster, counted: Counted, most: int) -> Iterator[FoundLine]:
        """At most `most` lines that were not read before, of the newest minutes first."""
        room = most
        for first, last, lines in _spans(self._changed(counted.errors), most):
            if room <= 0:
                return
            self.unread += max(0, lines - room)
            walk = self._walk(cluster, counted, (first, last + MINUTE_S), lines, room)
            for line in self._new_lines(walk):
                room -= 1
                yield line
            for minute in range(first, last + MINUTE_S, MINUTE_S):
                self._minutes.setdefault(minute, _Read()).counted = counted.errors[minute]
        self._forget()

    def _changed(self, errors: Mapping[int, int]) -> list[tuple[int, int]]:
        """(minute, its error lines) where there are more than were read, newest first."""
        known = {minute: self._minutes.get(minute, _Read()).counted for minute in errors}
        return [(minute, errors[minute]) for minute in sorted(errors, reverse=True) if errors[minute] > known[minute]]

    def _walk(self, cluster: Cluster, counted: Counted, span: tuple[int, int], lines: int, room: int) -> Walk:
        words = [word for level, word in counted.spellings if level in ERRORS]
        query = self.view.query(*span, *of_levels(self.view, sorted(ERRORS), words), named(self.view))
        # any order is as good, and quicker, where all of them are read
        sort = (self.view.newest_first(),) if lines > room else ()
        return Walk(cluster, self.view.pattern, {"query": query, **self.view.document()}, min(lines, room), sort)

    def _new_lines(self, walk: Walk) -> Iterator[FoundLine]:
        for page in walk.pages():
            for hit in page.hits:
                line = line_of(self.view, hit, self.environment, self.mask)
                if line is not None and self._is_new(line):
                    self._note(line)
                    yield line

    def _is_new(self, line: FoundLine) -> bool:
        places = self._minutes.setdefault(_minute(line), _Read()).places
        if hash(line.place) in places:
            return False
        places.add(hash(line.place))
        return True

    def _note(self, line: FoundLine) -> None:
        if line.trace_id and not self.view.operation:
            self._minutes[_minute(line)].traces[line.service, line.level, line.trace_id] += 1

    def traced(self, from_s: int, to_s: int) -> Of:
        """The lines of minutes that were read and name a trace, by minute, service and level, and by trace."""
        found: Of = Counter()
        for minute in range(from_s, to_s, MINUTE_S):
            if minute in self._minutes:
                for (service, level, trace), lines in self._minutes[minute].traces.items():
                    found[(minute, service, level), trace] += lines
        return found

    def _forget(self) -> None:
        for minute in sorted(self._minutes)[:-MINUTES_REMEMBERED]:
            del self._minutes[minute]


def _minute(line: FoundLine) -> int:
    return int(line.time_s) // MINUTE_S * MINUTE_S


def _spans(changed: Sequence[tuple[int, int]], most: int) -> Iterator[tuple[int, int, int]]:
    """(first minute, last minute, lines) of runs of minutes that follow each other, each read with one question."""
    run: list[tuple[int, int]] = []
    for minute, lines in changed:
        if run and (run[-1][0] - MINUTE_S != minute or sum(n for _, n in run) + lines > most):
            yield run[-1][0], run[0][0], sum(n for _, n in run)
            run = []
        run.append((minute, lines))
    if run:
        yield run[-1][0], run[0][0], sum(n for _, n in run)
