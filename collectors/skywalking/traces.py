"""Traces of an OAP, searched and opened while a person waits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collectors.contract import FoundSpan, FoundTrace, OpenedTrace, TraceQuery
from collectors.skywalking.client import GraphQL, Refused
from collectors.skywalking.events import service_id
from collectors.skywalking.identity import Naming
from collectors.skywalking.inventory import Inventory
from collectors.skywalking.server_time import ServerZone
from collectors.skywalking.versions import Abilities
from topology.errors import SourceUnavailable, Why

MOST_SEGMENTS = 200
"""An OAP opens no more segments of a trace (segmentQueryMaxSize)."""
SEGMENTS_PER_TRACE, MOST_ROWS = 5, 200
"""A search finds segments, of which a trace has several."""
MOST_MESSAGE = 500
_SPAN = ("traceId segmentId spanId parentSpanId refs{parentSegmentId parentSpanId} serviceCode serviceInstanceName "
         "startTime endTime endpointName type peer component isError layer tags{key value} logs{data{key value}}")
_BRIEF = "segmentId spanId parentSpanId refs{parentSegmentId} serviceCode startTime endTime endpointName isError"
_SEARCH = "query($c:TraceQueryCondition){queryBasicTraces(condition:$c){traces{traceIds}}}"
_SEARCH_V2 = f"query($c:TraceQueryCondition){{queryTraces(condition:$c){{traces{{spans{{traceId {_BRIEF}}}}}}}}}"
_OPEN = f"query($t:ID!){{queryTrace(traceId:$t){{spans{{{_SPAN}}}}}}}"
_KINDS = {("Entry", False): "server", ("Entry", True): "consumer",
          ("Exit", False): "client", ("Exit", True): "producer"}  # fmt: skip
_MESSAGES = ("message", "error.message", "Traceback", "stack")


@dataclass(frozen=True, slots=True)
class Traces:
    """Searches the traces of one OAP. From any thread."""

    oap: GraphQL
    naming: Naming
    zone: ServerZone
    inventory: Inventory

    def find(self, query: TraceQuery, abilities: Abilities) -> Sequence[FoundTrace]:
        """The traces that match, newest first."""
        search = self._search_v2 if self._has_v2(abilities) else self._search
        found: dict[str, FoundTrace] = {}
        for from_s, to_s in reversed(self.zone.days(query.from_s, query.to_s)):
            for trace in search(self._condition(query, from_s, to_s), query.limit):
                found.setdefault(trace.trace_id, trace)
            if len(found) >= query.limit:
                break
        return sorted(found.values(), key=lambda trace: -trace.start_s)[: query.limit]

    def open(self, trace_id: str) -> OpenedTrace | None:
        """One trace with all its segments; None when the OAP has none of this id."""
        spans = (self.oap.one("queryTrace", _OPEN, {"t": trace_id}) or {}).get("spans") or ()
        if not spans:
            return None
        segments = {str(raw["segmentId"]) for raw in spans}
        return OpenedTrace([self._span(raw, trace_id) for raw in spans], complete=len(segments) < MOST_SEGMENTS)

    def _has_v2(self, abilities: Abilities) -> bool:
        """Only with one kind of storage are whole traces searched; an OAP tells whether it has that."""
        if not (abilities.knows("queryTraces") and abilities.knows("hasQueryTracesV2Support")):
            return False
        return self.oap.one("hasQueryTracesV2Support", "{hasQueryTracesV2Support}") is True

    def _condition(self, query: TraceQuery, from_s: float, to_s: float) -> dict[str, Any]:
        condition: dict[str, Any] = {
            "traceState": "ERROR" if query.failed_only else "ALL", "queryOrder": "BY_START_TIME",
            "queryDuration": self.zone.box(from_s, to_s),
            "paging": {"pageNum": 1, "pageSize": min(query.limit * SEGMENTS_PER_TRACE, MOST_ROWS)},
        }  # fmt: skip
        if query.service is not None:
            condition["serviceId"] = service_id(self.naming.name(query.service))
        if query.min_ms > 0:
            condition["minTraceDuration"] = int(query.min_ms)
        return condition

    def _search(self, condition: Mapping[str, Any], limit: int) -> Iterable[FoundTrace]:
        """Searches segments, then looks at the traces that they belong to, in two requests."""
        rows = (self.oap.one("queryBasicTraces", _SEARCH, {"c": condition}) or {}).get("traces") or ()
        ids = list(dict.fromkeys(str(trace_id) for row in rows for trace_id in (row.get("traceIds") or ())[:1]))[:limit]
        if not ids:
            return []
        declared = " ".join(f"$t{at}:ID!" for at in range(len(ids)))
        aliases = " ".join(f"a{at}:queryTrace(traceId:$t{at}){{spans{{{_BRIEF}}}}}" for at in range(len(ids)))
        try:
            answer = self.oap.ask(f"query({declared}){{{aliases}}}", {f"t{at}": found for at, found in enumerate(ids)})
        except Refused as refusal:
            raise SourceUnavailable(f"the OAP refuses to open traces: {refusal}", why=Why.REFUSED) from refusal
        told = ((found, (answer.data.get(f"a{at}") or {}).get("spans") or ()) for at, found in enumerate(ids))
        return [self._brief(found, spans) for found, spans in told if spans]

    def _search_v2(self, condition: Mapping[str, Any], limit: int) -> Iterable[FoundTrace]:
        traces = (self.oap.one("queryTraces", _SEARCH_V2, {"c": condition}) or {}).get("traces") or ()
        whole = [trace["spans"] for trace in traces if trace.get("spans")]
        return [self._brief(str(spans[0]["traceId"]), spans) for spans in whole[:limit]]

    def _brief(self, trace_id: str, spans: Sequence[Mapping[str, Any]]) -> FoundTrace:
        """What is listed of a trace: named by the span that began it."""
        first = min(spans, key=lambda raw: (not _is_root(raw), int(raw["startTime"]), int(raw["spanId"])))
        start = min(int(raw["startTime"]) for raw in spans)
        end = max(int(raw["endTime"]) for raw in spans)
        failed = any(raw.get("isError") for raw in spans)
        return FoundTrace(trace_id, self.naming.named(str(first["serviceCode"])), self._text(first["endpointName"]),
                          start / 1000, float(end - start), failed, len(spans))

    def _span(self, raw: Mapping[str, Any], trace_id: str) -> FoundSpan:
        service, instance = str(raw["serviceCode"]), str(raw.get("serviceInstanceName") or "")
        failed = bool(raw.get("isError"))
        return FoundSpan(
            trace_id, _id(raw["segmentId"], raw["spanId"]), _parent(raw), self.naming.named(service),
            self._text(raw["endpointName"]), _KINDS.get((str(raw["type"]), raw.get("layer") == "MQ"), "internal"),
            int(raw["startTime"]) * 1_000_000, int(raw["endTime"]) * 1_000_000, failed,
            self.inventory.zone(service_id(service), instance), instance, self._message(raw) if failed else "",
            self._attributes(raw),
        )  # fmt: skip

    def _attributes(self, raw: Mapping[str, Any]) -> Mapping[str, str]:
        own = {"peer": raw.get("peer"), "component": raw.get("component"), "layer": raw.get("layer")}
        tags = {str(tag["key"]): tag.get("value") for tag in raw.get("tags") or ()}
        return {key: self._text(value) for key, value in {**own, **tags}.items() if value}

    def _message(self, raw: Mapping[str, Any]) -> str:
        """What the span logged when it failed: the last line of a stack trace where there is no message."""
        said = {str(each["key"]): str(each.get("value") or "") for log in raw.get("logs") or ()
                for each in log.get("data") or ()}  # fmt: skip
        text = next((said[key] for key in _MESSAGES if said.get(key)), "").strip()
        line = text.splitlines()[-1] if text and "Traceback" in said and "message" not in said else text
        return self._text(line)[:MOST_MESSAGE]

    def _text(self, value: Any) -> str:
        return self.naming.mask(str(value or ""))


def _id(segment: Any, span: Any) -> str:
    """Spans are numbered within their segment."""
    return f"{segment}.{span}"


def _is_root(raw: Mapping[str, Any]) -> bool:
    return int(raw["parentSpanId"]) < 0 and not raw.get("refs")


def _parent(raw: Mapping[str, Any]) -> str | None:
    """The parent in the same segment, else the span of another one that this segment follows."""
    if int(raw["parentSpanId"]) >= 0:
        return _id(raw["segmentId"], raw["parentSpanId"])
    refs = raw.get("refs") or ()
    return _id(refs[0]["parentSegmentId"], refs[0]["parentSpanId"]) if refs else None
