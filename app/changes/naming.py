"""Which service a change is about: rules of the house first, then equal names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from app.changes.told import Misread, Told
from collectors.config import Name
from topology.model import Kind, Service

Teller = Literal["api", "gitlab", "jenkins", "argocd", "nacos"]


@dataclass(frozen=True, slots=True)
class Rule:
    """What is meant by the projects, jobs, applications or data ids that `match` fits (`*`, `?`): the service of that
    name or id, in which `*` stands for what the first `*` of `match` stood for; or nothing, when they are ignored."""

    match: Name
    service: str = ""
    source: Teller | None = None
    environment: str = "*"
    ignore: bool = False

    def fits(self, told: Told) -> bool:
        """Whether the rule is about this change."""
        return (self.source in (None, told.source) and _pattern(self.match).fullmatch(told.subject) is not None
                and _pattern(self.environment).fullmatch(told.environment) is not None)

    def named(self, subject: str) -> str:
        """The service that the rule names for a subject it fits."""
        found = _pattern(self.match).fullmatch(subject)
        return self.service.replace("*", found[1] if found and found.re.groups else "*")


@lru_cache(maxsize=1000)
def _pattern(match: str) -> re.Pattern[str]:
    """`*` and `?` as a regular expression that keeps what the first `*` stands for."""
    parts = {"*": ".*", "?": "."}
    text = "".join(parts.get(letter) or re.escape(letter) for letter in match)
    return re.compile(text.replace(".*", "(.*)", 1) if "*" in match else text, re.DOTALL)


@dataclass(frozen=True)
class Naming:
    """Finds services. `known` gives the services that are known by name; a name nobody knows is one of `environment`
    all the same, so that a deployment can be told before its service speaks."""

    rules: Sequence[Rule]
    environment: str
    known: Callable[[], Mapping[str, Sequence[Service]]] = field(default=dict)

    def find(self, told: Iterable[Told]) -> list[tuple[Told, Service | None]]:
        """Every change with its service, None for one of everything; those to be ignored are left out. Misread when a
        name stands for several services."""
        known, found = self.known(), []
        for one in told:
            rule = next((rule for rule in self.rules if rule.fits(one)), None)
            if rule is None or not rule.ignore:
                found.append((one, self._service(one, rule, known)))
        return found

    def _service(self, told: Told, rule: Rule | None, known: Mapping[str, Sequence[Service]]) -> Service | None:
        names = [rule.named(told.subject)] if rule and rule.service else [told.subject, *told.names]
        names = [name for name in names if name]
        certain = told.source == "api" or bool(rule and rule.service)
        for name in names:
            service = _of_id(name, known, certain) or self._equal(name, known)
            if service is not None:
                return service
        if not names or told.source == "nacos":  # a configuration that many share belongs to none
            return None
        plain = names[0] if rule and rule.service else (told.names or names)[0]
        return Service(self.environment, "", plain)

    def _equal(self, name: str, known: Mapping[str, Sequence[Service]]) -> Service | None:
        for narrower in (lambda one: one.kind is Kind.SERVICE and one.environment == self.environment,
                         lambda one: one.kind is Kind.SERVICE, lambda _one: True):
            found = [one for one in known.get(name.casefold(), ()) if narrower(one)]
            if len(found) > 1:
                ids = ", ".join(sorted(one.id for one in found)[:5])
                raise Misread("service", f"{name} stands for several services; name one of {ids}")
            if found:
                return found[0]
        return None


def _of_id(name: str, known: Mapping[str, Sequence[Service]], certain: bool) -> Service | None:
    """The service whose id is written there. A project may have three parts too: unless a person wrote it, only the id
    of a known service is one."""
    try:
        service = Service.from_id(name)
    except ValueError:
        return None
    return service if certain or service in known.get(service.name.casefold(), ()) else None


def by_name(services: Iterable[Service]) -> dict[str, list[Service]]:
    """Services by their name without regard to case."""
    found: dict[str, list[Service]] = {}
    for service in services:
        found.setdefault(service.name.casefold(), []).append(service)
    return found
