"""The table of the SLO page: rows as short as they can be, and after the first time only those that changed.

The table is made anew at most every `FRESH_S`, for all viewers at once; every row carries the version in which it last
changed. A viewer asks with the version it has and gets the rows of later versions, the names that are gone, or, when
its version is not one of this process, the whole table.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

import orjson
from starlette.responses import Response

from app.views import Json, Views
from app.web.options import LANGUAGES
from app.web.slos import WINDOWS

FRESH_S = 4.0
MOST_FAULTS = 50
LEVEL = 5
COLUMNS = (
    "name", "title", "subject", "domain", "class", "kind", "threshold_ms", "target", "window", "method", "default",
    "state", "since", "budget_left", "exhausted_in_s", "coverage", "ratio", "total", "burn", "firing", "strip",
)  # fmt: skip
Row = tuple[Any, ...]


class SloTable:
    """The newest table of one process. Versions grow, also over a restart, for they begin at the clock."""

    def __init__(self, views: Views, clock: Callable[[], float]) -> None:
        self._views, self._clock = views, clock
        self._first = self._version = int(clock() * 1000)
        self._made_s = float("-inf")
        self._rows: dict[str, tuple[int, Row]] = {}
        self._gone: dict[str, int] = {}
        self._groups: Json = {}
        self._faults: list[Json] = []
        self._packed: dict[tuple[int, bool], bytes] = {}
        self._lock = asyncio.Lock()

    async def answer(self, since: int, packed: bool) -> Response:
        """The answer to somebody who has the version `since`; 0 is nothing."""
        async with self._lock:
            if self._clock() - self._made_s >= FRESH_S:
                await asyncio.to_thread(self._renew)
                self._made_s = self._clock()
            body = self._packed.get((since, packed))
            if body is None:
                body = self._packed[since, packed] = await asyncio.to_thread(self._body, since, packed)
        headers = {"vary": "accept-encoding"} | ({"content-encoding": "gzip"} if packed else {})
        return Response(body, media_type="application/json", headers=headers)

    def _renew(self) -> None:
        """Takes the engine's newest entries; what differs from before gets a new version."""
        entries = self._views.slos()
        titles = {one["id"]: one.get("title") or one["name"] for one in self._views.snapshot()["nodes"]}
        fresh = {one["name"]: row(one, titles) for one in entries}
        version = self._version + 1
        self._gone |= dict.fromkeys(self._rows.keys() - fresh.keys(), version)
        kept = {name: self._rows[name] for name in fresh if self._rows.get(name, (0, ()))[1] == fresh[name]}
        self._rows = {name: kept.get(name) or (version, one) for name, one in fresh.items()}
        self._gone = {name: at for name, at in self._gone.items() if name not in fresh}
        self._groups = {one["domain"]: one["group"] for one in entries if one.get("domain") and one.get("group")}
        self._faults = self._views.slo_faults()[:MOST_FAULTS]
        self._version = version
        self._packed = {}

    def _body(self, since: int, packed: bool) -> bytes:
        whole = not self._first < since <= self._version
        rows = [one for version, one in self._rows.values() if whole or version > since]
        gone = [] if whole else [name for name, version in self._gone.items() if version > since]
        body = orjson.dumps(
            {"version": self._version, "whole": whole, "columns": COLUMNS, "windows": WINDOWS, "rows": rows,
             "gone": gone, "groups": self._groups, "faults": self._faults},
            option=orjson.OPT_SERIALIZE_NUMPY,
        )  # fmt: skip
        return gzip.compress(body, LEVEL) if packed else body


def row(entry: Json, titles: Mapping[str, Any]) -> Row:
    """An SLO in the order of `COLUMNS`, its figures no finer than a person sees, so that few rows change at a tick."""
    burn: Json = entry.get("burn") or {}
    firing = [f"{one['long']}/{one['short']} {one['severity']}" for one in entry.get("alerts") or ()]
    strip = [None if left is None else round(left * 100) for left in entry.get("strip") or ()]
    figures = {
        "title": entry.get("title"), "subject": subject(entry, titles), "default": bool(entry.get("default")),
        "budget_left": _rounded(entry.get("budget_left"), 4), "exhausted_in_s": _minutes(entry.get("exhausted_in_s")),
        "coverage": _little(entry.get("coverage")), "ratio": _rounded(entry.get("ratio"), 6),
        "burn": [_coarse(burn.get(window)) for window in WINDOWS], "firing": firing, "strip": strip,
    }  # fmt: skip
    return tuple({**entry, **figures}.get(column) for column in COLUMNS)


def subject(entry: Json, titles: Mapping[str, Any]) -> Any:
    """What the SLO is about in words: the service, by language where it has titles, or the path between two."""
    edge = entry.get("edge")
    if edge and ">" in edge:
        ends = edge.split(">", 1)
        return {language: " → ".join(_plain(titles.get(end), end, language) for end in ends) for language in LANGUAGES}
    service = entry.get("service") or ""
    return titles.get(service) or _plain(None, service, "en")


def _plain(title: Any, node_id: str, language: str) -> str:
    """A title in one language, or the name in an id."""
    if isinstance(title, Mapping):
        title = title.get(language) or title.get("en")
    return str(title) if title else unquote(node_id.partition("/~")[0].rpartition("/")[2])


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _little(share: float | None) -> float | None:
    """A share in steps of a thousandth, of which something is never nothing."""
    return max(0.001, round(share, 3)) if share else share


def _minutes(span_s: float | None) -> float | None:
    """Whole minutes, which is what the list says."""
    return None if span_s is None else span_s // 60 * 60


def _coarse(value: float | None) -> float | None:
    """Three significant digits."""
    return None if value is None else float(f"{value:.3g}")
