"""One known traffic, and the three ways in which a source of spans is read of it: each has to draw the map that the
traffic draws when it is sent by OTLP."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from engine_run import NOW_S, Run
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from shop_traffic import Traffic
from stored_spans import pairs

from app.runner.spans import deliver
from collectors.contract import Context
from topology.histogram import ladder

FROM_S, TO_S = int(NOW_S) - 300, int(NOW_S) - 60
SPANS = 40 * 4 * 10
"""Forty rounds of four checkouts."""
COMPARED = ("calls", "errors", "originated_errors", "protected", "p50_ms", "p95_ms", "p99_ms", "self_ms", "kind",
            "protocols", "client_p95_ms", "server_p95_ms", "error_ratio", "zones", "instances_by_zone")  # fmt: skip
CONTEXT = Context("default", ladder([]), str, lambda: NOW_S)
Picture = dict[str, dict[str, Any]]
Make = Callable[[], Any]
"""Makes a puller anew, as a process does that starts again."""


class Recorded(Traffic):
    """The shop's traffic, kept as OTLP requests and sent by nobody."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.requests: list[bytes] = []
        self._exporter = self

    def export(self, spans: Sequence[Any]) -> None:
        """Takes the place of the exporter."""
        self.requests.append(encode_spans(spans).SerializeToString())


@cache
def known_traffic() -> Sequence[bytes]:
    """Two minutes of the shop, one round every three seconds, also across the end of a minute: a request a round."""
    shop = Recorded("http://127.0.0.1:9", failing={"stock"})
    for at_s in range(FROM_S + 61, FROM_S + 181, 3):
        shop.send(at_s - 0.02)
    return tuple(shop.requests)


def spans_of(bodies: Iterable[bytes]) -> set[tuple[str, str]]:
    """The (trace id, span id) of every span in some requests."""
    return {(span.trace_id.hex(), span.span_id.hex()) for body in bodies for _, span in pairs(body)}


def configured(folder: Path, source: str, kind: str) -> Path:
    """A configuration with a source; that which is sent to is on without one."""
    path = folder / "synoptic.yaml"
    path.write_text(f"collectors:\n  {source}: {{kind: {kind}}}\n")
    return path


def picture(run: Run) -> Picture:
    """Nodes and paths with everything about their calls."""
    run.settle(260)
    drawn = run.engine.snapshot(3600)
    return {one["id"]: {name: one[name] for name in COMPARED if name in one}
            for one in (*drawn["nodes"], *drawn["edges"])}


def sent_by_otlp(folder: Path) -> Picture:
    """The map of the traffic as it is sent."""
    run = Run(folder, config=configured(folder, "elsewhere", "jaeger"))
    for body in known_traffic():
        run.take(body)
    return picture(run)


def read_over_and_over(make: Make, source: str, kind: str, folder: Path) -> Picture:
    """The map of a source that is read three times, with a crash before the last; every minute is whole."""
    run, asked = Run(folder, config=configured(folder, source, kind)), make()
    for _ in range(2):
        pull = asked.pull(FROM_S, TO_S)
        deliver(pull, source, run.intakes)
        assert (list(pull.faults), list(pull.partial)) == ([], [])
    asked.close()
    run, asked = run.crashed(), make()
    deliver(asked.pull(FROM_S, TO_S), source, run.intakes)
    asked.close()
    drawn = picture(run)
    assert {one for node in run.engine.snapshot(3600)["nodes"] for one in node["sources"]} == {source}
    return drawn


def read_by_the_minute(make: Make, source: str, kind: str, folder: Path) -> Picture:
    """The map of a source that is read as the clock goes: calls that cross the end of a minute come with two."""
    run, asked = Run(folder, config=configured(folder, source, kind)), make()
    for minute in range(FROM_S, TO_S, 60):
        deliver(asked.pull(minute, minute + 60), source, run.intakes)
        run.settle(60)
    asked.close()
    return picture(run)


def read_through_crashes(make: Make, source: str, kind: str, folder: Path) -> Picture:
    """The map of a source when the process ends in the middle of a reading, anywhere, four times."""
    run = Run(folder, config=configured(folder, source, kind))
    for seed in range(4):
        asked = make()
        asked._size = 100  # small pages, where there are pages
        for body in asked.pull(FROM_S, TO_S).spans:
            run.intakes.of(source).take_pulled(body)
            if random.Random(seed).random() < 0.2:
                break
        run.settle(2 * seed)
        asked.close()
        run = run.crashed(down_s=5)
    asked = make()
    deliver(asked.pull(FROM_S, TO_S), source, run.intakes)
    asked.close()
    return picture(run)
