"""Example traces: chosen while they arrive, read back from the journal when they are complete."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from collectors.otlp.span_reader import ReadSpan, span_at, spans_of
from topology.choosing import Chooser, Place, place_of, remember
from topology.journal import Journal
from topology.model import Service
from topology.spans import TRACE, SpanColumns
from topology.store.contract import Example

COMPLETE_AFTER_S = 12.0
REMEMBERED_S = 28.0
"""How much longer is known where its spans are."""
MAX_WANTED = 64
USUAL_SPAN_BYTES = 16 << 10
MOST_AT_ONCE, MOST_SOUGHT, SOUGHT_EVERY_S = 3, 15, 6.0
"""Traces read back in one tick: what a burst wanted is collected bit by bit. Looking where the spans of fifteen are
costs as much as for one, so a few wait for each other, for so many seconds."""
MAX_SPANS = 2000
HOUR_S = 3600.0
PAGE_SPANS, MOST_PAGES = 1 << 15, 80
"""Where spans are is kept in pages of 24 bytes a span: 60 MiB at most."""
UNUSED_S = 600.0
"""Pages of a burst wait so long for the next: memory that is new to the machine costs more than writing to it."""
LOW_BITS = (1 << 16) - 1


class _Page:
    """Where some thousand spans are, in the order of arrival: a row a span."""

    def __init__(self) -> None:
        self.used, self.newest_s = 0, 0.0
        self.trace = np.empty(PAGE_SPANS, np.int64)
        self.rest = np.empty((PAGE_SPANS, 2), np.int64)


class ExampleBook:
    """Remembers where recent spans are in the journal, and which traces are wanted. Bounded in bytes and count.

    The spans of one trace may arrive `apart_s` later than they would when services send them themselves."""

    def __init__(self, chooser: Chooser, bytes_per_hour: int, apart_s: float = 0.0) -> None:
        self._chooser, self._bytes_per_hour = chooser, bytes_per_hour
        self._complete_after_s = COMPLETE_AFTER_S + apart_s
        self._pages: deque[_Page] = deque()
        self._wanted: dict[int, float] = {}
        self._found: deque[tuple[int, list[Place]]] = deque()
        self._hour, self._spent = -1, 0
        self.kept = 0

    def note(self, columns: SpanColumns, resolved: npt.NDArray[np.int32], ticket: int, now_s: float) -> None:
        """Takes notice of a request, and of the traces in it that are worth keeping."""
        used, done = columns.used, 0
        for row in self._chooser.choose(columns.wide, resolved, used, now_s).tolist():
            if len(self._wanted) < MAX_WANTED:
                self._wanted.setdefault(int(columns.wide[row, TRACE]), now_s + self._complete_after_s)
        while done < used:
            page = self._page(now_s)
            end = min(used, done + PAGE_SPANS - page.used)
            remember(columns.wide, columns.narrow, resolved, done, end, ticket, page.trace, page.rest, page.used)
            page.used, page.newest_s, done = page.used + end - done, now_s, end

    def _page(self, now_s: float) -> _Page:
        """A page with room. What is too old or too much is forgotten; its memory is written on again."""
        if self._pages and self._pages[-1].used < PAGE_SPANS:
            return self._pages[-1]
        again = self._pages and (self._is_over(self._pages[0], now_s) or len(self._pages) >= MOST_PAGES)
        page = self._pages.popleft() if again else _Page()
        page.used = 0
        self._pages.append(page)
        return page

    def _is_over(self, page: _Page, now_s: float) -> bool:
        return page.newest_s < now_s - self._complete_after_s - REMEMBERED_S

    def due(self, now_s: float) -> dict[int, list[Place]]:
        """Some of the traces that should be complete by now: where their spans are."""
        while self._pages and self._pages[0].newest_s < now_s - UNUSED_S:
            self._pages.popleft()
        ready = [trace for trace, due_s in self._wanted.items() if due_s <= now_s][:MOST_SOUGHT]
        if not self._found and ready and (len(ready) == MOST_SOUGHT or self._wanted[ready[0]] < now_s - SOUGHT_EVERY_S):
            self._found.extend(self._seek(ready, now_s).items())
            for trace in ready:
                del self._wanted[trace]
        return dict(self._found.popleft() for _ in range(min(MOST_AT_ONCE, len(self._found))))

    def _seek(self, traces: list[int], now_s: float) -> dict[int, list[Place]]:
        found: dict[int, list[Place]] = {trace: [] for trace in traces}
        # Nearly no span is wanted: a table over the low bits of the trace id says so faster than comparing does.
        maybe = np.zeros(LOW_BITS + 1, bool)
        maybe[np.array(traces, np.int64) & LOW_BITS] = True
        for page in [page for page in self._pages if not self._is_over(page, now_s)]:
            for row in np.flatnonzero(maybe[page.trace[: page.used] & LOW_BITS]).tolist():
                places = found.get(int(page.trace[row]))
                if places is not None:
                    places.append(place_of(page.rest[row]))
        return found

    def afford(self, size: int, now_s: float) -> bool:
        """Whether so many bytes more may be kept in this hour; they are then spent."""
        hour = int(now_s // HOUR_S)
        if hour != self._hour:
            self._hour, self._spent = hour, 0
        if self._spent + size > self._bytes_per_hour:
            return False
        self._spent += size
        self.kept += 1
        return True


Ends = Callable[[int], tuple[Service, str]]
"""The service and zone of an end's number."""


