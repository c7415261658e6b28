"""Services that look the same, for the sources page: why, and the rule that would draw them as one."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from app.views import Json
from app.web.language import spoken
from app.web.wording import Wording

MOST = 20


def suggested(pairs: Sequence[Json], w: Wording) -> html.Section | None:
    """The likeliest pairs with their reasons in words; None when there is nothing to suggest."""
    if not pairs:
        return None
    return html.Section([
        html.H2(w("sources.alike", len(pairs))), html.P(w("sources.alike.text"), className="quiet"),
        html.Ul([_pair(pair, w) for pair in pairs[:MOST]], className="alike"),
    ])  # fmt: skip


def _pair(pair: Json, w: Wording) -> html.Li:
    reasons = [w("sources.alike." + one["why"], one["shared"], one["example"]) for one in pair["reasons"]]
    names = w("sources.alike.pair", *(spoken(pair[end]["title"], pair[end]["id"]) for end in ("from", "into")))
    return html.Li([
        html.B(names), html.P("; ".join(reasons)),
        html.P([*_end(pair["from"], w), " · ", *_end(pair["into"], w)], className="quiet"),
        html.P(w("sources.alike.rule"), className="quiet"), html.Pre(pair["rule"], tabIndex=0),
    ])  # fmt: skip


def _end(end: Json, w: Wording) -> list[Component | str]:
    return [html.Code(end["id"]), " ", w("sources.alike.seen_by", ", ".join(end["sources"]))]
