"""In which operation a log line was written, told by its trace: what the service of the line did there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from collectors.otlp.reference import trace_key
from topology.model import Service

HEX_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Done:
    """An operation that a service did in a trace, and whether it failed."""

    service: Service
    operation: str
    failed: bool


def key_of(trace_id: str) -> int:
    """The signed 64-bit key of a trace id in hexadecimal digits, with or without the zeros before it; 0 for none."""
    try:
        key = trace_key(bytes.fromhex(trace_id.zfill(HEX_DIGITS)))
    except ValueError:
        return 0
    return key - (1 << 64) if key >> 63 else key


def operation_of(service: Service, done: Iterable[Done], same: Callable[[Service], Service] = lambda one: one) -> str:
    """The operation of a service in a trace: the only one it did or, of several, the only one that failed; "" where
    that is not known. `same` gives the node of a service, which may have several names."""
    mine = [one for one in done if one.service == service or same(one.service) == same(service)]
    for among in (mine, [one for one in mine if one.failed]):
        names = {one.operation for one in among}
        if len(names) == 1:
            return names.pop()
    return ""


Traces = Callable[[Collection[int]], dict[int, list[Done]]]
"""What was done in traces, by their keys; those of which nothing is known are left out."""
