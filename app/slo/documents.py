"""YAML files as plain values in which every number is exact and every value knows its line.

A binary float would turn 0.99 into something slightly else, so numbers with a point are decimals of the written text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml

from topology.slo.openslo.place import Path as Keys

LARGEST_BYTES = 8 << 20
MOST_VALUES = 1_000_000
DEEPEST = 64
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DECIMAL = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[-+]?(0|[1-9]\d*)", re.ASCII)
_TAG = "tag:yaml.org,2002:"
_TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class Refused(Exception):
    """A file that is no YAML we read: line, what was expected, what was found."""

    def __init__(self, line: int, expected: str, found: str) -> None:
        super().__init__(f"{line}: expected {expected}, found {found}")
        self.line, self.expected, self.found = line, expected, found


@dataclass(frozen=True, slots=True)
class File:
    """The documents of a file, in order; or, with `refusal`, why there are none."""

    path: Path
    documents: tuple[object, ...] = ()
    nodes: tuple[Any, ...] = field(default=(), repr=False)
    refusal: Refused | None = None

    def line(self, document: int, keys: Keys) -> int:
        """The line of what stands under the keys, or of the nearest thing above that exists; the first is 1."""
        node = self.nodes[document]
        line = _line(node)
        for key in keys:
            below = _below(node, key)
            if below is None:
                return line
            node, line = below[0], _line(below[1])
        return line


def read_file(path: Path) -> File:
    """The documents of a file; nothing is raised, a file that cannot be read says why in `refusal`."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            return File(path, refusal=Refused(1, f"a file of at most {LARGEST_BYTES >> 20} MiB", "a larger one"))
        return read_text(path, path.read_text(encoding="utf-8-sig"))
    except OSError as failure:
        return File(path, refusal=Refused(1, "a readable file", str(failure.strerror)))
    except UnicodeDecodeError:
        return File(path, refusal=Refused(1, "text in UTF-8", "other bytes"))


def read_text(path: Path, text: str) -> File:
    """The documents of a text as if it stood in the file `path`; nothing is raised."""
    try:
        nodes = [node for node in _composed(text) if node is not None]
        values = _Values()
        return File(path, tuple(values.of(node) for node in nodes), tuple(nodes))
    except Refused as refusal:
        return File(path, refusal=refusal)


def _composed(text: str) -> Iterator[Any]:
    try:
        _refuse_depth(text)
        yield from yaml.compose_all(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as failure:
        mark = failure.problem_mark or failure.context_mark
        found = (failure.problem or "something else").removeprefix("found ")
        raise Refused(mark.line + 1 if mark else 1, "YAML", found) from failure
    except yaml.YAMLError as failure:
        raise Refused(1, "YAML", " ".join(str(failure).split())[:120]) from failure


def _refuse_depth(text: str) -> None:
    """Looks at the levels before nodes are made of them: the loader in C ends the process at some thousands."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise Refused(_line(event), f"values at most {DEEPEST} levels deep", "deeper ones")


@dataclass(frozen=True, slots=True)
class _Value:
    """A plain value, how many values it holds with itself, and how many levels."""

    plain: object
    size: int = 1
    levels: int = 0


@dataclass
class _Values:
    """Nodes as plain values. What an alias repeats is one value; it counts as often as it is repeated."""

    made: dict[int, _Value] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)

    def of(self, node: Any) -> object:
        """The value of a node; raises Refused for keys written twice, and for values that hold themselves."""
        return self._value(node).plain

    def _value(self, node: Any) -> _Value:
        if isinstance(node, yaml.ScalarNode):
            return _Value(_scalar(node))
        if id(node) in self.open:
            raise Refused(_line(node), "values that do not hold themselves", "one that does")
        if id(node) not in self.made:
            self.open.add(id(node))
            self.made[id(node)] = self._mapping(node) if isinstance(node, yaml.MappingNode) else self._list(node)
            self.open.remove(id(node))
        made = self.made[id(node)]
        if made.size > MOST_VALUES or made.levels > DEEPEST:
            raise Refused(_line(node), f"at most {MOST_VALUES} values, {DEEPEST} levels deep", "more, through aliases")
        return made

    def _list(self, node: Any) -> _Value:
        items = [self._value(below) for below in node.value]
        return _around([item.plain for item in items], items)

    def _mapping(self, node: Any) -> _Value:
        own: dict[str, object] = {}
        merged: dict[str, object] = {}
        items = []
        for key, below in node.value:
            items.append(self._value(below))
            if key.tag == f"{_TAG}merge":
                merged = {**_merged(items[-1].plain, key), **merged}
                continue
            word = _key(key)
            if word in own:
                raise Refused(_line(key), "every key once", f"{word!r} twice")
            own[word] = items[-1].plain
        return _around({**merged, **own}, items)


def _around(value: object, items: list[_Value]) -> _Value:
    return _Value(value, 1 + sum(item.size for item in items), 1 + max((item.levels for item in items), default=0))


def _key(node: Any) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise Refused(_line(node), "keys that are words", "a list or mapping as key")
    return str(node.value)


def _merged(value: object, key: Any) -> dict[str, object]:
    parts = value if isinstance(value, list) else [value]
    found: dict[str, object] = {}
    for part in parts:
        if not isinstance(part, dict):
            raise Refused(_line(key), "mappings to merge after <<", "something else")
        found = {**part, **found}
    return found


def _scalar(node: Any) -> object:
    """null, true, false, whole numbers, exact decimals; everything else is text, dates included."""
    text = node.value
    if node.style in ("'", '"', "|", ">"):
        return text
    if node.tag == f"{_TAG}null":
        return None
    if node.tag == f"{_TAG}bool":
        return _TRUTHS.get(text.lower(), text)
    if _WHOLE.fullmatch(text) and len(text) <= 30:
        return int(text)
    try:
        return Decimal(text) if _DECIMAL.fullmatch(text) else text
    except InvalidOperation:
        return text


def _below(node: Any, key: str | int) -> tuple[Any, Any] | None:
    """The node under a key, and the node that shows where: the key itself in a mapping."""
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key], node.value[key]
    if isinstance(node, yaml.MappingNode):
        return next(((below, word) for word, below in node.value if word.value == key), None)
    return None


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1


def found_keys(value: object, key: str, keys: Keys = ()) -> Iterator[tuple[Keys, object]]:
    """Every place where a key is written inside a value, with what it holds."""
    if isinstance(value, Mapping):
        for word, below in value.items():
            if word == key:
                yield (*keys, word), below
            yield from found_keys(below, key, (*keys, word))
    elif isinstance(value, list):
        for number, below in enumerate(value):
            yield from found_keys(below, key, (*keys, number))
