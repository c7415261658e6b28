"""The load: what three hundred instrumented services send, and the calls that really happened in it.

`python -m benchmarks.load` makes it; other benchmarks make it when it is missing. It is kept in `build/load`:
requests (`.bin`, each behind its length as u32-LE), the byte offsets of every time (`.times`) and of every trace id
(`.traces`) as i64-LE, and the truth (`.json`). Times count from the start of the load; `lap` puts them where they
are wanted and gives every trace a new id, so that one load can be sent many times over.
"""

from __future__ import annotations

import argparse
import heapq
import json
import struct
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.fleet import REDIS, SCOPES, Template, Workshop, members

FOLDER = Path(__file__).parent.parent / "build" / "load"
BATCH, FLUSH_S = 512, 5.0
LOST, LATE = 0.01, 0.05
MS, SECOND = 1_000_000, 1_000_000_000
VERSION = 1


@dataclass(frozen=True)
class Recipe:
    """What makes two loads the same."""

    spans: int = 500_000
    rate: int = 50_000
    services: int = 300
    seed: int = 42
    version: int = VERSION

    @property
    def path(self) -> Path:
        """Where it is kept, without an ending."""
        return FOLDER / "-".join(f"{name}{value}" for name, value in asdict(self).items())


@dataclass
class Made:
    """A span on its way: what it looks like, whose child it is, when it was, and whether it will be lost."""

    service: int
    template: Template
    trace: bytes
    id: bytes
    parent: bytes
    start_ns: int
    end_ns: int
    lost: bool


@dataclass
class Truth:
    """Calls by (caller, callee, protocol): all that happened, and those of which every span is in the load."""

    calls: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    errors: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    whole: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    whole_errors: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def add(self, caller: str, callee: str, protocol: str, failed: bool, *spans: Made) -> None:
        """Writes one call down."""
        key = (caller, callee, protocol)
        self.calls[key] += 1
        self.errors[key] += failed
        if not any(span.lost for span in spans):
            self.whole[key] += 1
            self.whole_errors[key] += failed

    def rows(self) -> list[list[Any]]:
        """One row a path: caller, callee, protocol, calls, errors, whole calls, whole errors."""
        return [[*key, n, self.errors[key], self.whole[key], self.whole_errors[key]] for key, n in sorted(self.calls.items())]


class Simulation:
    """Requests of users, one trace at a time."""

    def __init__(self, recipe: Recipe) -> None:
        self.random = Random(recipe.seed)
        self.fleet = members(recipe.services, self.random)
        self.workshop = Workshop(self.fleet, self.random)
        self.truth = Truth()
        self._spans: list[Made] = []
        self._left = 0

    def trace(self, at_ns: int) -> list[Made]:
        """Everything one request of a user sets off."""
        self._spans, self._left = [], self.random.randint(20, 60)
        self._trace = self.random.randbytes(16)
        root, failed = self._serve(self.random.choice((0, 0, 1)), b"", at_ns, 0, "http")
        self.truth.add("user", self.fleet[root.service].name, "http", failed, root)
        return self._spans

    def _took(self, mu: float) -> int:
        return int(self.random.lognormvariate(mu, 0.9) * MS)

    def _span(self, service: int, template: Template, parent: bytes, start_ns: int) -> Made:
        span = Made(service, template, self._trace, self.random.randbytes(8), parent, start_ns, start_ns,
                    self.random.random() < LOST)
        self._spans.append(span)
        self._left -= 1
        return span

    def _serve(self, service: int, parent: bytes, at_ns: int, depth: int, protocol: str) -> tuple[Made, bool]:
        failed = self.random.random() < 0.012
        shop = self.workshop
        if protocol == "http":
            template = shop.http_server(service, failed)
        elif protocol == "grpc":
            template = shop.grpc(service, service, True, failed)
        else:
            template = shop.message(service, service, True, failed)
        span = self._span(service, template, parent, at_ns)
        now_ns = self._work(span, at_ns + self._took(0))
        for callee in self._callees(service, depth):
            if self._left < 2:
                break
            now_ns = self._call(span, callee, now_ns, depth)
        span.end_ns = now_ns + self._took(0)
        return span, failed

    def _callees(self, service: int, depth: int) -> list[int]:
        callees = self.fleet[service].callees
        if not callees or depth >= 8:
            return []
        return self.random.sample(callees, 1 if service < 2 else self.random.randint(1, min(4, len(callees))))

    def _work(self, span: Made, now_ns: int) -> int:
        """What a service does itself: some code, its database, the cache."""
        service = span.service
        if self.random.random() < 0.33 and self._left > 0:
            inside = self._span(service, self.workshop.internal(service), span.id, now_ns)
            inside.end_ns = now_ns + self._took(0)
        if service < 3:
            return now_ns
        for _ in range(self.random.choice((0, 1, 1, 2))):
            if self._left > 0:
                now_ns = self._query(span, now_ns)
        if self.random.random() < 0.5 and self._left > 0:
            look = self._span(service, self.workshop.cached(service), span.id, now_ns)
            look.end_ns = now_ns = now_ns + self._took(-1)
            self.truth.add(self.fleet[service].name, REDIS, "redis", False, look)
        return now_ns

    def _query(self, span: Made, now_ns: int) -> int:
        member, failed = self.fleet[span.service], self.random.random() < 0.003
        query = self._span(span.service, self.workshop.query(span.service, failed), span.id, now_ns)
        query.end_ns = now_ns + self._took(0.8)
        self.truth.add(member.name, f"{member.domain}db", member.database, failed, query)
        return query.end_ns

    def _call(self, caller: Made, callee: int, now_ns: int, depth: int) -> int:
        service, chance = caller.service, self.random.random()
        if chance < 0.1 and service > 2:
            return self._publish(caller, callee, now_ns, depth)
        protocol = "grpc" if chance < 0.5 else "http"
        client = self._span(service, self._client(service, callee, protocol, False), caller.id, now_ns)
        network_ns = self.random.randint(100_000, 900_000)
        server, failed = self._serve(callee, client.id, now_ns + network_ns, depth + 1, protocol)
        if failed:
            client.template = self._client(service, callee, protocol, True)
        client.end_ns = server.end_ns + network_ns
        self.truth.add(self.fleet[service].name, self.fleet[callee].name, protocol, failed, client, server)
        return client.end_ns

    def _client(self, service: int, callee: int, protocol: str, failed: bool) -> Template:
        if protocol == "grpc":
            return self.workshop.grpc(service, callee, False, failed)
        return self.workshop.http_client(service, callee, failed)

    def _publish(self, caller: Made, callee: int, now_ns: int, depth: int) -> int:
        """A message is sent and, later, taken: two calls, with the topic between them."""
        own, other = self.fleet[caller.service].name, self.fleet[callee].name
        sent = self._span(caller.service, self.workshop.message(caller.service, callee, False, False), caller.id, now_ns)
        sent.end_ns = now_ns + self._took(-0.5)
        taken, failed = self._serve(callee, sent.id, now_ns + self._took(2.5), depth + 1, "kafka")
        self.truth.add(own, f"{other}.events", "kafka", False, sent)
        self.truth.add(f"{other}.events", other, "kafka", failed, taken)
        return sent.end_ns


