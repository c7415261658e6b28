"""Rule 2: whom a client calls when no server span tells, by the first name that it gives."""

from __future__ import annotations

from topology.model import Kind, Peer, Service

CACHES = frozenset({"redis", "memcached", "valkey", "keydb", "dragonfly", "hazelcast", "ehcache", "infinispan"})
PROTOCOL_KINDS = {"grpc": "grpc", "apache_dubbo": "dubbo", "dubbo": "dubbo", "connect_rpc": "connect"}


def target(peer: Peer, environment: str, alias: dict[str, Service] | None = None) -> Service:
    """The virtual node a peer names: `service.peer.name`, `peer.service`, database, messaging, address, in this order.

    A cache is named by its address, since its namespace is only a number; other stores by their namespace.
    An alias maps an address to a service of one's own.
    """
    kind = _kind(peer)
    if peer.service:
        return Service(environment, "", peer.service, kind)
    if alias and peer.address in alias:
        return alias[peer.address]
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
