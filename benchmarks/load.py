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
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.simulation import SECOND, Made, Simulation
from benchmarks.workshop import SCOPES, Workshop

FOLDER = Path(__file__).parent.parent / "build" / "load"
BATCH, FLUSH_S = 512, 5.0
LATE = 0.05
VERSION = 2


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


class Exporters:
    """The batching exporters of all services: a request goes out when it is full or five seconds old, or late."""

    def __init__(self, recipe: Recipe) -> None:
        self._random = Random(recipe.seed + 1)
        self._waiting: dict[int, list[Made]] = {}
        self._sent: list[tuple[float, int, list[Made]]] = []
        self._flushes = 0

    def end(self, span: Made, now_s: float) -> None:
        """A span has ended."""
        batch = self._waiting.setdefault(span.service, [])
        batch.append(span)
        if len(batch) == BATCH:
            self._flush(span.service, now_s)

    def _flush(self, service: int, now_s: float) -> None:
        late_s = self._random.uniform(2, 25) if self._random.random() < LATE else 0.0
        self._flushes += 1
        at_s = now_s + late_s + self._random.uniform(0, 0.05)
        heapq.heappush(self._sent, (at_s, self._flushes, self._waiting.pop(service)))

    def due(self, now_s: float) -> Iterator[list[Made]]:
        """What goes out until `now_s`, in order."""
        for service, batch in list(self._waiting.items()):
            if batch[0].end_ns / SECOND < now_s - FLUSH_S:
                self._flush(service, now_s)
        while self._sent and self._sent[0][0] <= now_s:
            yield heapq.heappop(self._sent)[2]


def batches(simulation: Simulation, recipe: Recipe) -> Iterator[list[Made]]:
    """The spans in the order in which they are sent, lost ones left out."""
    exporters = Exporters(recipe)
    ended: list[tuple[int, int, Made]] = []
    made = 0
    while made < recipe.spans:
        for span in simulation.trace(int(made / recipe.rate * SECOND)):
            made += 1
            if not span.lost:
                heapq.heappush(ended, (span.end_ns, made, span))
        now_s = made / recipe.rate
        while ended and ended[0][0] <= now_s * SECOND:
            exporters.end(heapq.heappop(ended)[2], now_s)
        yield from exporters.due(now_s)
    while ended:
        exporters.end(heapq.heappop(ended)[2], now_s)
    yield from exporters.due(now_s + 2 * FLUSH_S)
    yield from exporters.due(now_s + 100)


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
    simulation = Simulation(recipe.services, recipe.seed)
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
    truth = {
        "spans": spans_sent,
        "requests": requests,
        "duration_s": recipe.spans / recipe.rate,
        "bytes_a_span": round(writer.bytes / spans_sent, 1),
        "attributes_a_span": round(attributes / spans_sent, 2),
        "paths": simulation.truth.rows(),
    }
    Path(f"{recipe.path}.json").write_text(json.dumps(truth))
    print(
        f"load: {spans_sent:,} spans in {requests:,} requests, {truth['bytes_a_span']} bytes and "
        f"{truth['attributes_a_span']} attributes a span, {time.monotonic() - began_s:.0f} s",
        flush=True,
    )


@dataclass(frozen=True)
class Load:
    """A load in memory. `summary` is its `.json`; the rows of `paths` in it are those of `Truth.rows`."""

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
        """The requests (the first `most`), every time moved by `shift_ns`, with other trace ids in each `lap`."""
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
    return Load(
        recipe.path, content, bounds, [*before, len(traces)], json.loads(Path(f"{recipe.path}.json").read_text())
    )


def main() -> None:
    """Makes one load."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in asdict(Recipe()).items():
        if name != "version":
            arguments.add_argument(f"--{name}", type=int, default=value)
    make(Recipe(**vars(arguments.parse_args())))


if __name__ == "__main__":
    main()