def batches(simulation: Simulation, recipe: Recipe) -> Iterator[list[Made]]:
    """The spans in the order in which batching exporters send them, some of them late, lost ones left out."""
    random = Random(recipe.seed + 1)
    ended: list[tuple[int, int, Made]] = []
    sent: list[tuple[float, int, list[Made]]] = []
    waiting: dict[int, list[Made]] = {}
    made, order, now_s = 0, 0, 0.0

    def flush(service: int, at_s: float) -> None:
        late_s = random.uniform(2, 25) if random.random() < LATE else 0.0
        heapq.heappush(sent, (at_s + late_s + random.uniform(0, 0.05), len(sent) + order, waiting.pop(service)))

    while made < recipe.spans or ended or waiting:
        if made < recipe.spans:
            for span in simulation.trace(int(now_s * SECOND)):
                made, order = made + 1, order + 1
                if not span.lost:
                    heapq.heappush(ended, (span.end_ns, order, span))
            now_s = made / recipe.rate
        else:
            now_s += FLUSH_S
        while ended and ended[0][0] <= now_s * SECOND:
            span = heapq.heappop(ended)[2]
            waiting.setdefault(span.service, []).append(span)
            if len(waiting[span.service]) == BATCH:
                flush(span.service, now_s)
        for service in [s for s, spans in waiting.items() if spans[0].end_ns / SECOND < now_s - FLUSH_S]:
            flush(service, now_s)
        while sent and sent[0][0] <= now_s:
            yield heapq.heappop(sent)[2]
    while sent:
        yield heapq.heappop(sent)[2]


def _varint(n: int) -> bytes:
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes([*out, n])


def _field(tag: bytes, content: bytes) -> bytes:
    return tag + _varint(len(content)) + content


_TIMES = struct.Struct("<BQBQ")


