"""The web side over sources with known traces: one that answers, one that is slow, one that is down, one with lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from finders import AT_S, LEDGER, Failing, Lines, Slow, Source, Traces, found, line, span
from snapshots import Shelf, chain, trace
from snapshots import span as kept_span
from web_server import serving

from app.searching import Searches
from app.web import WebOptions
from collectors.contract import OpenedTrace
from topology.errors import SourceUnavailable, Why
from topology.model import Service

HOSTILE = '<img src=x onerror="alert(1)">'
ORDERS = Service("prod", "bank", "orders")
NATIVE = "2f5c.41.17672543400000001"
KEPT = trace("a1" * 16, [kept_span("root", None, 0.0, 20.0), kept_span("child", "root", 5.0, 10.0)])
SPANS = (
    span("seg.0", None, 0, 120, ORDERS, operation="POST /orders", failed=True),
    span("seg.1", "seg.0", 5, 100, ORDERS, operation="ledger call", kind="client", failed=True),
    span("seg.2", "seg.1", 10, 80, operation="POST /entries", failed=True, instance="ledger-1", zone="b",
         attributes={"db.statement": HOSTILE}),
)  # fmt: skip
LINES = (
    line("entry refused: lock wait timeout", 59.96, NATIVE, span_id="seg.2", level="error"),
    line(f"retry {HOSTILE}", 59.95, NATIVE, span_id="seg.1", level="warn"),
    line("order received", 59.99, NATIVE, level="info", service=ORDERS),
)  # fmt: skip


@dataclass
class House:
    """A running web side whose sources a test holds."""

    sources: Mapping[str, Source]
    shelf: Shelf
    origin: str = ""


def sources() -> dict[str, Source]:
    """One source of each sort; the slow one does not answer before it is let go."""
    oap = Traces(found(NATIVE, 60, ORDERS, operation="POST /orders", failed=True, span_count=3, duration_ms=120.0),
                 found("c3" * 16, 600, operation=HOSTILE, duration_ms=4.0),
                 *(found(f"{n:032x}", 700 + n, operation=f"GET /page/{n}", duration_ms=10.0 + n) for n in range(1, 25)),
                 opened={NATIVE: OpenedTrace(SPANS, complete=False)})  # fmt: skip
    late = Slow(found("d4" * 16, 30, operation="late", span_count=None), opened={"d4" * 16: OpenedTrace(SPANS[:1])})
    gone = Failing(SourceUnavailable("nobody listens there", why=Why.UNREACHABLE))
    return {"bank-oap": oap, "jaeger": late, "old": gone, "es": Lines(*LINES)}


@contextmanager
def house(asked: Mapping[str, Source] | None = None, base: str = "/", patience_s: float = 20.0) -> Iterator[House]:
    """A running house over these sources; whoever still waits is let go in the end."""
    made = House(sources() if asked is None else asked, Shelf(chain(), traces=[KEPT]))
    searches = Searches(made.sources, patience_s)
    with serving(made.shelf, WebOptions(base_path=base), clock=lambda: AT_S, searches=searches) as client:
        made.origin = str(client.base_url).rstrip("/")
        try:
            yield made
        finally:
            for source in made.sources.values():
                if isinstance(source, Slow):
                    source.go.set()


__all__ = ["HOSTILE", "KEPT", "LEDGER", "LINES", "NATIVE", "ORDERS", "House", "house", "sources"]
