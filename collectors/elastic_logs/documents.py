"""One document to one line, masked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from collectors.contract import FoundLine
from collectors.elastic_logs.layouts import Names
from collectors.elastic_logs.services import decoded, service_of
from collectors.elastic_logs.views import View
from collectors.log_records import level_of, masked_body

Mask = Callable[[str], str]
_HEX_LENGTHS = (16, 32)


def line_of(view: View, hit: Mapping[str, Any], environment: str, mask: Mask) -> FoundLine | None:
    """The line of a hit; None when it names no service or has no time. `place` is the index and the document's id."""
    source, layout = hit.get("_source") or {}, view.layout
    told = {"service": layout.service, "environment": layout.environment, "namespace": layout.namespace}
    service = service_of(layout, lambda name: text_of(source, told[name]), environment)
    times = (hit.get("fields") or {}).get(view.time)
    if service is None or not times:
        return None
    stack = text_of(source, layout.stack)
    return FoundLine(
        float(times[0]) / 1000, service, _level(view, source), masked_body(text_of(source, layout.body), mask),
        identity(text_of(source, layout.trace_id)), identity(text_of(source, layout.span_id)),
        mask(_instance(view, source)), f"{hit['_index']}/{hit['_id']}",
        {"stack": masked_body(stack, mask)} if stack else {},
    )


def _level(view: View, source: Mapping[str, Any]) -> str:
    layout = view.layout
    if layout.level_tags:
        return level_of(0, _tag(value_of(source, layout.level_tags), "level"))
    number, word = text_of(source, layout.number), text_of(source, layout.level)
    if not number and not word:
        return layout.assumed_level
    return level_of(int(float(number)) if number else 0, word)


def _tag(tags: Any, name: str) -> str:
    """The value of a `name=value` pair among some."""
    pairs = (str(tag).partition("=") for tag in (tags if isinstance(tags, list) else [tags]))
    return next((value for key, _, value in pairs if key == name), "")


def _instance(view: View, source: Mapping[str, Any]) -> str:
    instance = text_of(source, view.layout.instance)
    # SkyWalking: the service's id, an underscore, the encoded name of the instance
    return decoded(f"{instance.rpartition('_')[2]}.1") if view.layout.encoded else instance


def identity(text: str) -> str:
    """A trace or span id as it is written elsewhere: hexadecimal digits small, anything else as it is."""
    small = text.lower()
    return small if len(small) in _HEX_LENGTHS and not small.strip("0123456789abcdef") else text


def text_of(source: Mapping[str, Any], names: Names) -> str:
    """The first of the fields that has something, as text."""
    for name in names:
        if text := _plain(value_of(source, name)):
            return text
    return ""


def value_of(source: Any, name: str) -> Any:
    """The value of a dotted name, however much of it the document nests; of a list of objects, that of the first."""
    if isinstance(source, list):
        found = [value_of(part, name) for part in source]
        return next((value for value in found if value is not None), None)
    if not isinstance(source, Mapping):
        return None
    if name in source:
        return source[name]
    head, dot, rest = name.partition(".")
    while dot:
        if head in source and (value := value_of(source[head], rest)) is not None:
            return value
        more, dot, rest = rest.partition(".")
        head = f"{head}.{more}"
    return None


def _plain(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _plain(value[0]) if value else ""
    if isinstance(value, Mapping):
        return " ".join(f"{key}={_plain(part)}" for key, part in value.items())
    return "" if value is None else str(value)
