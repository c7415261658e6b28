"""What registries told last: kept over a restart, and never without its age."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import orjson
import structlog

from topology.model import Kind, Service
from topology.registry import Instance

CHECKPOINT = "registry:"
"""What the name of a registry's checkpoint begins with."""
KEPT_ANEW_S = 60.0
"""How much older than it is a registry's knowledge may seem after a restart; shorter means more to write."""
_log = structlog.get_logger("synoptic.registry")


@dataclass(frozen=True, slots=True)
class Told:
    """What one registry told, and when (UTC epoch seconds)."""

    at_s: float
    instances: tuple[Instance, ...]


@dataclass(frozen=True)
class Facts:
    """What all registries told, by service; `number` is another whenever an instance is."""

    number: int = 0
    instances: Mapping[Service, tuple[Instance, ...]] = field(default_factory=dict)


class Registries:
    """Takes what registries tell. Thread-safe. `sources` are the collectors that are on: what another one told before
    a restart is forgotten. Facts older than `old_after_s` are old: told further, and marked. Registered services that
    never spoke are drawn only where `show_silent` says so."""

    def __init__(self, sources: Iterable[str] | None = None, old_after_s: float = 300.0,
                 show_silent: bool = False) -> None:
        self.old_after_s, self.show_silent = old_after_s, show_silent
        self._sources = None if sources is None else frozenset(sources)
        self._lock = threading.Lock()
        self._told: dict[str, Told] = {}
        self._content: dict[str, tuple[Told, bytes]] = {}
        self._facts = Facts()

    def take(self, source: str, instances: Sequence[Instance], now_s: float) -> None:
        """Everything that a registry has now takes the place of what it told before."""
        told = Told(now_s, tuple(sorted(instances, key=lambda one: (one.service, one.host, one.port))))
        with self._lock:
            before = self._told.get(source)
            self._told[source] = told
            if before is None or before.instances != told.instances:
                self._facts = _facts(self._told, self._facts.number + 1)

    def facts(self) -> Facts:
        """What is registered now; the same object until an instance changes."""
        return self._facts

    def of(self, service: Service) -> tuple[Instance, ...]:
        """The registered instances of a service, under the name that the registry's rules give it."""
        return self._facts.instances.get(service, ())

    def ages_s(self, now_s: float) -> dict[str, float]:
        """How long ago each registry told something."""
        with self._lock:
            return {source: max(0.0, now_s - told.at_s) for source, told in self._told.items()}

    def old(self, now_s: float) -> frozenset[str]:
        """The registries whose facts are old."""
        return frozenset(source for source, age_s in self.ages_s(now_s).items() if age_s > self.old_after_s)

    def content(self) -> dict[str, bytes]:
        """A checkpoint for each registry, by name, for `restore`: the same object until an instance changes or
        `KEPT_ANEW_S` have passed. Of one thread at a time."""
        with self._lock:
            told = dict(self._told)
        for source, one in told.items():
            kept = self._content.get(source)
            if kept is None or kept[0].instances != one.instances or one.at_s >= kept[0].at_s + KEPT_ANEW_S:
                self._content[source] = one, _encoded(one)
        return {CHECKPOINT + source: self._content[source][1] for source in told}

    def restore(self, checkpoints: Mapping[str, bytes]) -> None:
        """Takes back what the checkpoints hold, with the age it has; one that cannot be read is left out."""
        for name, content in checkpoints.items():
            source = name.removeprefix(CHECKPOINT)
            if name.startswith(CHECKPOINT) and (self._sources is None or source in self._sources):
                try:
                    told = _decoded(content)
                except (ValueError, KeyError, TypeError) as error:
                    _log.warning("what a registry told cannot be read back", source=source, why=str(error))
                else:
                    self.take(source, told.instances, told.at_s)


def _facts(told: Mapping[str, Told], number: int) -> Facts:
    found: dict[Service, list[Instance]] = {}
    for source in sorted(told):
        for instance in told[source].instances:
            found.setdefault(instance.service, []).append(instance)
    return Facts(number, {service: tuple(instances) for service, instances in found.items()})


def _encoded(told: Told) -> bytes:
    return orjson.dumps({"at_s": told.at_s, "instances": [asdict(one) for one in told.instances]})


def _decoded(content: bytes) -> Told:
    raw = orjson.loads(content)
    return Told(float(raw["at_s"]), tuple(_instance(one) for one in raw["instances"]))


def _instance(raw: Mapping[str, object]) -> Instance:
    service: Mapping[str, str] = raw["service"]  # type: ignore[assignment]
    named = Service(service["environment"], service["namespace"], service["name"], Kind(service["kind"]))
    return Instance(**{**raw, "service": named})  # type: ignore[arg-type]
