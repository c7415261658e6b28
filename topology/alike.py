"""Services that look the same although they are called differently, because several sources tell of them.

A source that knows both of two services tells them apart, so only services without a common source are compared. Two
are suggested because of their names (alike but for case, separators, words such as `service`, or a group in front),
because of an address at which instances of both are, or because all their callers and callees are the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from topology.model import Kind, Service


class Why(StrEnum):
    """What two services have in common, the most telling first."""

    ADDRESSES = "addresses"
    SAME_NAME = "same_name"
    SPELLING = "spelling"
    WORDS = "words"
    GROUP = "group"
    NEIGHBOURS = "neighbours"


WEIGHTS = {Why.ADDRESSES: 8, Why.SAME_NAME: 6, Why.SPELLING: 5, Why.WORDS: 4, Why.GROUP: 4, Why.NEIGHBOURS: 3}
MOST_OF_A_KIND = 12
"""Of more services that look alike than this nothing is suggested: a name that so many have tells nothing."""
FEWEST_NEIGHBOURS = 3
EMPTY_WORDS = frozenset(("service", "services", "svc", "srv", "server", "app", "application", "api", "ms", "provider"))
"""Words at the end of a name that do not tell two services apart."""
_GROUP = re.compile(r"^[^:@]+(?:::|@@)(?=.)")
_WORDS = re.compile(r"[^\W_]+", re.UNICODE)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Known:
    """A service as some sources know it: whom it is called by and calls, and the `host:port` of its instances."""

    service: Service
    sources: frozenset[str]
    callers: frozenset[Service] = frozenset()
    callees: frozenset[Service] = frozenset()
    addresses: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, and how much: how many addresses or neighbours are shared, one of the addresses."""

    why: Why
    shared: int = 0
    example: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two services that look the same, in the order of their names; reasons, the most telling first."""

    one: Service
    other: Service
    reasons: tuple[Reason, ...]

    @property
    def weight(self) -> int:
        """The more, the likelier."""
        return sum(WEIGHTS[reason.why] for reason in self.reasons)


def suggestions(known: Sequence[Known], merged: Callable[[Service], Service | None], most: int = 50) -> list[Pair]:
    """The likeliest pairs, at most `most`; whatever order `known` is in. A service that `merged` shows as the same as
    another, or hides (None), is suggested with none."""
    shown = {one.service: merged(one.service) for one in known}
    visible = sorted({one.service: one for one in known if shown[one.service] is not None}.items())
    found: dict[tuple[Service, Service], list[Reason]] = {}
    for reason, one, other in _candidates([told for _, told in visible]):
        if one.sources & other.sources or shown[one.service] == shown[other.service]:
            continue
        reasons = found.setdefault((one.service, other.service), [])
        if all(reason.why is not had.why for had in reasons):
            reasons.append(reason)
    pairs = [Pair(*ends, tuple(sorted(reasons, key=_place))) for ends, reasons in found.items()]
    return sorted(pairs, key=lambda pair: (-pair.weight, pair.one, pair.other))[:most]


def _place(reason: Reason) -> int:
    return list(Why).index(reason.why)


Candidate = tuple[Reason, Known, Known]


def _candidates(known: Sequence[Known]) -> Iterator[Candidate]:
    """Pairs that have one thing in common, in the order of `known`; work grows with the number of services."""
    for one, other in _sharing(known, lambda told: _names(told.service)):
        yield Reason(_spelling(one.service, other.service)), one, other
    for one, other in _sharing(known, lambda told: told.addresses):
        shared = one.addresses & other.addresses
        yield Reason(Why.ADDRESSES, len(shared), min(shared)), one, other
    for one, other in _sharing(known, _neighbourhood):
        yield Reason(Why.NEIGHBOURS, len(one.callers) + len(one.callees)), one, other


def _sharing(known: Sequence[Known], things: Callable[[Known], Iterable[object]]) -> Iterator[tuple[Known, Known]]:
    """The pairs of services of one environment that have one of their things in common."""
    having: dict[object, list[Known]] = {}
    for told in known:
        for thing in set(things(told)) if told.service.kind is Kind.SERVICE else ():
            having.setdefault((told.service.environment, thing), []).append(told)
    for owners in having.values():
        if len(owners) <= MOST_OF_A_KIND:
            yield from combinations(owners, 2)


def _neighbourhood(told: Known) -> Iterator[object]:
    """The names of all callers and callees, as one thing; nothing where they are too few to tell."""
    if len(told.callers) + len(told.callees) >= FEWEST_NEIGHBOURS:
        yield tuple(frozenset(_plain(near.name) for near in side) for side in (told.callers, told.callees))


def _names(service: Service) -> Iterator[str]:
    """What a service may be called, freed of what does not tell it apart."""
    yield _plain(service.name)
    if service.namespace:
        yield _plain(f"{service.namespace}-{_GROUP.sub('', service.name)}")


def _plain(name: str) -> str:
    words = _words(_GROUP.sub("", name))
    while len(words) > 1 and words[-1] in EMPTY_WORDS:
        words.pop()
    return "".join(words) or name


def _words(name: str) -> list[str]:
    return [word.casefold() for part in _WORDS.findall(name) for word in _HUMP.split(part)]


def _spelling(one: Service, other: Service) -> Why:
    """How two names that mean the same differ."""
    if one.name == other.name:
        return Why.SAME_NAME
    if "".join(_words(one.name)) == "".join(_words(other.name)):
        return Why.SPELLING
    grouped = any(_GROUP.match(service.name) for service in (one, other)) or _plain(one.name) != _plain(other.name)
    return Why.GROUP if grouped else Why.WORDS
