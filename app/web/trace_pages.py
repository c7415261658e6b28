"""The pages of traces: the search, whose host a module of the browser fills, and one trace from wherever it is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import orjson
from dash import Dash, Input, Output, State, dcc, html, set_props
from dash.development.base_component import Component

from app.finding import Finding
from app.links import Link, filled, of_line
from app.views import Json, Views
from app.web import trace_lines, traces
from app.web.sections import data
from app.web.trace_lines import Place
from app.web.wording import Wording
from topology.errors import Overloaded

CROWDED = {"source": "Synoptic", "kind": "failed", "reason": "too many searches at once; try again soon"}
MOST_KEPT_LINES = 500


class TracePages:
    """Makes the pages. `base` is the published base path, `links` are the house's."""

    def __init__(self, views: Views, finding: Finding, w: Wording, base: str, links: Sequence[Link] = ()) -> None:
        self._views, self._finding, self._w, self._base, self._links = views, finding, w, base, links

    def search(self) -> html.Main:
        """The host of the search, and which sources it can ask."""
        sources = orjson.dumps(self._finding.sources("traces")).decode()
        return html.Main(className="traces-page", **data(data_synoptic="traces", data_sources=sources))

    def one(self, trace_id: str) -> list[Component]:
        """A kept trace at once; another one is looked for as soon as the page stands. Blocking."""
        kept = self._views.trace(trace_id)
        sources = self._finding.sources("traces")
        if kept is None and not sources:
            return self._missing()
        body = self._page(kept) if kept else traces.looking(sources, self._w)
        asks = [] if kept else [dcc.Interval(id="trace-open", interval=1, max_intervals=1)]
        return [html.Div(body, id="trace"), dcc.Store(id="trace-asked", data=trace_id), *asks]

    def add_callbacks(self, dash: Dash) -> None:
        """What the pages ask of the server when they stand."""

        @dash.callback(
            Output("trace", "children"), Input("trace-open", "n_intervals"), State("trace-asked", "data"),
            prevent_initial_call=True,
        )  # fmt: skip
        async def opened(_once: Any, trace_id: Any) -> list[Component]:
            """The trace from whichever source has it, or what stands in its place."""
            try:
                found, faults = await self._finding.trace(str(trace_id))
            except Overloaded:
                return self._missing([CROWDED])
            if found is None:
                return self._missing([asdict(one) for one in faults])
            return await asyncio.to_thread(self._page, found)

        @dash.callback(
            Output("trace-lines", "children"), Input("lines-open", "n_intervals"), State("trace-place", "data"),
            prevent_initial_call=True,
        )  # fmt: skip
        async def lines(_once: Any, told: Any) -> list[Component]:
            """The log lines of the trace, and their marks in its waterfall."""
            place = Place.read(told)
            if place is None:
                return []
            found = await self._lines(place)
            for row, marks in trace_lines.marks(found["lines"], place, self._w).items():
                set_props(f"marks-{row}", {"children": marks})
            return trace_lines.lines_of(found, place, self._base, self._w)

    def _missing(self, troubles: Sequence[Json] = ()) -> list[Component]:
        return traces.missing(self._finding.sources("traces"), troubles, self._base, self._w)

    async def _lines(self, place: Place) -> Json:
        try:
            end_s = place.start_s + place.duration_ms / 1000
            return await self._finding.lines_of_trace(place.trace_id, place.start_s, end_s)
        except Overloaded:
            return self._kept_lines(place.trace_id) | {"troubles": [CROWDED]}

    def _kept_lines(self, trace_id: str) -> Json:
        kept = self._views.logs(None, trace_id, limit=MOST_KEPT_LINES)
        return {"lines": sorted(kept, key=lambda line: str(line["time"])), "troubles": []}

    def _page(self, trace: Json) -> list[Component]:
        asked = self._finding.sources("lines")

        def below(place: Place) -> Component:
            kept = self._kept_lines(place.trace_id)
            content = trace_lines.lines_of(kept, place, self._base, self._w, asked)
            return trace_lines.section(place, content)

        start_s = datetime.fromisoformat(trace["at"]).timestamp()
        place = {"service": trace["service"], "trace_id": trace["trace_id"], "span_id": "", "instance": ""}
        return traces.page(trace, self._nodes(), self._w, below, filled(self._links, of_line(place, start_s)))

    def _nodes(self) -> Mapping[str, Json]:
        return {node["id"]: node for node in self._views.snapshot()["nodes"]}
