"""Drives the product from request bytes to rollups, and puts its rollups into a form that compares."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

import numpy as np
from plain_pairing import Figures, PlainPairing
from span_writing import NOW_NS, SECOND, Made, body

from collectors.otlp import resources
from collectors.otlp.decoding import SpanDecoder
from topology.histogram import Ladder, ladder
from topology.model import Resource, SeriesKey
from topology.pairing import Bounds, FailureRules, Pairing
from topology.rollup import COUNTS, RollupBatch, SeriesTable

LADDER = ladder([1_000_000])
Delivery = tuple[int, Sequence[Made]]
"""Spans that arrive together, and how many nanoseconds after `NOW_NS`."""


class Counted:
    """The product's decoder and pairing in one piece, as its owner wires them."""

    def __init__(self, *, horizon_s: float = 30.0, bounds: Bounds | None = None, rules: FailureRules | None = None,
                 decoder: SpanDecoder | None = None, **more: object) -> None:
        rules = rules or FailureRules()
        self.decoder = decoder or _shared_decoder(rules.protected_names)
        self.pairing = Pairing(self.decoder.strings, self._resource_of, LADDER, rules=rules,
                               bounds=bounds or Bounds(max_series=1 << 13), horizon_s=horizon_s, **more)  # type: ignore[arg-type]
        self.series = SeriesTable()
        self.batches: list[RollupBatch] = []
        self.now_ns = NOW_NS
        self._horizon_ns = int(horizon_s * SECOND)

    def _resource_of(self, number: int) -> Resource:
        return resources.read(self.decoder.resources.raw(number), resources.identify)

    def take(self, spans: Sequence[Made], after_ns: int = 0) -> Counted:
        """Spans that arrive together."""
        return self.take_body(body(spans), NOW_NS + after_ns)

    def take_body(self, request: bytes, now_ns: int) -> Counted:
        """A request that arrives at `now_ns`."""
        self.now_ns = max(self.now_ns, now_ns)
        self.pairing.take(self.decoder.decode(request), now_ns)
        return self

    def harvest(self) -> Counted:
        """Takes over what was counted so far."""
        self.batches.append(self.pairing.harvest(self.series))
        return self

    def finish(self) -> dict[tuple[SeriesKey, int], dict[str, object]]:
        """Lets everything expire; what was counted, by series and window."""
        self.pairing.advance(self.now_ns + self._horizon_ns + SECOND)
        self.harvest()
        return figures_of(self.batches, self.series)


@functools.cache
def _shared_decoder(reserved: tuple[str, ...]) -> SpanDecoder:
    """One decoder for many short runs: its tables are large to make, and pairing keeps nothing in them."""
    return SpanDecoder(1, 1 << 14, reserved)


def figures_of(batches: Iterable[RollupBatch], series: SeriesTable) -> dict[tuple[SeriesKey, int], dict[str, object]]:
    """Counts and {bucket: n} of every series and window in which something is left."""
    found: dict[tuple[SeriesKey, int], dict[str, object]] = {}
    for batch in batches:
        for row, (start, number) in enumerate(zip(batch.starts_s.tolist(), batch.series.tolist(), strict=True)):
            cell = found.setdefault((series.keys[number], start), {"counts": np.zeros(len(COUNTS)), "buckets": {}})
            cell["counts"] = cell["counts"] + batch.counts[row]  # type: ignore[operator]
            buckets = cell["buckets"]
            assert isinstance(buckets, dict)
            for at in np.flatnonzero(batch.hist_row == row).tolist():
                bucket = int(batch.hist_bucket[at])
                buckets[bucket] = buckets.get(bucket, 0.0) + float(batch.hist_n[at])
    return _settled(found)


def plain_figures(plain: PlainPairing, steps: Ladder = LADDER) -> dict[tuple[SeriesKey, int], dict[str, object]]:
    """What the plain pairing counted, in the same form."""
    return _settled({cell: {"counts": _counts(figures), "buckets": _buckets(figures, steps)}
                     for cell, figures in plain.figures.items()})


def product(deliveries: Sequence[Delivery], *, harvests: bool = False) -> tuple[dict, dict[str, int]]:
    """Figures and counters of the product; with `harvests` it is harvested after every delivery."""
    counted = Counted()
    for after_ns, spans in deliveries:
        counted.take(spans, after_ns)
        if harvests:
            counted.harvest()
    return counted.finish(), counted.pairing.counters()


def bodies(deliveries: Iterable[Delivery]) -> list[tuple[int, bytes]]:
    """The same deliveries as the plain pairing takes them."""
    return [(NOW_NS + after_ns, body(spans)) for after_ns, spans in deliveries]


def differences(left: dict, right: dict, tolerance: float = 0.0) -> list[str]:
    """Every series and window in which two results differ, in words; sampled weights are kept with 20 bits, so a
    test with odd weights allows for a `tolerance`."""
    told = []
    for cell in sorted(left.keys() | right.keys(), key=str):
        a, b = left.get(cell), right.get(cell)
        if a is None or b is None or not _alike(a, b, tolerance):
            told.append(f"{cell}:\n    {a}\n    {b}")
    return told


def _counts(figures: Figures) -> np.ndarray:
    return np.array([getattr(figures, name) for name in COUNTS])


def _buckets(figures: Figures, steps: Ladder) -> dict[int, float]:
    buckets: dict[int, float] = {}
    for duration_us, n in figures.latencies.items():
        bucket = int(steps.bucket(duration_us))
        buckets[bucket] = buckets.get(bucket, 0.0) + n
    return buckets


def _settled(found: dict) -> dict:
    """Without what was counted and taken back again."""
    for cell in found.values():
        cell["buckets"] = {bucket: n for bucket, n in cell["buckets"].items() if abs(n) > 1e-3}
    return {key: cell for key, cell in found.items() if np.any(np.abs(cell["counts"]) > 1e-3) or cell["buckets"]}


def _alike(a: dict, b: dict, tolerance: float) -> bool:
    if not np.allclose(a["counts"], b["counts"], rtol=tolerance, atol=tolerance):
        return False
    cells = a["buckets"].keys() | b["buckets"].keys()
    return all(abs(a["buckets"].get(k, 0.0) - b["buckets"].get(k, 0.0)) <= 10 * tolerance for k in cells)
