"""The critical path: worked examples, a law, and traces of the project that the method comes from."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snapshots import span

from app.critical_path import Stretch, critical_path, on_path

SAMPLES = Path(__file__).parents[2] / "shared" / "samples" / "jaeger-crisp"

# By hand: in each of these work follows on work, level by level, so every span delayed the whole.
EXPECTED = {"15": "ABCDEFG", "18": "ABCDEFGHI", "23": "ABCDEFGHI", "24": "ABCDEFGHI", "25": "ABCDEFGHI"}


def test_the_slower_of_two_at_once_is_on_the_path():
    """Of two children at the same time only the one that ends last held the parent up."""
    spans = [span("a", None, 0, 100), span("b", "a", 10, 80), span("c", "a", 10, 30)]
    assert on_path(spans) == {"a", "b"}


def test_children_one_after_the_other_are_all_on_the_path():
    """Work that follows on other work delays the whole as well, however short it is."""
    spans = [span("a", None, 0, 100), span("b", "a", 10, 20), span("c", "a", 40, 50)]
    assert critical_path(spans) == [
        Stretch("a", 90, 100), Stretch("c", 40, 90), Stretch("a", 30, 40), Stretch("b", 10, 30), Stretch("a", 0, 10),
    ]  # fmt: skip


def test_work_that_outlives_its_caller_is_cut():
    """A child that ends after its parent, or starts before it through a skewed clock, counts only inside it."""
    late = [span("a", None, 0, 100), span("b", "a", 60, 100)]
    assert critical_path(late) == [Stretch("b", 60, 100), Stretch("a", 0, 60)]
    skewed = [span("a", None, 0, 100), span("b", "a", -20, 50)]
    assert critical_path(skewed) == [Stretch("a", 30, 100), Stretch("b", 0, 30)]
    afterwards = [span("a", None, 0, 100), span("b", "a", 150, 10)]
    assert on_path(afterwards) == {"a"}


def test_lost_parents_and_cycles_do_no_harm():
    """Where the root is missing the longest orphan stands for it; spans that are their own ancestors end the walk."""
    assert on_path([]) == frozenset()
    assert on_path([span("b", "lost", 0, 10), span("c", "lost", 5, 90)]) == {"c"}
    assert on_path([span("a", "a", 0, 10)]) == {"a"}
    assert on_path([span("a", "b", 0, 10), span("b", "a", 0, 5)]) == {"a", "b"}


@st.composite
def traces(draw):
    """Any forest of up to 20 spans, with clocks as bad as can be."""
    size = draw(st.integers(1, 20))
    times = st.integers(-50, 200)
    parents = [None if i == 0 else draw(st.one_of(st.none(), st.integers(0, size - 1))) for i in range(size)]
    return [span(str(i), None if parent is None else str(parent), draw(times), draw(st.integers(0, 150)))
            for i, parent in enumerate(parents)]  # fmt: skip


@given(traces())
def test_the_path_tiles_the_root(spans):
    """The stretches follow each other without gap or overlap from the end of the root to its start."""
    path = critical_path(spans)
    known = {one["span_id"] for one in spans}
    rootless = [one for one in spans if one["parent_id"] not in known or one["parent_id"] == one["span_id"]]
    root = max(rootless or spans, key=lambda one: one["duration_ms"])
    assert sum(stretch.to_ms - stretch.from_ms for stretch in path) == root["duration_ms"]
    assert all(later.from_ms == earlier.to_ms for later, earlier in pairwise(path))
    if path:
        assert (path[0].to_ms, path[-1].from_ms) == (root["start_ms"] + root["duration_ms"], root["start_ms"])


@pytest.mark.parametrize(("name", "letters"), sorted(EXPECTED.items()))
def test_recorded_traces(name, letters):
    """Traces that the method's authors test with: where all work is one after the other, all of it is on the path."""
    file = SAMPLES / f"{name}.json"
    if not file.exists():
        pytest.skip(f"no samples at {SAMPLES}: the recorded traces were NOT checked")
    (recorded,) = json.loads(file.read_text(encoding="utf-8"))["data"]
    spans = [
        span(one["spanID"], (one["references"] or [{"spanID": None}])[0]["spanID"], one["startTime"], one["duration"])
        for one in recorded["spans"]
    ]
    assert on_path(spans) == set(letters)
