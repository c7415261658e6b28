"""The patterns of error lines: found, counted, known to be new, kept over a restart."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from app.engine.moments import rfc3339
from app.logs.templates import Templates, fixed_words
from topology.log_patterns import Pattern, PatternTable, Since
from topology.model import Service

KEPT_CHARS = 1 << 18
"""How much is kept over a restart, the patterns that spoke last first, and as much of others without their counts."""


@dataclass(frozen=True, slots=True)
class Said:
    """One error line, masked already."""

    service: Service
    level: str
    body: str
    time_s: float


class LogPatterns:
    """Learns from the error lines of every source. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._table = PatternTable()
        self._templates: dict[str, Templates] = {}
        self._ids: dict[tuple[str, int], str] = {}
        self._places: dict[str, tuple[str, int]] = {}
        self._content: bytes | None = b"[]"

    def note(self, lines: Iterable[Said]) -> None:
        """Takes in lines that were not taken in before."""
        with self._lock:
            for line in lines:
                self._note(line)
            for pattern in self._table.forget():
                self._forget(pattern)

    def _note(self, line: Said) -> None:
        service = line.service.id
        number, template = self._templates.setdefault(service, Templates()).place(line.body)
        known = self._table.get(self._ids.get((service, number), ""))
        if known is None:
            identity = _identity(service, template, line.time_s)
            self._learn(identity, (service, number))
            known = Pattern(identity, service, template, line.level, line.time_s, line.time_s)
        known.template, known.level = template, line.level
        known.add(line.time_s)
        self._table.put(known)
        self._content = None

    def _learn(self, identity: str, place: tuple[str, int]) -> None:
        self._ids[place], self._places[identity] = identity, place

    def _forget(self, pattern: Pattern) -> None:
        service, number = place = self._places.pop(pattern.id)
        del self._ids[place]
        self._templates[service].forget(number)

    def patterns(self, services: Collection[str] | None, from_s: float, to_s: float,
                 since: Since = lambda _service: None) -> list[dict[str, Any]]:
        """The patterns of services (their ids; None: of all) that had lines in [from_s, to_s), new ones first, then by
        lines: id, service, template, level, count, first_seen, last_seen, is_new; and `lines_read`, of how many lines
        of the service all counts of its patterns are. `since` tells since when services are known."""
        with self._lock:
            read = self._table.read(services, from_s, to_s)
            return [{
                "id": one.id, "service": one.service, "template": one.template, "level": one.level, "count": lines,
                "first_seen": rfc3339(one.first_s), "last_seen": rfc3339(one.last_s),
                "is_new": self._table.is_new(one, to_s, since), "lines_read": read[one.service],
            } for one, lines in self._table.said(services, from_s, to_s, since)]  # fmt: skip

    def words(self, identity: str) -> tuple[str, str] | None:
        """The service's id of a pattern and words that all its lines have; None for one that is not known."""
        with self._lock:
            known = self._table.get(identity)
            return None if known is None else (known.service, fixed_words(known.template))

    def of(self, service: Service, body: str) -> str:
        """The id of the pattern that a line follows; "" for none."""
        with self._lock:
            templates = self._templates.get(service.id)
            number = templates.find(body) if templates else None
            return "" if number is None else self._ids.get((service.id, number), "")

    def content(self) -> bytes:
        """What is kept over a restart; the same object while nothing is new."""
        with self._lock:
            if self._content is None:
                self._content = json.dumps(self._kept(), ensure_ascii=False).encode(errors="replace")
            return self._content

    def _kept(self) -> list[list[Any]]:
        rows: list[list[Any]] = []
        chars = 0
        for one in reversed(self._table.all()):
            # without its counts a pattern is small, and is not called new when it comes again
            counts = [*one.counts.items()] if chars < KEPT_CHARS else []
            rows.append([one.id, one.service, one.template, one.level, one.first_s, one.last_s, counts])
            chars += len(one.template) + len(one.service) + 12 * len(counts)
            if chars > 2 * KEPT_CHARS:
                break
        return rows

    def restore(self, content: bytes) -> None:
        """Takes back what `content` gave before a restart."""
        with self._lock:
            for identity, service, template, level, first_s, last_s, counts in reversed(json.loads(content)):
                number = self._templates.setdefault(service, Templates()).restore(template)
                self._learn(identity, (service, number))
                self._table.put(Pattern(identity, service, template, level, first_s, last_s, dict(counts)))


def _identity(service: str, template: str, first_s: float) -> str:
    told = f"{service}\n{template}\n{first_s}".encode(errors="replace")
    return f"p-{blake2b(told, digest_size=6).hexdigest()}"
