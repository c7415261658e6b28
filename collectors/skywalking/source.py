"""A SkyWalking OAP as a source: it is asked for minutes, and searched for traces and log lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from collectors.contract import Context, FoundLine, FoundTrace, LineQuery, OpenedTrace, Pulled, Reading, TraceQuery
from collectors.skywalking.client import GraphQL
from collectors.skywalking.config import Config
from collectors.skywalking.counting import Minutes
from collectors.skywalking.events import Changes
from collectors.skywalking.identity import Naming
from collectors.skywalking.lines import Lines
from collectors.skywalking.minute_reader import MinuteReader
from collectors.skywalking.server_time import MINUTE_S, ServerZone
from collectors.skywalking.traces import Traces
from collectors.skywalking.versions import Abilities, detect
from topology.changes import Change
from topology.errors import SourceUnavailable

LOST = "the OAP tells fewer calls of a minute than before, as one does whose store was emptied; what it told is kept"
REMEMBERED_MINUTES = 2 * 1440


def build(config: Config, name: str, context: Context) -> OapSource:
    """The source of this name; nothing is asked yet."""
    return OapSource(config, name, context)


class OapSource:
    """One OAP. `pull` is for one thread at a time; searches may come from others meanwhile."""

    def __init__(self, config: Config, name: str, context: Context) -> None:
        naming = Naming(context.environment, config.namespace_from_group, context.mask)
        self._config, self._clock = config, context.clock
        self._oap = GraphQL(config)
        self._zone = ServerZone(config.zone)
        self._reader = MinuteReader(config, name, context, self._oap, naming)
        self._changes = Changes(self._oap, config, naming, self._zone, name)
        self._traces = Traces(self._oap, naming, self._zone, self._reader.inventory)
        self._lines = Lines(self._oap, naming, self._zone)
        self._abilities: Abilities | None = None
        self._detected_s = float("-inf")
        self._told: dict[int, float] = {}

    def pull(self, from_s: int, to_s: int) -> Pulled:
        """A reading for every minute that begins in [from_s, to_s); SourceUnavailable when the OAP does not answer."""
        try:
            return self._pull(self._ready(), from_s, to_s)
        except SourceUnavailable:
            # perhaps it is being replaced by another version
            self._abilities = None
            raise

    def _pull(self, abilities: Abilities, from_s: int, to_s: int) -> Pulled:
        readings: list[Reading] = []
        changes: list[Change] = []
        faults: list[str] = []
        for stretch in self._zone.stretches(from_s, to_s):
            minutes = self._reader.read(stretch, abilities)
            partial = self._lost(minutes)
            readings += minutes.readings(partial)
            told, unread = self._changes.read(abilities, stretch)
            changes += told
            faults += [*minutes.faults(), *unread, *[LOST] * any(partial)]
        return Pulled(readings, changes=changes, faults=[*dict.fromkeys(faults)])

    def find_traces(self, query: TraceQuery) -> Sequence[FoundTrace]:
        """The traces that match, newest first; SourceUnavailable when the OAP cannot be asked."""
        return self._traces.find(query, self._ready())

    def open_trace(self, trace_id: str) -> OpenedTrace | None:
        """One trace; None when the OAP has none of this id."""
        return self._traces.open(trace_id)

    def find_lines(self, query: LineQuery, cancelled: Callable[[], bool]) -> Iterator[Sequence[FoundLine]]:
        """The log lines that match, newest first, page by page."""
        yield from self._lines.find(query, self._ready(), cancelled)

    def counters(self) -> Mapping[str, float]:
        """Requests made, refused and failed, bytes read; addresses held back until it is known whose they are; things
        left out because a pull would have taken too many requests."""
        return {**self._oap.counters(), "addresses_held_back": self._reader.held_back,
                "left_out": self._reader.left_out}

    def close(self) -> None:
        """Ends the connections."""
        self._reader.close()
        self._oap.close()

    def _ready(self) -> Abilities:
        """What the OAP can be asked, looked at again now and then, because it may be another version after a while;
        and in which zone it is."""
        now = self._clock()
        abilities = self._abilities
        if abilities is None or now - self._detected_s >= self._config.inventory_s:
            abilities = self._abilities = detect(self._oap)
            self._detected_s = now
        told = self._oap.one("getTimeInfo", "{getTimeInfo{timezone}}") or {}
        try:
            self._zone.learn(now, str(told.get("timezone") or ""))
        except ValueError as unread:
            raise SourceUnavailable(f"the OAP says a time zone that is none: {unread}") from unread
        return abilities

    def _lost(self, minutes: Minutes) -> list[bool]:
        """Of which minutes the OAP tells less than before: counts of a minute only grow while its store is whole.
        Nothing can be said of it where figures could not be read."""
        if minutes.faults():
            return [False] * minutes.stretch.minutes
        partial = []
        for at, calls in enumerate(minutes.work()):
            start_s = minutes.stretch.start_s + at * MINUTE_S
            partial.append(calls < self._told.get(start_s, 0.0))
            self._told[start_s] = max(calls, self._told.get(start_s, 0.0))
        for start_s in sorted(self._told)[:-REMEMBERED_MINUTES]:
            del self._told[start_s]
        return partial
