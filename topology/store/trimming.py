"""Which example traces stay when their hour has more than it may keep."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from topology.store.contract import ExampleSummary
from topology.store.tiers import HOUR_S, Retention


def kept_traces(
    examples: Iterable[ExampleSummary], sizes: Mapping[str, int], retention: Retention, now_s: float
) -> set[str]:
    """The traces that stay: of each hour the failed first, then the slowest, as many as the hour's bytes allow.
    `sizes` are the bytes of each trace's payload."""
    worst: dict[str, ExampleSummary] = {}
    for example in examples:
        known = worst.get(example.trace_id, example)
        worst[example.trace_id] = max(known, example, key=lambda e: (e.failed, e.duration_ms))
    spent: dict[int, int] = defaultdict(int)
    keep: set[str] = set()
    for example in sorted(worst.values(), key=lambda e: (not e.failed, -e.duration_ms, e.trace_id)):
        hour = int(example.start_s // HOUR_S)
        spent[hour] += sizes[example.trace_id]
        if spent[hour] <= retention.example_bytes_per_hour and example.start_s >= now_s - retention.examples_s:
            keep.add(example.trace_id)
    return keep
