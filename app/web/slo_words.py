"""How figures of SLOs are said; the browser has a twin in `assets/slos/words.mjs`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import unquote

from app.views import Json
from app.web.language import spoken
from app.web.wording import UNKNOWN, Wording

LENGTH = re.compile(r"(\d+)([a-zA-Z])")
UNITS = {"m": "min", "h": "h", "d": "d", "w": "w", "M": "month", "Q": "quarter", "Y": "year"}
UNIT_S = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800, "M": 2_592_000, "Q": 7_776_000, "Y": 31_536_000}


def percent_of(target: str) -> str:
    """`0.9995` as `99.95 %`: the decimal point moves, nothing is rounded."""
    return f"{(Decimal(target) * 100).normalize():f} %"


def length_s(window: str) -> int:
    """Seconds of `30d`, `1h`, `1M` (30 days); those of 30 days for what is none of these."""
    found = LENGTH.fullmatch(window)
    return int(found[1]) * UNIT_S.get(found[2], 86_400) if found else 30 * 86_400


def window_word(window: str, w: Wording) -> str:
    """`30d` as `30 d`."""
    found = LENGTH.fullmatch(window)
    return f"{found[1]} {w('unit.' + UNITS.get(found[2], found[2]))}" if found else window


def burn(value: float | None, w: Wording) -> str:
    """`16x`: how many times faster than the budget allows."""
    if value is None:
        return UNKNOWN
    if value >= 9.95:
        return w("slo.times", f"{value:.0f}")
    return w("slo.times", f"{value:.1f}" if value >= 0.095 else "< 0.1" if value > 0 else "0")


def left(value: float | None, w: Wording) -> str:
    """A budget that is overspent is below zero."""
    return w.share(value) if value is None or value >= 0 else f"\u2212{w.share(-value)}"


def title_of(entry: Json, w: Wording) -> str:
    """What is promised, in the viewer's language; else the name. Defaults are named here: nobody else does."""
    title, threshold_ms = entry.get("title"), entry.get("threshold_ms")
    if entry.get("default") and entry.get("kind") in ("availability", "latency", "logs"):
        return w("slo.default." + entry["kind"], w.millis(threshold_ms))
    return text_of(title) or entry["name"]


def text_of(text: str | Mapping[str, str] | None) -> str:
    """What somebody wrote, in the language of the request where it was written in two."""
    return text if isinstance(text, str) else spoken(text)


def subject_of(entry: Json, nodes: Mapping[str, Json]) -> str:
    """The service, or the two ends of the path, that the SLO is about, as the map names them."""
    edge = entry.get("edge")
    ends = edge.split(">", 1) if edge else [entry.get("service") or ""]
    return " → ".join(_named(end, nodes) for end in ends)


def _named(node_id: str, nodes: Mapping[str, Json]) -> str:
    node = nodes.get(node_id)
    plain = unquote(node_id.partition("/~")[0].rpartition("/")[2])
    return plain if node is None else spoken(node.get("title"), node.get("name") or plain)
