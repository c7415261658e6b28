"""Many small questions in few requests: aliases of one document, no more than the OAP takes."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from collectors.skywalking.client import GraphQL, Refused, TooSlow
from collectors.skywalking.config import Limits

MOST_TOKENS = 14_500
"""graphql-java takes no document of more than 15,000 tokens."""
FEWEST_ALIASES = 8
FEWEST_WHEN_SLOW = 64
"""An OAP gives up on a request after ten seconds. When even so few take longer, it is not because of us."""


@dataclass(frozen=True, slots=True)
class Question:
    """One alias: the query with its arguments, in which `$it` is this question's variable; its value."""

    text: str
    value: Any


@dataclass(frozen=True, slots=True)
class Form:
    """What the questions of a batch have in common: the GraphQL type of `$it`, the fields asked for of type `of`, how
    many fields that are together with the query itself and how many tokens each adds to the document, and the
    declarations and values of other variables."""

    it: str
    of: str
    fields: str
    complexity: int
    tokens: int = 26
    declared: str = ""
    shared: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """What stands in the place of an answer that there is not."""

    reason: str


class Batches:
    """Asks questions in batches, a few at a time. A batch that is refused, or takes too long, is asked again in halves,
    and later ones are no bigger; those that took too long grow again bit by bit. Thread-safe."""

    def __init__(self, oap: GraphQL, limits: Limits) -> None:
        self._oap, self._complexity = oap, limits.complexity
        self._threads = ThreadPoolExecutor(limits.at_once, "skywalking")
        self._most = self._brisk = MOST_TOKENS

    def size(self, form: Form) -> int:
        """How many questions of this form go into one request."""
        return max(1, min(self._most, self._brisk, MOST_TOKENS // form.tokens, self._complexity // form.complexity))

    def requests(self, form: Form, questions: int) -> int:
        """How many requests that many questions take."""
        return -(-questions // self.size(form))

    def ask(self, form: Form, questions: Sequence[Question]) -> list[Any]:
        """The answers in the order of the questions, Failed where there is none. SourceUnavailable when the OAP does
        not answer at all."""
        size = self.size(form)
        parts = [questions[at : at + size] for at in range(0, len(questions), size)]
        hopeless = threading.Event()
        return [answer for answers in self._threads.map(lambda part: self._part(form, part, hopeless), parts)
                for answer in answers]

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(cancel_futures=True)

    def _part(self, form: Form, questions: Sequence[Question], hopeless: threading.Event) -> list[Any]:
        if hopeless.is_set():
            return [Failed("the OAP refuses questions of this kind")] * len(questions)
        if len(questions) > self.size(form):
            return self._halves(form, questions, hopeless)
        try:
            answer = self._oap.ask(*_document(form, questions))
        except Refused as refusal:
            if len(questions) <= FEWEST_ALIASES:
                # so it was not because of the size
                self._most = MOST_TOKENS
                hopeless.set()
                return [Failed(str(refusal))] * len(questions)
            self._most = max(FEWEST_ALIASES, min(self._most, -(-len(questions) // 2)))
            return self._halves(form, questions, hopeless)
        except TooSlow:
            if len(questions) <= FEWEST_WHEN_SLOW:
                raise
            self._brisk = max(FEWEST_WHEN_SLOW, min(self._brisk, -(-len(questions) // 2)))
            return self._halves(form, questions, hopeless)
        self._brisk = min(MOST_TOKENS, self._brisk + self._brisk // 8)
        return [_said(answer.data.get(f"a{at}"), answer.errors.get(f"a{at}", answer.errors.get("")))
                for at in range(len(questions))]

    def _halves(self, form: Form, questions: Sequence[Question], hopeless: threading.Event) -> list[Any]:
        half = -(-len(questions) // 2)
        return self._part(form, questions[:half], hopeless) + self._part(form, questions[half:], hopeless)


def _said(data: Any, error: str | None) -> Any:
    return Failed(error) if data is None and error is not None else data


def _document(form: Form, questions: Sequence[Question]) -> tuple[str, dict[str, Any]]:
    """One document; questions with the same value share its variable."""
    names: dict[int, str] = {}
    values: dict[str, Any] = dict(form.shared or {})
    aliases = []
    for at, question in enumerate(questions):
        name = names.setdefault(id(question.value), f"v{len(names)}")
        values[name] = question.value
        aliases.append(f"a{at}:{question.text.replace('$it', '$' + name)}{{...f}}")
    declared = " ".join([form.declared, *(f"${name}:{form.it}" for name in names.values())])
    return f"query({declared}){{{' '.join(aliases)}}} fragment f on {form.of}{form.fields}", values