class Writer:
    """Encodes requests one behind the other and remembers where times and trace ids are."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._openings: dict[int, tuple[bytes, list[bytes]]] = {}
        self.times: list[int] = []
        self.traces: list[int] = []
        self.bytes = 0

    def request(self, spans: list[Made]) -> bytes:
        """One request with the spans of one service, grouped by scope as the SDK does, behind its length."""
        service = spans[0].service
        if service not in self._openings:
            self._openings[service] = self._workshop.opening(service)
        resource, scopes = self._openings[service]
        parts = []
        for scope in range(len(SCOPES)):
            chosen = [self._encoded(span) for span in spans if span.template.scope == scope]
            if chosen:
                parts.append((_field(b"\x0a", scopes[scope]), chosen))
        sizes = [len(opening) + sum(len(text) + len(head) for head, text, _ in chosen) for opening, chosen in parts]
        inner = _field(b"\x0a", resource)
        size = len(inner) + sum(1 + len(_varint(n)) + n for n in sizes)
        out = bytearray(4) + b"\x0a" + _varint(size) + inner
        for (opening, chosen), n in zip(parts, sizes, strict=True):
            out += b"\x12" + _varint(n) + opening
            for head, text, times in chosen:
                out += head
                at = self.bytes + len(out)
                self.traces.append(at + 2)
                self.times += [at + offset for offset in times]
                out += text
        struct.pack_into("<I", out, 0, len(out) - 4)
        self.bytes += len(out)
        return bytes(out)

    @staticmethod
    def _encoded(span: Made) -> tuple[bytes, bytes, list[int]]:
        template = span.template
        start = b"\x0a\x10" + span.trace + b"\x12\x08" + span.id + (b"\x22\x08" + span.parent if span.parent else b"")
        start += template.head
        at, tail = len(start) + 1, template.tail
        times = [at, at + 9]
        if template.event_at >= 0:
            times.append(at + 17 + template.event_at)
            ended = struct.pack("<Q", span.end_ns)
            tail = tail[: template.event_at] + ended + tail[template.event_at + 8 :]
        text = start + _TIMES.pack(0x39, span.start_ns, 0x41, span.end_ns) + tail
        return b"\x12" + _varint(len(text)), text, times


def make(recipe: Recipe) -> None:
    """Writes the files of a load."""
    began_s = time.monotonic()
    recipe.path.parent.mkdir(parents=True, exist_ok=True)
    simulation = Simulation(recipe)
    writer = Writer(simulation.workshop)
    requests = attributes = 0
    with Path(f"{recipe.path}.bin").open("wb") as file:
        for spans in batches(simulation, recipe):
            attributes += sum(span.template.attributes for span in spans)
            file.write(writer.request(spans))
            requests += 1
    np.array(writer.times, "<i8").tofile(f"{recipe.path}.times")
    np.array(writer.traces, "<i8").tofile(f"{recipe.path}.traces")
    spans_sent = len(writer.traces)
    truth = {"spans": spans_sent, "requests": requests, "duration_s": recipe.spans / recipe.rate,
             "bytes_a_span": round(writer.bytes / spans_sent, 1), "attributes_a_span": round(attributes / spans_sent, 2),
             "paths": simulation.truth.rows()}
    Path(f"{recipe.path}.json").write_text(json.dumps(truth))
    print(f"load: {spans_sent:,} spans in {requests:,} requests, {truth['bytes_a_span']} bytes and "
          f"{truth['attributes_a_span']} attributes a span, {time.monotonic() - began_s:.0f} s", flush=True)


@dataclass(frozen=True)
class Load:
    """A load in memory. `truth` is described by `Truth.rows`; `summary` are the other figures of its `.json`."""

    path: Path
    content: npt.NDArray[np.uint8]
    bounds: list[tuple[int, int]]
    spans_before: list[int]
    summary: dict[str, Any]

    @property
    def spans(self) -> int:
        """How many spans one lap has."""
        return int(self.summary["spans"])

    @property
    def duration_s(self) -> float:
        """How long it took to happen."""
        return float(self.summary["duration_s"])

    def lap(self, shift_ns: int, lap: int, most: int | None = None) -> list[bytes]:
        """The requests (the first `most`) with every time moved by `shift_ns` and trace ids of their own for each `lap`."""
        content = self.content.copy()
        moved = np.fromfile(f"{self.path}.times", "<i8")
        _patch(content, moved, lambda words: words + np.uint64(shift_ns))
        other = np.uint64((lap * 0x9E3779B97F4A7C15) & (2**64 - 1))
        _patch(content, np.fromfile(f"{self.path}.traces", "<i8"), lambda words: words ^ other)
        return [content[first:last].tobytes() for first, last in self.bounds[:most]]


def _patch(content: npt.NDArray[np.uint8], at: npt.NDArray[np.int64], change: Any) -> None:
    """Replaces the 64-bit words at these offsets."""
    places = at[:, None] + np.arange(8)
    words = content[places].view("<u8")
    content[places] = change(words).view(np.uint8)


def load(recipe: Recipe | None = None) -> Load:
    """The load of a recipe, made when it is missing."""
    recipe = recipe or Recipe()
    if not Path(f"{recipe.path}.json").exists():
        make(recipe)
    content = np.fromfile(f"{recipe.path}.bin", np.uint8)
    bounds, at, raw = [], 0, content.data
    while at < len(content):
        size = struct.unpack_from("<I", raw, at)[0]
        bounds.append((at + 4, at + 4 + size))
        at += 4 + size
    traces = np.fromfile(f"{recipe.path}.traces", "<i8")
    before = np.searchsorted(traces, [first for first, _ in bounds]).tolist()
    return Load(recipe.path, content, bounds, [*before, len(traces)], json.loads(Path(f"{recipe.path}.json").read_text()))


def main() -> None:
    """Makes one load."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in asdict(Recipe()).items():
        if name != "version":
            arguments.add_argument(f"--{name}", type=int, default=value)
    make(Recipe(**vars(arguments.parse_args())))


if __name__ == "__main__":
    main()
