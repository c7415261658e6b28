"""What is registered of a service held against what speaks: silent, unregistered, disabled, by zone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from topology.registry import Instance
from topology.speaking import Match, matches

TELLING_CALLS = 10.0
"""How many calls an instance must have been due, by its weight, before its silence means something: were calls spread
at random, one in exp(10) = 22,000 instances would be without any."""


class Standing(StrEnum):
    """What becomes of a registered instance. UNKNOWN: nothing shows that it speaks, and nothing that it does not."""

    SPEAKS = "speaks"
    SILENT = "silent"
    DISABLED = "disabled"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Speaking:
    """An instance that speaks: its name, and the zone it says it is in, or none."""

    instance: str
    zone: str = ""


@dataclass(slots=True)
class ZoneCount:
    """Instances of a service in one zone. `registered` counts all, the disabled and unhealthy ones too; `speaking`
    those that speak, registered or not; `unregistered` those of them that are certainly not registered."""

    registered: int = 0
    healthy: int = 0
    disabled: int = 0
    speaking: int = 0
    silent: int = 0
    unregistered: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """A service in the registry and in its spans: of every registered instance how it stands, of every speaking one
    its match and its zone, both in the order they were given. `silent` is how many are silent at least, `unregistered`
    how many speak and are certainly not registered."""

    standings: tuple[Standing, ...]
    matches: tuple[Match, ...]
    zones_of_speaking: tuple[str, ...]
    zones: dict[str, ZoneCount] = field(default_factory=dict)
    silent: int = 0
    unregistered: int = 0


def compared(registered: Sequence[Instance], speaking: Sequence[Speaking], calls: float) -> Comparison:
    """Holds what is registered against what speaks; `calls` were seen of the service.

    A span's own word for a zone goes before the registry's. Silence is said only of an instance that was due
    `TELLING_CALLS` by its weight, and never as long as a speaking instance cannot be compared (a random id): it may be
    that one. Then `silent` still counts the silent ones beyond those.
    """
    found = matches([one.instance for one in speaking], registered)
    doubtful = sum(1 for match in found if match.registered is None and not match.comparable)
    heard = {match.registered for match in found}
    due = tellings(registered, calls) if speaking else ()
    quiet = [at for at, tells in enumerate(due) if tells and at not in heard]
    standings = tuple(_standing(one, at in heard, at in quiet and not doubtful) for at, one in enumerate(registered))
    zones = tuple(one.zone or _zone(match, registered) for one, match in zip(speaking, found, strict=True))
    unregistered = sum(1 for match in found if match.registered is None and match.comparable)
    counted = _counted(registered, standings, found, zones)
    return Comparison(standings, tuple(found), zones, counted, max(0, len(quiet) - doubtful), unregistered)


def tellings(registered: Sequence[Instance], calls: float) -> tuple[bool, ...]:
    """Of each instance whether its silence would mean something: it is enabled and was due enough of the calls, were
    they spread by weight. What `compared` says depends on the calls by nothing else."""
    weights = [max(0.0, one.weight) if one.enabled else 0.0 for one in registered]
    whole = sum(weights)
    return tuple(calls * weight >= TELLING_CALLS * whole and weight > 0 for weight in weights)


def _standing(instance: Instance, heard: bool, silent: bool) -> Standing:
    if heard:
        return Standing.SPEAKS
    if not instance.enabled:
        return Standing.DISABLED
    return Standing.SILENT if silent else Standing.UNKNOWN


def _zone(match: Match, registered: Sequence[Instance]) -> str:
    return "" if match.registered is None else registered[match.registered].zone


def _counted(registered: Sequence[Instance], standings: Sequence[Standing], found: Sequence[Match],
             zones: Sequence[str]) -> dict[str, ZoneCount]:
    """Counts by zone: that of the spans where they name one, else that of the registry. An instance that several names
    mean speaks once."""
    said = {match.registered: zone for match, zone in zip(found, zones, strict=True) if zone}
    counts: dict[str, ZoneCount] = {}
    for at, (instance, standing) in enumerate(zip(registered, standings, strict=True)):
        count = counts.setdefault(said.get(at, instance.zone), ZoneCount())
        count.registered += 1
        count.healthy += instance.healthy and instance.enabled
        count.disabled += not instance.enabled
        count.speaking += standing is Standing.SPEAKS
        count.silent += standing is Standing.SILENT
    for match, zone in zip(found, zones, strict=True):
        if match.registered is None:
            count = counts.setdefault(zone, ZoneCount())
            count.speaking += 1
            count.unregistered += match.comparable
    return dict(sorted(counts.items()))
