"""The objectives of a service or path in its panel: budget left, the burn of every pair of windows, coverage."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from urllib.parse import quote

from dash import html
from dash.development.base_component import Component

from app.views import Json
from app.web import sections
from app.web.slo_words import burn, left, percent_of, title_of, window_word
from app.web.wording import Wording

ORDER = ("burning", "exhausted", "at_risk", "no_data", "ok")
PAIRS = (("1h", "5m"), ("6h", "30m"), ("1d", "2h"), ("3d", "6h"))
MOST = 8


def about(entries: Sequence[Json], item_id: str) -> list[Json]:
    """The SLOs that judge this node or path, first the one that its colour and sentence are of: the loudest, and of
    those as loud the one with the least budget left."""
    mine = [one for one in entries if item_id in (one.get("judges") or (one.get("edge") or one.get("service"),))]
    return sorted(mine, key=_urgency)


def _urgency(one: Json) -> tuple[int, float, str]:
    left = one["budget_left"]
    return ORDER.index(one["state"]), inf if left is None else left, one["name"]


def objectives(found: Sequence[Json], base: str, w: Wording) -> html.Section | None:
    """A line an SLO, each a link to its page; None when there is none."""
    if not found:
        return None
    head = html.Thead(html.Tr([
        html.Th(w("panel.slos.head")), html.Th(w("slo.column.budget"), className="n"),
        *(html.Th(window_word(long, w), className="n", title=_pair(long, short, w)) for long, short in PAIRS),
    ]))  # fmt: skip
    lines = [_line(one, base, w) for one in found[:MOST]]
    table = html.Table([head, html.Tbody(lines)], className="near slos")
    rest = len(found) - len(lines)
    more = html.P(w("panel.more", rest), className="quiet") if rest > 0 else None
    return sections.section(w("panel.slos"), str(len(found)), table, more)


def _line(one: Json, base: str, w: Wording) -> html.Tr:
    address = f"{base}slos/{quote(one['name'], safe='')}"
    name = html.Span([
        sections.sign(one["state"], w("state." + one["state"])),
        html.A(title_of(one, w), href=address, className="go", title="" if one["default"] else one["name"]),
    ], className="with")  # fmt: skip
    covered = f"{percent_of(one['target'])} · {window_word(one['window'], w)} · {w('slo.column.coverage')} "
    words = covered + w.share(one["coverage"]) + (f" · {w('slo.default')}" if one["default"] else "")
    filled = max(0.0, min(1.0, one["budget_left"] or 0.0)) * 100
    bar = html.I(html.U(style={"width": f"{filled:.1f}%"}))
    budget = html.Span([bar, html.B(left(one["budget_left"], w))], className=f"budget state-{one['state']}")
    return html.Tr([
        html.Td([name, html.Small(words)]), html.Td(budget),
        *(html.Td(_burn(one, long, short, w), className="n") for long, short in PAIRS),
    ])  # fmt: skip


def _burn(one: Json, long: str, short: str, w: Wording) -> list[Component]:
    """Both windows of a pair; where their alert fires, on the colour of its state."""
    alert = next((alert for alert in one.get("alerts") or () if (alert["long"], alert["short"]) == (long, short)), None)
    over = (one["burn"].get(long) or 0) > 1
    look = f"burn fires {alert['severity']}" if alert else "burn over" if over else "burn"
    return [html.Span(burn(one["burn"].get(long), w), className=look), html.Small(burn(one["burn"].get(short), w))]


def _pair(long: str, short: str, w: Wording) -> str:
    return w("slo.hint.pair", window_word(long, w), window_word(short, w))
