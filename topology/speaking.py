"""Which registered instance is the one that speaks, told by its name.

An instance that sends spans calls itself as it likes: an address, a random id with or without an address behind `@`,
the name of a pod. The registry knows a host and a port. The rules, the surest first:

    address    the name holds the host and the port
    metadata   the name, or a part of it, is a value of the instance's metadata
    host       the name holds the host (also as 10-0-3-4), whatever the port
    name       the name, or its first label, is that of a host that is no IP address
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

from topology.registry import Instance


class Rule(StrEnum):
    """How a speaking instance was found in the registry."""

    ADDRESS = "address"
    METADATA = "metadata"
    HOST = "host"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Match:
    """Of a speaking instance: the number of the registered one that it is, and by which rule; None where there is none.
    Not `comparable`: its name tells nothing that a registry knows, so it may well be registered."""

    registered: int | None = None
    rule: Rule | None = None
    comparable: bool = False


Found = dict[str, list[int]]
_PARTS = re.compile(r"[@/#|,;\s]+")
_V4 = re.compile(r"(?<![\d.])(\d{1,3}(?:\.\d{1,3}){3})(?![\d.])(?:[:#](?:[A-Za-z][\w.-]*:)?(\d{1,5})(?!\d))?", re.ASCII)
_V6 = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::(\d{1,5}))?", re.ASCII)
_DASHED = re.compile(r"(?<!\d)(?<!\d-)\d{1,3}(?:-\d{1,3}){3}(?!-?\d)", re.ASCII)


def matches(speaking: Sequence[str], registered: Sequence[Instance]) -> list[Match]:
    """Of every speaking instance of a service which registered one of that service it is.

    Two that fit the same host take one registered instance each, as far as there are as many; beyond that several names
    may mean the same one, because several sources may see it.
    """
    by_rule = _indexed(registered)
    ips = any(_ip(instance.host) for instance in registered)
    found: dict[int, Match] = {}
    for rule, names_of in _NAMES.items():
        taken = {match.registered for match in found.values()}
        for number, name in enumerate(speaking):
            if number not in found:
                fitting = [at for text in names_of(name) for at in by_rule[rule].get(text, ())]
                if fitting:
                    chosen = next((at for at in fitting if at not in taken), fitting[0])
                    taken.add(chosen)
                    found[number] = Match(chosen, rule, True)
    return [found.get(number) or Match(comparable=ips and _tells_address(name)) for number, name in enumerate(speaking)]


def _indexed(registered: Sequence[Instance]) -> Mapping[Rule, Found]:
    found: dict[Rule, Found] = {rule: {} for rule in Rule}
    for at, instance in enumerate(registered):
        ip = _ip(instance.host)
        host = ip or instance.host.lower()
        keys = [(Rule.ADDRESS, f"{host} {instance.port}"), (Rule.HOST, host)]
        keys += [(Rule.METADATA, value) for value in set(instance.metadata.values()) if len(value) >= _SHORTEST]
        keys += [(Rule.NAME, name) for name in {host, host.partition(".")[0]} if not ip]
        for rule, key in keys:
            found[rule].setdefault(key, []).append(at)
    return found


_SHORTEST = 5
"""Metadata as short as `a`, `1.2` or `prod` name no instance."""


def _addresses(name: str) -> Iterator[tuple[str, str]]:
    """Every IP address in a name with the port behind it, empty where there is none."""
    for pattern in (_V4, _V6):
        for found in pattern.finditer(name):
            ip = _ip(found[1])
            if ip:
                yield ip, found[2] or ""
    for part in _PARTS.split(name):
        ip = _ip(part) if ":" in part else ""
        if ip:
            yield ip, ""


def endpoints(name: str) -> frozenset[str]:
    """Every `address:port` that the name of an instance tells."""
    return frozenset(f"{ip}:{port}" for ip, port in _addresses(name) if port)


def _with_port(name: str) -> list[str]:
    named = [part.rpartition(":") for part in _PARTS.split(name.lower())]
    return [f"{ip} {port}" for ip, port in _addresses(name) if port] + [f"{host} {port}" for host, _, port in named]


def _hosts(name: str) -> list[str]:
    dashed = [_ip(found[0].replace("-", ".")) for found in _DASHED.finditer(name)]
    return [ip for ip, _ in _addresses(name)] + [ip for ip in dashed if ip]


def _words(name: str) -> list[str]:
    return [name, *(part for part in _PARTS.split(name) if part != name)]


def _labels(name: str) -> list[str]:
    """Names of hosts as they may stand in a name, without a port, whole and by their first label."""
    hosts = [part.partition(":")[0].lower() for part in _PARTS.split(name)]
    return [label for host in hosts if host for label in dict.fromkeys((host, host.partition(".")[0]))]


_NAMES: Mapping[Rule, Callable[[str], list[str]]] = {
    Rule.ADDRESS: _with_port, Rule.METADATA: _words, Rule.HOST: _hosts, Rule.NAME: _labels,
}  # fmt: skip


def _tells_address(name: str) -> bool:
    """Whether a name holds an address that a registry could know: not one that every machine has."""
    ips = [ip_address(ip) for ip, _ in _addresses(name)]
    return any(not (ip.is_loopback or ip.is_unspecified) for ip in ips)


def _ip(text: str) -> str:
    """An IP address as it is always written; empty when the text is none."""
    try:
        return str(ip_address(text))
    except ValueError:
        return ""
