"""Objects in documents of Elastic APM, as its server writes them: what is read, and what is known not to be.

Fields: elastic/apm-data (model/modeljson)."""

from __future__ import annotations

from typing import Any

import msgspec

from collectors.elastic_spans.parts import Whole
from collectors.elastic_spans.texts import Text

NO_OBJECT = msgspec.Raw(b"{}")


class _Part(msgspec.Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """What is not known of an object may be a dotted name: such documents are read plainly."""


class Id(_Part, frozen=True):
    """A trace, or a parent."""

    id: str = ""


class Us(_Part, frozen=True):
    """A time in epoch microseconds."""

    us: Whole | None = None


class Took(_Part, frozen=True):
    """A duration in microseconds."""

    us: float


class _Queue(_Part, frozen=True):
    name: str = ""


class _Message(_Part, frozen=True):
    queue: _Queue = _Queue()
    age: Text = NO_OBJECT
    body: Text = NO_OBJECT
    headers: Text = NO_OBJECT
    routing_key: Text = NO_OBJECT


class _Database(_Part, frozen=True):
    type: str | None = None
    instance: str | None = None
    statement: Text = NO_OBJECT
    link: Text = NO_OBJECT
    rows_affected: Text = NO_OBJECT
    user: Text = NO_OBJECT


class Event(_Part, frozen=True):
    """A transaction or a span."""

    id: str | None = None
    name: str | None = None
    type: str | None = None
    subtype: str | None = None
    action: str | None = None
    kind: str | None = None
    result: str | None = None
    duration: Took | None = None
    representative_count: float | None = None
    composite: Text = NO_OBJECT
    destination: Text = NO_OBJECT
    links: Any = None
    db: _Database = _Database()
    message: _Message = _Message()
    http: Text = NO_OBJECT
    stacktrace: Text = NO_OBJECT
    sync: Text = NO_OBJECT
    sampled: Text = NO_OBJECT
    root: Text = NO_OBJECT
    span_count: Text = NO_OBJECT
    custom: Text = NO_OBJECT
    marks: Text = NO_OBJECT
    page: Text = NO_OBJECT
    experience: Text = NO_OBJECT
    profiler_stack_trace_ids: Text = NO_OBJECT
