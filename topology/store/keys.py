"""Series keys as rows: a kind and a list of texts, so that a file can be read without this program.

Fields keep the order of the dataclasses in `model`; a field added at their end with a default is read
from older files as that default.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from topology.model import EdgeKey, GaugeKey, InstanceKey, Kind, LogKey, OperationKey, SeriesKey, Service, Side

KINDS: dict[str, type[SeriesKey]] = {
    "operation": OperationKey, "edge": EdgeKey, "instance": InstanceKey, "log": LogKey, "gauge": GaugeKey,
}
_KIND_OF = {type_: kind for kind, type_ in KINDS.items()}
_SERVICES = ("service", "caller", "callee")

Row = tuple[str, tuple[str, ...]]


def text(value: str) -> str:
    """The value as text that can be stored: what is no Unicode character (half a surrogate pair) becomes `?`."""
    return value.encode("utf-8", "replace").decode("utf-8")


def to_row(key: SeriesKey) -> Row:
    """The kind and fields of a key."""
    parts: list[str] = []
    for field in fields(key):
        value = getattr(key, field.name)
        if isinstance(value, Service):
            parts += [text(value.environment), text(value.namespace), text(value.name), value.kind.value]
        else:
            parts.append(text(value) if isinstance(value, str) else "1" if value else "")
    return _KIND_OF[type(key)], tuple(parts)


def from_row(kind: str, parts: list[str]) -> SeriesKey:
    """The key that `to_row` made the row of."""
    rest = iter(parts)
    values: dict[str, Any] = {}
    for field in fields(KINDS[kind]):
        first = next(rest, None)
        if first is None:
            break
        values[field.name] = _value(field.name, first, rest)
    return KINDS[kind](**values)


def _value(name: str, first: str, rest: Any) -> object:
    if name in _SERVICES:
        return Service(first, next(rest), next(rest), Kind(next(rest)))
    if name in {"root", "part"}:
        return first == "1"
    return Side(first) if name == "side" else first


def place_in_file(row: Row) -> tuple[str, ...]:
    """Orders keys so that what is read together lies together: by the service whose work it is."""
    kind, parts = row
    service = parts[5:9] if kind == "edge" else parts[:4]
    return (*service, kind, *parts)
