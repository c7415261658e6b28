"""The simulated bank as frozen data: services, what their operations call, who comes in, what can go wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_STEP = re.compile(r"(?:(?P<share>\d+)% )?(?P<service>\S+) (?P<operation>.+)")

Edge = tuple[str, str]
"""Caller and callee by name."""


@dataclass(frozen=True, slots=True)
class BankService:
    """One service, store or outside party. Times are medians; zones are the data centres it runs in."""

    name: str
    domain: str
    protocol: str
    self_ms: float
    zones: tuple[str, ...]
    version: str
    error_ratio: float
    kind: str = "service"
    system: str = ""
    instances: int = 2
    conventions: str = "new"
    follows: str = "parent"


@dataclass(frozen=True, slots=True)
class Step:
    """A call that an operation makes: in `share` of its runs, where 1.8 means once always and again in 80 %."""

    service: str
    operation: str
    share: float = 1.0


Stages = tuple[tuple[Step, ...], ...]
"""Stages run one after another; the steps of a stage at the same time."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Work that enters the bank from outside, `rate` calls a second of the real bank at a normal hour."""

    users: str
    service: str
    operation: str
    rate: float
    weekend: float
    burst: float


@dataclass(frozen=True, slots=True)
class Policy:
    """How a caller guards one path; `limit` is a multiple of the usual rate."""

    timeout_ms: float
    retries: int = 0
    fallback: float = 0.0
    limit: float | None = None
    cross_zone: float | None = None


@dataclass(frozen=True, slots=True)
class Slow:
    """A share of the runs of a service takes about `ms` longer (log-normal)."""

    service: str
    share: float
    ms: float
    sigma: float


@dataclass(frozen=True, slots=True)
class Fail:
    """A share of the runs of a service fails by itself."""

    service: str
    share: float
    error: str
    message: str


@dataclass(frozen=True, slots=True)
class LoseZone:
    """A data centre sends nothing and gets nothing."""

    zone: str


@dataclass(frozen=True, slots=True)
class Deploy:
    """Instance by instance a service gets a new version, of whose runs a share fails."""

    service: str
    version: str
    fails: float
    error: str
    message: str


@dataclass(frozen=True, slots=True)
class Surge:
    """A channel gets `factor` times its usual traffic."""

    service: str
    factor: float


@dataclass(frozen=True, slots=True)
class Open:
    """The breaker of a path lets only the rest of a share through."""

    edge: Edge
    share: float


@dataclass(frozen=True, slots=True)
class Silence:
    """No traffic comes in through a channel."""

    service: str


Effect = Slow | Fail | LoseZone | Deploy | Surge | Open | Silence


@dataclass(frozen=True, slots=True)
class Incident:
    """A trouble that can be started; after `ramp_s` its effects have their full share."""

    name: str
    title: Mapping[str, str]
    ramp_s: float
    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class Act:
    """An incident of the script, in seconds since the script began."""

    incident: str
    after_s: float
    for_s: float
    strength: float = 1.0


@dataclass(frozen=True, slots=True)
class Bank:
    """Everything the simulation knows. `day_curve` holds (hour, share of the normal rate), hour 0 to 24;
    `visits` says how often a run of an entry takes each path."""

    services: Mapping[str, BankService]
    operations: Mapping[tuple[str, str], Stages]
    entries: tuple[Entry, ...]
    policies: Mapping[Edge, Policy]
    incidents: Mapping[str, Incident]
    script: tuple[Act, ...]
    script_repeat_s: float
    zones: Mapping[str, float]
    cross_zone: float
    utc_offset_h: float
    day_curve: tuple[tuple[float, float], ...]
    timeouts_ms: Mapping[str, float]
    visits: Mapping[Entry, Mapping[Edge, float]]

    def policy(self, edge: Edge) -> Policy:
        """The guard of a path: its own, else the time-out of the protocol and nothing more."""
        return self.policies.get(edge) or Policy(self.timeouts_ms[self.services[edge[1]].protocol])


