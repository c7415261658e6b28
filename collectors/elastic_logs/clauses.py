"""The clauses by which lines are searched: levels as they are written, traces, texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from collectors.elastic_logs.layouts import Clause
from collectors.elastic_logs.views import View
from collectors.log_records import LEVELS, OF_TENS, WORDS


def of_levels(view: View, levels: Sequence[str], words: Iterable[Any] = ()) -> list[Clause]:
    """Lines at one of the levels, whichever way it is told; `words` are spellings that were seen. None when the view
    knows no levels and all lines may be meant."""
    layout = view.layout
    usual = [form for level in levels for form in spelled(WORDS[level])]
    if layout.level_tags:
        return [{"terms": {layout.level_tags: [f"level={form}" for form in usual]}}]
    ways: list[Clause] = []
    if view.level:
        usual = [str(ten) for ten, level in OF_TENS.items() if level in levels] if view.numeric else usual
        ways.append({"terms": {view.level: sorted({*usual, *(str(word) for word in words if word is not None)})}})
    if view.number:
        ways += [{"range": {view.number: {"gte": first, "lt": first + 4}}} for first in _numbers(levels)]
    if layout.assumed_level in levels:
        ways.append(_without(view))
    if not ways:
        return [{"match_none": {}}]
    return [{"bool": {"should": ways, "minimum_should_match": 1}}]


def _numbers(levels: Sequence[str]) -> list[int]:
    """The first severity number of every level."""
    return [4 * LEVELS.index(level) + 1 for level in levels]


def _without(view: View) -> Clause:
    """Lines that tell no level at all."""
    return {"bool": {"must_not": [{"exists": {"field": name}} for name in (view.level, view.number) if name]}}


def spelled(words: Sequence[str], shape: Callable[[str], str] = str) -> list[str]:
    """Words as they are usually written: small, capital, and with a capital."""
    return [shape(form) for word in words for form in (word, word.upper(), word.capitalize())]


def of_trace(view: View, trace_id: str) -> list[Clause]:
    """Lines of a trace: ids are compared as they are written, small or capital."""
    if not view.trace_id:
        return [{"match_none": {}}]
    return [{"terms": {view.trace_id: sorted({trace_id, trace_id.lower(), trace_id.upper()})}}]


def of_text(view: View, text: str) -> list[Clause]:
    """Lines whose body has the words of a text one after the other; where a body is not split into words, the text."""
    plain = text.replace("\\", r"\\").replace("*", r"\*").replace("?", r"\?")
    within = {"value": f"*{plain}*", "case_insensitive": True}
    ways: list[Clause] = [{"match_phrase": {name: text}} if split else {"wildcard": {name: within}}
                          for name, split in view.bodies.items()]
    if not ways:
        return [{"match_none": {}}]
    return [{"bool": {"should": ways, "minimum_should_match": 1}}]
