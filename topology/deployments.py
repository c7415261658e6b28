"""Deployments that show in the data: a service whose instances begin to say another version.

A version that was never seen of a service is deployed when its first instance speaks; further instances of it, late
ones of the version before, and both side by side for as long as a canary takes, are the same deployment. A version that
was seen before is deployed again (a rollback) when the one deployed last has fallen silent: long enough, and while
others took so many calls that it would have had EXPECTED of them by its share. The first versions of a service are no
deployment: everything that speaks within SETTLES_S of its first sight.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from topology.changes import Change, ChangeKind
from topology.model import Service

SETTLES_S = 300.0
SILENT_S = 300.0
EXPECTED = 10.0
MOST_VERSIONS = 20
SOURCE = "data"


@dataclass(frozen=True, slots=True, order=True)
class Sighting:
    """Calls that instances of one version took in one window."""

    start_s: float
    service: Service
    version: str
    calls: float


@dataclass(frozen=True, slots=True)
class Seen:
    """A version of a service. `alone_s` is when it spoke first after the deployed version was last heard; `calls` are
    those since its first sight, `beside` those of all others meanwhile, `since` those of others since its last."""

    first_s: float
    last_s: float
    alone_s: float
    calls: float = 0.0
    beside: float = 0.0
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class History:
    """What is known of the versions of one service: since when it is, and which one was deployed last."""

    first_s: float
    deployed: str
    versions: Mapping[str, Seen] = field(default_factory=lambda: MappingProxyType({}))


def observe(history: History | None, sightings: Sequence[Sighting]) -> tuple[History, list[Change]]:
    """The history of a service after some sightings of it, in the order of time, and the deployments they show."""
    changes: list[Change] = []
    for sighting in sightings:
        if history is None:
            history = History(sighting.start_s, sighting.version)
        known = sighting.version in history.versions
        history = _counted(history, sighting)
        if not known and sighting.version != history.deployed:
            settled = sighting.start_s >= history.first_s + SETTLES_S
            changes += [_change(history.deployed, sighting)] * settled
            history = replace(history, deployed=sighting.version)
        elif _replaced(history, sighting):
            back = replace(sighting, start_s=history.versions[sighting.version].alone_s)
            changes.append(_change(history.deployed, back))
            history = replace(history, deployed=sighting.version)
    if history is None:
        raise ValueError("no sightings")
    return history, changes


def _counted(history: History, sighting: Sighting) -> History:
    start_s, version, calls = sighting.start_s, sighting.version, sighting.calls
    only = history.versions.get(version) if len(history.versions) == 1 else None
    if only is not None:  # most services have one version all the time
        seen = Seen(only.first_s, max(only.last_s, start_s), only.alone_s, only.calls + calls)
        return History(history.first_s, history.deployed, {version: seen})
    deployed = history.versions.get(history.deployed)
    versions = {name: replace(seen, since=seen.since + calls) for name, seen in history.versions.items()}
    seen = history.versions.get(version) or Seen(start_s, start_s, start_s)
    fresh_silence = deployed is not None and seen.alone_s <= deployed.last_s < start_s
    versions[version] = Seen(seen.first_s, max(seen.last_s, start_s), start_s if fresh_silence else seen.alone_s,
                             seen.calls + calls, seen.beside + seen.since, 0.0)
    kept = sorted(versions, key=lambda name: (name in (version, history.deployed), versions[name].last_s))
    return replace(history, versions={name: versions[name] for name in kept[-MOST_VERSIONS:]})


def _replaced(history: History, sighting: Sighting) -> bool:
    """Whether the version deployed last has fallen silent beside the one that speaks."""
    deployed = history.versions.get(history.deployed)
    if deployed is None or sighting.version == history.deployed:
        return False
    silent_s, mine, others = sighting.start_s - deployed.last_s, deployed.calls, deployed.beside
    return silent_s >= SILENT_S and deployed.since * mine >= EXPECTED * (mine + others)


def _change(before: str, sighting: Sighting) -> Change:
    service, version, start_s = sighting.service, sighting.version, sighting.start_s
    return Change(f"{SOURCE}/{service.id}/{version}/{int(start_s)}", start_s, ChangeKind.DEPLOYMENT,
                  f"{before} → {version}", SOURCE, service, version)


class Deployments:
    """The histories of all services. For one thread; `content` is kept with the counts that it follows."""

    def __init__(self) -> None:
        self._histories: dict[Service, History] = {}

    def note(self, sightings: Iterable[Sighting]) -> list[Change]:
        """Takes notice of sightings, in any order, and returns the deployments they show."""
        changes: list[Change] = []
        for service, own in _by_service(sightings).items():
            self._histories[service], found = observe(self._histories.get(service), own)
            changes += found
        return sorted(changes, key=lambda change: (change.service, change.at_s))

    def forget(self, before_s: float) -> None:
        """Forgets services that were not heard since."""
        self._histories = {service: history for service, history in self._histories.items()
                           if any(seen.last_s >= before_s for seen in history.versions.values())}

    def content(self) -> bytes:
        """Everything that is known, to be kept."""
        return json.dumps({
            service.id: [history.first_s, history.deployed, {version: _row(seen) for version, seen in
                                                              history.versions.items()}]
            for service, history in self._histories.items()
        }, ensure_ascii=True).encode()  # fmt: skip

    def restore(self, content: bytes) -> None:
        """Takes back what `content` gave before a restart."""
        self._histories = {
            Service.from_id(id_): History(first_s, deployed, {version: Seen(*row) for version, row in versions.items()})
            for id_, (first_s, deployed, versions) in json.loads(content).items()
        }


def _by_service(sightings: Iterable[Sighting]) -> dict[Service, list[Sighting]]:
    """The sightings of each service in the order of time, one a window and version."""
    calls: dict[Service, dict[tuple[float, str], float]] = {}
    for one in sightings:
        if one.version and one.calls > 0:
            own = calls.setdefault(one.service, {})
            own[one.start_s, one.version] = own.get((one.start_s, one.version), 0.0) + one.calls
    return {service: [Sighting(start_s, service, version, own[start_s, version]) for start_s, version in sorted(own)]
            for service, own in calls.items()}


def _row(seen: Seen) -> list[float]:
    return [seen.first_s, seen.last_s, seen.alone_s, seen.calls, seen.beside, seen.since]