def assemble(trace: int, places: Iterable[Place], journal: Journal, ends: Ends,
             mask: Callable[[str], str]) -> list[Example]:
    """One trace as an example of every service in it; empty when its requests are gone."""
    spans: dict[str, tuple[ReadSpan, int]] = {}
    for ticket, offset, place, failed in list(places)[:MAX_SPANS]:
        for span in _read(trace, ticket, offset, journal, mask):
            # whether a call failed is for pairing's rules to say: a status may be unset, and its code 500
            spans[span.span_id] = (replace(span, failed=failed) if offset else span, place)
    if not spans:
        return []
    return _examples(sorted(spans.values(), key=lambda pair: pair[0].start_ns), ends)


def _read(trace: int, ticket: int, offset: int, journal: Journal, mask: Callable[[str], str]) -> list[ReadSpan]:
    """The span at a place of the journal. One decoded by the reference has no place: its whole request is searched."""
    for most in (USUAL_SPAN_BYTES, None) if offset else ():
        found = span_at(journal.body(ticket, offset, most) or b"", 0, mask)
        if found is not None:
            return [found]
    body = None if offset else journal.body(ticket)
    return list(spans_of(body, trace, mask)) if body else []


def _examples(spans: list[tuple[ReadSpan, int]], ends: Ends) -> list[Example]:
    start_ns = spans[0][0].start_ns
    rows = [_row(span, *ends(place), start_ns) for span, place in spans]
    payload = zlib.compress(orjson.dumps(rows), 6)
    entries: dict[str, tuple[ReadSpan, int]] = {}
    for span, place in spans:
        if span.kind in ("server", "consumer") or not span.parent_id:
            entries.setdefault(ends(place)[0].id, (span, place))
    if not entries:
        entries[ends(spans[0][1])[0].id] = spans[0]
    return [
        Example(span.trace_id, service_id, span.operation, span.start_ns / 1e9, (span.end_ns - span.start_ns) / 1e6,
                span.failed, len(rows), payload)
        for service_id, (span, _) in entries.items()
    ]


def _row(span: ReadSpan, service: Service, zone: str, start_ns: int) -> dict[str, Any]:
    return {
        "span_id": span.span_id, "parent_id": span.parent_id or None, "service": service.name, "service_id": service.id,
        "operation": span.operation, "kind": span.kind, "start_ms": (span.start_ns - start_ns) / 1e6,
        "duration_ms": (span.end_ns - span.start_ns) / 1e6, "failed": span.failed, "zone": zone,
        "status_message": span.status_message, "attributes": span.attributes,
    }


def rows_of(example: Example) -> list[dict[str, Any]]:
    """The spans of a kept example."""
    rows: list[dict[str, Any]] = orjson.loads(zlib.decompress(example.payload))
    return rows
