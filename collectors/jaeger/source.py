"""Jaeger, asked: whole traces of every service, in slices of time short enough for a reply."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from collectors.contract import Context, FoundTrace, OpenedTrace, Pulled, TraceQuery
from collectors.jaeger.config import Config
from collectors.jaeger.interfaces import MICROS, Interface, Search, Traces, interface_of
from collectors.spans.found import found_spans, summary, traces_of
from collectors.spans.pulling import Missing
from collectors.spans.site import Caller
from collectors.spans.slicing import Slices
from topology.errors import SourceUnavailable, Why

SEARCHED_SERVICES = 30
STEPS_S = (300.0, 3600.0, 21600.0, float("inf"))
"""A search looks at the last minutes first: what Jaeger returns of more traces than asked for is any of them."""


class Exhausted(Exception):
    """One reading has made as many requests as it may."""


class JaegerSource:
    """A Puller of spans and a TraceFinder. See `collectors.contract`."""

    def __init__(self, config: Config, context: Context) -> None:
        self._config, self._context = config, context
        self._caller = Caller(config)
        self._interface: Interface | None = None
        self._slices: dict[str, Slices[Traces]] = {}
        self._read = {"traces": 0.0, "spans": 0.0}

    def pull(self, from_s: int, to_s: int) -> Pulled:
        """The spans of all traces that have one in these minutes; what is asked first is asked now."""
        interface, missing = self._ask_for_interface(), Missing()
        services = list(self._config.services) or interface.services()
        return Pulled(spans=self._spans(interface, services, (from_s * MICROS, to_s * MICROS), missing),
                      faults=missing.faults, partial=missing.minutes)

    def _ask_for_interface(self) -> Interface:
        if self._interface is None:
            self._interface = interface_of(self._caller)
        return self._interface

    def _spans(self, interface: Interface, services: Sequence[str], span_us: tuple[int, int],
               missing: Missing) -> Iterator[bytes]:
        try:
            yield from self._read_all(interface, services, span_us, missing)
        except Exhausted:
            missing.between(*span_us, f"more than {self._config.max_requests} requests would be needed (max_requests)")

    def _read_all(self, interface: Interface, services: Sequence[str], span_us: tuple[int, int],
                  missing: Missing) -> Iterator[bytes]:
        """A request for every slice of time of every service, without the traces that came before."""
        most = self._caller.counters["requests"] + self._config.max_requests
        handed: dict[bytes, int] = {}
        for service in services:
            def ask(from_us: int, to_us: int, service: str = service) -> tuple[Traces, int]:
                """The traces of a slice of time, and how many: as many as are told at most when there may be more."""
                if self._caller.counters["requests"] >= most:
                    raise Exhausted
                found = interface.search(Search(service, from_us, to_us, self._config.max_traces))
                return found, self._config.max_traces if found.large else len(found.spans)

            slices = self._slices.setdefault(service, Slices(self._config.max_traces))
            for found in slices.walk(*span_us, ask, missing.between):
                new = {trace: own for trace, own in found.spans.items() if handed.get(trace, 0) < len(own)}
                handed |= {trace: len(own) for trace, own in new.items()}
                self._read["traces"] += len(new)
                self._read["spans"] += sum(len(own) for own in new.values())
                if new:
                    yield Traces(new).request()

    def find_traces(self, query: TraceQuery) -> Sequence[FoundTrace]:
        """See `collectors.contract.TraceFinder`."""
        interface = self._ask_for_interface()
        services = [query.service.label] if query.service else interface.services()[:SEARCHED_SERVICES]
        found: dict[str, FoundTrace] = {}
        to_s = query.to_s
        for step_s in STEPS_S:
            from_s = max(query.from_s, query.to_s - step_s)
            for service in services:
                for trace in self._matching(interface, service, (from_s, to_s), query):
                    found[trace.trace_id] = trace
            to_s = from_s
            if len(found) >= query.limit or from_s <= query.from_s:
                break
        return sorted(found.values(), key=lambda trace: -trace.start_s)[: query.limit]

    def _matching(self, interface: Interface, service: str, span_s: tuple[float, float],
                  query: TraceQuery) -> Iterator[FoundTrace]:
        # it does not find failed ones itself: a search for the tag that says so finds none that came by OTLP
        limit = self._config.max_traces if query.failed_only else min(self._config.max_traces, query.limit)
        from_us, to_us = (int(at * MICROS) for at in span_s)
        traces = interface.search(Search(service, from_us, to_us, limit, query.min_ms))
        spans = found_spans(traces.request(), self._context)
        for own in traces_of(spans).values():
            trace = summary(own)
            if (query.service is None or any(span.service == query.service for span in own)) and (
                    trace.failed or not query.failed_only) and trace.duration_ms >= query.min_ms:
                yield trace

    def open_trace(self, trace_id: str) -> OpenedTrace | None:
        """See `collectors.contract.TraceFinder`."""
        traces = self._ask_for_interface().trace(trace_id)
        if traces.large:
            raise SourceUnavailable("the trace is larger than may be held", why=Why.TOO_LARGE)
        spans = list(found_spans(traces.request(), self._context))
        return OpenedTrace(sorted(spans, key=lambda span: span.start_ns)) if spans else None

    def counters(self) -> Mapping[str, float]:
        """What was asked and read."""
        return {**self._caller.counters, **self._read}

    def close(self) -> None:
        """Closes the connections."""
        self._caller.close()


def build(config: Config, name: str, context: Context) -> JaegerSource:
    """The source named `name` in the configuration; nothing is asked yet."""
    return JaegerSource(config, context)
