"""From requests to deltas of rollups: journal, decode, pair, count. One lock, one order, one source.

A checkpoint says up to which ticket the committed rollups reach and at what time they were taken. Pairing is
deterministic in requests and arrival times, so after a crash it is brought back by reading the journal from
two horizons before the checkpoint: what was then already counted is not counted again.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TypeVar

import structlog

from app.error_lines import ErrorLines
from app.examples import ExampleBook, assemble
from app.remembered import Remembered
from app.waiting_lines import WaitingLines
from app.written_in import Done, key_of
from collectors.contract import Body, Receipt, Signal
from collectors.otlp.config import Reading
from collectors.otlp.decoding import SpanDecoder
from collectors.otlp.logs import LogBatch, LogLine, read_logs
from collectors.otlp.metrics import GaugeBatch, read_metrics
from collectors.otlp.resources import Identify
from collectors.otlp.thinning import without
from topology.errors import MalformedInput, TablesFull
from topology.journal import Journal, Record
from topology.model import OperationKey, SeriesKey, Service
from topology.pairing import Pairing
from topology.rollup import RollupBatch, SeriesTable, concatenate, from_rows
from topology.spans import SpanColumns
from topology.store.contract import Example
from topology.trace_operations import TraceOperations

_log = structlog.get_logger("synoptic.intake")
CHECKPOINT, LINES = "journal", "error_lines"
OTLP = "otlp"
NANOS = 1_000_000_000
Key = TypeVar("Key", bound=SeriesKey)
COUNTERS = ("log_lines", "late_log_lines", "gauges", "metric_points_dropped", "refused_requests", "replayed",
            "read_again")


@dataclass(frozen=True)
class Harvest:
    """Deltas since the last harvest, the checkpoint that is true once they are committed, what spans said of sampling
    (`Naming.thresholds`), and which were read (the checkpoints of `Remembered`)."""

    batch: RollupBatch
    checkpoint: bytes
    keep_from: int
    counted: int
    thresholds: Mapping[Service, int]
    read: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkpoint:
    """Up to which ticket the committed rollups reach, when they were taken, from where the journal is needed to go on,
    and since which ticket a store is known to answer with spans of its own (by service id)."""

    counted: int = 0
    at_ns: int = 0
    keep_from: int = 0
    stores: Mapping[str, int] = field(default_factory=dict)

    def content(self) -> bytes:
        """The checkpoint as it is stored."""
        return json.dumps(vars(self)).encode()

    @classmethod
    def read(cls, content: bytes | None) -> Checkpoint:
        """The stored checkpoint; the first of all when there is none."""
        return cls(**json.loads(content)) if content else cls()


@dataclass
class Parts:
    """What the intake of a source is made of; `remembered` where it is asked and so tells the same spans again."""

    decoder: SpanDecoder
    pairing: Pairing
    journal: Journal
    series: SeriesTable
    examples: ExampleBook
    metrics: Mapping[str, Reading]
    mask: Callable[[str], str]
    identify: Identify
    horizon_s: float
    late_limit_s: float
    clock_ns: Callable[[], int] = time.time_ns
    source: str = OTLP
    remembered: Remembered | None = None
    traces: TraceOperations = field(default_factory=TraceOperations)


class OtlpIntake:
    """The Intake behind one source. Thread-safe; `take` holds one lock for the time of one request."""

    def __init__(self, parts: Parts) -> None:
        self._p = parts
        self._lock = threading.RLock()
        self._rows: list[tuple[int, SeriesKey, list[float]]] = []
        self._lines = ErrorLines()
        self._waiting = WaitingLines()
        self._arrivals: deque[tuple[int, int]] = deque()
        self._stores: dict[str, int] = {}
        self._seen_to: Sequence[Service] = ()
        self._counted = parts.journal.last
        self._last_ns = 0
        self.counts = dict.fromkeys(COUNTERS, 0)
        self.newest_s = 0.0

    def take(self, signal: Signal, body: Body) -> Receipt:
        """Journals and counts one request, see `Intake.take`."""
        with self._lock:
            now_ns = self._now_ns()
            try:
                decoded = self._decode(signal, body, now_ns)
            except MalformedInput:
                self.counts["refused_requests"] += 1
                raise
            ticket = self._p.journal.append(signal, now_ns, body)
            rejected = self._count(signal, decoded, now_ns, ticket)
            self._note(ticket, now_ns)
        return Receipt(ticket, rejected, "spans without a valid trace or span id" if rejected else "")

    def take_pulled(self, body: bytes) -> Receipt:
        """The same for spans that were asked for: those that were read before are left out, of the journal too. When
        none is left the ticket is that of the request before."""
        with self._lock:
            fresh = self._unread(body)
            return self.take(Signal.TRACES, fresh) if fresh else Receipt(self._counted)

    def _unread(self, body: bytes) -> bytes:
        remembered = self._p.remembered
        if remembered is None:
            return body
        known = remembered.known(self._decode_spans(body))
        self.counts["read_again"] += int(known.sum())
        if known.all():
            return b""
        return without(body, known.tolist()) if known.any() else body

    def read(self) -> None:
        """The source was read as far as it was asked, see `Remembered.read`."""
        with self._lock:
            if self._p.remembered is not None:
                self._p.remembered.read(self._now_ns() / NANOS)

    def settle(self, ticket: int) -> None:
        """Waits until the journal up to `ticket` is safe."""
        self._p.journal.settle(ticket)

    def _now_ns(self) -> int:
        self._last_ns = max(self._last_ns, self._p.clock_ns())
        return self._last_ns

    def _note(self, ticket: int, now_ns: int) -> None:
        self._counted = ticket
        if not self._arrivals or now_ns - self._arrivals[-1][0] > NANOS:
            self._arrivals.append((now_ns, ticket))

    def _decode(self, signal: Signal, body: Body, now_ns: int) -> object:
        if signal is Signal.TRACES:
            return self._decode_spans(body)
        if signal is Signal.LOGS:
            return read_logs(bytes(body), now_ns / NANOS, mask=self._p.mask, identify=self._p.identify)
        return read_metrics(bytes(body), self._p.metrics, now_ns / NANOS, self._p.identify)

    def _decode_spans(self, body: Body) -> SpanColumns:
        if self._p.decoder.crowded:
            self._forget_names()
        try:
            return self._p.decoder.decode(body)
        except TablesFull:
            self._forget_names()
        try:
            return self._p.decoder.decode(body)
        except TablesFull as error:
            raise MalformedInput("more different resources in one request than can be told apart") from error

    def forget_names(self) -> None:
        """Learns every name again, and with it who sends what."""
        with self._lock:
            self._forget_names()

    def _forget_names(self) -> None:
        self._p.decoder.reset()
        self._p.pairing.naming.forget()

    def _count(self, signal: Signal, decoded: object, now_ns: int, ticket: int) -> int:
        if signal is Signal.TRACES:
            return self._count_spans(decoded, now_ns, ticket)
        if isinstance(decoded, LogBatch):
            self._count_lines(decoded, now_ns / NANOS - self._p.late_limit_s)
            self._wait_for_spans(decoded, now_ns / NANOS)
            self._lines.add(decoded.errors, ticket)
        elif isinstance(decoded, GaugeBatch):
            self._count_gauges(decoded, now_ns / NANOS - self._p.late_limit_s)
        return 0

    def _count_spans(self, columns, now_ns: int, ticket: int) -> int:  # type: ignore[no-untyped-def]
        pairing = self._p.pairing
        if self._p.remembered is not None:
            self._p.remembered.add(columns)
        invalid = pairing.invalid
        pairing.take(columns, now_ns)
        self._p.examples.note(columns, pairing.naming.resolved, ticket, now_ns / NANOS)
        self._p.traces.note(columns.wide, pairing.naming.resolved, columns.used)
        return pairing.invalid - invalid

    def _count_lines(self, batch: LogBatch, oldest_s: float) -> None:
        self.counts["log_lines"] += batch.lines
        for (key, start_s), lines in batch.counts.items():
            if start_s < oldest_s:
                self.counts["late_log_lines"] += lines
                continue
            self._rows.append((start_s, self._own(key), [lines, 0, 0, 0, 0, 0, lines]))
            self.newest_s = max(self.newest_s, start_s)

    def _wait_for_spans(self, batch: LogBatch, now_s: float) -> None:
        """Error lines that name their trace are counted for an operation when it is known."""
        oldest_s = now_s - self._p.late_limit_s
        known = ((key, start_s, key_of(trace.hex()), n) for (key, start_s, trace), n in batch.traced.items()
                 if start_s >= oldest_s)
        self._waiting.add({(self._own(key), start_s, trace): n for key, start_s, trace, n in known if trace}, now_s)

    def _count_gauges(self, batch: GaugeBatch, oldest_s: float) -> None:
        self.counts["gauges"] += batch.kept
        self.counts["metric_points_dropped"] += batch.dropped
        for gauge in batch.gauges:
            if gauge.start_s < oldest_s:
                self.counts["metric_points_dropped"] += 1
                continue
            row = [1, 0, 0, 0, gauge.value * 1e6, 0, 1]
            self._rows.append((gauge.start_s, self._own(gauge.key), row))

    def _own(self, key: Key) -> Key:
        return key if key.source == self._p.source else replace(key, source=self._p.source)

    def harvest(self) -> Harvest:
        """Everything counted since the last harvest."""
        with self._lock:
            now_ns = self._now_ns()
            self._p.pairing.advance(now_ns)
            batch = self._p.pairing.harvest(self._p.series)
            self._rows += self._waiting.moved(self.done_in, now_ns / NANOS)
            if self._rows:
                number = self._p.series.number
                rows = ((start_s, number(key), counts, dict[int, float]()) for start_s, key, counts in self._rows)
                batch = concatenate([batch, from_rows(batch.window_s, rows)])
                self._rows = []
            read = self._p.remembered.contents() if self._p.remembered is not None else {}
            return Harvest(batch, *self._checkpoint(now_ns), self._p.pairing.naming.thresholds(), read)

    def committed(self, harvest: Harvest) -> None:
        """What was harvested is stored: the journal gives up what is no longer needed."""
        if self._p.remembered is not None:
            with self._lock:
                self._p.remembered.saved(harvest.read)
        self._p.journal.drop(harvest.keep_from, self._p.clock_ns() / NANOS)

    def _checkpoint(self, now_ns: int) -> tuple[bytes, int, int]:
        since = now_ns - int(2 * self._p.horizon_s * NANOS) - 2 * NANOS
        while len(self._arrivals) > 1 and self._arrivals[1][0] < since:
            self._arrivals.popleft()
        keep_from = self._arrivals[0][1] if self._arrivals else self._counted + 1
        self._note_stores(self._p.pairing.stores_seen_to())
        reached = Checkpoint(self._counted, now_ns, keep_from, dict(self._stores))
        return reached.content(), keep_from, self._counted

    def _note_stores(self, seen_to: Sequence[Service]) -> None:
        if seen_to != self._seen_to:
            self._seen_to = seen_to
            for service in seen_to:
                self._stores.setdefault(service.id, self._counted)

    def recover(self, content: bytes | None, lines: bytes = b"[]", read: Mapping[str, bytes] | None = None) -> int:
        """Brings pairing back from the journal after a stop or a crash, the error lines from `lines_content` and what
        was read from `Harvest.read`; returns how many requests were counted anew."""
        reached = Checkpoint.read(content)
        with self._lock:
            if self._p.remembered is not None:
                self._p.remembered.restore(read or {})
            self._lines.restore(lines, reached.counted)
            self._p.journal.skip_to(reached.counted)
            self._counted = max(self._counted, reached.counted)
            self._stores = {key: ticket for key, ticket in reached.stores.items() if ticket < reached.keep_from}
            self._seen_to = ()
            self._p.pairing.expect_answers_from(Service.from_id(key) for key in self._stores)
            suppressed = True
            for record in self._p.journal.read(reached.keep_from):
                if suppressed and record.ticket > reached.counted:
                    self._forget_counted(reached.at_ns)
                    suppressed = False
                self._replay(record, suppressed)
            if suppressed:
                self._forget_counted(reached.at_ns)
        return self.counts["replayed"]

    def _forget_counted(self, at_ns: int) -> None:
        if at_ns:
            self._last_ns = max(self._last_ns, at_ns)
            self._p.pairing.advance(at_ns)
        self._p.pairing.discard()
        self._waiting.clear()
        self._rows = []

    def _replay(self, record: Record, suppressed: bool) -> None:
        self._note(record.ticket, record.arrival_ns)
        self._last_ns = max(self._last_ns, record.arrival_ns)
        try:
            signal = Signal(record.signal)
            if suppressed and signal is not Signal.TRACES:
                return
            decoded = self._decode(signal, record.body, record.arrival_ns)
        except (MalformedInput, ValueError) as error:
            _log.error("a request in the journal cannot be read; left out", ticket=record.ticket, why=str(error))
            return
        self._count(signal, decoded, record.arrival_ns, record.ticket)
        self.counts["replayed"] += not suppressed

    @property
    def pairing(self) -> Pairing:
        """What counts its spans."""
        return self._p.pairing

    def close(self) -> None:
        """Ends the use of the journal, everything settled."""
        self._p.journal.close()

    def paused(self) -> AbstractContextManager[object]:
        """Nothing is taken while this context lasts; the thread that holds it may harvest and renew."""
        return self._lock

    def renew(self) -> None:
        """Lets pairing forget series that are long quiet. Call it right after a harvest, in the same pause."""
        self._p.decoder.reset()
        self._p.pairing.renew()
        self._p.traces.forget()

    def done_in(self, traces: Collection[int]) -> dict[int, list[Done]]:
        """What services did in traces (their keys) of the last minutes; those that are not known are left out."""
        with self._lock:
            found, keys = self._p.traces.done_in(traces), self._p.pairing.naming.keys
            done = {trace: [(keys[number], failed) for number, failed in numbers] for trace, numbers in found.items()}
        return {trace: [Done(key.service, key.operation, failed) for key, failed in listed
                        if isinstance(key, OperationKey)] for trace, listed in done.items()}

    def lines(self) -> list[LogLine]:
        """The newest error lines of every service."""
        with self._lock:
            return self._lines.all()

    def lines_content(self) -> bytes:
        """The newest error lines as they are kept over a restart: beside a checkpoint, of this moment or before."""
        with self._lock:
            return self._lines.content()

    def quality(self) -> dict[str, int]:
        """The counters of pairing and of what was read besides."""
        with self._lock:
            return {**self._p.pairing.counters(), **self.counts,
                    "decoded_by_reference": self._p.decoder.by_reference, "journal_bytes": self._p.journal.bytes_used,
                    "examples_kept": self._p.examples.kept}

    def newest_end_s(self) -> float:
        """When the newest span counted so far ended, epoch seconds; 0 before the first."""
        return self._p.pairing.newest_ns() / NANOS

    @property
    def crowded(self) -> bool:
        """Whether pairing nears the bound on series: time for `renew`."""
        return self._p.pairing.crowded

    def examples(self, now_s: float, mask: Callable[[str], str]) -> list[Example]:
        """Traces worth keeping that should be complete by now, as far as they may be kept in this hour."""
        with self._lock:
            due = self._p.examples.due(now_s)
        found: list[Example] = []
        for trace, places in due.items():
            made = assemble(trace, places, self._p.journal, self._p.pairing.naming.ends.end, mask)
            if made and self._p.examples.afford(len(made[0].payload), now_s):
                found += made
        return found

