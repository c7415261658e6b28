"""The find language: a short text becomes a question that a node of the snapshot answers with yes or no.

    query   = [ any ]                              nothing typed matches everything
    any     = all { "or" all }
    all     = factor { [ "and" ] factor }
    factor  = "not" factor | "(" any ")" | term
    term    = key operator value | "stale" | text  a bare text is part of the name or a title
    value   = text;  text = a word, or anything between quotes

Words, keys and values are compared without regard to case. `:` and `=` mean equal, `~` contains,
`> >= < <=` compare figures. Full-width punctuation, as an input method for Chinese types it, is the
same as its ASCII form. The browser has a twin of this module; both run `tests/find_cases.json`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Node = Mapping[str, Any]
Match = Callable[[Node], bool]

MAX_LENGTH = 1000
MAX_DEPTH = 50

EXPECTED = {
    "term": "a name or a condition",
    "value": "a value",
    "closing_bracket": "a closing bracket",
    "closing_quote": "a closing quote",
    "key": "one of the keys {keys}",
    "equality": "one of : = ~",
    "comparison": "one of : = > >= < <=",
    "percentage": "a percentage such as 1%",
    "duration": "a duration such as 500ms or 2s",
    "number": "a number such as 10 or 2k",
    "health": "one of ok, at_risk, burning, exhausted, no_data",
    "kind": "one of service, database, cache, queue, external, user, unknown",
    "shorter": f"at most {MAX_LENGTH} characters",
    "shallower": f"at most {MAX_DEPTH} brackets and nots inside each other",
}

_FIELDS = {"health": "health", "kind": "kind", "zone": "zones", "domain": "domain", "layer": "layer", "id": "id",
           "environment": "environment", "namespace": "namespace", "owner": "owner", "source": "sources",
           "feels": "feels"}
_FIGURES = {"err": ("error_ratio", "percentage"), "budget": ("budget_left", "percentage"),
            "p50": ("p50_ms", "duration"), "p95": ("p95_ms", "duration"), "p99": ("p99_ms", "duration"),
            "self": ("self_ms", "duration"), "rps": ("calls_per_s", "number"),
            "calls": ("calls", "number"), "errors": ("errors", "number")}
_CLOSED = {"health": frozenset({"ok", "at_risk", "burning", "exhausted", "no_data"}),
           "kind": frozenset({"service", "database", "cache", "queue", "external", "user", "unknown"})}
_UNITS = {"percentage": {"%": 1.0, "％": 1.0}, "duration": {"": 1.0, "ms": 1.0, "s": 1000.0},
          "number": {"": 1.0, "k": 1000.0, "/s": 1.0, "k/s": 1000.0}}
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ":": operator.eq, "=": operator.eq, ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_NARROW = str.maketrans({"：": ":", "＝": "=", "～": "~", "＞": ">", "＜": "<"}) | {ord("≥"): ">=", ord("≤"): "<="}
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n\f\v\u00a0\u3000]+)|(?P<open>[(（])|(?P<close>[)）])|["“”](?P<text>[^"“”]*)["“”]"""
    r"""|(?P<operator>[>＞][=＝]|[<＜][=＝]|[:=~<>：＝～＞＜≥≤])"""
    r"""|(?P<word>[^ \t\r\n\f\v\u00a0\u3000()（）"“”:=~<>：＝～＞＜≥≤]+)""")
_NUMBER = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)(.*)", re.DOTALL)


class QueryError(ValueError):
    """A query that cannot be understood.

    `position` counts characters from 0; `expected` is a key of `EXPECTED` (a stable word that a
    page can translate); `found` is the text at fault, empty at the end of the query.
    """

    def __init__(self, position: int, expected: str, found: str) -> None:
        phrase = EXPECTED[expected].format(keys=", ".join(sorted({"name", *_FIELDS, *_FIGURES})))
        super().__init__(f"position {position + 1}: expected {phrase}, found {found or 'the end of the query'}")
        self.position, self.expected, self.found = position, expected, found


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int
    raw: str

    def is_word(self, *words: str) -> bool:
        """Whether it is one of these words, in whatever case, and stands in no quotation marks."""
        return self.kind == "word" and self.text.lower() in words


def compile_query(text: str) -> Match:
    """The predicate that says whether a node (a mapping with the fields of api.md) is found by `text`.

    A figure that is unknown (None or absent) satisfies no comparison, hence it does satisfy its `not`.
    Time and depth are bounded by `MAX_LENGTH` and `MAX_DEPTH`. Raises QueryError (a ValueError).
    """
    if len(text) > MAX_LENGTH:
        raise QueryError(MAX_LENGTH, "shorter", text[MAX_LENGTH])
    parser = _Parser(text)
    if parser.ahead.kind == "end":
        return lambda node: True
    match = parser.any_of(0)
    parser.refuse_unless("end", "term")
    return match


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if not found:
            raise QueryError(position, "closing_quote", text[position])
        kind = found.lastgroup or ""
        if kind != "space":
            content = found[kind].translate(_NARROW) if kind == "operator" else found[kind]
            yield _Token(kind, content, position, found[0])
        position = found.end()
    yield _Token("end", "", len(text), "")


