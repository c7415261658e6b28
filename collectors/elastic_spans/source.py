"""Elasticsearch or OpenSearch, asked for spans: slices of time with new documents, page by page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from collectors.contract import Context, FoundTrace, OpenedTrace, Pulled, TraceQuery
from collectors.elastic.cluster import connect
from collectors.elastic_spans.asking import Counted, Counts, Reading, between, counts, documents, stretches
from collectors.elastic_spans.config import Config
from collectors.elastic_spans.finding import NEWEST, matching, of_traces
from collectors.elastic_spans.layouts import is_wide, made
from collectors.elastic_spans.texts import Text
from collectors.spans.found import found_spans, summary, traces_of
from collectors.spans.pulling import Missing
from collectors.spans.writing import Request

MICROS = 1_000_000
MOST_OF_A_TRACE = 10_000
REMEMBERED_SLICES = 100_000
FIRST_PAGE, PAGE_BYTES = 100, 4 << 20
"""Of JSON; a document of Jaeger with a dozen tags has 3.7 kB. Two pages are held at once, that which comes twice."""
WIDE_BYTES = 8 << 10
"""Of a document. To choose fields of smaller ones takes the cluster twice as long as to send all of them."""
GROWTH = 4


class StoredSpans:
    """A Puller of spans and a TraceFinder. See `collectors.contract`."""

    def __init__(self, config: Config, context: Context) -> None:
        self._config, self._context = config, context
        self._cluster = connect(config.cluster, context.clock)
        self._index = ",".join(config.indices)
        self._size = min(FIRST_PAGE, config.page_size)
        self._whole = True
        self._as_read: Counts = {}
        self._read = dict.fromkeys(("documents", "documents_no_spans", "spans", "slices_unchanged"), 0.0)

    def pull(self, from_s: int, to_s: int) -> Pulled:
        """The spans that began in these minutes, but for slices that have as many documents as when they were read;
        the documents are counted now."""
        found = counts(self._cluster, self._index, from_s, to_s)
        missing = Missing()
        if found.lacks:
            missing.between(from_s * MICROS, to_s * MICROS, found.lacks)
        if not found.any_index:
            missing.tell(f"{self._index}: no index matches, or the login may see none")
        changed = sorted(start for start, n in found.slices.items() if self._as_read.get(start) != n)
        self._read["slices_unchanged"] += len(found.slices) - len(changed)
        return Pulled(spans=self._spans(changed, found, missing), faults=missing.faults, partial=missing.minutes)

    def _spans(self, changed: Sequence[int], found: Counted, missing: Missing) -> Iterator[bytes]:
        if not self._whole:  # documents may be smaller than they were
            self._whole, self._size = True, min(FIRST_PAGE, self._config.page_size)
        for from_s, to_s in stretches(changed):
            reading = Reading(self._cluster, self._index, between(from_s, to_s), self._size, self._config.page_size,
                              found.silent, self._whole)
            for page in reading.pages():
                self._whole = reading.whole = _is_whole(page, reading.whole)
                self._size = reading.size = _fitting(page, reading.size, reading.most)
                content = self._request(page).content()
                if content:
                    yield content
            if reading.lacks:
                missing.between(from_s * MICROS, to_s * MICROS, reading.lacks)
            else:
                self._remember({start: found.slices[start] for start in changed if from_s <= start < to_s})

    def _remember(self, read: Counts) -> None:
        self._as_read |= read
        if len(self._as_read) > REMEMBERED_SLICES:
            newest = sorted(self._as_read)[-REMEMBERED_SLICES // 2 :]
            self._as_read = {start: self._as_read[start] for start in newest}

    def _request(self, page: Iterable[Text]) -> Request:
        request, dot, seen = Request(), self._config.dot, 0
        for sender, span in made(page, dot):
            seen += 1
            if span:
                request.add(sender, span)
        self._read["documents"] += seen
        self._read["documents_no_spans"] += seen - request.spans
        self._read["spans"] += request.spans
        return request

    def find_traces(self, query: TraceQuery) -> Sequence[FoundTrace]:
        """See `collectors.contract.TraceFinder`. Spans are found first, then the traces they belong to."""
        most = min(MOST_OF_A_TRACE, 10 * query.limit)
        hits, _ = documents(self._cluster, self._index, matching(query), most, NEWEST)
        ids = [trace for trace in traces_of(self._found(hits)) if trace]
        if not ids:
            return []
        ids = ids[: query.limit]
        spans, lacks = documents(self._cluster, self._index, of_traces(ids), MOST_OF_A_TRACE)
        whole = not lacks and len(spans) < MOST_OF_A_TRACE
        found = [summary(own, whole) for own in traces_of(self._found(spans)).values()]
        found = [trace for trace in found if trace.failed or not query.failed_only]
        return sorted(found, key=lambda trace: -trace.start_s)[: query.limit]

    def open_trace(self, trace_id: str) -> OpenedTrace | None:
        """See `collectors.contract.TraceFinder`."""
        spans, lacks = documents(self._cluster, self._index, of_traces([trace_id.lower()]), MOST_OF_A_TRACE)
        found = sorted(self._found(spans), key=lambda span: span.start_ns)
        return OpenedTrace(found, not lacks and len(spans) < MOST_OF_A_TRACE) if found else None

    def _found(self, page: Iterable[Text]) -> Any:
        request = Request()
        for sender, span in made(page, self._config.dot):
            if span:
                request.add(sender, span)
        return found_spans(request.content(), self._context)

    def counters(self) -> Mapping[str, float]:
        """What was asked and read."""
        return {**self._cluster.counters(), **self._read}

    def close(self) -> None:
        """Ends the use of the cluster."""
        self._cluster.close()


def _mean_bytes(page: Sequence[Text]) -> float:
    return sum(memoryview(text).nbytes for text in page) / len(page)


def _is_whole(page: Sequence[Text], whole: bool) -> bool:
    """Whether the page after next asks for whole documents: not where those of this one are wide, and from then on not
    as long as they may be."""
    return not is_wide(page[-1]) or (whole and _mean_bytes(page) <= WIDE_BYTES)


def _fitting(page: Sequence[Text], size: int, most: int) -> int:
    """How many documents the page after next asks for, by how long those of this one are."""
    fit = int(PAGE_BYTES / _mean_bytes(page))
    return max(min(fit, GROWTH * size, most), 1)


def build(config: Config, name: str, context: Context) -> StoredSpans:
    """The source named `name` in the configuration; nothing is asked yet."""
    return StoredSpans(config, context)