def load_bank(path: Path | None = None) -> Bank:
    """The bank of a file, by default the one that comes with the product; KeyError or ValueError for a fault in it."""
    text = (path or Path(__file__).with_name("bank.yaml")).read_text(encoding="utf-8")
    raw = yaml.safe_load(text)
    services = {name: _service(name, keys, raw) for name, keys in raw["services"].items()}
    operations = {
        (service, operation): tuple(_stages(stages))
        for service, by_name in raw["operations"].items()
        for operation, stages in by_name.items()
    }
    entries = tuple(_entries(raw["entries"]))
    bank = Bank(
        services=services,
        operations=operations,
        entries=entries,
        policies=dict(_policies(raw, services)),
        incidents={name: _incident(name, keys) for name, keys in raw["incidents"].items()},
        script=tuple(Act(**act) for act in raw["script"]["acts"]),
        script_repeat_s=float(raw["script"]["repeat_s"]),
        zones=raw["zones"],
        cross_zone=raw["cross_zone"],
        utc_offset_h=raw["utc_offset_h"],
        day_curve=tuple(sorted((float(hour), float(share)) for hour, share in raw["day_curve"].items())),
        timeouts_ms=raw["timeouts_ms"],
        visits={entry: _visits(entry, operations) for entry in entries},
    )
    _check(bank)
    return bank


def usual_rates(bank: Bank) -> dict[Edge, float]:
    """Calls a second on every path of the real bank when nothing fails, by arithmetic and not by simulation.

    The users of an entry are the callers of its first path.
    """
    rates: dict[Edge, float] = {}
    for entry, visits in bank.visits.items():
        for edge, calls in visits.items():
            rates[edge] = rates.get(edge, 0.0) + entry.rate * calls
    return rates


def _visits(entry: Entry, operations: Mapping[tuple[str, str], Stages]) -> dict[Edge, float]:
    calls: dict[Edge, float] = {(entry.users, entry.service): 1.0}
    ahead = [(entry.service, entry.operation, 1.0)]
    while ahead:
        service, operation, runs = ahead.pop()
        for step in (step for stage in operations.get((service, operation), ()) for step in stage):
            edge = (service, step.service)
            calls[edge] = calls.get(edge, 0.0) + runs * step.share
            ahead.append((step.service, step.operation, runs * step.share))
    return calls


def _service(name: str, keys: Mapping[str, Any], raw: Mapping[str, Any]) -> BankService:
    inside = keys.get("kind", "service") == "service"
    defaults = {"version": raw["version"], "error_ratio": raw["error_ratio"] if inside else raw["error_ratio"] / 10}
    zones = tuple(keys.get("zones", raw["zones"] if inside else ()))
    return BankService(name=name, **{**defaults, **keys, "zones": zones})


def _stages(stages: list[Any]) -> Iterator[tuple[Step, ...]]:
    for stage in stages:
        yield tuple(_step(text) for text in ([stage] if isinstance(stage, str) else stage))


def _step(text: str) -> Step:
    match = _STEP.fullmatch(text)
    if match is None:
        raise ValueError(f"not a step: {text!r}")
    return Step(match["service"], match["operation"], int(match["share"] or 100) / 100)


def _entries(entries: list[Mapping[str, Any]]) -> Iterator[Entry]:
    for keys in entries:
        for operation, rate in keys["rates"].items():
            yield Entry(keys["users"], keys["service"], operation, rate, keys["weekend"], keys.get("burst", 0.05))


def _policies(raw: Mapping[str, Any], services: Mapping[str, BankService]) -> Iterator[tuple[Edge, Policy]]:
    for text, keys in raw["policies"].items():
        edge = _edge(text)
        yield edge, Policy(**{"timeout_ms": raw["timeouts_ms"][services[edge[1]].protocol], **keys})


def _edge(text: str) -> Edge:
    caller, callee = text.split(" > ")
    return caller, callee


def _incident(name: str, keys: Mapping[str, Any]) -> Incident:
    return Incident(name, keys["title"], keys["ramp_s"], tuple(_effect(effect) for effect in keys["effects"]))


def _effect(keys: Mapping[str, Any]) -> Effect:
    (word, subject), rest = next(iter(keys.items())), dict(list(keys.items())[1:])
    if word == "open":
        return Open(_edge(subject), **rest)
    kinds: dict[str, type[Any]] = {
        "slow": Slow, "fail": Fail, "lose_zone": LoseZone, "deploy": Deploy, "surge": Surge, "silence": Silence,
    }
    effect: Effect = kinds[word](subject, **rest)
    return effect


def _check(bank: Bank) -> None:
    """ValueError when a step, entry or act names something that the bank does not have."""
    for step in (step for stages in bank.operations.values() for stage in stages for step in stage):
        works = bank.services[step.service].kind in {"service", "queue"}
        if works and (step.service, step.operation) not in bank.operations:
            raise ValueError(f"{step.service} has no operation {step.operation!r}")
    for entry in bank.entries:
        if (entry.service, entry.operation) not in bank.operations:
            raise ValueError(f"{entry.service} has no operation {entry.operation!r}")
    for act in bank.script:
        if act.incident not in bank.incidents:
            raise ValueError(f"the script names an unknown incident {act.incident!r}")