class _Parser:
    """Recursive descent over the tokens; `ahead` is the next one."""

    def __init__(self, text: str) -> None:
        self._rest = _tokens(text)
        self.ahead = next(self._rest)

    def take(self) -> _Token:
        """The token ahead; the next one is ahead then. At the end it stays there."""
        taken = self.ahead
        self.ahead = next(self._rest, taken)
        return taken

    def refuse(self, expected: str) -> QueryError:
        """The error of a query in which something else was expected here."""
        return QueryError(self.ahead.position, expected, self.ahead.raw)

    def refuse_unless(self, kind: str, expected: str) -> _Token:
        """Takes the token ahead when it is of this kind; QueryError for another one."""
        if self.ahead.kind != kind:
            raise self.refuse(expected)
        return self.take()

    def any_of(self, depth: int) -> Match:
        """Alternatives with `or` between them, the loosest binding."""
        choices = [self.all_of(depth)]
        while self.ahead.is_word("or"):
            self.take()
            choices.append(self.all_of(depth))
        return choices[0] if len(choices) == 1 else lambda node: any(choice(node) for choice in choices)

    def all_of(self, depth: int) -> Match:
        """What all has to hold: with `and` between, or nothing."""
        factors = [self.factor(depth)]
        while self.ahead.kind not in ("end", "close") and not self.ahead.is_word("or"):
            if self.ahead.is_word("and"):
                self.take()
            factors.append(self.factor(depth))
        return factors[0] if len(factors) == 1 else lambda node: all(factor(node) for factor in factors)

    def factor(self, depth: int) -> Match:
        """A term, what is in brackets, or the contrary of either; `depth` counts what it is inside of."""
        if depth >= MAX_DEPTH:
            raise self.refuse("shallower")
        if self.ahead.is_word("not"):
            self.take()
            negated = self.factor(depth + 1)
            return lambda node: not negated(node)
        if self.ahead.kind == "open":
            self.take()
            inner = self.any_of(depth + 1)
            self.refuse_unless("close", "closing_bracket")
            return inner
        return self.term()

    def term(self) -> Match:
        """A condition, the word `stale`, or a text that a name or title holds."""
        if self.ahead.kind not in ("word", "text") or self.ahead.is_word("and", "or"):
            raise self.refuse("term")
        token = self.take()
        if token.kind == "word" and self.ahead.kind == "operator":
            return self.condition(token)
        if token.is_word("stale"):
            return lambda node: node.get("stale") is True
        return _contains(_names, token.text.lower())

    def condition(self, key: _Token) -> Match:
        """A key, a sign that fits it, and a value."""
        name, sign = key.text.lower(), self.take()
        if name != "name" and name not in _FIELDS and name not in _FIGURES:
            raise QueryError(key.position, "key", key.raw)
        if sign.text not in ((":", "=", "~") if name not in _FIGURES else _COMPARE):
            raise QueryError(sign.position, "comparison" if name in _FIGURES else "equality", sign.raw)
        if self.ahead.kind not in ("word", "text"):
            raise self.refuse("value")
        value = self.take()
        return _figure(name, sign, value) if name in _FIGURES else _words(name, sign, value)


def _figure(key: str, sign: _Token, value: _Token) -> Match:
    field, unit = _FIGURES[key]
    bound, compare = _number(value, unit), _COMPARE[sign.text]

    def match(node: Node) -> bool:
        known = node.get(field)
        return isinstance(known, int | float) and not isinstance(known, bool) and compare(known, bound)

    return match


def _number(token: _Token, unit: str) -> float:
    """The value in the unit of the snapshot. Without a unit a duration is in ms, and only 0 is a percentage."""
    found = _NUMBER.fullmatch(token.text)
    suffix = found[2].lower() if found else "?"
    if found and suffix == "" and float(found[1]) == 0:
        return 0.0
    if not found or suffix not in _UNITS[unit]:
        raise QueryError(token.position, unit, token.raw)
    return float(found[1]) * _UNITS[unit][suffix] / (100 if unit == "percentage" else 1)


def _words(key: str, sign: _Token, value: _Token) -> Match:
    wanted = value.text.lower()
    if key in _CLOSED and sign.text != "~":
        wanted = re.sub(r"[ -]", "_", wanted)
        if wanted not in _CLOSED[key]:
            raise QueryError(value.position, key, value.raw)
    read = _names if key == "name" else lambda node: _texts(node.get(_FIELDS[key]))
    if sign.text == "~":
        return _contains(read, wanted)
    return lambda node: any(text.lower() == wanted for text in read(node))


def _contains(read: Callable[[Node], list[str]], part: str) -> Match:
    return lambda node: any(part in text.lower() for text in read(node))


def _names(node: Node) -> list[str]:
    return _texts(node.get("name")) + _texts(node.get("title"))


def _texts(value: object) -> list[str]:
    """The texts of a field that holds one, several, or one a language."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    return [text for text in value if isinstance(text, str)] if isinstance(value, list | tuple) else []
