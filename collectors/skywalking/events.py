"""Events and alarms of an OAP, as changes: "what changed before this?" """

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collectors.skywalking.client import GraphQL
from collectors.skywalking.config import Config
from collectors.skywalking.identity import Naming
from collectors.skywalking.server_time import MINUTE_S, ServerZone, Stretch
from collectors.skywalking.versions import Abilities
from topology.changes import Change, ChangeKind, Outcome
from topology.errors import SourceUnavailable
from topology.model import Service

PAGE = 100
MOST_PAGES = 10
MOST_TITLE = 200
ALARM = "alarm"
_EVENTS = ("query($c:EventQueryCondition){queryEvents(condition:$c){events{uuid source{service} name type message "
           "parameters{key value} startTime endTime}}}")  # fmt: skip
_ALARMS = "query($d:Duration!,$p:Pagination!){getAlarm(duration:$d,paging:$p){msgs{startTime scope id message}}}"


@dataclass(frozen=True, slots=True)
class Changes:
    """Reads the changes of some minutes."""

    oap: GraphQL
    config: Config
    naming: Naming
    zone: ServerZone
    source: str

    def read(self, abilities: Abilities, stretch: Stretch) -> tuple[Sequence[Change], Sequence[str]]:
        """The events and alarms of the stretch, and what could not be read of them."""
        found: list[Change] = []
        faults = []
        readers = {"queryEvents": self._events, "getAlarm": self._alarms}
        for query, read in readers.items():
            if abilities.knows(query) and (query != "getAlarm" or self.config.alarms):
                try:
                    found += read(stretch)
                except SourceUnavailable as failure:
                    faults.append(str(failure))
        return found, faults

    def _events(self, stretch: Stretch) -> Sequence[Change]:
        """The start of a window does not belong to it, so it begins a minute earlier, if that is the same day."""
        before = self.zone.local(stretch.start_s - MINUTE_S)
        same_day = before.date() == self.zone.local(stretch.start_s).date()
        time = {**stretch.duration, **({"start": before.strftime("%Y-%m-%d %H%M")} if same_day else {})}

        def page(number: int) -> Sequence[Any]:
            condition = {"time": time, "paging": {"pageNum": number, "pageSize": PAGE}}
            return (self.oap.one("queryEvents", _EVENTS, {"c": condition}) or {}).get("events") or ()

        read = (self._event(raw) for raw in _pages(page))
        return [change for change in read if change is not None and change.at_s >= stretch.start_s]

    def _event(self, raw: Mapping[str, Any]) -> Change | None:
        name, about = str(raw.get("name") or ""), raw.get("source") or {}
        if name.lower() == ALARM:
            return None  # told again, and better, as an alarm
        said = {str(each.get("key")): str(each.get("value") or "") for each in raw.get("parameters") or ()}
        ended = float(raw.get("endTime") or 0) / 1000
        failed = str(raw.get("type")) == "Error"
        done = Outcome.SUCCEEDED if ended else Outcome.UNKNOWN
        return Change(
            f"{self.source}:{raw.get('uuid')}", float(raw.get("startTime") or 0) / 1000,
            ChangeKind(self.config.events.get(name.lower(), ChangeKind.OTHER)), self._title(name, raw.get("message")),
            self.source, self.naming.named(str(about["service"])) if about.get("service") else None,
            version=next((said[key] for key in self.config.version_attributes if said.get(key)), ""),
            outcome=Outcome.FAILED if failed else done, ended_s=ended or None,
        )  # fmt: skip

    def _alarms(self, stretch: Stretch) -> Sequence[Change]:
        def page(number: int) -> Sequence[Any]:
            paging = {"pageNum": number, "pageSize": PAGE}
            return (self.oap.one("getAlarm", _ALARMS, {"d": stretch.duration, "p": paging}) or {}).get("msgs") or ()

        return [self._alarm(raw) for raw in _pages(page)]

    def _alarm(self, raw: Mapping[str, Any]) -> Change:
        at_ms, about, message = int(raw.get("startTime") or 0), str(raw.get("id") or ""), str(raw.get("message") or "")
        told = hashlib.sha256(f"{about}\n{message}".encode()).hexdigest()[:16]
        return Change(f"{self.source}:{ALARM}:{at_ms}:{told}", at_ms / 1000, ChangeKind.OTHER,
                      self._title("Alarm", message), self.source, self._service(about))

    def _service(self, entity_id: str) -> Service | None:
        name = service_name(entity_id)
        return self.naming.named(name) if name else None

    def _title(self, name: str, message: Any) -> str:
        return self.naming.mask(f"{name}: {message}" if message else name)[:MOST_TITLE]


def service_name(entity_id: str) -> str:
    """The name of the service that an id of the OAP begins with (CORE/analysis/IDManager.java: its name in base64, a
    dot, whether it is real); "" when it is no such id."""
    coded, dot, _ = entity_id.partition(".")
    try:
        return base64.b64decode(coded, validate=True).decode() if dot else ""
    except (binascii.Error, UnicodeDecodeError):
        return ""


def service_id(name: str, real: bool = True) -> str:
    """The OAP's id of a service."""
    return f"{base64.b64encode(name.encode()).decode()}.{int(real)}"


def _pages(page: Callable[[int], Sequence[Any]]) -> Sequence[Any]:
    """All entries of the first pages, until one is not full."""
    found: list[Any] = []
    for number in range(1, MOST_PAGES + 1):
        entries = page(number)
        found += entries
        if len(entries) < PAGE:
            break
    return found
