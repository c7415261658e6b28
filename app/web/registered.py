"""What is registered, in words: instances by zone in the panel, and services nobody heard of on the sources page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dash import html
from dash.development.base_component import Component

from app.views import Json
from app.web import sections
from app.web.language import spoken
from app.web.wording import UNKNOWN, Wording

MOST_INSTANCES = 12
MOST_SERVICES = 50
COLUMNS = ("speaking", "registered", "disabled", "silent", "unregistered")
QUARRELS = ("silent", "unregistered")


def instances(node: Json, w: Wording) -> html.Section | None:
    """Instances by zone: how many speak and are registered, each that speaks, and those that are only registered."""
    found, counted = node["instances"], node.get("registered")
    return sections.section(
        w("panel.instances"), _note(found, counted, w),
        _by_zone(counted, w) if counted else None,
        *_quarrel(node.get("registration"), w),
        sections.instance_rows(found, w, _mark),
        _silent(node.get("registered_only") or (), w),
        *[_age(one, w) for one in node.get("registry") or ()],
    )  # fmt: skip


def _note(found: Sequence[Json], counted: Mapping[str, Json] | None, w: Wording) -> str:
    if not counted:
        return w("panel.instances.note", len(found), len({one["zone"] for one in found if one["zone"]}))
    return w("panel.registered.note", *(sum(zone[name] for zone in counted.values()) for name in COLUMNS[:2]))


def _by_zone(counted: Mapping[str, Json], w: Wording) -> html.Table:
    """A row a zone; columns in which there is nothing at all are left out, but for the first two."""
    shown = [name for name in COLUMNS if name in COLUMNS[:2] or any(zone[name] for zone in counted.values())]
    heads = [html.Th(w("panel.registered.zone")),
             *(html.Th(w("panel.registered." + name), className="n") for name in shown)]
    rows = [html.Tr([html.Td(html.Em(zone or UNKNOWN, className="zone")),
                     *(_number(count[name], name) for name in shown)]) for zone, count in counted.items()]
    return html.Table([html.Thead(html.Tr(heads)), html.Tbody(rows)], className="near by-zone")


def _number(count: int, name: str) -> html.Td:
    return html.Td(str(count), className="n bad" if name in QUARRELS and count else "n")


def _quarrel(registration: Json | None, w: Wording) -> list[html.P]:
    """What certainly does not fit, in sentences."""
    if not registration:
        return []
    return [html.P(w(f"panel.registered.{name}.text", registration[name]), className="quarrel")
            for name in QUARRELS if registration[name]]


def _mark(instance: Json, w: Wording) -> Component | None:
    """A word beside a speaking instance that the registry does not have, has disabled, or holds for unhealthy."""
    if instance.get("registered") is False:
        return html.Em(w("panel.unregistered"), className="remark")
    if instance.get("registered") and not instance["enabled"]:
        return html.Em(w("panel.standing.disabled"), className="remark")
    return None if instance.get("healthy") is not False else html.Em(w("panel.unhealthy"), className="remark")


def _silent(rest: Sequence[Json], w: Wording) -> Component | None:
    """The registered instances that nobody heard, the certainly silent ones first."""
    order = ("silent", "unknown", "disabled")
    ranked = sorted(rest, key=lambda one: (order.index(one["standing"]), one["zone"], one["host"], one["port"]))
    lines = [html.Tr([html.Td(html.Span([html.Em(one["zone"] or UNKNOWN, className="zone"), _address(one)],
                                        className="cut")),
                      html.Td(one["version"] or UNKNOWN, className="n"), html.Td(_standing(one, w), className="n")])
             for one in ranked[:MOST_INSTANCES]]
    if not lines:
        return None
    heads = [html.Th(w("panel.registered.only")), html.Th(w("panel.column.version"), className="n"), html.Th()]
    table = html.Table([html.Thead(html.Tr(heads)), html.Tbody(lines)], className="near")
    return html.Div([table, _more(len(ranked) - MOST_INSTANCES, w)])


def _more(rest: int, w: Wording) -> Component | None:
    return html.P(w("panel.more", rest), className="quiet") if rest > 0 else None


def _standing(one: Json, w: Wording) -> str:
    unhealthy = [w("panel.unhealthy")] * (not one["healthy"] and one["standing"] != "disabled")
    return ", ".join([w("panel.standing." + one["standing"]), *unhealthy])


def _address(one: Json) -> str:
    return f"[{one['host']}]:{one['port']}" if ":" in one["host"] else f"{one['host']}:{one['port']}"


def _age(one: Json, w: Wording) -> html.P:
    key = "panel.registered.old" if one["old"] else "panel.registered.told"
    return html.P(w(key, one["source"], w.duration(one["age_s"])), className="quarrel" if one["old"] else "quiet")


def unheard(registry: Json, w: Wording) -> html.Section | None:
    """The registered services that never spoke, for the sources page; None when there are none."""
    silent = [row for row in registry["services"] if row["node"] is None]
    if not silent:
        return None
    heads = [html.Th(w("sources.registered." + name)) for name in ("service", "instances", "source")]
    rows = [html.Tr([html.Td([html.B(spoken(row["title"], row["id"])), " ", html.Code(row["id"])]),
                     html.Td(_instances(row["zones"], w)), html.Td(", ".join(row["sources"]))])
            for row in silent[:MOST_SERVICES]]
    return html.Section([
        html.H2(w("sources.registered", len(silent))), html.P(w("sources.registered.text"), className="quiet"),
        html.Table([html.Thead(html.Tr(heads)), html.Tbody(rows)], className="registered"),
        _more(len(silent) - MOST_SERVICES, w),
    ])  # fmt: skip


def _instances(zones: Mapping[str, Json], w: Wording) -> str:
    """"a 2, b 1 (1 disabled)"."""
    words = [f"{zone or UNKNOWN} {count['registered']}" for zone, count in zones.items()]
    disabled = sum(count["disabled"] for count in zones.values())
    return ", ".join(words) + (f" ({w('sources.registered.disabled', disabled)})" if disabled else "")
