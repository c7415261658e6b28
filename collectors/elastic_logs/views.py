"""Which layouts the indices of a pattern have, told by their mappings, and how each is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from collectors.elastic_logs.config import Index
from collectors.elastic_logs.layouts import KNOWN, Clause, Layout, Names, layout_named

Capabilities = Mapping[str, Mapping[str, Any]]
"""Of every field: its types, as the field capabilities API tells them under `fields`."""
MOST_SERVICE_FIELDS = 3
"""Where a layout has several names for the service, indices of one pattern may use different ones."""
_KEYWORDS = frozenset(("keyword", "constant_keyword", "wildcard", "flattened", "ip", "boolean"))
_WORDS = frozenset(("keyword", "wildcard"))
_NUMBERS = frozenset(("long", "integer", "short", "byte", "unsigned_long", "double", "float"))
_TEXTS = frozenset(("text", "match_only_text"))
_DATES = frozenset(("date", "date_nanos"))


@dataclass(frozen=True, slots=True)
class View:
    """One layout in the indices of a pattern. The fields are those that can be counted, "" where there are none.

    The service is named by the first of `services` that a line has. `dated` says that the time is a date and not epoch
    milliseconds, `numeric` that levels are numbers. `bodies` are the fields that can be searched, and whether they are
    split into words. `conflicts` are fields that indices of the pattern map differently, in plain words.
    """

    pattern: str
    layout: Layout
    time: str
    dated: bool
    services: Sequence[str]
    level: str = ""
    numeric: bool = False
    number: str = ""
    environment: str = ""
    namespace: str = ""
    trace_id: str = ""
    operation: str = ""
    bodies: Mapping[str, bool] = field(default_factory=dict)
    only: Sequence[Clause] = ()
    never: Sequence[Clause] = ()
    conflicts: Sequence[str] = ()

    @property
    def name(self) -> str:
        """The pattern and its layout, by which the view is told from others."""
        return f"{self.pattern} ({self.layout.name})"

    def query(self, from_s: float, to_s: float, *more: Clause) -> Clause:
        """Documents of this layout with a time in [from_s, to_s) for which all the clauses hold."""
        bounds: dict[str, Any] = {"gte": int(from_s * 1000), "lt": int(to_s * 1000)}
        if self.dated:
            bounds["format"] = "epoch_millis"
        found: dict[str, Any] = {"filter": [{"range": {self.time: bounds}}, *self.only, *more]}
        if self.never:
            found["must_not"] = [*self.never]
        return {"bool": found}

    def newest_first(self) -> Clause:
        """The sort by time; indices without the field do not make the question fail."""
        order: dict[str, Any] = {"order": "desc", "unmapped_type": "date" if self.dated else "long"}
        return {self.time: {**order, "numeric_type": "date"} if self.dated else order}

    def document(self) -> dict[str, Any]:
        """What is wanted of a document: only the fields that are read, and its time in epoch milliseconds."""
        time = {"field": self.time, "format": "epoch_millis"} if self.dated else {"field": self.time}
        return {"_source": [*self.layout.names()], "docvalue_fields": [time]}


def asked_fields(index: Index) -> tuple[str, ...]:
    """The names to ask of the mappings, with the keyword that dynamic mappings put beside a text."""
    layouts = _candidates(index)
    names = dict.fromkeys(name for layout in layouts for name in (*layout.names(), "processor.event", "time_bucket"))
    return tuple(form for name in names for form in (name, f"{name}.keyword"))


def views(index: Index, found: Capabilities) -> tuple[View, ...]:
    """A view of every layout that the mappings show; none where there is no index or nothing is known."""
    present = [layout for layout in _candidates(index) if _readable(layout, found)]
    if index.layout == "auto":
        # a pattern without any level is read as the one that is most common
        present = [layout for layout in present if _marked(layout, found)] or present[-2:][:1]
    return tuple(_view(index.pattern, layout, present, found) for layout in present)


def _candidates(index: Index) -> list[Layout]:
    if index.layout == "auto":
        return [layout.named(index.fields) for layout in KNOWN]
    return [layout_named(index.layout).named(index.fields)]


def _readable(layout: Layout, found: Capabilities) -> bool:
    return bool(_time(layout, found)[0] and _countable(layout.service, found))


def _marked(layout: Layout, found: Capabilities) -> bool:
    """Whether the mappings have what a layout is recognised by, and a level, which it may do without."""
    leveled = layout.assumed_level == "error" or layout.level_tags or any(name in found for name in layout.level)
    return bool(leveled) and all(_field_of(mark) in found for mark in layout.marks)


def _field_of(mark: Clause) -> str:
    inner = next(iter(mark.values()))
    return str(inner["field"] if "field" in inner else next(iter(inner)))


def _view(pattern: str, layout: Layout, present: Sequence[Layout], found: Capabilities) -> View:
    (time, dated), at = _time(layout, found), present.index(layout)
    level, number = (_countable(names, found) for names in (layout.level, layout.number))
    services = tuple(filter(None, (_countable((name,), found) for name in layout.service)))[:MOST_SERVICE_FIELDS]
    last = at == len(present) - 1
    told = dict.fromkeys((time, *services, *layout.level))
    return View(
        pattern, layout, time, dated, services, level, set(found.get(level, ())) <= _NUMBERS and bool(level), number,
        environment=_countable(layout.environment, found), namespace=_countable(layout.namespace, found),
        trace_id=_countable(layout.trace_id, found), operation=_countable(layout.operation, found),
        bodies={name: kind in _TEXTS for name in layout.body for kind, told in found.get(name, {}).items()
                if kind in _TEXTS | _WORDS and told.get("searchable", True)},
        only=tuple(layout.marks) if layout.certain or not last else (),
        never=tuple(_all(other.marks) for other in present[:at] if other.marks),
        conflicts=tuple(filter(None, (_conflict(name, found) for name in told))),
    )


def _all(marks: Sequence[Clause]) -> Clause:
    return marks[0] if len(marks) == 1 else {"bool": {"filter": [*marks]}}


def _time(layout: Layout, found: Capabilities) -> tuple[str, bool]:
    """The field of the time, and whether it is a date; ("", True) when there is none."""
    for name in layout.time:
        types = set(found.get(name, ()))
        if types & (_DATES | _NUMBERS):
            return name, bool(types & _DATES)
    return "", True


def _countable(names: Names, found: Capabilities) -> str:
    """The first name whose values can be counted, perhaps by the keyword beside it."""
    for name in names:
        for form in (name, f"{name}.keyword"):
            if set(found.get(form, ())) & (_KEYWORDS | _NUMBERS):
                return form
    return ""


def _conflict(name: str, found: Capabilities) -> str:
    """What is said of a field that is not the same everywhere, or is a text without a keyword beside it."""
    types = {kind: told for kind, told in found.get(name, {}).items() if kind != "unmapped"}
    if types and types.keys() <= _TEXTS and f"{name}.keyword" not in found:
        return f"{name} is text and cannot be counted: it has to be a keyword"
    if len(types) < 2 or any(types.keys() <= alike for alike in (_DATES, _KEYWORDS, _NUMBERS, _TEXTS)):
        return ""
    said = "; ".join(f"{kind} in {_few(told.get('indices') or ['?'])}" for kind, told in sorted(types.items()))
    return f"{name} is mapped differently: {said}"


def _few(indices: Sequence[str]) -> str:
    return ", ".join(indices[:2]) + (f" and {len(indices) - 2} more" if len(indices) > 2 else "")
