"""What changed from one snapshot to the next. Pure.

The law: a snapshot with its delta applied is the next snapshot, up to the order of nodes and edges.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
PARTS = ("nodes", "edges")
SELDOM = ("groups", "layers")


def delta(old: Json, new: Json) -> Json:
    """The changes from `old` to `new`: changed nodes and edges whole, the ids that are gone, the rest in full.

    Groups and layers come only when they changed. `base` is the `seq` that this delta builds on.
    """
    same = {key for key in SELDOM if key in old and old[key] == new.get(key)}
    rest = {key: value for key, value in new.items() if key not in PARTS and key not in same}
    changed = {part: _changed(old[part], new[part]) for part in PARTS}
    gone = {part: _gone(old[part], new[part]) for part in PARTS}
    return {**rest, "base": old["seq"], **changed, "gone": gone}


def applied(old: Json, change: Json) -> Json:
    """The snapshot after `old`. ValueError when the delta builds on another one."""
    if change["base"] != old["seq"]:
        raise ValueError(f"delta builds on {change['base']}, not on {old['seq']}")
    rest = {key: value for key, value in change.items() if key not in (*PARTS, "base", "gone")}
    return {**old, **rest, **{part: _patched(old[part], change[part], change["gone"][part]) for part in PARTS}}


def _changed(old: list[Json], new: list[Json]) -> list[Json]:
    before = {item["id"]: item for item in old}
    return [item for item in new if before.get(item["id"]) != item]


def _gone(old: list[Json], new: list[Json]) -> list[str]:
    after = {item["id"] for item in new}
    return [item["id"] for item in old if item["id"] not in after]


def _patched(old: list[Json], changed: list[Json], gone: list[str]) -> list[Json]:
    items = {item["id"]: item for item in old}
    items.update((item["id"], item) for item in changed)
    for identity in gone:
        items.pop(identity, None)
    return list(items.values())
