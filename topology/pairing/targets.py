"""Rule 2: whom a client calls when no server span tells, by the first name that it gives."""

from __future__ import annotations

from collections.abc import Callable

from topology.model import Kind, Peer, Service

CACHES = frozenset({"redis", "memcached", "valkey", "keydb", "dragonfly", "hazelcast", "ehcache", "infinispan"})


Alias = Callable[[str, int, str], Service | None]
"""The service of one's own that answers at an address and port (0 for unknown) in an environment."""


def no_alias(_address: str, _port: int, _environment: str) -> Service | None:
    """No address has an alias."""
    return None


def target(peer: Peer, environment: str, alias: Alias = no_alias) -> Service:
    """The virtual node a peer names: `service.peer.name`, `peer.service`, database, messaging, address, in this order.

    A cache is named by its address, since its namespace is only a number; other stores by their namespace.
    An alias maps an address to a service of one's own.
    """
    kind = _kind(peer)
    if peer.service:
        return Service(environment, "", peer.service, kind)
    own = alias(peer.address, peer.port, environment)
    if own is not None:
        return own
    if kind is Kind.CACHE:
        return Service(environment, "", peer.address or peer.database_namespace or peer.database, kind)
    if kind is Kind.DATABASE:
        return Service(environment, "", peer.database_namespace or peer.address or peer.database, kind)
    if kind is Kind.QUEUE:
        return Service(environment, "", peer.destination, kind)
    return Service(environment, "", peer.address, kind)


def _kind(peer: Peer) -> Kind:
    if peer.database:
        return Kind.CACHE if peer.database.lower() in CACHES else Kind.DATABASE
    return Kind.QUEUE if peer.destination else Kind.EXTERNAL
