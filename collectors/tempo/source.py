"""Tempo, asked: a search tells which traces there are, and each of them is read whole."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from collectors.contract import Context, FoundTrace, OpenedTrace, Pulled, TraceQuery
from collectors.spans.found import found_spans
from collectors.spans.pulling import Missing
from collectors.spans.site import Caller
from collectors.spans.slicing import MICROS, Slices
from collectors.tempo.config import Config
from collectors.tempo.interface import Row, Tempo, Trace
from topology.errors import SourceUnavailable
from topology.model import Service

SETTLED_S = 60.0
"""A trace that was read when its end was longer ago is not read again unless the search tells it otherwise."""
REMEMBERED_TRACES = 200_000
Known = tuple[int, float, int]


class TempoSource:
    """A Puller of spans and a TraceFinder. See `collectors.contract`."""

    def __init__(self, config: Config, context: Context) -> None:
        self._config, self._context = config, context
        self._caller = Caller(config, {"x-scope-orgid": config.tenant} if config.tenant else {})
        self._tempo = Tempo(self._caller)
        self._slices: Slices[Sequence[Row]] = Slices(config.max_traces, MICROS)
        self._known: dict[str, Known] = {}
        self._read = {"traces": 0.0, "traces_unchanged": 0.0}

    def pull(self, from_s: int, to_s: int) -> Pulled:
        """The spans of all traces that match in these minutes; the first search is made now."""
        missing = Missing()
        found = self._searched(from_s, to_s, missing)
        first = next(found, ())
        return Pulled(spans=self._spans((from_s * MICROS, to_s * MICROS), first, found, missing),
                      faults=missing.faults, partial=missing.minutes)

    def _searched(self, from_s: int, to_s: int, missing: Missing) -> Iterator[Sequence[Row]]:
        def ask(from_us: int, to_us: int) -> tuple[Sequence[Row], int]:
            rows = self._tempo.search(self._config.query, from_us // MICROS, to_us // MICROS, self._config.max_traces)
            return rows, len(rows)

        return self._slices.walk(from_s * MICROS, to_s * MICROS, ask, missing.between)

    def _spans(self, span_us: tuple[int, int], first: Sequence[Row], others: Iterator[Sequence[Row]],
               missing: Missing) -> Iterator[bytes]:
        most = self._caller.counters["requests"] + self._config.max_requests
        with ThreadPoolExecutor(self._config.parallel, "tempo traces") as readers:
            rows: Sequence[Row] | None = first
            while rows is not None:
                new = [row for row in rows if not self._is_known(row)]
                for at in range(0, len(new), 4 * self._config.parallel):
                    some = new[at : at + 4 * self._config.parallel]
                    if self._caller.counters["requests"] >= most:
                        why = f"more than {self._config.max_requests} requests would be needed (max_requests)"
                        missing.between(*span_us, why)
                        return
                    yield from self._traces(readers, some, missing)
                rows = next(others, None)

    def _traces(self, readers: ThreadPoolExecutor, rows: Sequence[Row], missing: Missing) -> Iterator[bytes]:
        for row, trace in zip(rows, readers.map(self._tempo.trace, [row.trace_id for row in rows]), strict=True):
            if trace is None:
                continue
            if trace.lacks:
                missing.between(*_span_us(row), trace.lacks)
            self._read["traces"] += 1
            if trace.request:
                yield trace.request
            self._note(row, trace)

    def _is_known(self, row: Row) -> bool:
        known = self._known.get(row.trace_id) == _told(row)
        self._read["traces_unchanged"] += known
        return known

    def _note(self, row: Row, trace: Trace) -> None:
        end_s = row.start_ns / 1e9 + row.duration_ms / 1e3
        if not trace.lacks and self._context.clock() > end_s + SETTLED_S:
            self._known[row.trace_id] = _told(row)
            if len(self._known) > REMEMBERED_TRACES:
                self._known = dict(list(self._known.items())[REMEMBERED_TRACES // 2 :])

    def find_traces(self, query: TraceQuery) -> Sequence[FoundTrace]:
        """See `collectors.contract.TraceFinder`."""
        rows = self._tempo.search(_traceql(query), int(query.from_s), int(query.to_s) + 1, query.limit)
        return [self._found(row, query) for row in sorted(rows, key=lambda row: -row.start_ns)]

    def _found(self, row: Row, query: TraceQuery) -> FoundTrace:
        service = query.service if query.service and query.service.label == row.service else None
        mask = self._context.mask
        return FoundTrace(row.trace_id, service or Service(self._context.environment, "", mask(row.service)),
                          mask(row.operation), row.start_ns / 1e9, row.duration_ms,
                          bool(row.failed or query.failed_only), row.spans)

    def open_trace(self, trace_id: str) -> OpenedTrace | None:
        """See `collectors.contract.TraceFinder`."""
        trace = self._tempo.trace(trace_id)
        if trace is None:
            return None
        if not trace.request:
            raise SourceUnavailable(trace.lacks)
        spans = found_spans(trace.request, self._context)
        found = sorted(spans, key=lambda span: span.start_ns)
        return OpenedTrace(found, not trace.lacks) if found else None

    def counters(self) -> Mapping[str, float]:
        """What was asked and read."""
        return {**self._caller.counters, **self._read}

    def close(self) -> None:
        """Closes the connections."""
        self._caller.close()


def _told(row: Row) -> Known:
    return row.start_ns, row.duration_ms, row.spans or row.matched


def _span_us(row: Row) -> tuple[int, int]:
    start_us = row.start_ns // 1000
    return start_us, start_us + int(row.duration_ms * 1000) + 1


def _traceql(query: TraceQuery) -> str:
    """Traces with a span of the service, and with a failed one where that is wanted."""
    wanted = [f"resource.service.name = {json.dumps(query.service.label, ensure_ascii=False)}"] if query.service else []
    wanted += [f"traceDuration >= {query.min_ms:g}ms"] if query.min_ms > 0 else []
    spans = f"{{ {' && '.join(wanted)} }}" if wanted else "{}"
    return f"{spans} && {{ status = error }}" if query.failed_only else spans


def build(config: Config, name: str, context: Context) -> TempoSource:
    """The source named `name` in the configuration; nothing is asked yet."""
    return TempoSource(config, context)
