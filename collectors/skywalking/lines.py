"""Log lines of an OAP, searched while a person waits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collectors.contract import FoundLine, LineQuery
from collectors.skywalking.client import GraphQL
from collectors.skywalking.events import service_id
from collectors.skywalking.identity import Naming
from collectors.skywalking.server_time import ServerZone
from collectors.skywalking.versions import Abilities

PAGE = 100
MOST_PAGES = 50
"""Looked through at most for one search: what OAP cannot look for itself is chosen from its pages here."""
_LOGS = ("query($c:LogQueryCondition){queryLogs(condition:$c){logs{serviceName serviceInstanceName endpointName "
         "traceId timestamp content tags{key value}}}}")  # fmt: skip
_LEVELS = {"warning": "warn", "err": "error", "severe": "error", "critical": "fatal", "crit": "fatal", "emerg": "fatal",
           "notice": "info", "information": "info", "fine": "debug", "finer": "trace", "finest": "trace"}


@dataclass(frozen=True, slots=True)
class Lines:
    """Searches the logs of one OAP. From any thread."""

    oap: GraphQL
    naming: Naming
    zone: ServerZone

    def find(self, query: LineQuery, abilities: Abilities, cancelled: Callable[[], bool]) -> Iterator[list[FoundLine]]:
        """The lines that match, newest first, a page of them for every page of the OAP's, perhaps an empty one. An OAP
        knows no patterns: nothing matches one."""
        if query.pattern or not abilities.knows("queryLogs"):
            return
        left, pages = query.limit, MOST_PAGES
        searched = self._searches_text(query, abilities)
        for from_s, to_s in reversed(self.zone.days(query.from_s, query.to_s)):
            number = 1
            while left > 0 and pages > 0 and not cancelled():
                found = self._page(query, from_s, to_s, number, searched)
                lines = [line for line in map(self._line, found) if _matches(line, query)][:left]
                yield lines
                left, pages, number = left - len(lines), pages - 1, number + 1
                if len(found) < PAGE:
                    break

    def _searches_text(self, query: LineQuery, abilities: Abilities) -> bool:
        """Whether its storage can look for words."""
        if not query.text or not abilities.knows("supportQueryLogsByKeywords"):
            return False
        return self.oap.one("supportQueryLogsByKeywords", "{supportQueryLogsByKeywords}") is True

    def _page(self, query: LineQuery, from_s: float, to_s: float, number: int, searched: bool) -> Sequence[Any]:
        condition: dict[str, Any] = {
            "queryDuration": self.zone.box(from_s, to_s), "queryOrder": "DES",
            "paging": {"pageNum": number, "pageSize": PAGE},
        }  # fmt: skip
        if query.service is not None:
            condition["serviceId"] = service_id(self.naming.name(query.service))
        if query.trace_id:
            condition["relatedTrace"] = {"traceId": query.trace_id}
        if searched:
            condition["keywordsOfContent"] = [query.text]
        return (self.oap.one("queryLogs", _LOGS, {"c": condition}) or {}).get("logs") or ()

    def _line(self, raw: Mapping[str, Any]) -> FoundLine:
        mask = self.naming.mask
        tags = {str(tag["key"]): str(tag.get("value") or "") for tag in raw.get("tags") or ()}
        level = tags.pop("level", "").lower()
        at_ms, trace, content = int(raw["timestamp"]), str(raw.get("traceId") or ""), str(raw.get("content") or "")
        told = hashlib.sha256(f"{raw.get('serviceInstanceName')}\n{trace}\n{content}".encode()).hexdigest()[:16]
        if raw.get("endpointName"):
            tags["endpoint"] = str(raw["endpointName"])
        return FoundLine(
            at_ms / 1000, self.naming.named(str(raw["serviceName"])), _LEVELS.get(level, level) or "info",
            mask(content), trace, "", str(raw.get("serviceInstanceName") or ""), f"{at_ms}/{told}",
            {key: mask(value) for key, value in tags.items()},
        )  # fmt: skip


def _matches(line: FoundLine, query: LineQuery) -> bool:
    """What the OAP was perhaps not able to look for; its seconds are whole."""
    if query.levels and line.level not in query.levels:
        return False
    return query.from_s <= line.time_s < query.to_s and query.text.lower() in line.body.lower()
