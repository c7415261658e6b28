"""The find language: what is found, what is refused, and that nothing typed can harm."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topology.find import EXPECTED, MAX_DEPTH, MAX_LENGTH, QueryError, compile_query

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "find_cases.json").read_text(encoding="utf-8"))
WORDS = ["order", "stale", "not", "and", "or", "(", ")", "err>1%", "p95<=2s", "zone:a", '"x y"', "name~é", "rps", ">",
         ":", '"', "（"]
NODE = {"name": "order-service", "error_ratio": 0.02, "p95_ms": 486, "zones": ["a"], "stale": False}


def answer(text: str) -> Any:
    """Whether the query finds NODE, or why the query is refused."""
    try:
        return compile_query(text)(NODE)
    except QueryError as fault:
        return fault


@pytest.mark.parametrize("case", [case for case in CASES if "matches" in case], ids=lambda case: case["query"][:40])
def test_a_query_finds_what_the_shared_table_says(case: dict[str, Any]) -> None:
    """Every case that the browser's twin runs too has the same answer here."""
    assert compile_query(case["query"])(case["node"]) is case["matches"]


@pytest.mark.parametrize("case", [case for case in CASES if "error" in case], ids=lambda case: case["query"][:40])
def test_a_faulty_query_is_refused_at_the_place_of_the_fault(case: dict[str, Any]) -> None:
    """A refusal names the position, what was expected and what was found."""
    with pytest.raises(QueryError) as caught:
        compile_query(case["query"])
    fault = caught.value
    assert {"position": fault.position, "expected": fault.expected, "found": fault.found} == case["error"]


def test_the_shared_table_shows_every_kind_of_refusal() -> None:
    """No refusal is left out of the table that the browser's twin is held to."""
    assert {case["error"]["expected"] for case in CASES if "error" in case} == set(EXPECTED)


def test_a_refusal_reads_as_a_sentence() -> None:
    """The message counts positions from 1 and says the three things in words."""
    with pytest.raises(ValueError, match=r"^position 5: expected a percentage such as 1%, found 1ms$"):
        compile_query("err>1ms")


@given(st.text(max_size=60) | st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join))
def test_any_text_is_answered_or_refused(text: str) -> None:
    """Whatever is typed gives yes, no or a QueryError inside the text, never another failure."""
    assert answer(text) in (True, False) or 0 <= answer(text).position <= len(text)


JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=3),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3))


@given(st.sampled_from(["err>1%", "p95<2s", "zone:a", "name~x", "x", "stale", "not owner:x", "health:ok"]),
       st.dictionaries(st.sampled_from(["name", "title", "zones", "error_ratio", "health", "owner", "stale"]), JSON))
def test_any_node_is_answered(query: str, node: dict[str, Any]) -> None:
    """A node with missing or misshapen fields is found or not, but breaks nothing."""
    assert compile_query(query)(node) in (True, False)


@given(st.sampled_from(["order", "err>1%", "stale", "zone:b", "p95<2s"]), st.sampled_from(["order", "rps>1", "zone:a"]))
def test_words_side_by_side_mean_and(left: str, right: str) -> None:
    """Juxtaposition is `and`, and `not (a or b)` is `not a and not b`."""
    assert compile_query(f"{left} {right}")(NODE) == compile_query(f"{left} and {right}")(NODE)
    assert compile_query(f"not ({left} or {right})")(NODE) == compile_query(f"not {left} and not {right}")(NODE)


@pytest.mark.parametrize("part", ["(", "not ", "()", "a ", "a or ", '"', "err>1% ", "（a）", "x" * 10_000])
def test_the_longest_and_deepest_queries_end_at_once(part: str) -> None:
    """Length and nesting are bounded, so that no query costs more than a moment of processor time."""
    text = part * (MAX_LENGTH // len(part) or 1)
    begin_s = time.process_time()
    answer(text)
    assert time.process_time() - begin_s < 0.5


def test_nesting_is_allowed_up_to_its_bound() -> None:
    """The bound refuses one level more, not one less."""
    inside = MAX_DEPTH - 1
    assert compile_query("(" * inside + "order" + ")" * inside)(NODE)
    with pytest.raises(QueryError):
        compile_query("(" * MAX_DEPTH + "order" + ")" * MAX_DEPTH)
