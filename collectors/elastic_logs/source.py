"""The source: counts of minutes and the newest error lines when it is asked, and lines while a person waits."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from collectors.contract import MINUTE_S, Context, FoundLine, LineQuery, Pulled, Reading, Row
from collectors.elastic.cluster import Cluster, connect
from collectors.elastic_logs.config import Config, Index
from collectors.elastic_logs.counting import Counted, Question, count
from collectors.elastic_logs.inspecting import about_cluster, about_view
from collectors.elastic_logs.newest import ErrorLines
from collectors.elastic_logs.operations import Placing, split
from collectors.elastic_logs.searching import find
from collectors.elastic_logs.views import View, asked_fields, views
from topology.errors import SourceUnavailable
from topology.model import LogKey

REMEMBERED_S = 600.0
"""How long it is remembered which layouts the indices of a pattern have."""
_NO_LAYOUT = "no layout that is known is found in its mappings: name the fields under `fields`"
_NO_INDEX = "no index matches, or the login may see none"
"""Elasticsearch leaves out what a login may not see, as if it were not there."""


@dataclass(frozen=True, slots=True)
class _Look:
    """The layouts of a pattern as they were at a time, and what the mappings have against them."""

    at_s: float
    views: Sequence[View]
    faults: Sequence[str]


@dataclass(slots=True)
class _Pull:
    """What one pull meets: faults in the order in which they came, each once, and whether they cost lines."""

    faults: dict[str, None] = field(default_factory=dict)
    complete: bool = True

    def meet(self, faults: Iterable[str], *, costs_lines: bool) -> None:
        """Takes down some faults."""
        told = dict.fromkeys(faults)
        self.faults.update(told)
        self.complete = self.complete and not (told and costs_lines)


class ElasticLogs:
    """Asks one cluster for the logs in some patterns of indices. A Puller and a LineFinder; nothing is written."""

    def __init__(self, config: Config, name: str, context: Context, cluster: Cluster) -> None:
        self._config, self._name, self._context, self._cluster = config, name, context, cluster
        self._lock = threading.Lock()
        self._looks: dict[Index, _Look] = {}
        self._readers: dict[str, ErrorLines] = {}
        self._placing = Placing(context.mask, context.operations)
        self._figures = {"lines_read": 0.0, "lines_without_service": 0.0}

    def pull(self, from_s: int, to_s: int) -> Pulled:
        """The lines by service, level and, as far as it is known, operation of every whole minute, and the newest error
        lines; see Puller."""
        met = _Pull()
        asked = [*self._each(from_s, to_s, met)]
        lines = self._lines(asked, met)
        totals: Counter[tuple[int, LogKey]] = Counter()
        for view, counted in asked:
            traced = self._readers[view.name].traced(from_s, to_s)
            placed = self._placing.placed(counted.named, traced, view.layout)
            for (minute, service, level), operation, n in split(counted.lines, placed):
                totals[minute, LogKey(service, level, self._name, operation)] += n
        self._figures["lines_without_service"] = sum(counted.nameless for _, counted in asked)
        return Pulled(_readings(totals, from_s, to_s, met.complete), faults=[*met.faults], lines=lines)

    def _each(self, from_s: int, to_s: int, met: _Pull) -> Iterator[tuple[View, Counted]]:
        """What every view counted. A pattern that cannot be asked is a fault as long as there is another that can."""
        refused: list[SourceUnavailable] = []
        answers = 0
        for index in self._config.indices:
            try:
                for answer in self._counts(index, from_s, to_s, met):
                    answers += 1
                    yield answer
                answers += 1
            except SourceUnavailable as error:
                refused.append(error)
                met.meet([f"{index.pattern}: {error}"], costs_lines=True)
        if refused and not answers:
            raise refused[0]

    def _counts(self, index: Index, from_s: int, to_s: int, met: _Pull) -> Iterator[tuple[View, Counted]]:
        look = self.look(index)
        met.meet(look.faults, costs_lines=False)
        for view in look.views:
            question = Question(view, from_s, to_s, self._config.cluster.timeout_s, self._config.max_operations)
            counted = count(self._cluster, question, self._config.max_groups, self._context.environment)
            met.meet((f"{view.name}: {text}" for text in counted.shortfalls), costs_lines=True)
            yield view, counted

    def _lines(self, asked: Sequence[tuple[View, Counted]], met: _Pull) -> list[FoundLine]:
        """The newest error lines of all views. That they could not be read makes no count incomplete."""
        found: list[FoundLine] = []
        for view, counted in asked:
            reader = self._readers.setdefault(
                view.name, ErrorLines(view, self._context.environment, self._context.mask)
            )
            reader.view = view
            try:
                found += reader.read(self._cluster, counted, self._config.max_lines - len(found))
            except SourceUnavailable as error:
                met.meet([f"{view.name}: error lines could not be read: {error}"], costs_lines=False)
        self._figures["lines_read"] += len(found)
        return sorted(found, key=lambda line: -line.time_s)

    def look(self, index: Index) -> _Look:
        """Which layouts the indices of a pattern have, remembered for a while."""
        now_s = self._context.clock()
        with self._lock:
            known = self._looks.get(index)
        if known is None or not known.at_s <= now_s < known.at_s + REMEMBERED_S:
            told = self._cluster.field_caps(index.pattern, asked_fields(index))
            if not told.get("indices"):
                # OpenSearch leaves out indices that are red: a search tells these from indices that do not exist
                self._cluster.search(index.pattern, {"size": 0, "track_total_hits": False})
            found = views(index, told.get("fields") or {})
            faults = [f"{view.name}: {text}" for view in found for text in view.conflicts]
            if not found:
                faults.append(f"{index.pattern}: {_NO_LAYOUT if told.get('indices') else _NO_INDEX}")
            known = _Look(now_s, found, faults)
            with self._lock:
                self._looks[index] = known
        return known

    def find_lines(self, query: LineQuery, cancelled: Callable[[], bool]) -> Iterator[Sequence[FoundLine]]:
        """Lines that match, newest first, page by page; see LineFinder."""
        found = [view for index in self._config.indices for view in self.look(index).views]
        yield from find(self._cluster, found, query, self._context.environment, self._context.mask, cancelled)

    def inspect(self) -> Iterator[str]:
        """What answers, which layout every pattern has, and its newest lines as they are read; see Inspectable."""
        context = self._context
        yield about_cluster(self._cluster, ",".join(index.pattern for index in self._config.indices))
        for index in self._config.indices:
            look = self.look(index)
            yield from (f"but {fault}" for fault in look.faults)
            for view in look.views:
                yield from about_view(self._cluster, view, context.environment, context.mask, context.clock())

    def counters(self) -> Mapping[str, float]:
        """Queries made and failed; error lines read and too many to read; lines of the last pull without a service."""
        unread = sum(reader.unread for reader in self._readers.values())
        return {**self._cluster.counters(), **self._figures, "lines_too_many": float(unread)}

    def close(self) -> None:
        """Ends all connections."""
        self._cluster.close()


def build(config: Config, name: str, context: Context) -> ElasticLogs:
    """The source of that name; nothing is asked yet."""
    return ElasticLogs(config, name, context, connect(config.cluster, context.clock))


def _readings(totals: Counter[tuple[int, LogKey]], from_s: int, to_s: int, complete: bool) -> list[Reading]:
    rows: defaultdict[int, list[Row]] = defaultdict(list)
    for (minute, key), n in totals.items():
        rows[minute].append(Row(key, (float(n), 0.0, 0.0, 0.0, 0.0, 0.0, float(n))))
    return [Reading(minute, rows[minute], complete) for minute in range(from_s, to_s, MINUTE_S)]
